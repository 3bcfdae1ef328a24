"""What servers and offers say, in short."""


def amounts(resources: list[dict]) -> dict[str, float]:
    """Sums by name: of scalars their value, of ranges how many numbers are in them."""
    found: dict[str, float] = {}
    for resource in resources:
        if resource["type"] == "SCALAR":
            value = float(resource["scalar"]["value"])
        elif resource["type"] == "RANGES":
            ranges = resource["ranges"].get("range", [])
            value = sum(int(part["end"]) - int(part["begin"]) + 1 for part in ranges)
        else:
            value = len(resource["set"].get("item", []))
        found[resource["name"]] = round(found.get(resource["name"], 0) + value, 3)
    return found


def totals(resources: str) -> dict[str, float]:
    """The same of what an agent is started with."""
    found: dict[str, float] = {}
    for part in resources.split(";"):
        name, _, value = part.partition(":")
        if value.startswith("["):
            ends = [pair.split("-") for pair in value.strip("[]").split(",")]
            found[name] = sum(int(last) - int(first) + 1 for first, last in ends)
        else:
            found[name] = float(value)
    return found


def view(state: dict) -> dict:
    """Of a GET_STATE what has to be the same on every server."""
    tasks, known = {}, state.get("get_tasks", {})
    for kind in ("pending_tasks", "tasks", "unreachable_tasks", "completed_tasks"):
        for task in known.get(kind, []):
            tasks[task["task_id"]["value"]] = task["state"]
    agents = {}
    for agent in state.get("get_agents", {}).get("agents", []):
        agents[agent["agent_info"]["hostname"]] = {
            "active": agent.get("active", False),
            "total": amounts(agent.get("total_resources", [])),
            "used": amounts(agent.get("allocated_resources", [])),
        }
    return {"tasks": tasks, "agents": agents}
