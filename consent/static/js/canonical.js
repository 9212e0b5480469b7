// The one canonical form of a JSON value, and the digest that names a document.
// Source: RFC 8785. Floats never occur in documents, so numbers are integers that every parser reads alike.

import { concat, hexOf, sha256, utf8 } from "./bytes.js";

const DEEPEST = 64;
const LONE_SURROGATE = /\p{Cs}/u;

export class EncodingError extends Error {}

function quoted(text) {
  if (LONE_SURROGATE.test(text)) throw new EncodingError("text with half a character");
  return JSON.stringify(text); // ECMA-262 escapes exactly as RFC 8785 section 3.2.2.2 asks
}

function encode(value, depth) {
  if (depth > DEEPEST) throw new EncodingError(`nested deeper than ${DEEPEST}`);
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "string") return quoted(value);
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) throw new EncodingError("floats are refused");
    return String(value);
  }
  if (Array.isArray(value)) return `[${value.map((item) => encode(item, depth + 1)).join(",")}]`;
  if (typeof value !== "object") throw new EncodingError(`not a JSON value: ${typeof value}`);
  // Array.prototype.sort compares UTF-16 code units, the order of RFC 8785 section 3.2.3.
  const names = Object.keys(value).sort();
  return `{${names.map((name) => `${quoted(name)}:${encode(value[name], depth + 1)}`).join(",")}}`;
}

export function canonical(value) {
  return utf8(encode(value, 1));
}

// The domain tag keeps a document from being taken for one of another type.
export async function taggedDigest(type, value) {
  return hexOf(await sha256(concat(utf8(`countersign/v1/${type}\0`), canonical(value))));
}
