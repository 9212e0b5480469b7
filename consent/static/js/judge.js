// Judges a request against this host's own policy before anything can be signed. `Refused` ends it; a block leaves
// only what is always safe to say (reject, withdraw); a warning is shown in red and left to the person.

import { findAsker, findPerson, findWallet, initiators } from "./book.js";
import { decodeCall, movementsAgree } from "./calldata.js";
import { openCalls } from "./calls.js";
import { taggedDigest } from "./canonical.js";
import { actorOf, checkConsentOrigin, checkLifetime, decisionsLeft, refuseUnless } from "./checks.js";
import { findingsOf } from "./findings.js";
import { checksumAddress } from "./keccak.js";
import { judgeEnrolment } from "./judge_enrolment.js";
import { judgeGenesis, judgeSuccessor } from "./judge_policy.js";
import { withStanding } from "./standing.js";
import { ceremonyWarnings } from "./view_ceremony.js";
import { utc } from "./words.js";

// Documents that may have been made under an earlier policy than the pinned one: a request on its way, and a halt.
const LASTING = Object.freeze(["mandate", "halt"]);

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
  // Signers take no other spelling; a page that compared without case would show what can never be signed.
  refuseUnless(checksumAddress(intent.to) === intent.to, "malformed", "The called address is not spelled as EIP-55 does.");
  const call = decodeCall(intent);
  refuseUnless(
    movementsAgree(intent, call),
    "movements",
    "The request says that it moves something else than its calldata does.",
  );
  return call;
}

function judgeMandate(request, house, now) {
  const mandate = request.document;
  const call = checkIntent(mandate, house, now);
  const { intent } = mandate.order;
  const calls = openCalls(intent, house.policy);
  const { blocks, warnings } = findingsOf(intent, calls, call, house.policy, now);
  const asks = mandate.asker.kind === "person" && mandate.asker.id === request.actor;
  if (request.decision === "ask") {
    refuseUnless(asks, "no_asker", "Only the person named as asker can sign this request as its asker.");
  } else if (initiators(house.policy, mandate.asker).includes(request.actor)) {
    const message = "You count as the asker of this request: whoever asks has no say in its approval.";
    blocks.push({ code: "initiator", message });
  }
  return { calls, blocks, warnings };
}

function judgeControl(request, house) {
  const { document, subject_type: type } = request;
  refuseUnless(request.decision !== "ask", "malformed", `A ${type} is approved or rejected, never asked for.`);
  const wallets = [document.wallet ?? null, ...(document.lanes ?? []).map((lane) => lane.wallet)];
  for (const wallet of wallets.filter((id) => id !== null)) {
    // A key ceremony may speak of a wallet that a later policy will name; what is destroyed, no policy names any more.
    const known = findWallet(house.policy, wallet) !== null || ["key_generation", "destroy"].includes(document.kind);
    refuseUnless(known, "unknown_wallet", "The policy knows no such wallet.");
  }
  const names = house.policy.signers.map((signer) => signer.id);
  const stranger = (document.signers ?? []).find((name) => !names.includes(name));
  refuseUnless(stranger === undefined, "wrong_signer", `The policy knows no signer ${stranger}.`);
  const replaces = "Replacement: it competes with a transaction at its nonce. Whichever of the two is mined first counts; "
    + "the other never will.";
  if (type === "ceremony") return { calls: [], blocks: [], warnings: ceremonyWarnings(document) };
  return { calls: [], blocks: [], warnings: type === "cancel" ? [{ code: "replacement", message: replaces }] : [] };
}

const JUDGES = Object.freeze({ mandate: judgeMandate, enrolment: judgeEnrolment });

// The policy under which a document was made: the pinned one, or one before it that the pin reaches back to.
function policyOf(document, house, type) {
  if (document.policy === house.pins.policy) return { policy: house.policy, earlier: false };
  const before = house.earlier.find((one) => one.digest === document.policy);
  refuseUnless(
    before !== undefined && LASTING.includes(type),
    "wrong_policy",
    "The document was made under another policy than the one pinned here.",
  );
  return { policy: before.policy, earlier: true };
}

// Whoever the pinned policy no longer lists, with this key, does not count for an earlier one either.
function keysOf(person, house) {
  if (person === null) return [];
  const listed = findPerson(house.policy, person.id)?.keys.map((key) => key.credential_id) ?? [];
  const kept = person.keys.map((key) => key.credential_id).filter((id) => listed.includes(id));
  refuseUnless(
    kept.length > 0,
    "unknown_person",
    `${person.name} is no longer on the roster of policy ${house.policy.number} with a key of then.`,
  );
  return kept;
}

function earlierWarning(policy, house) {
  const message = `Asked under policy ${policy.number}. Policy ${house.policy.number} is pinned here: both have to allow `
    + "it, and people whom the newer one removed no longer count. Names and rules below are those of policy "
    + `${policy.number}.`;
  return { code: "earlier_policy", message };
}

async function judgePinned(request, house, now, here) {
  const { document, subject_type: type } = request;
  refuseUnless(
    document.header.deployment === house.pins.deployment,
    "wrong_deployment",
    "The document belongs to another deployment.",
  );
  const { policy, earlier } = policyOf(document, house, type);
  checkConsentOrigin(policy, here);
  // Stopping is never too late: a halt is taken under an expired policy too.
  if (type !== "halt") {
    const over = `Policy ${policy.number} expired at ${utc(policy.header.expires)}.`;
    refuseUnless(now < policy.header.expires, "policy_expired", over);
  }
  checkLifetime(document.header, now, type === "mandate" ? "request" : type);
  const person = actorOf(policy, request);
  const credentials = keysOf(person, house);
  const under = { ...house, policy };
  const findings = Object.hasOwn(JUDGES, type) ? JUDGES[type](request, under, now) : judgeControl(request, under);
  return {
    type,
    genesis: false,
    document,
    digest: await taggedDigest(type, document),
    policy,
    policyDigest: document.policy,
    deployment: house.pins.deployment,
    person,
    credentials,
    decisions: decisionsLeft(request, findings.blocks),
    ...findings,
    warnings: earlier ? [earlierWarning(policy, house), ...findings.warnings] : findings.warnings,
  };
}

// `now` in Unix seconds, `here` this page's own origin.
export async function judge(request, house, now, here) {
  if (house.policy !== null) {
    const about = request.subject_type === "policy" ? judgeSuccessor : judgePinned;
    return withStanding(request, await about(request, house, now, here), now);
  }
  refuseUnless(
    request.subject_type === "policy",
    "wrong_policy",
    "No policy is pinned on this host yet, so nothing but a first policy can be signed.",
  );
  return withStanding(request, await judgeGenesis(request, house, now, here), now);
}
