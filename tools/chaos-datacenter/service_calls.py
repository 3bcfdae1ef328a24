"""Holds what clients were told against the deployments on record: each that was acknowledged is
there, and each that is there was asked for, once."""

import bisect
from collections.abc import Callable

NOTHING_TO_DO = {"scale", "suspend", "version", "kill", "rollback", "groupScale"}
# How far behind the servers a line about their records may be.
LATE_NANOSECONDS = 10_000_000_000


def number(deployment: str) -> str:
    """The record's name of a deployment: what clients are told has the shape of a UUID."""
    return deployment.replace("-", "")[-16:]


def services(call: dict) -> list[str]:
    return call.get("services") or [call["service"]]


class Calls:
    def __init__(self, calls: list[dict], walk, say: Callable):
        self.calls, self.walk, self._say = calls, walk, say
        self.deployments: dict[str, dict] = walk.deployments

    def judge(self) -> None:
        owners = self._acknowledged()
        self._explain(set(self.deployments) - set(owners))
        self._without_effect()
        self._in_order()
        for name, deployment in self.deployments.items():
            self._ended(name, deployment)

    # What was acknowledged

    def _acknowledged(self) -> dict[str, dict]:
        owners: dict[str, dict] = {}
        for call in self.calls:
            if call["outcome"] != "ok" or not call["deployment"]:
                continue
            name = number(call["deployment"])
            if name in owners:
                self._say("deployments", f"{name} is what two calls were told")
            owners[name] = call
            if deployment := self.deployments.get(name):
                if not self._fits(call, deployment):
                    self._say(
                        "acknowledged", f"{self._shown(call)} began {name}, which is"
                        f" {deployment['changes']}")
            elif not self._needed_nothing(call):
                self._say("deployments", f"{self._shown(call)} began {name}, which never was")
        return owners

    def _needed_nothing(self, call: dict) -> bool:
        """All was so already."""
        if call["op"] not in NOTHING_TO_DO:
            return False
        if "instances" not in call:
            return True
        log = self.walk.latest[call["service"]]
        first = max(0, bisect.bisect(log, call["start"], key=lambda entry: entry[0]) - 1)
        return any(
            version is not None and version["instances"] == call["instances"]
            for at, version in log[first:] if at <= call["time"] + LATE_NANOSECONDS)

    def _fits(self, call: dict, deployment: dict) -> bool:
        """Whether a deployment is what a call asked for."""
        changes = {change["service"]: change for change in deployment["changes"]}
        if not set(changes) <= set(services(call)) and call["op"] != "rollback":
            return False
        match call["op"]:
            case "create":
                return self._has(changes[call["service"]], call) and all(
                    change["action"] == "start" for change in changes.values())
            case "update" | "command" | "scale" | "suspend":
                return self._has(changes[call["service"]], call)
            case "restart":
                return all(
                    change["action"] == "restart" and change["from"] is not None
                    and change["to"]["stamp"] == change["from"]["stamp"]
                    and change["to"]["instances"] == change["from"]["instances"]
                    for change in changes.values())
            case "delete" | "groupDelete":
                return all(change["action"] == "stop" for change in changes.values())
            case "kill":
                return call["scale"] and all(c["action"] == "scale" for c in changes.values())
            case "groupScale":
                return all(change["action"] == "scale" for change in changes.values())
            case "groupPut":
                return all(
                    change["to"] is not None and change["to"]["stamp"] == call["stamp"]
                    and change["to"]["instances"] == call["counts"][service]
                    for service, change in changes.items())
            case "version":
                return all(
                    change["action"] in ("restart", "scale") for change in changes.values())
            case "rollback":
                target = self.deployments.get(number(call["target"]))
                return target is not None and set(changes) <= {
                    change["service"] for change in target["changes"]}
            case "clear":
                return all(change["action"] == "stop" for change in changes.values())
        return False

    @staticmethod
    def _has(change: dict, call: dict) -> bool:
        to = change["to"]
        return to is not None and all(
            to[name] == call[name] for name in ("stamp", "instances") if name in call)

    # What was not

    def _explain(self, names: set[str]) -> None:
        """Deployments that nobody was told of: each is of a call that was not answered."""
        unknown = [call for call in self.calls if call["outcome"] == "unknown"]
        for name in sorted(names):
            deployment = self.deployments[name]
            # The narrowest first: a stamp is in one call only.
            found = [
                call for call in unknown
                if call["start"] <= deployment["began"] and self._fits(call, deployment)]
            if not found:
                self._say(
                    "acknowledged", f"nobody asked for {name}, or it was done before:"
                    f" {deployment['changes']}")
                continue
            unknown.remove(min(found, key=lambda call: ("stamp" not in call, call["start"])))

    def _without_effect(self) -> None:
        """What was refused is not on record."""
        refused = {
            call["stamp"]: call for call in self.calls
            if call["outcome"] == "failed" and "stamp" in call}
        for name, deployment in self.deployments.items():
            for change in deployment["changes"]:
                call = refused.get((change["to"] or {}).get("stamp", ""))
                if call:
                    self._say("acknowledged", f"{self._shown(call)} was refused, and is {name}")

    def _in_order(self) -> None:
        """Who begins after somebody was answered comes after that on record."""
        told = sorted(
            (call for call in self.calls if call["outcome"] == "ok" and call["deployment"]),
            key=lambda call: call["time"])
        ends = [call["time"] for call in told]
        newest: list[str] = []
        for call in told:
            newest.append(max(number(call["deployment"]), newest[-1] if newest else ""))
        for call in told:
            place = bisect.bisect_left(ends, call["start"])
            if place and newest[place - 1] >= number(call["deployment"]):
                self._say(
                    "acknowledged", f"{self._shown(call)} is before one that was answered before"
                    " it was asked")

    def _ended(self, name: str, deployment: dict) -> None:
        """Done, or in somebody's way."""
        if deployment["ended"] is None:
            self._say("deployments", f"{name} never ends: {deployment['parts']}")
            return
        if deployment["done"]:
            return
        own = {change["service"] for change in deployment["changes"]}
        for call in self.calls:
            if call["outcome"] == "failed" or call["start"] > deployment["ended"]:
                continue
            if call.get("target") and number(call["target"]) == name:
                return
            if "force=true" in call["path"] and own & set(services(call)):
                return
        self._say("deployments", f"{name} ended before it was done, and nobody asked for that")

    @staticmethod
    def _shown(call: dict) -> str:
        return f"{call['op']} of {', '.join(services(call))} ({call['outcome']})"
