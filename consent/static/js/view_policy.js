// Shows a first policy: who may do what, with which keys, under which rules, in sentences.

import { bytesOfBase64url, hexOf, sha256 } from "./bytes.js";
import { el } from "./dom.js";
import { folded, grouped, moment, rows, section, small } from "./parts.js";
import { keyFingerprint, modelWords } from "./policy_difference.js";
import { limitWords, propertyWords, quorumWords, ruleWords } from "./policy_words.js";
import { chainWords, counted, duration, policySentence, rolesWords, usdWords, utc } from "./words.js";
import { findAsset } from "./book.js";

function list(entries, empty) {
  if (entries.length === 0) return el("p", { class: "small" }, empty);
  return el("ul", { class: "plain" }, ...entries.map((entry) => el("li", {}, ...[entry].flat())));
}

async function keyLine(key) {
  const fingerprint = await keyFingerprint(key);
  return el(
    "span",
    { class: "key" },
    grouped(fingerprint, "digest minor"),
    small(`${modelWords(key.aaguid)} · ${key.attestation === null ? "no attestation" : "with attestation"}`
      + (key.enrolment === null ? "" : ` · ${counted(key.enrolment.consents.length, "co-signature", "co-signatures")}`)),
  );
}

async function people(policy) {
  const entries = await Promise.all(policy.people.map(async (person) => {
    const keys = await Promise.all(person.keys.map(keyLine));
    const about = ` ${person.id} · desk ${person.desk} · ${person.site}`;
    const noKey = person.keys.length === 0 ? small("no key: cannot consent to anything") : null;
    return [el("strong", {}, person.name), small(about), el("div", {}, rolesWords(person.roles)), noKey, ...keys]
      .filter((part) => part !== null);
  }));
  return section(`People and the fingerprints of their keys (${policy.people.length})`, list(entries, "Nobody."));
}

function clients(policy) {
  const entries = policy.clients.map((client) => [
    el("strong", {}, client.name),
    small(` ${client.id} · desk ${client.desk} · responsible: ${client.responsible.join(", ")}`),
    grouped(client.public_key, "digest minor"),
  ]);
  return section("Programs that may ask, never approve", list(entries, "None."));
}

function rulesOf(policy, kind, entries, title, empty) {
  const shown = entries.map((rule) => [
    el("strong", {}, rule.label),
    el("div", {}, ruleWords(policy, kind, rule)),
  ]);
  return section(title, list(shown, empty));
}

function limits(policy) {
  const shown = policy.limits.map((limit) => [el("strong", {}, limit.label), el("div", {}, limitWords(policy, limit))]);
  return section("Limits", list(shown, "None: nothing bounds amounts."));
}

function wallets(policy) {
  const entries = policy.wallets.map((wallet) => [
    el("strong", {}, wallet.label),
    small(` ${wallet.kind.toUpperCase()} · ${chainWords(wallet.id.slice(0, wallet.id.lastIndexOf(":")))}`),
    grouped(wallet.id.slice(wallet.id.lastIndexOf(":") + 1), "address minor"),
    small(`Signers: ${wallet.signers.join(", ")} (${wallet.threshold} of ${wallet.signers.length})`),
    ...(wallet.clone === undefined ? [] : [small(`Its key has a clone in a second token, made in ceremony ${wallet.clone}`)]),
  ]);
  return section("Wallets", list(entries, "None."));
}

function whitelist(policy) {
  const entries = policy.addresses.map((entry) => [
    el("strong", {}, entry.label),
    small(` ${entry.id} · ${chainWords(entry.chain)}`),
    grouped(entry.address, "address minor"),
    small(`from ${utc(entry.usable_from)} to ${utc(entry.expires)} · ${entry.reason}`),
    small(entry.beneficiary === null ? "no beneficiary named" : `beneficiary ${entry.beneficiary}`),
  ]);
  return section(`Whitelist (${policy.addresses.length})`, list(entries, "Empty: no destination is listed."));
}

function assets(policy) {
  const entries = policy.assets.map((entry) => {
    const price = policy.prices.find((one) => one.asset === entry.id);
    const priced = price === undefined ? "no price" : `${usdWords(price.usd_e8)} until ${utc(price.expires)}`;
    return [
      el("strong", {}, `${entry.symbol} · ${entry.name}`),
      small(` ${entry.decimals} decimals · ${priced}`),
      el("div", {}, small(entry.id)),
    ];
  });
  return section("Assets and reference prices", list(entries, "None."));
}

function contracts(policy) {
  const entries = policy.contracts.map((entry) => [
    el("strong", {}, entry.label),
    small(` ${chainWords(entry.chain)}`),
    grouped(entry.address, "address minor"),
    small(entry.functions.map((one) => one.signature).join(", ") || "no function"),
    small(entry.protocol === null ? "of no protocol" : `protocol ${entry.protocol}`),
    small(entry.code_hash === null ? "code not pinned" : `code ${entry.code_hash}`),
  ]);
  return section("Reviewed contracts", list(entries, "None."));
}

