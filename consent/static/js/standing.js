// Gathers where a case stands, for people to read: what is attested, the rule, the voices and the seats.

import { attestedOf } from "./attested.js";
import { taggedDigest } from "./canonical.js";
import { partsOf } from "./divided.js";
import { approversOf, rulesNamed, seated, seatsAsked, voicesOf } from "./seats.js";
import { findPerson } from "./book.js";
import { attestedWarnings, standingWarnings } from "./view_standing.js";

const NOBODY = Object.freeze({ kind: "person", id: "" }); // nobody asks for what is no request
const QUORUMS = Object.freeze({ policy: "succession", cancel: "cancel", resume: "resume", ceremony: "ceremony" });

// What has to be filled: for a request by the rules that the server names, otherwise by the pinned policy itself.
function rolesAsked(subject, rules) {
  if (subject.type === "mandate") return seatsAsked(rules.found);
  const name = QUORUMS[subject.type];
  return name === undefined ? [] : seatsAsked([{ rule: { quorum: subject.policy.controls[name] } }]);
}

async function standingOf(request, subject, now) {
  const isMandate = subject.type === "mandate";
  const rules = rulesNamed(subject.policy, isMandate ? request.rules : []);
  const { voices, bad } = await voicesOf(request.consents, subject, now);
  const asker = isMandate ? subject.document.asker : NOBODY;
  const people = isMandate
    ? approversOf(subject.policy, asker, voices)
    : voices.filter((voice) => voice.decision === "approve").map((voice) => findPerson(subject.policy, voice.actor));
  const parts = isMandate ? partsOf(subject, request.limit_parts) : null;
  return { rules, parts, voices, bad, seats: seated(rolesAsked(subject, rules), people) };
}

// Who only rejects, withdraws or compares needs nobody's simulation; who asks or approves is told if there is none.
function wantsAttested(request, subject) {
  if (subject.type !== "mandate") return false;
  return request.attestations.length > 0 || subject.decisions.some((decision) => ["ask", "approve"].includes(decision));
}

export async function withStanding(request, subject, now) {
  const standing = await standingOf(request, subject, now);
  const { policy, deployment, document } = subject;
  const attested = wantsAttested(request, subject)
    ? await attestedOf(
      request.attestations, policy, await taggedDigest("intent", document.order.intent), deployment, now,
    )
    : null;
  const more = attested === null ? [] : attestedWarnings(attested);
  return { ...subject, standing, attested, warnings: [...subject.warnings, ...more, ...standingWarnings(standing)] };
}
