"""Servers and agents in network namespaces of their own, with a router between them that loses
what one sends to another without a word. Needs root, `ip` (iproute2) and `nsenter`."""

import ipaddress
import os
import pathlib
import shutil
import subprocess

PREFIX = "kltask"
# For tests of networks (RFC 2544).
RANGE = ipaddress.ip_network("198.18.0.0/15")
ADDRESSES = 64


def missing() -> str | None:
    """Why connections cannot be cut on this machine; None where they can."""
    if os.geteuid() != 0:
        return "network namespaces are made by root only"
    for program in ("ip", "nsenter"):
        if shutil.which(program) is None:
            return f"there is no program '{program}'"
    probe = f"{PREFIX}{os.getpid()}-probe"
    made = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True)
    subprocess.run(["ip", "netns", "delete", probe], capture_output=True)
    return made.stderr.strip() or "namespaces are not allowed" if made.returncode else None


def _ip(*words: str) -> str:
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def _namespaces() -> list[str]:
    return [line.split()[0] for line in _ip("netns", "list").splitlines() if line]


def remove_stale() -> None:
    """What processes left behind that were killed."""
    for name in _namespaces():
        digits = name.removeprefix(PREFIX).split("-")[0]
        if name.startswith(PREFIX) and digits.isdigit() and not os.path.exists(f"/proc/{digits}"):
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)


class Network:
    """A star: every place has a link to the router, and so does this process."""

    def __init__(self, places: list[str]):
        remove_stale()
        self._stem = f"{PREFIX}{os.getpid()}-"
        self._router = self._stem + "r"
        self._cuts: dict[tuple[str, str], int] = {}
        base = self._free_block(len(places))
        self.hosts = {name: str(base + 4 * i + 2) for i, name in enumerate(places)}
        try:
            self._build(places, base)
        except BaseException:
            self.close()
            raise

    @staticmethod
    def _free_block(count: int) -> ipaddress.IPv4Address:
        if 4 * (count + 1) > ADDRESSES:
            raise ValueError(f"{count} places are too many")
        routes = _ip("-o", "route", "show")
        used = [
            ipaddress.ip_network(line.split()[0], strict=False) for line in routes.splitlines()
            if line.startswith(("198.18.", "198.19."))
        ]
        blocks = RANGE.num_addresses // ADDRESSES
        for turn in range(blocks):
            start = RANGE[(os.getpid() * 7 + turn) % blocks * ADDRESSES]
            block = ipaddress.ip_network(f"{start}/26")
            if not any(block.overlaps(other) for other in used):
                return start
        raise RuntimeError("no addresses are free")

    def _build(self, places: list[str], base: ipaddress.IPv4Address) -> None:
        _ip("netns", "add", self._router)
        self.execute("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
        for number, name in enumerate(places):
            own, gate = self._stem + name, str(base + 4 * number + 1)
            _ip("netns", "add", own)
            _ip("-n", own, "link", "set", "lo", "up")
            _ip("link", "add", f"p{number}", "netns", self._router, "type", "veth",
                "peer", "name", "eth0", "netns", own)
            _ip("-n", self._router, "address", "add", gate + "/30", "dev", f"p{number}")
            _ip("-n", self._router, "link", "set", f"p{number}", "up")
            _ip("-n", own, "address", "add", self.hosts[name] + "/30", "dev", "eth0")
            _ip("-n", own, "link", "set", "eth0", "up")
            _ip("-n", own, "route", "add", "default", "via", gate)
        outside, inside = str(base + ADDRESSES - 3), str(base + ADDRESSES - 2)
        link = f"klt{os.getpid()}x"
        _ip("link", "add", link, "type", "veth", "peer", "name", "out", "netns", self._router)
        _ip("address", "add", outside + "/30", "dev", link)
        _ip("link", "set", link, "up")
        _ip("-n", self._router, "address", "add", inside + "/30", "dev", "out")
        _ip("-n", self._router, "link", "set", "out", "up")
        for host in self.hosts.values():
            _ip("route", "add", host + "/32", "via", inside)
        # What the router is told not to deliver comes from this address where we send it.
        self.hosts["clients"] = outside

    def execute(self, *words: str) -> None:
        subprocess.run(["ip", "netns", "exec", self._router, *words], check=True)

    def launcher(self, name: str) -> list[str]:
        """In front of a command that is to run at a place. `ip netns exec` would mount /sys anew,
        without the control groups."""
        return ["nsenter", f"--net=/run/netns/{self._stem}{name}", "--"]

    def cut(self, source: str, target: str) -> None:
        """From now on nothing that `source` sends reaches `target`. Counted: healed as often."""
        count = self._cuts.get((source, target), 0)
        self._cuts[source, target] = count + 1
        if count == 0:
            _ip("-n", self._router, "rule", "add", *self._rule(source, target))

    def heal(self, source: str, target: str) -> None:
        count = self._cuts.get((source, target), 0)
        if count == 0:
            return
        self._cuts[source, target] = count - 1
        if count == 1:
            _ip("-n", self._router, "rule", "del", *self._rule(source, target))

    def heal_all(self) -> None:
        for (source, target), count in self._cuts.items():
            if count:
                self._cuts[source, target] = 1
                self.heal(source, target)

    def _rule(self, source: str, target: str) -> list[str]:
        return ["from", self.hosts[source], "to", self.hosts[target], "blackhole"]

    def close(self) -> None:
        """The links go with the namespaces, once nothing runs there."""
        for name in _namespaces():
            if name.startswith(self._stem):
                subprocess.run(["ip", "netns", "delete", name], capture_output=True)
        link = pathlib.Path(f"/sys/class/net/klt{os.getpid()}x")
        if link.exists():
            subprocess.run(["ip", "link", "delete", link.name], capture_output=True)
