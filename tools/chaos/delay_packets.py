"""Holds packets for a while: what netem does, for kernels without it.

    ip netns exec NAMESPACE python3 delay_packets.py

iptables sends packets here (`-j NFQUEUE --queue-num N --queue-bypass`); those of queue N leave
after a time that is drawn for each packet, so that they overtake each other. It works in the
network namespace that it is started in, says `ready` once it does, and ends with its standard
input. Source: linux/netfilter/nfnetlink_queue.h, netlink(7).
"""

import heapq
import os
import random
import select
import socket
import struct
import sys
import time

# Queue number: the shortest and the longest time, in seconds.
QUEUES = {1: (0.001, 0.02), 2: (0.02, 0.2), 3: (0.2, 1.5)}

NETLINK_NETFILTER = 12
QUEUE_SUBSYSTEM = 3
PACKET, VERDICT, CONFIG = 0, 1, 2
REQUEST = 1
CONFIG_COMMAND, CONFIG_PARAMETERS, CONFIG_LENGTH = 1, 2, 3
BIND = 1
COPY_META = 1
PACKET_HEADER, VERDICT_HEADER = 1, 2
ACCEPT = 1
PACKETS_MAX = 65_536


def attribute(kind: int, body: bytes) -> bytes:
    padding = b"\0" * (-len(body) % 4)
    return struct.pack("=HH", 4 + len(body), kind) + body + padding


def message(kind: int, queue: int, attributes: bytes) -> bytes:
    body = struct.pack("=BB", socket.AF_UNSPEC, 0) + struct.pack(">H", queue) + attributes
    return struct.pack(
        "=IHHII", 16 + len(body), QUEUE_SUBSYSTEM << 8 | kind, REQUEST, 0, 0) + body


def open_socket(queue: int) -> socket.socket:
    link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    link.bind((0, 0))
    command = struct.pack("=BB", BIND, 0) + struct.pack(">H", socket.AF_INET)
    link.send(message(CONFIG, queue, attribute(CONFIG_COMMAND, command)))
    parameters = struct.pack(">IB", 0, COPY_META)
    link.send(message(CONFIG, queue, attribute(CONFIG_PARAMETERS, parameters)))
    length = struct.pack(">I", PACKETS_MAX)
    link.send(message(CONFIG, queue, attribute(CONFIG_LENGTH, length)))
    link.setblocking(False)
    return link


def packet_ids(data: bytes):
    """The numbers of the packets in what one read gave."""
    at = 0
    while at + 20 <= len(data):
        size, kind = struct.unpack_from("=IH", data, at)
        if size < 20:
            return
        place, end = at + 20, min(at + size, len(data))
        while kind == QUEUE_SUBSYSTEM << 8 | PACKET and place + 4 <= end:
            length, name = struct.unpack_from("=HH", data, place)
            if length < 4:
                break
            if name & 0x3FFF == PACKET_HEADER and length >= 8:
                yield struct.unpack_from(">I", data, place + 4)[0]
            place += length + -length % 4
        at += size + -size % 4


def main() -> None:
    links = {open_socket(queue): queue for queue in QUEUES}
    held: list[tuple[float, int, int, socket.socket]] = []
    print("ready", flush=True)
    while True:
        wait = max(0.0, held[0][0] - time.monotonic()) if held else None
        readable, _, _ = select.select([*links, sys.stdin], [], [], wait)
        now = time.monotonic()
        for source in readable:
            if source is sys.stdin:
                if not os.read(0, 4096):
                    return
                continue
            try:
                data = source.recv(1 << 17)
            except (BlockingIOError, OSError):
                continue
            for number in packet_ids(data):
                after = random.uniform(*QUEUES[links[source]])
                heapq.heappush(held, (now + after, number, links[source], source))
        while held and held[0][0] <= now:
            _, number, queue, link = heapq.heappop(held)
            verdict = struct.pack(">II", ACCEPT, number)
            link.send(message(VERDICT, queue, attribute(VERDICT_HEADER, verdict)))


if __name__ == "__main__":
    main()
