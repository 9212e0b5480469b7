// What attesters sign about a transaction, and what of it counts, as signers read it: facts that k of the policy's n
// keys agree on, about this intent, on one block, minutes old. Anything else does not count and is said to be missing.
// Source: the signers' own reading; Ed25519 (RFC 8032) over the 32 bytes of the document's digest.

import { bytesOfHex } from "./bytes.js";
import { taggedDigest } from "./canonical.js";
import { header } from "./documents.js";
import { asset, digest, hash32, slug } from "./names.js";
import { hexData, integer, items, struct, text } from "./schema.js";
import { verifyEd25519 } from "./signatures.js";

const LIFETIME_MOST = 600;
const SKEW = 120;
const MOST = (1n << 256n) - 1n;
const NUMBER = /^(?:0|[1-9][0-9]{0,77})$/;
// What attesters may speak of, as signers' registry has it; one fact of anything else spoils an attestation.
export const FIELDS = Object.freeze({
  "simulation.success": "flag",
  "effects.received": "number",
  "effects.received.asset": "text",
  "effects.sent": "number",
  "effects.sent.asset": "text",
  "effects.allowances": "number",
  "code.unchanged": "flag",
  "implementation.unchanged": "flag",
  "breaker.closed": "flag",
  "price.deviation_bps": "number",
  "price.quotes": "texts",
  "sanctions.clear": "flag",
  "risk.score": "number",
});
const QUOTES = "price.quotes";
// Numbers of which one direction is worse for us; any other has to be the same for all.
const WORSE = Object.freeze({
  "effects.received": (one, other) => (one < other ? one : other),
  "effects.sent": (one, other) => (one > other ? one : other),
  "effects.allowances": (one, other) => (one > other ? one : other),
  "price.deviation_bps": (one, other) => (one > other ? one : other),
  "risk.score": (one, other) => (one > other ? one : other),
});
// An amount means nothing where attesters disagree on what it is an amount of.
const COUPLED = Object.freeze({ "effects.received": "effects.received.asset", "effects.sent": "effects.sent.asset" });

const fact = struct({
  field: text({ most: 64, pattern: "[a-z][a-z0-9_.]*" }),
  values: items(text({ most: 280, least: 0 }), { most: 64 }),
});

const attestation = struct({
  header: header("attestation"),
  attester: slug,
  intent: digest,
  block_number: integer(),
  block_hash: hash32,
  facts: items(fact, { most: 64 }),
});

export const signedAttestation = struct({ document: attestation, signature: hexData({ most: 64, exact: true }) });

function isNumber(values) {
  return values.length === 1 && NUMBER.test(values[0]) && BigInt(values[0]) <= MOST;
}

// Prices as "CAIP-19 asset=10^-8 US dollars for one unit", by asset; null if they are not sound.
function quotesOf(values) {
  const quotes = new Map();
  for (const value of values) {
    const cut = value.lastIndexOf("=");
    const [name, price] = [value.slice(0, cut), value.slice(cut + 1)];
    try {
      asset(name, QUOTES);
    } catch {
      return null;
    }
    if (quotes.has(name) || !isNumber([price]) || price === "0") return null;
    quotes.set(name, BigInt(price));
  }
  return quotes;
}

function isOfItsType({ field, values }) {
  if (!Object.hasOwn(FIELDS, field)) return false;
  if (FIELDS[field] === "texts") return quotesOf(values) !== null;
  if (values.length !== 1) return false;
  if (FIELDS[field] === "flag") return ["true", "false"].includes(values[0]);
  return FIELDS[field] === "number" ? isNumber(values) : values[0] !== "";
}

// Each price that k attesters quote, the highest of them: more is worse for whoever pays.
function dearest(saying, threshold) {
  const prices = new Map();
  for (const document of saying) {
    for (const [name, price] of quotesOf(document.facts.find((one) => one.field === QUOTES).values)) {
      const before = prices.get(name) ?? { by: new Set(), most: 0n };
      prices.set(name, { by: before.by.add(document.attester), most: price > before.most ? price : before.most });
    }
  }
  return [...prices].filter(([, { by }]) => by.size >= threshold).map(([name, { most }]) => `${name}=${most}`).sort();
}

async function problemOf({ document, signature }, policy, intentDigest, deployment, now) {
  const { header: head } = document;
  const key = policy.attesters.find((one) => one.id === document.attester);
  if (key === undefined) return "the policy names no such attester";
  if (document.intent !== intentDigest) return "is about another transaction";
  if (head.deployment !== deployment) return "belongs to another deployment";
  if (now >= head.expires) return "has expired";
  if (head.created > now + SKEW) return "is dated in the future";
  if (head.expires - head.created > LIFETIME_MOST) return `would last longer than ${LIFETIME_MOST} seconds`;
  if (new Set(document.facts.map((one) => one.field)).size !== document.facts.length) return "says something twice";
  const odd = document.facts.find((one) => !isOfItsType(one));
  if (odd !== undefined) return `says ${odd.field}, which is nothing that can be attested so`;
  const message = bytesOfHex(await taggedDigest("attestation", document));
  const holds = await verifyEd25519(bytesOfHex(key.public_key.slice(2)), bytesOfHex(signature.slice(2)), message);
  return holds ? null : "is not signed by its key";
}

// What k attesters agree on of one field: its values, or null.
function agreed(field, said, threshold) {
  const saying = said.filter((document) => document.facts.some((one) => one.field === field));
  if (new Set(saying.map((document) => document.attester)).size < threshold) return null;
  const values = saying.map((document) => document.facts.find((one) => one.field === field).values);
  if (field === QUOTES) return dearest(saying, threshold);
  if (Object.hasOwn(WORSE, field)) return [String(values.map(([one]) => BigInt(one)).reduce(WORSE[field]))];
  return values.every((one) => JSON.stringify(one) === JSON.stringify(values[0])) ? values[0] : null;
}

function factsOf(said, threshold) {
  const fields = [...new Set(said.flatMap((document) => document.facts.map((one) => one.field)))].sort();
  const facts = new Map();
  for (const field of fields) {
    const values = agreed(field, said, threshold);
    if (values !== null) facts.set(field, values);
  }
  for (const [amount, asset] of Object.entries(COUPLED)) {
    if (fields.includes(asset) && !facts.has(asset)) facts.delete(amount);
  }
  return facts;
}

// {needed, attesters, notes, facts: Map(field, values), block, hash, created}; no facts where fewer than k count.
export async function attestedOf(offered, policy, intentDigest, deployment, now) {
  const needed = policy.attester_threshold;
  const nothing = { needed, attesters: [], notes: [], facts: new Map(), block: null, hash: null, created: null };
  if (needed === 0) return nothing;
  const problems = await Promise.all(offered.map((one) => problemOf(one, policy, intentDigest, deployment, now)));
  const notes = offered.map((one, at) => [one.document.attester, problems[at]]).filter(([, problem]) => problem !== null)
    .map(([name, problem]) => `${name}: ${problem}`);
  const said = offered.filter((_, at) => problems[at] === null).map((one) => one.document);
  const attesters = [...new Set(said.map((document) => document.attester))].sort();
  if (new Set(said.map((document) => `${document.block_number} ${document.block_hash}`)).size > 1) {
    return { ...nothing, notes: [...notes, "the attestations name different blocks"] };
  }
  if (attesters.length < needed) return { ...nothing, attesters, notes };
  const [{ block_number: block, block_hash: hash }] = said;
  const created = Math.min(...said.map((document) => document.header.created));
  return { needed, attesters, notes, facts: factsOf(said, needed), block, hash, created };
}
