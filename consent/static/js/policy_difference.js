// The difference between two policies in plain sentences, computed here from both documents. Whatever differs is said:
// what no sentence covers is shown as the documents have it.

import { bytesOfBase64url, hexOf, sha256, textOfUtf8 } from "./bytes.js";
import { findAsset } from "./book.js";
import { canonical } from "./canonical.js";
import { coSignedWords } from "./enrolled.js";
import { limitWords, propertyWords, quorumWords, ruleWords } from "./policy_words.js";
import { chainWords, duration, plain, rolesWords, usdWords, utc } from "./words.js";

// "countersign-demo" in ASCII: what the demo's software keys call themselves.
const DEMO_MODEL = "0x636f756e7465727369676e2d64656d6f";

export function modelWords(aaguid) {
  return aaguid === DEMO_MODEL ? "DEMO software key" : `model ${aaguid}`;
}

export async function keyFingerprint(key) {
  return hexOf(await sha256(bytesOfBase64url(key.public_key)));
}

function raw(value) {
  return textOfUtf8(canonical(value));
}

function sameValue(one, other) {
  return raw(one) === raw(other);
}

// A sentence with the identifiers that people compare: {kind, text, values: [{label, hex, form}]}.
function sentence(kind, text, values = []) {
  return { kind, text, values };
}

const digestValue = (label, hex) => ({ label, hex, form: "digest minor" });
const addressValue = (label, hex) => ({ label, hex, form: "address minor" });

async function keyValue(label, key) {
  return digestValue(`${label} · ${modelWords(key.aaguid)}`, await keyFingerprint(key));
}

async function newKeyValue(label, person, key, before) {
  const { label: model, ...value } = await keyValue(label, key);
  return { ...value, label: `${model} · ${await coSignedWords(person, key, before)}` };
}

const SHOWN = Object.freeze({ usd_e8: usdWords, expires: utc, usable_from: utc });

function shown(name, value) {
  return Object.hasOwn(SHOWN, name) ? SHOWN[name](value) : raw(value);
}

function changedFields(before, after, skip = []) {
  const names = Object.keys(after).filter((name) => !skip.includes(name) && !sameValue(before[name], after[name]));
  return names.map((name) => `${plain(name)} was ${shown(name, before[name])}, becomes ${shown(name, after[name])}`);
}

function listChange(what, before, after) {
  const gone = before.filter((one) => !after.includes(one));
  const come = after.filter((one) => !before.includes(one));
  return [
    ...(come.length > 0 ? [`${what} added: ${come.map(plain).join(", ")}`] : []),
    ...(gone.length > 0 ? [`${what} removed: ${gone.map(plain).join(", ")}`] : []),
  ];
}

// --------------------------------------------------------------------------------------------- rows of sections

function rowName(form, policy, row, id) {
  const label = form.label?.(policy, row) ?? row.label ?? row.name ?? row.symbol ?? "";
  return label === "" || label === id ? id : `${label} (${id})`;
}

const addressAlone = (row) => row.address;

const people = {
  title: "People",
  id: (row) => row.id,
  words: (_policy, row) => `${rolesWords(row.roles)}; desk ${row.desk}, ${row.site}; ${row.keys.length} keys`,
  values: (row, before) => Promise.all(row.keys.map((key) => newKeyValue("key", row.id, key, before))),
  gone: (row) => Promise.all(row.keys.map((key) => keyValue("key", key))),
  async changed(before, _after, old, row) {
    const ids = (keys) => keys.map((key) => raw(key));
    const come = row.keys.filter((key) => !ids(old.keys).includes(raw(key)));
    const gone = old.keys.filter((key) => !ids(row.keys).includes(raw(key)));
    const parts = [
      ...listChange("roles", old.roles, row.roles),
      ...changedFields(old, row, ["id", "roles", "keys"]),
      ...(come.length > 0 ? [`keys added: ${come.length}`] : []),
      ...(gone.length > 0 ? [`keys removed: ${gone.length}`] : []),
    ];
    const values = await Promise.all([
      ...come.map((key) => newKeyValue("added", row.id, key, before)),
      ...gone.map((key) => keyValue("removed", key)),
    ]);
    return { text: parts.join("; "), values };
  },
};

const clients = {
  title: "Programs that may ask",
  id: (row) => row.id,
  words: (_policy, row) => `desk ${row.desk}; responsible: ${row.responsible.join(", ")}`,
  values: (row) => [digestValue("key", row.public_key)],
};

const signers = {
  title: "Signers",
  id: (row) => row.id,
  words: (_policy, row) => `${row.role} on ${row.host}, ${row.site}, run by ${row.administrator}, ${row.vendor}`,
  values: (row) => (row.public_key === null ? [] : [digestValue("key", row.public_key)]),
};

const wallets = {
  title: "Wallets",
  id: (row) => row.id,
  words: (_policy, row) => `${row.kind} wallet; signers ${row.signers.join(", ")}, ${row.threshold} of them sign`,
  values: (row) => [
    addressValue("account", row.id.slice(row.id.lastIndexOf(":") + 1)),
    ...(row.clone === undefined ? [] : [digestValue("its key has a clone in a second token, made in ceremony", `0x${row.clone}`)]),
  ],
};

