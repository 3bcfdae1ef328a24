// What is in a value: text, JSON, a protobuf message as it lies on the wire, or bytes.

const plain = new TextDecoder("utf-8", { fatal: true });

/// Text without control characters, or null.
export function textOf(bytes) {
  try {
    const text = plain.decode(bytes);
    return /[\u0000-\u0008\u000e-\u001f\u007f]/.test(text) ? null : text;
  } catch {
    return null;
  }
}

export const keyText = (bytes) => textOf(bytes) ?? `0x${hexOf(bytes)}`;

const hexOf = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

function dump(bytes) {
  const lines = [];
  for (let start = 0; start < Math.min(bytes.length, 1024); start += 16) {
    const row = bytes.subarray(start, start + 16);
    const letters = Array.from(row, (byte) =>
      (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".")).join("");
    const digits = hexOf(row).replace(/(..)/g, "$1 ").padEnd(49);
    lines.push(`${start.toString(16).padStart(4, "0")}  ${digits} ${letters}`);
  }
  if (bytes.length > 1024) lines.push("…");
  return lines.join("\n");
}

/// `{ kind, text }` of a value.
export function describe(bytes) {
  if (bytes.length === 0) return { kind: "empty", text: "" };
  const text = textOf(bytes);
  if (text !== null) {
    if (/^\s*[[{]/.test(text)) {
      try {
        return { kind: "JSON", text: JSON.stringify(JSON.parse(text), null, 2) };
      } catch { /* It only looks like it. */ }
    }
    return { kind: "text", text };
  }
  const fields = message(bytes, 0);
  if (fields) return { kind: "protobuf", text: fields.join("\n") };
  return { kind: "bytes", text: dump(bytes) };
}

class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.place = 0;
  }

  varint() {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      if (this.place >= this.bytes.length) return null;
      const byte = this.bytes[this.place];
      this.place += 1;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value & 0xffffffffffffffffn;
    }
    return null;
  }

  take(count) {
    if (count > this.bytes.length - this.place) return null;
    this.place += count;
    return this.bytes.subarray(this.place - count, this.place);
  }
}

/// The lines of a message, or null where the bytes are none.
function message(bytes, depth) {
  if (depth > 8) return null;
  const reader = new Reader(bytes);
  const lines = [];
  const indent = "  ".repeat(depth);
  while (reader.place < bytes.length) {
    const tag = reader.varint();
    if (tag === null) return null;
    const field = tag >> 3n;
    if (field === 0n || field > 536870911n) return null;
    switch (Number(tag & 7n)) {
      case 0: {
        const value = reader.varint();
        if (value === null) return null;
        lines.push(`${indent}${field}: ${value}`);
        break;
      }
      case 1: {
        const part = reader.take(8);
        if (!part) return null;
        const view = new DataView(part.buffer, part.byteOffset, 8);
        const real = view.getFloat64(0, true);
        const looksReal = real === 0 || (Math.abs(real) > 1e-9 && Math.abs(real) < 1e15);
        lines.push(`${indent}${field}: ${looksReal ? real : view.getBigUint64(0, true)}`);
        break;
      }
      case 2: {
        const count = reader.varint();
        const part = count === null || count > 0x7fffffffn ? null : reader.take(Number(count));
        if (!part) return null;
        const text = textOf(part);
        const inner = text === null ? message(part, depth + 1) : null;
        if (inner) lines.push(`${indent}${field} {`, ...inner, `${indent}}`);
        else lines.push(`${indent}${field}: ${text === null ? `0x${hexOf(part)}` : JSON.stringify(text)}`);
        break;
      }
      case 5: {
        const part = reader.take(4);
        if (!part) return null;
        lines.push(`${indent}${field}: ${new DataView(part.buffer, part.byteOffset, 4).getUint32(0, true)}`);
        break;
      }
      default: return null;
    }
  }
  return lines;
}
