// A task's files, and what it writes while it writes it. The agent is asked through this node.

import { h, ask, bytes } from "./dom.js";
import { isLive } from "./model.js";

const partBytes = 64 * 1024;
/// What is shown of a long file: its end.
const shownMax = 512 * 1024;

export function sandbox(root, task) {
  const agent = encodeURIComponent(task.agent);
  const browse = (path) => ask(`/ui/api/agents/${agent}/files/browse?path=${encodeURIComponent(path)}`, stop.signal);
  const read = (path, offset, length) => ask(`/ui/api/agents/${agent}/files/read?`
    + `path=${encodeURIComponent(path)}&offset=${offset}&length=${length}`, stop.signal);
  const stop = new AbortController();

  const files = h("ul", { class: "files" });
  const text = h("pre", { class: "log", tabindex: "0", "aria-label": "The file" });
  const note = h("span", { class: "dim", role: "status" });
  const follow = h("input", { type: "checkbox", checked: true });
  const tabs = h("span", { class: "tabs" }, ["stdout", "stderr"].map((name) =>
    h("button", { type: "button", text: name, onclick: () => open(`${self.task.sandbox}/${name}`) })));
  root.replaceChildren(h("div", { class: "split" },
    h("section", { class: "panel" }, h("div", { class: "tools" }, h("h2", { text: "Sandbox" }),
      h("span", { class: "grow" }),
      h("button", { type: "button", class: "quiet", text: "Look again", onclick: () => list(folder) })), files),
    h("section", { class: "panel" }, h("div", { class: "tools" }, tabs,
      h("label", { class: "check" }, follow, "follow"), h("span", { class: "grow" }), note), text)));

  let folder = task.sandbox;
  let path = "";
  let offset = 0;
  let generation = 0;

  async function list(next) {
    folder = next;
    try {
      const found = await browse(folder);
      const up = folder === self.task.sandbox ? [] : [h("li", {}, h("button", {
        type: "button", text: "..", onclick: () => list(folder.slice(0, folder.lastIndexOf("/"))) }))];
      files.replaceChildren(...up, ...found.map((file) => {
        const name = file.path.split("/").pop();
        const isFolder = file.mode.startsWith("d");
        return h("li", {}, h("button", { type: "button", text: isFolder ? `${name}/` : name,
          onclick: () => (isFolder ? list(`${folder}/${name}`) : open(`${folder}/${name}`)) }),
        h("span", { class: "grow" }),
        h("span", { class: "dim", text: isFolder ? "" : bytes(file.size) }));
      }));
      if (found.length === 0 && up.length === 0) files.append(h("li", { class: "dim", text: "It is empty." }));
    } catch (error) {
      if (!stop.signal.aborted) files.replaceChildren(h("li", { class: "dim", text: error.message }));
    }
  }

  async function open(next) {
    path = next;
    generation += 1;
    text.textContent = "";
    const name = next.split("/").pop();
    for (const tab of tabs.children) {
      tab.setAttribute("aria-pressed", String(next === `${self.task.sandbox}/${tab.textContent}`));
    }
    const mine = generation;
    try {
      const size = (await read(path, -1, 0)).offset;
      if (mine !== generation) return;
      offset = Math.max(0, size - shownMax);
      note.textContent = offset > 0 ? `${name}, its last ${bytes(shownMax)}` : name;
      await grow(size, mine);
      text.scrollTop = text.scrollHeight;
    } catch (error) {
      if (mine === generation && !stop.signal.aborted) note.textContent = error.message;
    }
  }

  async function grow(size, mine) {
    const isAtEnd = text.scrollTop + text.clientHeight >= text.scrollHeight - 40;
    while (offset < size && mine === generation) {
      const length = Math.min(partBytes, size - offset);
      const part = await read(path, offset, length);
      if (mine !== generation) return;
      text.append(part.data);
      offset += length;
    }
    if (text.textContent.length > 2 * shownMax) text.textContent = text.textContent.slice(-shownMax);
    if (isAtEnd) text.scrollTop = text.scrollHeight;
  }

  /// The agent sends nothing by itself: its file is asked for what is new.
  async function look() {
    if (stop.signal.aborted) return;
    if (follow.checked && path && !document.hidden) {
      const mine = generation;
      try {
        const size = (await read(path, -1, 0)).offset;
        if (size < offset) await open(path);
        else if (size > offset) await grow(size, mine);
      } catch (error) {
        if (mine === generation && !stop.signal.aborted) note.textContent = error.message;
      }
    }
    setTimeout(look, isLive(self.task) ? 1000 : 5000);
  }

  const self = { task, close: () => stop.abort() };
  list(folder);
  open(`${task.sandbox}/stdout`);
  setTimeout(look, 1000);
  return self;
}
