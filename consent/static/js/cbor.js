// As much CBOR as finding one item's end takes: definite lengths in their shortest spelling, nothing else.
// Source: RFC 8949 section 3, CTAP2 canonical form.

const DEEPEST = 8;
const [BYTES, TEXT, ARRAY, MAP, TAG, SIMPLE] = [2, 3, 4, 5, 6, 7];

export class CborError extends Error {}

// {major, argument, next} of the item head at `at`.
function head(bytes, at) {
  if (at >= bytes.length) throw new CborError("truncated");
  const major = bytes[at] >> 5;
  const info = bytes[at] & 0x1f;
  if (info < 24) return { major, argument: info, next: at + 1 };
  const width = { 24: 1, 25: 2, 26: 4 }[info];
  if (width === undefined || at + 1 + width > bytes.length) throw new CborError("unsupported or truncated length");
  let argument = 0;
  for (let i = 1; i <= width; i += 1) argument = argument * 256 + bytes[at + i];
  const least = { 1: 24, 2: 2 ** 8, 4: 2 ** 16 }[width];
  if (argument < least) throw new CborError("not the shortest spelling");
  return { major, argument, next: at + 1 + width };
}

// The position after the item at `at`.
export function endOfItem(bytes, at, depth = 0) {
  if (depth > DEEPEST) throw new CborError("nested too deeply");
  const { major, argument, next } = head(bytes, at);
  if (major < BYTES) return next;
  if (major === BYTES || major === TEXT) {
    if (next + argument > bytes.length) throw new CborError("truncated");
    return next + argument;
  }
  if (major === TAG || major === SIMPLE) throw new CborError("tags and simple values do not occur in keys");
  if (major !== ARRAY && major !== MAP) throw new CborError("unknown kind");
  let end = next;
  const count = major === MAP ? argument * 2 : argument;
  for (let i = 0; i < count; i += 1) end = endOfItem(bytes, end, depth + 1);
  return end;
}
