// The stream of events from this node, and what to do when it ends: come back, and where the node
// does not, go to another one that lives.

import { Records } from "./model.js";
import { ask } from "./dom.js";

/// An overview comes every second: without one for so long, what is shown is old.
const silenceMax = 4000;
/// How long this node is waited for before others are asked.
const patience = 3000;

export const records = new Records();

export const live = {
  overview: null,
  /// Counts changes of services.
  services: 0,
  /// "connecting", "live", "stale", "refused"
  status: "connecting",
  staleSince: 0,
  reason: "",
  listeners: new Set(),
  /// Origins that were asked and did not answer, for the one who reads.
  tried: "",
};

let source = null;
let heardAt = Date.now();
let openedAt = 0;
let isDue = false;
let isSearching = false;

/// Listeners are called at most five times a second, whatever happens.
export function changed() {
  if (isDue) return;
  isDue = true;
  setTimeout(() => {
    isDue = false;
    for (const listener of live.listeners) listener();
  }, 200);
}

function setStatus(status, reason = "") {
  if (live.status === status && live.reason === reason) return;
  if (status === "stale" && live.status !== "stale") live.staleSince = heardAt;
  live.status = status;
  live.reason = reason;
  for (const listener of live.listeners) listener();
}

function heard() {
  heardAt = Date.now();
  live.tried = "";
  setStatus("live");
}

export function connect() {
  source?.close();
  openedAt = Date.now();
  source = new EventSource("/ui/api/live");
  source.addEventListener("state", (event) => {
    records.replace(JSON.parse(event.data));
    live.services += 1;
    heard();
    changed();
  });
  source.addEventListener("changes", (event) => {
    const changes = JSON.parse(event.data);
    records.apply(changes);
    if (changes.services) live.services += 1;
    heard();
    changed();
  });
  source.addEventListener("overview", (event) => {
    live.overview = JSON.parse(event.data);
    records.revision = Math.max(records.revision, live.overview.revision);
    heard();
    changed();
  });
  source.addEventListener("error", () => {
    if (live.status === "live") setStatus("stale");
  });
  return source;
}

async function whyNot() {
  try {
    await ask("/ui/api/overview", AbortSignal.timeout(2000));
  } catch (error) {
    if (error.status === 401 || error.status === 403) {
      setStatus("refused", error.message);
      return true;
    }
  }
  return false;
}

/// Whether one of this kind lives there: some of the places are only supposed.
async function lives(authority) {
  try {
    const answer = await fetch(`${location.protocol}//${authority}/ui/api/alive`, {
      cache: "no-store", credentials: "omit", signal: AbortSignal.timeout(2000),
    });
    return Boolean((await answer.json()).keelson);
  } catch {
    return false;
  }
}

async function search() {
  if (isSearching) return;
  isSearching = true;
  try {
    const others = (live.overview?.members || []).map((member) => member.http)
      .filter((authority) => authority && authority !== location.host);
    for (const authority of others) {
      if (live.status !== "stale") return;
      live.tried = authority;
      if (await lives(authority)) {
        const from = encodeURIComponent(location.host);
        location.replace(`${location.protocol}//${authority}/ui/?from=${from}${location.hash}`);
        return;
      }
    }
  } finally {
    isSearching = false;
  }
}

setInterval(async () => {
  const silence = Date.now() - heardAt;
  if (silence < silenceMax) return;
  if (live.status === "refused") {
    if (Date.now() - openedAt > 10_000) connect();
    return;
  }
  if (await whyNot()) return source?.close();
  if (Date.now() - heardAt < silenceMax) return;
  setStatus("stale");
  changed();
  // The browser gives up on some answers, and a dead connection may look alive.
  if (source?.readyState === EventSource.CLOSED || Date.now() - openedAt > 8000) connect();
  if (silence > silenceMax + patience || source?.readyState !== EventSource.OPEN) search();
}, 1000);
