"""Clients of Marathon's API that never let services be; each of their calls is in the history."""

import asyncio
import json
import random
import urllib.parse

import mesos_http
from history import History
from service_definitions import BY_ID, SERVICES, SHOP, Service, app, command

CALL_SECONDS_MAX = 12
REDIRECTS_MAX = 3
# Between two calls of one client.
PAUSE_SECONDS = (1, 8)
WEIGHTS = {
    "update": 6, "command": 2, "scale": 5, "suspend": 2, "restart": 2, "version": 2,
    "rollback": 2, "cancel": 1, "delete": 2, "kill": 2,
}


class Api:
    """Marathon's API at whichever server."""

    def __init__(
        self, addresses: dict[str, str], marks: str, history: History, random: random.Random
    ):
        self.addresses, self.marks = addresses, marks
        self.history, self.random = history, random
        self._count = 0
        self.outcomes: dict[str, int] = {}

    def stamp(self) -> str:
        self._count += 1
        return f"s{self._count}"

    async def get(self, path: str, node: str | None = None, seconds: float = 6):
        """What a server says, or None; nothing of it is in the history."""
        address = self.addresses[node or self.random.choice(list(self.addresses))]
        try:
            status, _, body = await mesos_http.call(address, "GET", path, seconds=seconds)
        except (mesos_http.NotSent, mesos_http.Malformed, OSError, EOFError,
                asyncio.TimeoutError):
            return None
        return json.loads(body) if status == 200 else None

    async def change(
        self, op: str, method: str, path: str, body: dict | None = None, force: bool = False,
        **fields,
    ) -> str:
        """Returns ok, failed (no effect, now or later) or unknown."""
        node = self.random.choice(list(self.addresses))
        target = path + ("&" if "?" in path else "?") + "force=true" if force else path
        start, status, answer, error = self.history.now, 0, {}, None
        try:
            async with asyncio.timeout(CALL_SECONDS_MAX):
                status, headers, text = await self._redirected(node, method, target, body)
            answer = json.loads(text or b"{}")
            outcome = "ok" if 200 <= status < 300 else "failed"
            if status >= 500 and "retry-after" not in headers:
                outcome = "unknown"
            if outcome != "ok":
                error = text.decode(errors="replace")[:400]
            # Where the answer is an app, as for a creation.
            answer.setdefault("deploymentId", headers.get("marathon-deployment-id"))
        except mesos_http.NotSent as problem:
            outcome, error = "failed", str(problem)
        except (mesos_http.Malformed, OSError, EOFError, asyncio.TimeoutError) as problem:
            outcome, error = "unknown", repr(problem)
        answer = answer if isinstance(answer, dict) else {}
        self.history.write(
            "call", op=op, node=node, start=start, method=method, path=target, status=status,
            outcome=outcome, deployment=answer.get("deploymentId"), error=error, **fields)
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        return outcome

    async def _redirected(
        self, node: str, method: str, target: str, body: dict | None
    ) -> tuple[int, dict[str, str], bytes]:
        """A server that does not lead has done nothing when it says who does."""
        address = self.addresses[node]
        for _ in range(REDIRECTS_MAX):
            status, headers, text = await mesos_http.call(
                address, method, target, body, seconds=CALL_SECONDS_MAX)
            if status != 307:
                break
            address = mesos_http.place(headers["location"])
        else:
            raise mesos_http.NotSent("redirected too often")
        return status, headers, text


