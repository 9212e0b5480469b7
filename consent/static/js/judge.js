// Judges a request against this host's own policy before anything can be signed. `Refused` ends it; a block leaves
// only what is always safe to say (reject, withdraw); a warning is shown in red and left to the person.

import { findAsker, findAsset, findPerson, findWallet, destinationOf, initiators } from "./book.js";
import { decodeCall, movementsAgree } from "./calldata.js";
import { taggedDigest } from "./canonical.js";
import { GENESIS_DEPLOYMENT } from "./documents.js";
import { Refused } from "./refusal.js";
import { utc } from "./words.js";

const SKEW = 120; // seconds that `created` may lie ahead of this device's clock, as signers allow
const HARMFUL = Object.freeze(["ask", "approve"]);

function refuseUnless(condition, code, message) {
  if (!condition) throw new Refused(code, message);
}

function checkLifetime(header, now, what) {
  refuseUnless(now < header.expires, "expired", `The ${what} expired at ${utc(header.expires)}. It has to be made anew.`);
  refuseUnless(
    header.created <= now + SKEW,
    "not_yet_valid",
    `The ${what} is dated in the future (${utc(header.created)}). Check the clock of this device.`,
  );
}

function checkConsentOrigin(policy, here) {
  refuseUnless(
    policy.consent.origin === here,
    "wrong_origin",
    `The policy takes consents made at ${policy.consent.origin} only; this page is ${here}.`,
  );
}

function checkIntent(mandate, house, now) {
  refuseUnless(
    mandate.order.kind === "intent",
    "unsupported",
    "Parent orders are not signed by any signer yet, so this page signs none.",
  );
  const { intent } = mandate.order;
  refuseUnless(
    intent.header.deployment === house.pins.deployment,
    "wrong_deployment",
    "The transaction inside belongs to another deployment.",
  );
  checkLifetime(intent.header, now, "transaction");
  const wallet = findWallet(house.policy, intent.wallet);
  refuseUnless(wallet !== null, "unknown_wallet", "The policy knows no such wallet.");
  const asker = findAsker(house.policy, mandate.asker);
  refuseUnless(asker !== null, "unknown_person", "Whoever asks is not on the policy's roster.");
  const call = decodeCall(intent);
  refuseUnless(
    movementsAgree(intent, call),
    "movements",
    "The request says that it moves something else than its calldata does.",
  );
  return call;
}

function transferFindings(intent, call, policy, now) {
  if (call.kind === "unknown") {
    const message = "Unknown call: this page cannot say what the transaction does, so it cannot be approved here.";
    return { blocks: [{ code: "unknown_call", message }], warnings: [] };
  }
  const blocks = [];
  if (findAsset(policy, call.asset) === null) {
    const message = "Unknown asset: the policy does not know this token, so its amount cannot be shown in words.";
    blocks.push({ code: "unknown_asset", message });
  }
  const { state, entry } = destinationOf(policy, intent.chain, call.destination, now);
  const said = {
    unlisted: () => "Destination NOT LISTED: this address is not on the policy's whitelist.",
    cooling: () => `Destination cooling down: it may be used from ${utc(entry.usable_from)}.`,
    expired: () => `Destination expired: its whitelist entry ended at ${utc(entry.expires)}.`,
  };
  const warnings = Object.hasOwn(said, state) ? [{ code: `destination_${state}`, message: said[state]() }] : [];
  return { blocks, warnings };
}

function judgeMandate(request, house, now) {
  const mandate = request.document;
  const call = checkIntent(mandate, house, now);
  const { blocks, warnings } = transferFindings(mandate.order.intent, call, house.policy, now);
  const asks = mandate.asker.kind === "person" && mandate.asker.id === request.actor;
  if (request.decision === "ask") {
    refuseUnless(asks, "no_asker", "Only the person named as asker can sign this request as its asker.");
  } else if (initiators(house.policy, mandate.asker).includes(request.actor)) {
    const message = "You count as the asker of this request: whoever asks has no say in its approval.";
    blocks.push({ code: "initiator", message });
  }
  return { call, blocks, warnings };
}

