// The policy document: roster, wallets, assets, whitelist, rules, limits, quorums.

import { GENESIS_DEPLOYMENT, header, signedConsent } from "./documents.js";
import {
  aaguid, account, address, asset, blob, chain, count, credentialId, digest, hash32, keyBlob, label, publicKey,
  seconds, selector, sentence, slug, time,
} from "./names.js";
import { added, amount, choice, integer, items, later, maybe, struct, text } from "./schema.js";

const role = choice(
  "trader", "portfolio_manager", "risk_officer", "senior_risk_officer", "cro", "security_committee",
  "policy_admin", "operator", "auditor",
);

// The co-signatures under which a key came into a policy; what they are about is read with the key beside them.
const keyEnrolment = struct({
  header: header("enrolment"),
  policy: digest,
  consents: items(signedConsent, { most: 64 }),
});

const consentKey = struct({
  credential_id: credentialId,
  public_key: keyBlob,
  aaguid,
  attestation: maybe(struct({ object: blob, client_data_hash: hash32 })),
  enrolment: maybe(keyEnrolment),
});

// What two admins co-sign after they compared a new key's fingerprint with its owner.
export const enrolment = struct(
  { header: header("enrolment"), policy: digest, person: slug, key: consentKey },
  (read) => (read.key.enrolment === null ? null : "an enrolment is about a key that has none yet"),
);

const person = struct({
  id: slug,
  name: label,
  roles: items(role, { most: 16 }),
  desk: slug,
  site: slug,
  keys: items(consentKey, { most: 8 }),
});

const client = struct({
  id: slug,
  name: label,
  public_key: hash32,
  desk: slug,
  responsible: items(slug, { least: 1, most: 16 }),
});

const signer = struct({
  id: slug,
  role: choice("hsm", "party", "log"),
  public_key: maybe(hash32),
  host: slug,
  site: slug,
  administrator: slug,
  vendor: slug,
});

const wallet = struct({
  id: account,
  label,
  kind: choice("hsm", "mpc", "software"),
  public_key: publicKey,
  signers: items(slug, { least: 1, most: 16 }),
  threshold: integer({ least: 1, most: 16 }),
  clone: added(digest),
});

const assetEntry = struct({
  id: asset,
  symbol: text({ most: 16, pattern: "[A-Za-z0-9.$_-]{1,16}" }),
  name: label,
  decimals: integer({ most: 77 }),
});

const abiFunction = struct({
  selector,
  signature: text({ most: 512, pattern: "[A-Za-z_$][A-Za-z0-9_$]*\\([A-Za-z0-9_,()\\[\\]]*\\)" }),
});

const contract = struct({
  chain,
  address,
  label,
  code_hash: maybe(hash32),
  functions: items(abiFunction, { most: 256 }),
  protocol: maybe(slug),
});

const addressEntry = struct({
  id: slug,
  chain,
  address,
  label,
  reason: sentence,
  usable_from: time,
  expires: time,
  beneficiary: maybe(slug),
});

const condition = struct({
  op: choice(
    "all", "any", "not", "eq", "in", "le", "ge", "has", "some", "every", "within", "own_wallet", "floor",
  ),
  field: maybe(text({ most: 64, pattern: "[a-z][a-z0-9_.]*" })),
  values: items(text({ most: 280, least: 0 }), { most: 1024 }),
  parts: items(later(() => condition), { most: 64 }),
});

const seat = struct({ role, count: integer({ least: 1, most: 16 }), stage: integer({ most: 8 }) });
const quorum = struct({ seats: items(seat, { most: 16 }), sites: integer({ most: 16 }) });

const rule = struct({
  id: slug,
  label,
  order: count,
  when: condition,
  effect: choice("block", "allow"),
  quorum: maybe(quorum),
});

const limit = struct({
  id: slug,
  label,
  order: count,
  when: maybe(condition),
  per: items(
    choice(
      "initiator", "desk", "wallet", "chain", "asset", "destination", "contract", "beneficiary", "protocol", "mandate",
    ),
    { most: 16 },
  ),
  measure: choice("asset", "usd", "count", "fee"),
  asset: maybe(asset),
  window: maybe(seconds),
  most: amount,
  quorum: maybe(quorum),
});

const consentOrigin = struct({
  origin: text({ most: 255, pattern: "https?://[a-z0-9.-]+(?::[0-9]{1,5})?" }),
  rp_id: text({ most: 253, pattern: "[a-z0-9.-]+" }),
  aaguids: items(aaguid, { most: 256 }),
  attestation_roots: items(blob, { most: 64 }),
});

const controls = struct({
  succession: quorum,
  cancel: quorum,
  resume: quorum,
  ceremony: quorum,
  succession_delay: seconds,
  recovery_delay: seconds,
});

const zone = struct({
  name: text({ most: 64, pattern: "[A-Za-z]+(?:[/_+-][A-Za-z0-9]+)*" }),
  offsets: items(struct({ since: time, minutes: integer({ least: -840, most: 840 }) }), { least: 1, most: 64 }),
});

const property = struct({
  id: slug,
  label,
  when: condition,
  demand: maybe(
    struct({
      approvers: integer({ least: 1, most: 16 }),
      sites: integer({ most: 16 }),
      seats: items(seat, { most: 16 }),
    }),
  ),
});

const evidence = struct({ kind: choice("replay", "proof"), digest });

const rules = items(rule, { most: 2000 });
const namedKey = struct({ id: slug, public_key: hash32, host: slug });

export const policy = struct(
  {
    header: header("policy"),
    number: integer({ least: 1 }),
    previous: maybe(digest),
    profile: choice("demo", "production"),
    institution: label,
    consent: consentOrigin,
    people: items(person, { least: 1, most: 1000 }),
    clients: items(client, { most: 200 }),
    signers: items(signer, { least: 1, most: 64 }),
    wallets: items(wallet, { most: 1000 }),
    assets: items(assetEntry, { most: 1000 }),
    contracts: items(contract, { most: 1000 }),
    addresses: items(addressEntry, { most: 10_000 }),
    prices: items(struct({ asset, usd_e8: amount, expires: time }), { most: 1000 }),
    guards: rules,
    grants: rules,
    escalations: rules,
    limits: items(limit, { most: 1000 }),
    controls,
    witnesses: items(namedKey, { most: 64 }),
    witness_threshold: count,
    attesters: items(namedKey, { most: 64 }),
    attester_threshold: count,
    recovery: items(namedKey, { most: 16 }),
    recovery_threshold: count,
    zones: items(zone, { most: 64 }),
    properties: items(property, { most: 256 }),
    evidence: items(evidence, { most: 8 }),
  },
  (read) => {
    const first = read.previous === null;
    const consistent = first === (read.header.deployment === GENESIS_DEPLOYMENT) && first === (read.number === 1);
    return consistent ? null : "exactly the first policy has number 1, no previous one and the zero deployment";
  },
);

export const signedPolicy = struct({ policy, consents: items(signedConsent, { most: 64 }) });
