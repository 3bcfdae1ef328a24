// The store's keys, now or at a revision, and what each of them was.

import { h, ask, bytes, decode64, encode64, number } from "./dom.js";
import { live } from "./live.js";
import { Table } from "./table.js";
import { heading } from "./overview.js";
import { describe, keyText } from "./value.js";

const encoder = new TextEncoder();
const pageSize = 500;

export function keys(root, parts, query) {
  const prefix = h("input", { type: "search", class: "wide mono", placeholder: "Prefix: nothing for all keys",
    "aria-label": "Prefix of keys", value: query.get("prefix") || "" });
  const revision = h("input", { type: "number", min: "0", placeholder: "newest", "aria-label": "Revision",
    value: query.get("revision") || "", class: "revision" });
  const more = h("button", { type: "button", text: "More", hidden: true, onclick: () => load(true) });
  const note = h("span", { class: "dim", role: "status" });
  const detail = h("section", { class: "panel" }, h("p", { class: "dim", text: "Choose a key to see its history." }));
  const table = new Table({
    label: "Keys", fill: true, none: "No keys.",
    open: (one) => go({ key: one.key }),
    columns: [
      { id: "key", title: "Key", width: "minmax(160px,3fr)", narrow: "minmax(120px,3fr)",
        value: (one) => one.name, cell: (one) => h("span", { class: "mono", text: one.name, title: one.name }) },
      { id: "revision", title: "Revision", width: "84px", narrow: "70px", end: true,
        value: (one) => one.revision },
      { id: "version", title: "Version", width: "64px", wide: true, end: true, value: (one) => one.version },
      { id: "size", title: "Size", width: "70px", wide: true, end: true, value: (one) => one.size,
        cell: (one) => bytes(one.size) },
    ],
  });
  const form = h("form", { class: "tools", onsubmit: (event) => {
    event.preventDefault();
    go({});
  } }, prefix, revision, h("button", { text: "Show" }),
  h("button", { type: "button", class: "quiet", text: "All keys", onclick: () => { prefix.value = ""; go({}); } }),
  h("button", { type: "button", class: "quiet", text: "Records of the datacenter",
    onclick: () => { prefix.value = "/keelson/local/"; go({}); } }), note);
  root.append(...heading("Keys").filter(Boolean), form,
    h("div", { class: "split" }, h("div", {}, table.element, h("p", {}, more)), detail));

  let rows = [];
  const stop = new AbortController();
  let shownKey = null;

  /// What is looked at is the address.
  function go({ key }) {
    const next = new URLSearchParams();
    if (prefix.value) next.set("prefix", prefix.value);
    if (revision.value) next.set("revision", revision.value);
    if (key) next.set("key", key);
    const hash = `#/keys?${next}`;
    if (location.hash === hash) load();
    else location.hash = hash;
  }

  async function load(isMore) {
    const start = encodeURIComponent(encode64(encoder.encode(prefix.value)));
    const after = isMore && rows.length ? encodeURIComponent(rows[rows.length - 1].key) : "";
    note.textContent = "";
    try {
      const found = await ask(`/ui/api/keys?prefix=${start}&after=${after}&limit=${pageSize}`
        + `&revision=${revision.value || 0}`, stop.signal);
      for (const one of found.keys) one.name = keyText(decode64(one.key));
      rows = isMore ? rows.concat(found.keys) : found.keys;
      table.setRows(rows);
      more.hidden = !found.more;
      note.textContent = `${number(rows.length)}${found.more ? " and more" : ""} keys `
        + (revision.value ? `at revision ${revision.value}` : `of revision ${found.revision}`);
    } catch (error) {
      if (!stop.signal.aborted) note.textContent = error.message;
    }
  }

  async function history(key, before = 0, list = null) {
    if (!key) {
      detail.replaceChildren(h("p", { class: "dim", text: "Choose a key to see its history." }));
      return;
    }
    try {
      const found = await ask(`/ui/api/history?key=${encodeURIComponent(key)}&before=${before}`, stop.signal);
      const isFirst = !list;
      list ||= h("ol", { class: "versions" });
      list.append(...found.versions.map((one, place) => version(one, isFirst && place === 0)));
      if (isFirst) {
        detail.replaceChildren(h("h2", { class: "mono", text: keyText(decode64(key)) }),
          found.versions.length ? list : h("p", { class: "dim", text: "Nothing of it is kept." }));
      }
      detail.querySelector(".older")?.remove();
      if (found.more) {
        const last = found.versions[found.versions.length - 1].revision;
        detail.append(h("button", { type: "button", class: "older", text: "Older",
          onclick: () => history(key, last, list) }));
      } else if (found.compacted > 0) {
        detail.append(h("p", { class: "dim older",
          text: `What was before revision ${found.compacted} is compacted.` }));
      }
    } catch (error) {
      if (!stop.signal.aborted) detail.replaceChildren(h("p", { class: "dim", text: error.message }));
    }
  }

  function version(one, isOpen) {
    const at = h("a", { href: `#/timeline?revision=${one.revision}`, text: `revision ${one.revision}` });
    if (one.deleted) return h("li", {}, h("div", { class: "meta" }, at, h("span", { text: "deleted" })));
    const value = describe(decode64(one.value));
    const isCut = one.size > decode64(one.value).length;
    const meta = [at, h("span", { text: `version ${one.version}` }), h("span", { text: bytes(one.size) }),
      h("span", { text: value.kind })];
    if (one.lease) meta.push(h("span", { text: `lease ${one.lease}` }));
    if (isCut) meta.push(h("span", { text: "its beginning" }));
    const box = h("pre", { class: "value", tabindex: "0", text: value.text });
    return h("li", {}, h("details", isOpen ? { open: true } : {},
      h("summary", {}, h("span", { class: "meta" }, meta)), box));
  }

  const view = {
    update() {
      // The newest version of what is looked at follows the store, a moment later.
      const now = live.overview?.revision;
      if (!shownKey || view.revision === now) return;
      view.revision = now;
      clearTimeout(view.timer);
      view.timer = setTimeout(() => view.follow(), 500);
    },
    async follow() {
      const newest = detail.querySelector("ol.versions > li a")?.textContent;
      if (!newest || !shownKey) return;
      const found = await ask(`/ui/api/history?key=${encodeURIComponent(shownKey)}`, stop.signal)
        .catch(() => null);
      if (found?.versions[0] && `revision ${found.versions[0].revision}` !== newest) history(shownKey);
    },
    moved(next) {
      const isOther = prefix.value !== (next.get("prefix") || "")
        || revision.value !== (next.get("revision") || "") || view.listed !== next.toString().replace(/&?key=[^&]*/, "");
      prefix.value = next.get("prefix") || "";
      revision.value = next.get("revision") || "";
      view.listed = next.toString().replace(/&?key=[^&]*/, "");
      if (isOther) load();
      if (next.get("key") !== shownKey) {
        shownKey = next.get("key");
        history(shownKey);
      }
    },
    close() {
      clearTimeout(view.timer);
      stop.abort();
      table.close();
    },
  };
  view.moved(query);
  return view;
}