function judgeControl(request, house) {
  const { document, subject_type: type } = request;
  refuseUnless(request.decision !== "ask", "malformed", `A ${type} is approved or rejected, never asked for.`);
  const wallets = [document.wallet ?? null, ...(document.lanes ?? []).map((lane) => lane.wallet)];
  for (const wallet of wallets.filter((id) => id !== null)) {
    // A key ceremony may speak of a wallet that a later policy will name.
    const known = findWallet(house.policy, wallet) !== null || document.kind === "key_generation";
    refuseUnless(known, "unknown_wallet", "The policy knows no such wallet.");
  }
  const names = house.policy.signers.map((signer) => signer.id);
  const stranger = (document.signers ?? []).find((name) => !names.includes(name));
  refuseUnless(stranger === undefined, "wrong_signer", `The policy knows no signer ${stranger}.`);
  return { call: null, blocks: [], warnings: [] };
}

function actorOf(policy, request) {
  const person = findPerson(policy, request.actor);
  refuseUnless(person !== null, "unknown_person", `${request.actor} is not on the policy's roster.`);
  refuseUnless(person.keys.length > 0, "unknown_key", `The roster lists no security key for ${person.name}.`);
  return person;
}

function decisionsLeft(request, blocks) {
  const wanted = request.decision === "review" ? ["approve", "reject"] : [request.decision];
  return blocks.length === 0 ? wanted : wanted.filter((decision) => !HARMFUL.includes(decision));
}

// A first policy has nothing above it: two people compare its digest, and its own roster signs.
async function judgeGenesis(request, house, now, here) {
  const policy = request.document;
  refuseUnless(policy.previous === null, "wrong_policy", "No policy is pinned here, and this is not a first policy.");
  refuseUnless(
    ["approve", "reject", "review"].includes(request.decision),
    "malformed",
    "A policy is approved or rejected.",
  );
  checkLifetime(policy.header, now, "policy");
  checkConsentOrigin(policy, here);
  const digest = await taggedDigest("policy", policy);
  const person = actorOf(policy, request);
  const offered = person.keys
    .map((key) => key.credential_id)
    .filter((id) => request.credentials.length === 0 || request.credentials.includes(id));
  refuseUnless(offered.length > 0, "unknown_key", "The link offers no key that this policy lists for you.");
  return {
    type: "policy",
    genesis: true,
    document: policy,
    digest,
    policy,
    policyDigest: digest,
    deployment: GENESIS_DEPLOYMENT,
    person,
    credentials: offered,
    decisions: decisionsLeft(request, []),
    call: null,
    blocks: [],
    warnings: [],
  };
}

async function judgePinned(request, house, now, here) {
  const { document, subject_type: type } = request;
  refuseUnless(
    type !== "policy",
    "unsupported",
    "A policy is pinned here already, and this page does not show the differences to a new one yet. It signs none.",
  );
  checkConsentOrigin(house.policy, here);
  // Stopping is never too late: a halt is taken under an expired policy too.
  if (type !== "halt") {
    const over = `The pinned policy expired at ${utc(house.policy.header.expires)}.`;
    refuseUnless(now < house.policy.header.expires, "policy_expired", over);
  }
  refuseUnless(
    document.header.deployment === house.pins.deployment,
    "wrong_deployment",
    "The document belongs to another deployment.",
  );
  refuseUnless(
    document.policy === house.pins.policy,
    "wrong_policy",
    "The document was made under another policy than the one pinned here.",
  );
  checkLifetime(document.header, now, type === "mandate" ? "request" : type);
  const person = actorOf(house.policy, request);
  const findings = type === "mandate" ? judgeMandate(request, house, now) : judgeControl(request, house);
  return {
    type,
    genesis: false,
    document,
    digest: await taggedDigest(type, document),
    policy: house.policy,
    policyDigest: house.pins.policy,
    deployment: house.pins.deployment,
    person,
    credentials: person.keys.map((key) => key.credential_id),
    decisions: decisionsLeft(request, findings.blocks),
    ...findings,
  };
}

// `now` in Unix seconds, `here` this page's own origin.
export async function judge(request, house, now, here) {
  if (house.policy !== null) return judgePinned(request, house, now, here);
  refuseUnless(
    request.subject_type === "policy",
    "wrong_policy",
    "No policy is pinned on this host yet, so nothing but a first policy can be signed.",
  );
  return judgeGenesis(request, house, now, here);
}