function named(title, entries, threshold) {
  const shown = entries.map((entry) => [
    el("strong", {}, entry.id),
    small(` on ${entry.host}`),
    grouped(entry.public_key, "digest minor"),
  ]);
  const needed = entries.length === 0 ? "" : ` (${threshold} of ${entries.length})`;
  return section(`${title}${needed}`, list(shown, "None."));
}

function signers(policy) {
  const entries = policy.signers.map((signer) => [
    el("strong", {}, signer.id),
    small(` ${signer.role.toUpperCase()} · host ${signer.host} · ${signer.site} · run by ${signer.administrator} · `
      + `${signer.vendor}`),
    signer.public_key === null ? el("div", {}, small("no key of its own")) : grouped(signer.public_key, "digest minor"),
  ]);
  return section("Signers", list(entries, "None."));
}

function controls(policy) {
  const { succession, cancel, resume, ceremony, succession_delay: delay, recovery_delay: slow } = policy.controls;
  return section(
    "Who decides about what is not a payment",
    rows([
      ["Next policy", quorumWords(succession), small(`in force after ${duration(delay)}`)],
      ["Cancel", quorumWords(cancel)],
      ["Halt", "any one person of the roster"],
      ["Resume", quorumWords(resume)],
      ["Ceremony", quorumWords(ceremony)],
      ["Recovery", small(`takes ${duration(slow)}`)],
      ["Consent at", policy.consent.origin, small(`relying party ${policy.consent.rp_id}`)],
      ["Key models", list(policy.consent.aaguids.map((one) => el("span", {}, modelWords(one))), "None: no key can consent.")],
    ]),
  );
}

// Whose attestations count: without a root, any maker's word is taken for what it is.
async function makers(policy) {
  const shown = await Promise.all(policy.consent.attestation_roots.map(async (blob) => (
    grouped(hexOf(await sha256(bytesOfBase64url(blob))), "digest minor")
  )));
  return section("Root certificates of key makers (SHA-256)", list(shown, "None pinned."));
}

function properties(policy) {
  const shown = policy.properties.map((one) => [
    el("strong", {}, one.label), el("div", {}, propertyWords(policy, one)),
  ]);
  return section("Properties that the institution states", list(shown, "None."));
}

function zones(policy) {
  const shown = policy.zones.map((zone) => {
    const offsets = zone.offsets.map((one) => `${one.minutes} min from ${utc(one.since)}`).join(", ");
    return [el("strong", {}, zone.name), small(` UTC plus ${offsets}`)];
  });
  return section("Time zones", list(shown, "None: UTC only."));
}

// Everything that a policy says, section by section.
export async function wholePolicy(policy) {
  return [
    await people(policy),
    clients(policy),
    rulesOf(policy, "guard", policy.guards, "What is always blocked", "Nothing."),
    rulesOf(policy, "grant", policy.grants, "What is allowed, first match counts", "Nothing: all is denied."),
    rulesOf(policy, "escalation", policy.escalations, "What takes more people", "Nothing."),
    limits(policy),
    properties(policy),
    zones(policy),
    wallets(policy),
    assets(policy),
    whitelist(policy),
    contracts(policy),
    controls(policy),
    await makers(policy),
    signers(policy),
    named("Witnesses", policy.witnesses, policy.witness_threshold),
    named("Attesters", policy.attesters, policy.attester_threshold),
    named("Offline recovery keys", policy.recovery, policy.recovery_threshold),
  ];
}

export async function viewPolicy(subject) {
  const { document: policy } = subject;
  const counts = [
    counted(policy.people.length, "person", "people"),
    counted(policy.wallets.length, "wallet", "wallets"),
    counted(policy.addresses.length, "listed address", "listed addresses"),
    counted(policy.grants.length, "grant", "grants"),
    counted(policy.limits.length, "limit", "limits"),
  ].join(" · ");
  // A rule may name an asset that the policy does not list; the sentence then says so instead of guessing.
  const unknownAssets = policy.limits.filter((one) => one.asset !== null && findAsset(policy, one.asset) === null);
  return el(
    "article",
    { class: "card" },
    el("h1", { id: "sentence" }, policySentence(policy)),
    el("p", { class: "compare" }, "Its digest. Compare all of it with the other admin, by voice or side by side:"),
    grouped(subject.digest, "digest big"),
    rows([
      ["Contents", counts],
      ["Created", moment(policy.header.created)],
      ["Expires", moment(policy.header.expires)],
      unknownAssets.length === 0 ? null : ["Attention", "a limit names an asset that the policy does not list"],
    ]),
    folded(
      "The whole policy in words",
      true,
      ...await wholePolicy(policy),
    ),
  );
}
