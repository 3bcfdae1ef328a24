"""Real servers and agents of one run, and what their tasks leave behind."""

import asyncio
import os
import pathlib
import signal
import subprocess
import time

from layout import die_with_parent, free_ports
from network import Network

READY = b"ready to serve client requests"
REGISTERED = b"registered as agent"


class Member:
    """A server or an agent: how it is started and, while it runs, its process."""

    def __init__(self, name: str, command: list[str], log: pathlib.Path):
        self.name, self.command, self.log = name, command, log
        self.process: subprocess.Popen | None = None
        self.is_paused = False

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> int:
        """Returns where in the log its words begin."""
        offset = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=die_with_parent)
        self.is_paused = False
        return offset

    def send(self, number: int) -> None:
        if self.is_running:
            self.process.send_signal(number)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.is_paused = False

    def pause(self) -> None:
        self.is_paused = True
        self.send(signal.SIGSTOP)

    def resume(self) -> None:
        self.is_paused = False
        self.send(signal.SIGCONT)

    def said(self, word: bytes, offset: int) -> bool:
        with self.log.open("rb") as log:
            log.seek(offset)
            return word in log.read()

    def tail(self, lines: int = 12) -> str:
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])


class Datacenter:
    """Servers node1… and agents agent1…, on the loopback or in a network that can be cut."""

    def __init__(
        self, folder: pathlib.Path, binary: str, servers: int, agents: int,
        network: Network | None, resources: str,
    ):
        self.folder, self.network, self.resources = folder, network, resources
        names = [f"node{i + 1}" for i in range(servers)]
        ports = free_ports(3 * servers + agents)
        self.clients = {n: self._address(n, ports.pop()) for n in names}
        self.http = {n: self._address(n, ports.pop()) for n in names}
        peers = {n: self._address(n, ports.pop()) for n in names}
        members = ",".join(f"{n}=http://{peers[n]}" for n in names)
        self.servers = {
            n: self._member(n, binary, [
                "server", "--name", n, "--data-dir", str(folder / n),
                "--listen-client-urls", f"http://{self.clients[n]}",
                "--advertise-client-urls", f"http://{self.clients[n]}",
                "--listen-peer-urls", f"http://{peers[n]}",
                "--initial-advertise-peer-urls", f"http://{peers[n]}",
                "--listen-http-urls", f"http://{self.http[n]}",
                "--initial-cluster", members, "--initial-cluster-state", "new",
                "--initial-cluster-token", folder.name,
            ]) for n in names
        }
        endpoints = ",".join(f"http://{address}" for address in self.clients.values())
        self.agents = {
            n: self._member(n, binary, [
                "agent", "--endpoints", endpoints, "--work-dir", str(folder / n),
                "--listen-url", f"http://{self._address(n, ports.pop())}", "--hostname", n,
                "--resources", resources, "--attributes", f"rack:r{i % 2}",
            ]) for i, n in enumerate(f"agent{i + 1}" for i in range(agents))
        }

    def _address(self, name: str, port: int) -> str:
        return f"{self.network.hosts[name] if self.network else '127.0.0.1'}:{port}"

    def _member(self, name: str, binary: str, arguments: list[str]) -> Member:
        launcher = self.network.launcher(name) if self.network else []
        return Member(name, launcher + [binary] + arguments, self.folder / f"{name}.log")

    @property
    def members(self) -> dict[str, Member]:
        return {**self.servers, **self.agents}

    async def start(self, seconds: float = 60) -> None:
        await self._start(self.servers, READY, seconds)
        await self._start(self.agents, REGISTERED, seconds)

    async def _start(self, members: dict[str, Member], word: bytes, seconds: float) -> None:
        offsets = {name: member.start() for name, member in members.items()}
        deadline = time.monotonic() + seconds
        for name, member in members.items():
            while not member.said(word, offsets[name]):
                if not member.is_running or time.monotonic() > deadline:
                    raise RuntimeError(f"{name} does not start:\n{member.tail()}")
                await asyncio.sleep(0.05)

    async def stop(self, seconds: float = 30) -> list[str]:
        """Ends agents, then servers, gracefully; returns those that had to be killed."""
        late = []
        for members in (self.agents, self.servers):
            for member in members.values():
                member.resume()
                member.send(signal.SIGTERM)
            deadline = time.monotonic() + seconds
            for member in members.values():
                while member.is_running and time.monotonic() < deadline:
                    await asyncio.sleep(0.05)
                if member.is_running:
                    late.append(member.name)
        self.kill_all()
        return late

    def kill_all(self) -> None:
        for member in self.members.values():
            if member.process is not None and member.process.poll() is None:
                member.kill()

    def left(self) -> list[tuple[int, str]]:
        """Processes of this run but our own servers and agents: supervisors, tasks and what those
        started. They carry the run's folder in their command line or environment."""
        mark = os.fsencode(self.folder)
        own = {m.process.pid for m in self.members.values() if m.is_running} | {os.getpid()}
        found = []
        for entry in os.scandir("/proc"):
            if not entry.name.isdigit() or int(entry.name) in own:
                continue
            try:
                command = pathlib.Path(entry.path, "cmdline").read_bytes()
                environment = pathlib.Path(entry.path, "environ").read_bytes()
            except OSError:
                continue
            # A zombie has neither.
            if b"KEELSON_RUN=" + mark in environment or (
                    b"agent-supervise" in command and mark in command):
                words = command.replace(b"\0", b" ").decode(errors="replace").strip()
                found.append((int(entry.name), words[:300]))
        return found

    def remove_left(self) -> None:
        """Ends them, however often they start others."""
        deadline = time.monotonic() + 5
        while (found := self.left()) and time.monotonic() < deadline:
            for pid, _ in found:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.02)