class Client:
    """Changes one service, or any of them, one call after the other."""

    def __init__(self, api: Api, service: Service | None, random: random.Random):
        self.api, self.own, self.random = api, service, random
        self.is_paused = asyncio.Event()
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self._task: asyncio.Task | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._work())

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def pause(self) -> None:
        """Returns when the call that is on its way has ended."""
        self.may_go_on.clear()
        await self.is_paused.wait()

    def resume(self) -> None:
        self.is_paused.clear()
        self.may_go_on.set()

    async def _work(self) -> None:
        while True:
            if not self.may_go_on.is_set():
                self.is_paused.set()
                await self.may_go_on.wait()
            try:
                await self.turn()
            except Exception as error:
                self.api.history.violation("tool", f"a client: {error!r}")
            end = self.random.uniform(*PAUSE_SECONDS)
            while end > 0 and self.may_go_on.is_set():
                await asyncio.sleep(0.1)
                end -= 0.1

    # What it does

    async def turn(self) -> None:
        service = self.own or self.random.choice(SERVICES)
        force = self.random.random() < 0.5
        found = await self.api.get(f"/v2/apps{service.id}")
        if found is None:
            # Absent, or nobody could say: if it is there, that is refused.
            await self.create(service, force)
            return
        weights = WEIGHTS if service.is_killed else WEIGHTS | {"kill": 0}
        op = self.random.choices(list(weights), list(weights.values()))[0]
        await getattr(self, op)(service, force, found["app"])

    def _instances(self, service: Service) -> int:
        return self.random.randint(1, service.most)

    async def create(self, service: Service, force: bool) -> None:
        stamp, count = self.api.stamp(), self._instances(service)
        await self.api.change(
            "create", "POST", "/v2/apps", app(service, self.api.marks, count, stamp), force,
            service=service.id, stamp=stamp, instances=count)

    async def _put(self, op: str, service: Service, body: dict, force: bool, **fields) -> None:
        await self.api.change(
            op, "PUT", f"/v2/apps{service.id}", body, force, service=service.id, **fields)

    async def update(self, service: Service, force: bool, _: dict) -> None:
        stamp = self.api.stamp()
        body: dict = {"env": {"STAMP": stamp}}
        if self.random.random() < 0.3:
            body["instances"] = self._instances(service)
            await self._put(
                "update", service, body, force, stamp=stamp, instances=body["instances"])
        else:
            await self._put("update", service, body, force, stamp=stamp)

    async def command(self, service: Service, force: bool, _: dict) -> None:
        stamp = self.api.stamp()
        body = {"cmd": command(service, self.api.marks, stamp), "env": {"STAMP": stamp}}
        await self._put("command", service, body, force, stamp=stamp)

    async def scale(self, service: Service, force: bool, _: dict) -> None:
        count = self._instances(service)
        await self._put("scale", service, {"instances": count}, force, instances=count)

    async def suspend(self, service: Service, force: bool, _: dict) -> None:
        await self._put("suspend", service, {"instances": 0}, force, instances=0)

    async def version(self, service: Service, force: bool, _: dict) -> None:
        """Back to an earlier one."""
        found = await self.api.get(f"/v2/apps{service.id}/versions")
        if found and found["versions"]:
            version = self.random.choice(found["versions"][:4])
            await self._put("version", service, {"version": version}, force, version=version)

    async def restart(self, service: Service, force: bool, _: dict) -> None:
        await self.api.change(
            "restart", "POST", f"/v2/apps{service.id}/restart", None, force, service=service.id)

    async def delete(self, service: Service, force: bool, _: dict) -> None:
        await self.api.change(
            "delete", "DELETE", f"/v2/apps{service.id}", None, force, service=service.id)

    async def kill(self, service: Service, force: bool, found: dict) -> None:
        """Ends instances, which are replaced, or not where that scales down."""
        scale = "true" if self.random.random() < 0.3 else "false"
        path = f"/v2/apps{service.id}/tasks?scale={scale}"
        tasks = found.get("tasks", [])
        if tasks and self.random.random() < 0.7:
            host = self.random.choice(tasks)["host"]
            path += f"&host={urllib.parse.quote(host)}"
        await self.api.change(
            "kill", "DELETE", path, None, force, service=service.id, scale=scale == "true")

    async def rollback(self, service: Service, force: bool, found: dict) -> None:
        await self._end_deployment("rollback", service, found, False)

    async def cancel(self, service: Service, force: bool, found: dict) -> None:
        await self._end_deployment("cancel", service, found, True)

    async def _end_deployment(
        self, op: str, service: Service, found: dict, force: bool
    ) -> None:
        for deployment in found.get("deployments", [])[:1]:
            await self.api.change(
                op, "DELETE", f"/v2/deployments/{deployment['id']}", None, force,
                service=service.id, target=deployment["id"])


class GroupClient(Client):
    """Changes the services of a group as one."""

    async def turn(self) -> None:
        shop = [service for service in SERVICES if service.id.startswith(SHOP + "/")]
        force = self.random.random() < 0.7
        found = await self.api.get(f"/v2/groups{SHOP}")
        op = self.random.choice(["put", "put", "scale", "delete"]) if found else "put"
        if op == "scale":
            factor = self.random.choice([0.5, 1.5])
            await self.api.change(
                "groupScale", "PUT", f"/v2/groups{SHOP}", {"scaleBy": factor}, force,
                services=[service.id for service in shop])
        elif op == "delete":
            await self.api.change(
                "groupDelete", "DELETE", f"/v2/groups{SHOP}", None, force,
                services=[service.id for service in shop])
        else:
            stamp = self.api.stamp()
            counts = {service.id: self._instances(service) for service in shop}
            apps = [app(BY_ID[name], self.api.marks, n, stamp) for name, n in counts.items()]
            await self.api.change(
                "groupPut", "PUT", f"/v2/groups{SHOP}", {"id": SHOP, "apps": apps}, force,
                services=list(counts), stamp=stamp, counts=counts)
