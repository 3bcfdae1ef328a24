// The cluster as it was at a revision that the store still has, with a slider over all of them.

import { h, ask, bytes, count, decode64, number, panel, time } from "./dom.js";
import { live } from "./live.js";
import { Records } from "./model.js";
import { agentTable } from "./agents.js";
import { taskTable } from "./tasks.js";
import { heading, resourceBars, taskStates } from "./overview.js";
import { keyText } from "./value.js";

export function timeline(root, parts, query) {
  const past = new Records();
  const slider = h("input", { type: "range", min: "1", max: "1", value: "1", "aria-label": "Revision",
    oninput: () => choose(Number(slider.value)) });
  const field = h("input", { type: "number", min: "1", "aria-label": "Revision", class: "revision",
    onchange: () => choose(Number(field.value)) });
  const back = h("button", { type: "button", text: "◂", "aria-label": "One revision back",
    onclick: () => choose(chosen - 1) });
  const on = h("button", { type: "button", text: "▸", "aria-label": "One revision on",
    onclick: () => choose(chosen + 1) });
  const now = h("button", { type: "button", text: "Now", onclick: () => { isNow = true; choose(newest()); } });
  const note = h("span", { class: "dim", role: "status" });
  const summary = h("div");
  const changes = h("div");
  const agents = agentTable(() => past);
  const tasks = taskTable(() => past);
  agents.open = () => {};
  tasks.open = () => {};
  root.append(...heading("Timeline").filter(Boolean),
    h("div", { class: "tools" }, back, slider, on, field, now), h("p", {}, note),
    h("div", { class: "grid" }, summary, changes,
      h("section", { class: "panel flush" }, h("h2", { text: "Agents" }), agents.element),
      h("section", { class: "panel flush" }, h("h2", { text: "Tasks" }), tasks.element)));
  summary.className = "panel span5";
  changes.className = "panel span7";

  let chosen = Number(query.get("revision")) || 0;
  let isNow = chosen === 0;
  let stop = new AbortController();
  let timer = 0;
  const newest = () => live.overview?.revision || 1;
  const oldest = () => Math.max(1, live.overview?.records_compacted || 1);

  function choose(revision) {
    chosen = Math.max(oldest(), Math.min(newest(), revision || 1));
    if (chosen !== newest()) isNow = false;
    slider.value = String(chosen);
    field.value = String(chosen);
    back.disabled = chosen <= oldest();
    on.disabled = chosen >= newest();
    slider.setAttribute("aria-valuetext", `revision ${chosen}`);
    clearTimeout(timer);
    timer = setTimeout(load, 80);
  }

  async function load() {
    stop.abort();
    stop = new AbortController();
    const { signal } = stop;
    const wanted = chosen;
    if (!isNow) history.replaceState(null, "", `#/timeline?revision=${wanted}`);
    try {
      const [state, found] = await Promise.all([
        ask(`/ui/api/state?revision=${wanted}`, signal),
        ask(`/ui/api/changes?from=${wanted}&limit=40`, signal)]);
      past.replace(state);
      show(wanted, found.changes, found.complete);
    } catch (error) {
      if (!signal.aborted) note.textContent = error.message;
    }
  }

  function show(revision, found, isComplete) {
    const office = live.overview?.leaders.find((one) => one.revision <= revision);
    const leader = office
      && (live.overview.members.find((one) => one.id === office.member)?.name || office.member);
    note.textContent = [
      `Revision ${number(revision)} of ${number(oldest())} to ${number(newest())}`,
      past.time ? `about ${time(past.time)}` : "", office ? `led by ${leader}, term ${office.term}` : "",
    ].filter(Boolean).join(" · ");
    const totals = past.totals;
    const reachable = [...past.agents.values()].filter((one) => one.phase === "reachable").length;
    const connected = [...past.frameworks.values()].filter((one) => one.phase === "connected").length;
    summary.replaceChildren(h("h2", { text: "The cluster then" }),
      h("p", { class: "dim", text: `${count(reachable, "agent")} reachable, `
        + `${count(connected, "framework")} connected, ${count(past.books.live, "task")} live` }),
      resourceBars(totals, totals.used), h("p"), taskStates(past));
    changes.replaceChildren(h("h2", { text: "What changed, from this revision on" }),
      isComplete ? "" : h("p", { class: "dim", text: "Without clients' keys, whose history is compacted." }),
      found.length === 0 ? h("p", { class: "dim", text: "Nothing since." })
        : h("ol", { class: "steps" }, found.slice(0, 14).map((one) => {
          const isHere = one.revision === revision;
          const key = keyText(decode64(one.key));
          return h("li", {}, h("span", { class: isHere ? "" : "dim", text: number(one.revision) }),
            h("a", { class: "mono", href: `#/keys?prefix=${encodeURIComponent(key)}&key=${encodeURIComponent(one.key)}`,
              text: key }), h("span", { class: "grow" }),
            h("span", { class: "dim", text: one.deleted ? "deleted" : bytes(one.size) }));
        })));
    agents.generation += 1;
    agents.setRows([...past.agents.values()]);
    tasks.setRows([...past.tasks.values()]);
  }

  const view = {
    update() {
      if (!live.overview) return;
      slider.min = String(oldest());
      slider.max = String(newest());
      if (isNow && chosen !== newest()) choose(newest());
      else if (!past.version && !view.asked) {
        view.asked = true;
        choose(chosen || newest());
      }
      on.disabled = chosen >= newest();
    },
    moved(next) {
      const wanted = Number(next.get("revision")) || 0;
      isNow = wanted === 0;
      choose(wanted || newest());
    },
    refresh: () => tasks.refresh(),
    close() {
      clearTimeout(timer);
      stop.abort();
      agents.close();
      tasks.close();
    },
  };
  return view;
}
