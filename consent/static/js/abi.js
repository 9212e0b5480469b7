// ABI types and values: signatures read strictly, arguments decoded from their one canonical encoding only. Offsets
// that point anywhere but to the next free place are refused, so no tail is shared and the work is linear.
// Source: Solidity contract ABI specification, "strict encoding". tests/vectors/calls.json holds it to the signers'.

import { bytesOfHex, hexOf } from "./bytes.js";
import { checksumAddress } from "./keccak.js";

const WORD = 32;
const DEEPEST = 8;
const SIGNATURE = /^[A-Za-z_$][A-Za-z0-9_$]*(\(.*\))$/;
const ARRAY = /^(.*)\[([1-9][0-9]{0,3})?\]$/;
const INTEGER = /^(u?)int([1-9][0-9]{0,2})$/;
const FIXED_BYTES = /^bytes([1-9]|[12][0-9]|3[0-2])$/;

class NotCanonical extends Error {}

// What stands between the commas that are in no brackets; null if brackets do not match.
function parts(inner) {
  if (inner === "") return [];
  const found = [];
  let [depth, start] = [0, 0];
  for (let at = 0; at < inner.length; at += 1) {
    if (inner[at] === "(") depth += 1;
    if (inner[at] === ")") depth -= 1;
    if (depth < 0) return null;
    if (inner[at] === "," && depth === 0) {
      found.push(inner.slice(start, at));
      start = at + 1;
    }
  }
  return depth === 0 ? [...found, inner.slice(start)] : null;
}

function simpleType(text) {
  if (["address", "bool", "bytes", "string"].includes(text)) return { text, kind: text };
  const number = INTEGER.exec(text);
  if (number !== null) {
    const bits = Number(number[2]);
    return bits % 8 === 0 && bits <= 256 ? { text, kind: number[1] === "u" ? "uint" : "int", bits } : null;
  }
  const fixed = FIXED_BYTES.exec(text);
  return fixed === null ? null : { text, kind: "fixed", size: Number(fixed[1]) };
}

function tupleType(text, depth) {
  const inner = parts(text.slice(1, -1));
  if (inner === null || inner.length === 0) return null;
  const members = inner.map((part) => typeOf(part, depth + 1));
  return members.includes(null) ? null : sized({ text, kind: "tuple", members });
}

function typeOf(text, depth = 0) {
  if (depth > DEEPEST) return null;
  const array = ARRAY.exec(text);
  if (array !== null) {
    const element = typeOf(array[1], depth + 1);
    const length = array[2] === undefined ? null : Number(array[2]);
    return element === null ? null : sized({ text, kind: "array", element, length });
  }
  if (text.startsWith("(") && text.endsWith(")")) return tupleType(text, depth);
  const simple = simpleType(text);
  return simple === null ? null : sized(simple);
}

function isDynamic(type) {
  if (type.kind === "array") return type.length === null || type.element.dynamic;
  return type.kind === "tuple" ? type.members.some((member) => member.dynamic) : ["bytes", "string"].includes(type.kind);
}

// `head`: how many bytes the type takes where it stands: its offset if it is dynamic, else itself.
function sized(type) {
  const dynamic = isDynamic(type);
  let head = WORD;
  if (!dynamic && type.kind === "array") head = type.element.head * type.length;
  if (!dynamic && type.kind === "tuple") head = type.members.reduce((sum, member) => sum + member.head, 0);
  return Object.freeze({ ...type, dynamic, head });
}

// The argument types of a function's canonical signature, or null where it is not understood.
export function argumentTypes(signature) {
  const match = SIGNATURE.exec(signature);
  const inner = match === null ? null : parts(match[1].slice(1, -1));
  const types = inner === null ? [null] : inner.map((part) => typeOf(part));
  return types.includes(null) ? null : types;
}

function numberAt(data, at) {
  if (at + WORD > data.length) throw new NotCanonical();
  return BigInt(`0x${hexOf(data.subarray(at, at + WORD))}`);
}

// A length or an offset; anything beyond the data is as good as endless.
function smallAt(data, at) {
  const number = numberAt(data, at);
  if (number > BigInt(data.length)) throw new NotCanonical();
  return Number(number);
}

function zero(data, from, to) {
  if (data.subarray(from, to).some((byte) => byte !== 0)) throw new NotCanonical();
}

function checked(condition, value) {
  if (!condition) throw new NotCanonical();
  return value;
}

function wordValue(type, data, at) {
  const number = numberAt(data, at);
  if (type.kind === "uint") return checked(number < 1n << BigInt(type.bits), number);
  if (type.kind === "int") {
    const value = BigInt.asIntN(256, number);
    return checked(BigInt.asIntN(type.bits, value) === value, value);
  }
  if (type.kind === "bool") return checked(number <= 1n, number === 1n);
  if (type.kind === "address") {
    zero(data, at, at + 12);
    return checksumAddress(`0x${hexOf(data.subarray(at + 12, at + WORD))}`);
  }
  zero(data, at + type.size, at + WORD);
  return `0x${hexOf(data.subarray(at, at + type.size))}`;
}

// [value, end] of bytes or a text.
function tailBytes(type, data, at) {
  const length = smallAt(data, at);
  const start = at + WORD;
  const end = start + Math.ceil(length / WORD) * WORD;
  if (end > data.length) throw new NotCanonical();
  zero(data, start + length, end);
  const bytes = data.subarray(start, start + length);
  if (type.kind === "bytes") return [`0x${hexOf(bytes)}`, end];
  try {
    return [new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes), end];
  } catch {
    throw new NotCanonical();
  }
}

// [value, end] of what starts here: a dynamic value in its tail, a static one where it stands.
function valueAt(type, data, at) {
  if (type.kind === "tuple") return sequence(type.members, data, at);
  if (type.kind !== "array") {
    return type.dynamic ? tailBytes(type, data, at) : [wordValue(type, data, at), at + WORD];
  }
  const [count, first] = type.length === null ? [smallAt(data, at), at + WORD] : [type.length, at];
  if (count * type.element.head > data.length) throw new NotCanonical();
  return sequence(new Array(count).fill(type.element), data, first);
}

function sequence(types, data, base) {
  let place = base;
  let tail = base + types.reduce((sum, type) => sum + type.head, 0);
  if (tail > data.length) throw new NotCanonical();
  const values = [];
  for (const type of types) {
    if (type.dynamic && numberAt(data, place) !== BigInt(tail - base)) throw new NotCanonical();
    const [value, end] = valueAt(type, data, type.dynamic ? tail : place);
    if (type.dynamic) tail = end;
    values.push(value);
    place += type.head;
  }
  return [values, tail];
}

// The arguments behind a selector, or null unless this is their one canonical encoding. Numbers are BigInt, bytes 0x
// hex, addresses in their EIP-55 spelling, arrays and tuples lists.
export function decodeStrict(types, hex) {
  const data = bytesOfHex(hex.slice(2));
  try {
    const [values, end] = sequence(types, data, 0);
    return end === data.length ? values : null;
  } catch (error) {
    if (error instanceof NotCanonical) return null;
    throw error;
  }
}
