// Elements, and how figures and times are written. No text becomes markup anywhere: everything
// that comes from the cluster is set as text.

export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") element.className = value;
    else if (name === "text") element.textContent = value;
    else if (name === "width") element.style.setProperty("width", value);
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export const number = (value) => Math.round(value).toLocaleString("en");

export const count = (value, word) => `${number(value)} ${word}${value === 1 ? "" : "s"}`;

export function amount(value) {
  if (!value) return "0";
  return (Math.round(value * 100) / 100).toLocaleString("en");
}

export function bytes(count) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let place = 0;
  while (count >= 1024 && place < units.length - 1) {
    count /= 1024;
    place += 1;
  }
  return `${count < 10 && place > 0 ? count.toFixed(1) : Math.round(count)} ${units[place]}`;
}

/// Mesos counts memory and disk in MiB.
export const mebibytes = (count) => bytes((count || 0) * 1024 * 1024);

export function time(milliseconds) {
  if (!milliseconds) return "–";
  const date = new Date(milliseconds);
  const clock = date.toLocaleTimeString("en-GB");
  if (date.toDateString() === new Date().toDateString()) return clock;
  return `${date.toLocaleDateString("sv-SE")} ${clock}`;
}

export function age(milliseconds) {
  if (!milliseconds) return "–";
  const seconds = Math.max(0, Math.round((Date.now() - milliseconds) / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172800) {
    return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  }
  return `${Math.floor(seconds / 86400)} d`;
}

const tones = {
  running: "good", reachable: "good", connected: "good", leader: "good", follower: "good",
  staging: "busy", starting: "busy", killing: "warn", unreachable: "warn", disconnected: "warn",
  draining: "warn", deactivated: "warn", learner: "busy", failed: "bad", error: "bad",
  lost: "bad", dropped: "bad", gone: "bad", gone_by_operator: "bad", silent: "bad",
};
export const tone = (name) => tones[name] || "";

export const state = (name, text) =>
  h("span", { class: `state ${tone(name)}`, text: text || name.replaceAll("_", " ") });

export function bar(used, total, text) {
  const part = total > 0 ? Math.min(1, used / total) : 0;
  return h("div", { class: part > 0.9 ? "bar full" : "bar", title: text },
    h("i", { width: `${(part * 100).toFixed(1)}%` }), h("b", { text }));
}

export const facts = (rows) =>
  h("dl", { class: "facts" }, rows.filter((row) => row[1] !== "" && row[1] !== undefined)
    .flatMap(([name, value]) => [h("dt", { text: name }), h("dd", {}, value)]));

export const panel = (span, title, ...children) =>
  h("section", { class: `panel ${span}` }, title ? h("h2", { text: title }) : null, ...children);

/// Bytes from base64, and back.
export const decode64 = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
export function encode64(array) {
  let text = "";
  for (const byte of array) text += String.fromCharCode(byte);
  return btoa(text);
}

/// JSON of a path of this node; a refusal is an error with the server's own words.
export async function ask(path, signal) {
  const answer = await fetch(path, { cache: "no-store", signal });
  if (!answer.ok) {
    const error = new Error((await answer.text()).trim() || `status ${answer.status}`);
    error.status = answer.status;
    throw error;
  }
  return answer.json();
}
