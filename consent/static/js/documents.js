// The v1 documents that are shown and signed here, and the statement that the security key signs.
// Field for field what signers read; unknown or missing fields make a document unreadable.

import {
  account, address, asset, calldata, chain, count, digest, identifier, seconds, selector, sentence, slug, time,
} from "./names.js";
import {
  DocumentError, amount, base64url, choice, hexData, integer, items, maybe, oneOf, struct, text,
} from "./schema.js";

export const GENESIS_DEPLOYMENT = "0".repeat(64);
export const VERSION = 1;

const MIN_GAS = 21_000;
const MAX_GAS = 100_000_000;

export function header(type) {
  return struct(
    {
      type: choice(type),
      version: integer({ least: 1, most: VERSION }),
      deployment: digest,
      id: identifier,
      created: time,
      expires: time,
    },
    (read) => (read.expires <= read.created ? "expires must be later than created" : null),
  );
}

function feeRule(read) {
  return BigInt(read.max_priority_fee_per_gas) > BigInt(read.max_fee_per_gas)
    ? "max_priority_fee_per_gas exceeds max_fee_per_gas"
    : null;
}

const movement = struct(
  { asset, source: address, destination: address, least: amount, most: amount },
  (read) => (BigInt(read.least) > BigInt(read.most) ? "least exceeds most" : null),
);

export const intent = struct(
  {
    header: header("intent"),
    wallet: account,
    chain,
    to: address,
    value: amount,
    data: calldata,
    gas: integer({ least: MIN_GAS, most: MAX_GAS }),
    max_fee_per_gas: amount,
    max_priority_fee_per_gas: amount,
    movements: items(movement, { most: 32 }),
  },
  (read) => {
    if (read.wallet.slice(0, read.wallet.lastIndexOf(":")) !== read.chain) return "wallet and chain disagree";
    return feeRule(read);
  },
);

const predicate = struct({
  op: choice("eq", "in", "le", "ge", "own_wallet", "floor"),
  values: items(text({ most: 4096 }), { most: 64 }),
});

const leg = struct({
  wallet: account,
  chain,
  to: address,
  selector: maybe(selector),
  value: predicate,
  arguments: items(struct({ name: text({ most: 64 }), type: text({ most: 64 }), predicate }), { most: 32 }),
  gas: integer({ least: MIN_GAS, most: MAX_GAS }),
  max_fee_per_gas: amount,
});

const parentOrder = struct({
  kind: choice("parent"),
  budget: items(struct({ asset, most: amount }), { least: 1, most: 16 }),
  legs: items(leg, { least: 1, most: 32 }),
  floors: items(struct({ give: asset, receive: asset, numerator: amount, denominator: amount }), { most: 16 }),
  not_before: time,
  least_gap: seconds,
  most_children: count,
});

export const mandate = struct(
  {
    header: header("mandate"),
    policy: digest,
    asker: struct({ kind: choice("person", "client"), id: slug }),
    purpose: sentence,
    order: oneOf({ intent: struct({ kind: choice("intent"), intent }), parent: parentOrder }),
    nonce: maybe(integer()),
  },
  (read) => (read.nonce !== null && read.order.kind !== "intent" ? "only a mandate over one intent names its nonce" : null),
);

export const cancel = struct(
  {
    header: header("cancel"),
    policy: digest,
    intent: digest,
    wallet: account,
    max_fee_per_gas: amount,
    max_priority_fee_per_gas: amount,
    reason: sentence,
  },
  feeRule,
);

const someSigners = items(slug, { most: 64 });

export const halt = struct({ header: header("halt"), policy: digest, signers: someSigners, reason: sentence });

export const resume = struct({
  header: header("resume"),
  policy: digest,
  halt: digest,
  signers: someSigners,
  reason: sentence,
});

const recoveryKey = struct({
  signer: slug,
  public_key: hexData({ most: 1024 }),
  host: slug,
  site: slug,
  administrator: slug,
  vendor: slug,
});

export const ceremony = struct({
  header: header("ceremony"),
  policy: digest,
  kind: choice(
    ...["key_generation", "refresh", "restore", "ban", "journal_start"],
    ...["backup", "drill", "degraded", "destroy", "clone"],
  ),
  signers: items(slug, { least: 1, most: 64 }),
  wallet: maybe(account),
  epoch: count,
  threshold: count,
  lanes: items(struct({ wallet: account, next_nonce: count }), { most: 256 }),
  not_before: time,
  reason: sentence,
  plan: maybe(digest),
  recovery: items(recoveryKey, { most: 16 }),
});

export const DECISIONS = Object.freeze(["ask", "approve", "reject", "withdraw"]);
export const SUBJECT_TYPES = Object.freeze(["mandate", "policy", "cancel", "halt", "resume", "ceremony", "enrolment"]);

export const consent = struct({
  header: header("consent"),
  subject_type: choice(...SUBJECT_TYPES),
  subject: digest,
  policy: digest,
  decision: choice(...DECISIONS),
  actor: slug,
  reason: sentence,
});

const proof = oneOf({
  webauthn: struct({
    kind: choice("webauthn"),
    credential_id: base64url({ most: 1023 }),
    authenticator_data: base64url({ most: 4096, least: 37 }),
    client_data_json: base64url({ most: 4096 }),
    signature: base64url({ most: 1024 }),
  }),
  ed25519: struct({ kind: choice("ed25519"), signature: base64url({ least: 64, most: 64 }) }),
});

export const signedConsent = struct({ statement: consent, proof });

export { DocumentError };
