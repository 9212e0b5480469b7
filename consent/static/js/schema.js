// Strict readers: each accepts exactly one spelling of a value and returns that value, or throws DocumentError.
// They mirror the codecs that signers use; tests/vectors/consent.json holds both to the same answers.

import { bytesOfBase64url } from "./bytes.js";

const UINT256_LIMIT = 1n << 256n;
// Control, format (bidi overrides, zero width), surrogate, private, unassigned, line and paragraph separators:
// characters that let a label look like another one.
const HOSTILE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/u;
// Letters, marks and symbols that draw nothing: default ignorable beyond those categories, and the empty braille pattern.
const INVISIBLE =
  /[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\u{e0100}-\u{e01ef}]/u;

export class DocumentError extends Error {}

function wrong(at, what) {
  return new DocumentError(`${at}: ${what}`);
}

function whole(pattern) {
  return new RegExp(`^(?:${pattern})$`);
}

export function text({ most = 200, least = 1, pattern = null } = {}) {
  const form = pattern === null ? null : whole(pattern);
  return (value, at) => {
    const length = typeof value === "string" ? [...value].length : -1;
    if (length < least || length > most) throw wrong(at, `text of ${least} to ${most} characters expected`);
    if (form !== null && !form.test(value)) throw wrong(at, "not in the expected form");
    if (value.normalize("NFC") !== value) throw wrong(at, "text is not NFC-normalised");
    if (HOSTILE.test(value) || INVISIBLE.test(value)) throw wrong(at, "control or invisible characters are refused");
    return value;
  };
}

export function integer({ least = 0, most = Number.MAX_SAFE_INTEGER } = {}) {
  return (value, at) => {
    if (!Number.isSafeInteger(value) || value < least || value > most) {
      throw wrong(at, `integer from ${least} to ${most} expected`);
    }
    return value;
  };
}

// Base units as a decimal string; callers take BigInt of it.
export function amount(value, at) {
  const fits = typeof value === "string" && /^(?:0|[1-9][0-9]{0,77})$/.test(value) && BigInt(value) < UINT256_LIMIT;
  if (!fits) throw wrong(at, "amount expected: a decimal string of an integer below 2^256");
  return value;
}

export function hexData({ most, exact = false }) {
  return (value, at) => {
    if (typeof value !== "string" || !/^0x(?:[0-9a-f]{2})*$/.test(value)) {
      throw wrong(at, "0x and lower-case hex expected");
    }
    const length = (value.length - 2) / 2;
    if (length > most || (exact && length !== most)) {
      throw wrong(at, `${exact ? "exactly" : "at most"} ${most} bytes expected`);
    }
    return value;
  };
}

export function base64url({ most, least = 1 }) {
  return (value, at) => {
    if (typeof value !== "string") throw wrong(at, "unpadded base64url expected");
    let bytes;
    try {
      bytes = bytesOfBase64url(value);
    } catch {
      throw wrong(at, "unpadded base64url expected");
    }
    if (bytes.length < least || bytes.length > most) throw wrong(at, `${least} to ${most} bytes expected`);
    return value;
  };
}

export function choice(...members) {
  return (value, at) => {
    if (!members.includes(value)) throw wrong(at, `one of ${members.join(", ")} expected`);
    return value;
  };
}

export function maybe(reader) {
  return (value, at) => (value === null ? null : reader(value, at));
}

export function items(reader, { most, least = 0 }) {
  return (value, at) => {
    if (!Array.isArray(value) || value.length < least || value.length > most) {
      throw wrong(at, `list of ${least} to ${most} items expected`);
    }
    return Object.freeze(value.map((item, index) => reader(item, `${at}[${index}]`)));
  };
}

// A field that documents from before it was added do not have. There is no null: where it says nothing, it is not there.
export function added(reader) {
  return Object.assign((value, at) => reader(value, at), { added: true });
}

// `rule` returns what contradicts itself between fields, or null.
export function struct(fields, rule = () => null) {
  const names = Object.keys(fields);
  return (value, at) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong(at, "object expected");
    const said = names.filter((name) => Object.hasOwn(value, name) || !fields[name].added);
    const odd = [
      ...said.filter((name) => !Object.hasOwn(value, name)),
      ...Object.keys(value).filter((name) => !Object.hasOwn(fields, name)),
    ];
    if (odd.length > 0) {
      const shown = odd.slice(0, 5).map((name) => name.slice(0, 40));
      throw wrong(at, `missing or unknown fields: ${shown.join(", ")}`);
    }
    const read = Object.fromEntries(said.map((name) => [name, fields[name](value[name], `${at}.${name}`)]));
    const problem = rule(read);
    if (problem !== null) throw wrong(at, problem);
    return Object.freeze(read);
  };
}

export function oneOf(alternatives) {
  return (value, at) => {
    const kind = value !== null && typeof value === "object" ? value.kind : undefined;
    if (typeof kind !== "string" || !Object.hasOwn(alternatives, kind)) {
      throw wrong(`${at}.kind`, `one of ${Object.keys(alternatives).join(", ")} expected`);
    }
    return alternatives[kind](value, at);
  };
}

// For a form that holds itself.
export function later(reader) {
  return (value, at) => reader()(value, at);
}