const assets = {
  title: "Assets",
  id: (row) => row.id,
  words: (_policy, row) => `${row.name}, ${row.decimals} decimals`,
};

const contracts = {
  title: "Reviewed contracts",
  id: (row) => `${row.chain}/${row.address}`,
  words: (_policy, row) => `${chainWords(row.chain)}; ${row.functions.map((one) => one.signature).join(", ") || "no function"}`
    + `${row.protocol === null ? "" : `; protocol ${row.protocol}`}`,
  values: (row) => [
    addressValue("contract", addressAlone(row)),
    ...(row.code_hash === null ? [] : [digestValue("code", row.code_hash)]),
  ],
};

const addresses = {
  title: "Whitelist",
  id: (row) => row.id,
  words: (_policy, row) => `on ${chainWords(row.chain)}, from ${utc(row.usable_from)} to ${utc(row.expires)}; ${row.reason}`
    + `${row.beneficiary === null ? "" : `; beneficiary ${row.beneficiary}`}`,
  values: (row) => [addressValue("address", addressAlone(row))],
  changed(_before, _after, old, row) {
    const moved = old.address === row.address && old.chain === row.chain
      ? []
      : [addressValue("was", old.address), addressValue("becomes", row.address)];
    return { text: changedFields(old, row).join("; "), values: moved };
  },
};

const prices = {
  title: "Reference prices",
  label: (policy, row) => findAsset(policy, row.asset)?.symbol,
  id: (row) => row.asset,
  words: (_policy, row) => `${usdWords(row.usd_e8)} until ${utc(row.expires)}`,
};

function rulesOf(kind, title) {
  return { title, id: (row) => row.id, worded: true, words: (policy, row) => ruleWords(policy, kind, row) };
}

const limits = { title: "Limits", id: (row) => row.id, worded: true, words: limitWords };

const zones = {
  title: "Time zones",
  id: (row) => row.name,
  words: (_policy, row) => row.offsets.map((one) => `UTC${one.minutes < 0 ? "−" : "+"}${Math.abs(one.minutes)} min from `
    + utc(one.since)).join("; "),
};

const properties = { title: "Properties that the institution states", id: (row) => row.id, worded: true, words: propertyWords };

function keysOf(title) {
  return {
    title,
    id: (row) => row.id,
    words: (_policy, row) => `on ${row.host}`,
    values: (row) => [digestValue("key", row.public_key)],
  };
}

const SECTIONS = Object.freeze({
  people, clients, signers, wallets, assets, contracts, addresses, prices,
  guards: rulesOf("guard", "What is always blocked"),
  grants: rulesOf("grant", "What is allowed, first match counts"),
  escalations: rulesOf("escalation", "What takes more people"),
  limits,
  witnesses: keysOf("Witnesses"),
  attesters: keysOf("Attesters"),
  recovery: keysOf("Offline recovery keys"),
  zones, properties,
});

// Two rows of one name would hide each other: the second is told apart by its place.
function byName(form, rows) {
  const named = new Map();
  for (const row of rows) {
    let name = form.id(row);
    for (let count = 2; named.has(name); count += 1) name = `${form.id(row)} #${count}`;
    named.set(name, row);
  }
  return named;
}

// Rules, limits and properties: what they said, and what they will say.
function changedWords(form, before, after, old, row) {
  const [was, becomes] = [form.words(before, old), form.words(after, row)];
  const parts = was === becomes ? [] : [`Was: ${was} Becomes: ${becomes}`];
  if ((old.order ?? 0) !== (row.order ?? 0)) parts.push(`Its place was ${old.order}, becomes ${row.order}`);
  if (old.label !== row.label) parts.push(`It was called “${old.label}”`);
  // What words cannot tell apart is still a difference.
  return parts.length > 0 ? parts.join(". ") : changedFields(old, row).join("; ");
}

async function changedRow(form, before, after, old, row, name) {
  const found = form.changed === undefined
    ? { text: changedFields(old, row).join("; "), values: await (form.values?.(row) ?? []) }
    : await form.changed(before, after, old, row);
  const text = form.worded ? changedWords(form, before, after, old, row) : found.text;
  return sentence("changed", `${rowName(form, after, row, name)}. ${text}`, found.values);
}

