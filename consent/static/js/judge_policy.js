// Judges a policy: the first one, which its own roster signs, or the one that follows the policy pinned here.

import { taggedDigest } from "./canonical.js";
import { CHECK, actorOf, checkConsentOrigin, checkLifetime, decisionsLeft, refuseUnless } from "./checks.js";
import { GENESIS_DEPLOYMENT } from "./documents.js";
import { checkReports } from "./reports.js";
import { utc } from "./words.js";

function checkDecision(request) {
  refuseUnless(
    ["approve", "reject", "review", CHECK].includes(request.decision),
    "malformed",
    "A policy is approved or rejected.",
  );
}

// A first policy has nothing above it: two people compare its digest, and its own roster signs.
export async function judgeGenesis(request, house, now, here) {
  const policy = request.document;
  refuseUnless(policy.previous === null, "wrong_policy", "No policy is pinned here, and this is not a first policy.");
  checkDecision(request);
  checkLifetime(policy.header, now, "policy");
  checkConsentOrigin(policy, here);
  const digest = await taggedDigest("policy", policy);
  const reports = await checkReports(policy, request.reports);
  const person = actorOf(policy, request);
  const offered = (person?.keys ?? [])
    .map((key) => key.credential_id)
    .filter((id) => request.credentials.length === 0 || request.credentials.includes(id));
  refuseUnless(person === null || offered.length > 0, "unknown_key", "The link offers no key that this policy lists for you.");
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
    calls: [],
    reports,
    blocks: [],
    warnings: [],
  };
}

function checkFollows(policy, house) {
  const { pins, policy: pinned } = house;
  const follows = policy.previous === pins.policy && policy.number === pinned.number + 1;
  refuseUnless(
    follows,
    "wrong_policy",
    `Policy ${policy.number} does not follow the policy that is pinned here (policy ${pinned.number}).`,
  );
  refuseUnless(
    policy.header.deployment === pins.deployment,
    "wrong_deployment",
    "The policy belongs to another deployment.",
  );
  refuseUnless(policy.profile === pinned.profile, "profile", "The deployment profile never changes.");
}

function successorWarnings(policy, pinned, now) {
  const warnings = [];
  if (now >= pinned.header.expires) {
    warnings.push({ code: "pinned_expired", message: `The pinned policy expired at ${utc(pinned.header.expires)}.` });
  }
  for (const kind of ["replay", "proof"]) {
    if (policy.evidence.some((row) => row.kind === kind)) continue;
    warnings.push({ code: `no_${kind}`, message: `It names no ${kind} report: nobody says that it was tried.` });
  }
  if (policy.consent.origin !== pinned.consent.origin || policy.consent.rp_id !== pinned.consent.rp_id) {
    const message = `From then on consents count only if made at ${policy.consent.origin}: is that this institution's?`;
    warnings.push({ code: "consent_moves", message });
  }
  return warnings;
}

// A successor is judged by the pinned policy: its roster signs, and what changes is read from both documents here.
export async function judgeSuccessor(request, house, now, here) {
  const policy = request.document;
  checkDecision(request);
  checkFollows(policy, house);
  checkConsentOrigin(house.policy, here);
  checkLifetime(policy.header, now, "policy");
  const reports = await checkReports(policy, request.reports);
  const person = actorOf(house.policy, request);
  return {
    type: "policy",
    genesis: false,
    document: policy,
    digest: await taggedDigest("policy", policy),
    policy: house.policy,
    policyDigest: house.pins.policy,
    deployment: house.pins.deployment,
    person,
    credentials: (person?.keys ?? []).map((key) => key.credential_id),
    decisions: decisionsLeft(request, []),
    calls: [],
    reports,
    blocks: [],
    warnings: successorWarnings(policy, house.policy, now),
  };
}
