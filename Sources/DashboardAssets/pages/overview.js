// How the cluster is: who leads, who answers, what its machines hold, and this node's log and disk.

import { h, amount, bar, bytes, count, facts, mebibytes, number, panel, state, time, tone, age }
  from "./dom.js";
import { live, records } from "./live.js";

const tile = (label, figure, note) =>
  h("section", { class: "panel span3 tile" }, h("h2", { text: label }),
    h("div", { class: "figure", text: figure, title: figure }), h("div", { class: "note", text: note }));

export const heading = (text, crumb) => [
  crumb ? h("div", { class: "crumb" }, crumb) : null, h("h1", { text, tabindex: "-1" }),
];

/// Bars of what is held of a machine, or of all.
export function resourceBars(total, used) {
  const rows = [
    ["CPU", used.cpus, total.cpus, amount], ["Mem", used.mem, total.mem, mebibytes],
    ["Disk", used.disk, total.disk, mebibytes],
  ];
  if (total.gpus) rows.push(["GPU", used.gpus, total.gpus, amount]);
  return h("div", { class: "bars" }, rows.flatMap(([name, part, whole, text]) => [
    h("span", { class: "dim", text: name }),
    bar(part, whole || 0, `${text(part)} of ${text(whole || 0)}`),
  ]));
}

/// Tasks by state, as a strip and in words.
export function taskStates(of) {
  const order = ["running", "starting", "staging", "killing", "unreachable", "lost", "failed",
    "error", "dropped", "gone", "gone_by_operator", "killed", "finished", "unknown"];
  const counts = order.map((name) => [name, of.books.states.get(name) || 0])
    .filter((pair) => pair[1] > 0);
  if (counts.length === 0) return h("p", { class: "dim", text: "No tasks." });
  const all = counts.reduce((sum, pair) => sum + pair[1], 0);
  return h("div", {},
    h("div", { class: "stack", "aria-hidden": "true" }, counts.map(([name, count]) =>
      h("i", { class: tone(name), width: `${(100 * count) / all}%` }))),
    h("div", { class: "legend" }, counts.map(([name, count]) =>
      state(name, `${name.replaceAll("_", " ")} ${number(count)}`))));
}

function health(member, cluster) {
  if (member.id === cluster.id) {
    return cluster.troubles.length ? state("disconnected", "troubled") : state("reachable", "answers");
  }
  if (member.active === false) return state("silent", "silent");
  if (!member.connected) return state("silent", "no connection");
  return state("reachable", member.active ? "answers" : "connected");
}

const roleOf = (member, cluster) =>
  member.learner ? "learner" : member.id === cluster.leader ? "leader" : "follower";

function members(cluster) {
  const rows = cluster.members.map((member) => {
    const behind = member.match === undefined ? "" : cluster.log.last - member.match;
    const link = member.http
      ? h("a", { href: `//${member.http}/ui/`, text: member.http, title: member.guessed
        ? "supposed: it has never led" : "" })
      : h("span", { class: "dim", text: "–" });
    return h("tr", {},
      h("td", { class: "whole" }, member.name || "–",
        member.id === cluster.id ? h("span", { class: "dim wide", text: " (this)" }) : null),
      h("td", { class: "whole", text: roleOf(member, cluster) }), h("td", {}, health(member, cluster)),
      h("td", { class: "wide end", text: behind === "" ? "–" : number(behind) }),
      h("td", { class: "wide mono", text: member.client_urls.join(" ") || "–" }),
      h("td", { class: "whole" }, link));
  });
  return h("div", { class: "scroll" }, h("table", { class: "plain" },
    h("thead", {}, h("tr", {}, ["Member", "Role", "Health"].map((text) =>
      h("th", { scope: "col", text })),
    h("th", { scope: "col", class: "wide end", text: "Behind" }),
    h("th", { scope: "col", class: "wide", text: "Clients" }),
    h("th", { scope: "col", text: "Dashboard" }))), h("tbody", {}, rows)));
}

function leaders(cluster) {
  if (cluster.leaders.length === 0) {
    return h("p", { class: "dim", text: "Nobody is on record: the datacenter is not in use." });
  }
  const name = (id) => cluster.members.find((member) => member.id === id)?.name || id;
  return h("div", { class: "scroll" }, h("table", { class: "plain" },
    h("thead", {}, h("tr", {}, ["Since", "Member", "Term", "Revision"].map((text) =>
      h("th", { scope: "col", text })))),
    h("tbody", {}, cluster.leaders.slice(0, 8).map((office) => h("tr", {},
      h("td", { text: time(office.time) }), h("td", { text: name(office.member) }),
      h("td", { text: office.term }),
      h("td", {}, h("a", { href: `#/timeline?revision=${office.revision}`,
        text: office.revision })))))));
}

function log(cluster) {
  const { log, store, disk } = cluster;
  const rows = [
    ["Log", `${bytes(log.bytes)} on disk, last index ${number(log.last)}`],
    ["Durable, applied", `${number(log.durable)}, ${number(log.applied)}`],
    ["Sync of the log", log.syncs ? `half ≤ ${log.sync_p50} ms, 99 of 100 ≤ ${log.sync_p99} ms`
      : "none yet"],
    ["Keys", `${number(store.keys)}, history from revision ${number(Math.max(1, cluster.compacted))}`],
    ["Records", bar(store.bytes, store.quota, `${bytes(store.bytes)} of ${bytes(store.quota)}`)],
  ];
  if (disk) {
    rows.push(["Disk", bar(disk.total - disk.free, disk.total,
      `${bytes(disk.free)} free of ${bytes(disk.total)}`)]);
  }
  return facts(rows);
}

export function overview(root) {
  const body = h("div", { class: "grid" });
  root.append(...heading("Overview").filter(Boolean), body);
  return {
    update() {
      const cluster = live.overview;
      if (live.status === "refused") {
        body.replaceChildren(h("p", { class: "alert bad", text: live.reason }),
          h("p", {}, h("a", { href: "/ui/login", text: "Log in" })));
        return;
      }
      if (!cluster) return body.replaceChildren(h("p", { class: "dim", text: "Waiting for the node." }));
      const answering = cluster.members.filter((member) =>
        member.id === cluster.id || (member.connected && member.active !== false)).length;
      const leader = cluster.members.find((member) => member.id === cluster.leader);
      const agents = [...records.agents.values()].filter((agent) => agent.phase !== "gone");
      const reachable = agents.filter((agent) => agent.phase === "reachable").length;
      const current = cluster.leaders[0];
      const totals = records.totals;
      body.replaceChildren(
        ...cluster.troubles.map((text) => h("p", { class: "alert", text })),
        ...(cluster.leader ? [] : [h("p", { class: "alert bad",
          text: "Nobody leads: writes wait until a majority has elected one." })]),
        tile("Leader", cluster.leader ? leader?.name || cluster.leader : "none",
          `term ${cluster.term}${current?.time ? `, for ${age(current.time)}` : ""}`),
        tile("Members", `${answering} of ${cluster.members.length}`, "answer this node"),
        tile("Agents", `${reachable} of ${agents.length}`, "reachable"),
        tile("Tasks", number(records.books.live), `live, of ${count(records.frameworks.size, "framework")}`),
        panel("span8", "Members", members(cluster)),
        panel("span4", "Held of all agents", resourceBars(totals, totals.used)),
        panel("span5", `Log and disk of ${cluster.name || cluster.id}`, log(cluster)),
        panel("span7", "Who led", leaders(cluster)),
        panel("", "Tasks by state", taskStates(records)));
    },
  };
}