async function section(form, before, after, field) {
  const [old, fresh] = [byName(form, before[field]), byName(form, after[field])];
  const found = [];
  for (const [name, row] of fresh) {
    if (old.has(name)) continue;
    const text = `${rowName(form, after, row, name)}: ${form.words(after, row)}`;
    found.push(sentence("added", text, await (form.values?.(row, before) ?? [])));
  }
  for (const [name, row] of old) {
    if (fresh.has(name)) continue;
    const text = `${rowName(form, before, row, name)}: ${form.words(before, row)}`;
    found.push(sentence("removed", text, await ((form.gone ?? form.values)?.(row, before) ?? [])));
  }
  for (const [name, row] of fresh) {
    if (!old.has(name)) continue;
    // A rule's own row may stand still while what it names changes its meaning: then its words differ.
    const moved = form.worded && form.words(before, old.get(name)) !== form.words(after, row);
    if (moved || !sameValue(old.get(name), row)) {
      found.push(await changedRow(form, before, after, old.get(name), row, name));
    }
  }
  if (found.length === 0 && !sameValue(before[field], after[field])) {
    found.push(sentence("changed", "The same entries in another order"));
  }
  return found;
}

// ----------------------------------------------------------------------------------------------- what is single

const QUORUMS = Object.freeze({ succession: "The next policy", cancel: "A cancel", resume: "A resume", ceremony: "A ceremony" });
const DELAYS = Object.freeze({ succession_delay: "A next policy that loosens", recovery_delay: "A recovery" });

function controls(before, after) {
  const quorums = Object.entries(QUORUMS).filter(([name]) => !sameValue(before[name], after[name]));
  const delays = Object.entries(DELAYS).filter(([name]) => before[name] !== after[name]);
  return [
    ...quorums.map(([name, what]) => {
      const [was, becomes] = [quorumWords(before[name]), quorumWords(after[name])];
      const told = was === becomes ? `${raw(before[name])}, will take ${raw(after[name])}` : `${was}, will take ${becomes}`;
      return sentence("changed", `${what} took ${told}`);
    }),
    ...delays.map(([name, what]) => (
      sentence("changed", `${what} waited ${duration(before[name])}, will wait ${duration(after[name])}`)
    )),
  ];
}

const SINGLE = Object.freeze({
  institution: "The institution's name",
  profile: "The deployment profile",
  witness_threshold: "The number of witnesses needed",
  attester_threshold: "The number of attesters needed",
  recovery_threshold: "The number of recovery keys needed",
});

// Certificates by their fingerprints: what a key's maker vouches for counts only under one of these.
async function roots(before, after) {
  const rootValue = async (blob) => [digestValue("SHA-256", hexOf(await sha256(bytesOfBase64url(blob))))];
  const come = after.filter((one) => !before.includes(one)).map(async (one) => (
    sentence("added", "A maker's root certificate whose keys may consent", await rootValue(one))
  ));
  const gone = before.filter((one) => !after.includes(one)).map(async (one) => (
    sentence("removed", "A maker's root certificate whose keys might consent", await rootValue(one))
  ));
  const found = await Promise.all([...come, ...gone]);
  const reordered = found.length === 0 && !sameValue(before, after);
  return reordered ? [sentence("changed", "The makers' root certificates stand in another order")] : found;
}

async function general(before, after) {
  const found = Object.entries(SINGLE)
    .filter(([name]) => before[name] !== after[name])
    .map(([name, what]) => sentence("changed", `${what} was ${before[name]}, becomes ${after[name]}`));
  if (before.header.expires !== after.header.expires) {
    found.push(sentence("changed", `The policy ended ${utc(before.header.expires)}, will end ${utc(after.header.expires)}`));
  }
  const { aaguids: oldModels, attestation_roots: oldRoots, ...oldPlace } = before.consent;
  const { aaguids: models, attestation_roots: newRoots, ...place } = after.consent;
  if (!sameValue(oldPlace, place)) {
    const words = ({ origin, rp_id: party }) => `${origin} (relying party ${party})`;
    found.push(sentence("changed", `Consent was given at ${words(oldPlace)}, will be given at ${words(place)}`));
  }
  const changes = [
    ...models.filter((one) => !oldModels.includes(one)).map((one) => `may consent from now on: ${modelWords(one)}`),
    ...oldModels.filter((one) => !models.includes(one)).map((one) => `may consent no longer: ${modelWords(one)}`),
  ];
  found.push(...changes.map((text) => sentence("changed", text)), ...await roots(oldRoots, newRoots));
  return found;
}

// Fields that every successor changes, and those that have sentences of their own above.
const COVERED = new Set(["header", "number", "previous", "evidence", "consent", "controls", ...Object.keys(SINGLE)]);

function uncovered(before, after) {
  const names = Object.keys(after).filter((name) => !COVERED.has(name) && !Object.hasOwn(SECTIONS, name));
  return names.filter((name) => !sameValue(before[name], after[name]))
    .map((name) => sentence("changed", `${name} was ${raw(before[name])}, becomes ${raw(after[name])}`));
}

// [{title, sentences}] for every section that differs; empty if the two say the same.
export async function policyDifference(before, after) {
  const sections = [{ title: "General", sentences: await general(before, after) }];
  for (const [field, form] of Object.entries(SECTIONS)) {
    sections.push({ title: form.title, sentences: await section(form, before, after, field) });
  }
  const last = [...controls(before.controls, after.controls), ...uncovered(before, after)];
  sections.push({ title: "Who decides about what is not a payment", sentences: last });
  return sections.filter((one) => one.sentences.length > 0);
}
