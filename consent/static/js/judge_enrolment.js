// Judges the enrolment of a consent key as signers do when a policy brings it: two admins who are not its owner.

import { findPerson } from "./book.js";
import { refuseUnless } from "./checks.js";

const ENROLLERS = Object.freeze(["policy_admin", "security_committee"]);

function blocksOf(document, person) {
  if (person === null) return [];
  const blocks = [];
  if (person.id === document.person) {
    const message = "This is a key of your own: two other admins co-sign it.";
    blocks.push({ code: "own_key", message });
  }
  if (!person.roles.some((role) => ENROLLERS.includes(role))) {
    const message = "Only policy admins and the security committee co-sign keys: yours would not count.";
    blocks.push({ code: "no_enroller", message });
  }
  return blocks;
}

export function judgeEnrolment(request, house) {
  const { document } = request;
  refuseUnless(request.decision !== "ask", "malformed", "An enrolment is approved or rejected, never asked for.");
  const { policy } = house;
  const known = policy.people.some((one) => one.keys.some((key) => key.public_key === document.key.public_key));
  refuseUnless(!known, "unknown_key", "This key is on the roster already. A new enrolment takes a new key.");
  const warnings = [];
  if (!policy.consent.aaguids.includes(document.key.aaguid)) {
    const message = "The policy does not allow keys of this model: no signer takes a policy that lists it.";
    warnings.push({ code: "unlisted_model", message });
  }
  if (document.key.attestation === null && policy.profile === "production") {
    warnings.push({ code: "no_attestation", message: "The key's maker does not vouch for it; production refuses it." });
  }
  return { calls: [], blocks: blocksOf(document, findPerson(policy, request.actor ?? "")), warnings };
}
