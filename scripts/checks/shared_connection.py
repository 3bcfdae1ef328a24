"""X10: huge reads beside a watch, on one connection.

usage: shared_connection.py HOST:PORT

While reads of 16 MiB are always under way on the connection, and others on it are asked for and
never taken, every change that a watch on it waits for arrives, in order, before the next one is
made. Ends with "N events" and says how late the latest one was.
"""

import pathlib
import sys
import threading
import time

import grpc

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "Tests/Conformance"))
from wire import decode, message  # noqa: E402

KEYS = 64
VALUE = b"x" * (256 << 10)
EVENTS = 150
READS = 24
SECONDS_MAX = 20
KV = "/etcdserverpb.KV/"
OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
BIG = message(f1="big/", f2="big0")


def main() -> None:
    shared = grpc.insecure_channel(sys.argv[1], options=OPTIONS)
    apart = grpc.insecure_channel(sys.argv[1], options=OPTIONS)
    put = apart.unary_unary(KV + "Put")
    for number in range(KEYS):
        put(message(f1=f"big/{number:03}", f2=VALUE), timeout=SECONDS_MAX)

    events: list[bytes] = []
    arrived = threading.Condition()
    is_over = threading.Event()

    def requests():
        yield message(f1=message(f1="small/", f2="small0"))
        is_over.wait()

    def watch() -> None:
        try:
            for answer in shared.stream_stream("/etcdserverpb.Watch/Watch")(requests()):
                found = decode(answer).get(11, [])
                with arrived:
                    for event in found if isinstance(found, list) else [found]:
                        events.append(decode(decode(event)[2])[1])
                    if 3 in decode(answer):
                        events.append(b"created")
                    arrived.notify_all()
        except grpc.RpcError as error:
            if not is_over.is_set():
                print("the watch ended:", error, flush=True)

    def wait_for(count: int) -> None:
        with arrived:
            if not arrived.wait_for(lambda: len(events) >= count, SECONDS_MAX):
                sys.exit(f"{len(events)} of {count} events after {SECONDS_MAX} s")

    threading.Thread(target=watch, daemon=True).start()
    wait_for(1)

    reads = [0]

    def read() -> None:
        get = shared.unary_unary(KV + "Range")
        while not is_over.is_set():
            size = len(get(BIG, timeout=SECONDS_MAX))
            if size < KEYS * len(VALUE):
                print("a read of", size, "bytes", flush=True)
            reads[0] += 1

    # Asked for, and never taken: their windows fill.
    stuck = [shared.unary_stream(KV + "RangeStream")(BIG) for _ in range(4)]
    for _ in range(4):
        threading.Thread(target=read, daemon=True).start()
    late = 0.0
    number = -1
    deadline = time.monotonic() + 3 * SECONDS_MAX
    while number + 1 < EVENTS or reads[0] < READS:
        number += 1
        if time.monotonic() > deadline:
            sys.exit(f"{reads[0]} reads and {number} events in {3 * SECONDS_MAX} s")
        began = time.monotonic()
        put(message(f1=f"small/{number:03}", f2="1"), timeout=SECONDS_MAX)
        wait_for(number + 2)
        late = max(late, time.monotonic() - began)
    is_over.set()
    wanted = [b"created"] + [f"small/{each:03}".encode() for each in range(number + 1)]
    if events != wanted:
        sys.exit(f"not in order: {events}")
    for call in stuck:
        call.cancel()
    done = f"{number + 1} events beside {reads[0]} reads of 16 MiB"
    print(f"{done}, the latest {late * 1e3:.0f} ms late")


main()
