"""Ten thousand connections without a ClientHello, and what others notice of them.

usage: silent_crowd.py PORT CA CERTIFICATE KEY

At most 1,000 of them may be open at a time; a client from another address is served meanwhile; all
are closed within some ten seconds. Ends with a line of what was seen, or an error.
"""

import resource
import select
import socket
import ssl
import sys
import time

COUNT, OPEN_MAX, CUT_SECONDS_MAX, OTHERS_SECONDS_MAX = 10_000, 1_000, 14, 3


def raise_limit() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def health(port: int) -> float:
    """Seconds that /health takes from another address than the crowd's."""
    context = ssl.create_default_context(cafile=sys.argv[2])
    context.load_cert_chain(sys.argv[3], sys.argv[4])
    begin = time.monotonic()
    with socket.create_connection(
            ("127.0.0.1", port), timeout=30, source_address=("127.0.0.2", 0)) as plain:
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
            secure.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answer = b""
            while piece := secure.recv(4096):
                answer += piece
    if b'"health":"true"' not in answer:
        sys.exit(f"not healthy: {answer!r}")
    return time.monotonic() - begin


def main() -> None:
    raise_limit()
    port = int(sys.argv[1])
    poll = select.poll()
    crowd, last = {}, 0.0
    for _ in range(COUNT):
        one = socket.create_connection(("127.0.0.1", port), timeout=10)
        crowd[one.fileno()] = one
        poll.register(one, select.POLLIN)
        last = time.monotonic()

    def sweep(milliseconds: int) -> None:
        """Lets go of those that the server has closed."""
        for number, _ in poll.poll(milliseconds):
            poll.unregister(number)
            crowd.pop(number).close()

    deadline = time.monotonic() + 5
    while len(crowd) > OPEN_MAX and time.monotonic() < deadline:
        sweep(100)
    held = len(crowd)
    if held > OPEN_MAX:
        sys.exit(f"{held} silent connections of one address are open")
    others = health(port)
    if others > OTHERS_SECONDS_MAX:
        sys.exit(f"others waited {others:.1f} s")
    while crowd and time.monotonic() < last + CUT_SECONDS_MAX:
        sweep(100)
    if crowd:
        sys.exit(f"{len(crowd)} are open {CUT_SECONDS_MAX} s after they came")
    print(f"{COUNT} tried, {held} held, others waited {others:.2f} s, "
          f"all cut {time.monotonic() - last:.1f} s after the last came")


if __name__ == "__main__":
    main()
