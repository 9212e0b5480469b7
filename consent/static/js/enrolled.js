// Who co-signed a new consent key, each signature checked here: two admins of the policy before, who are not its owner.

import { findPerson } from "./book.js";
import { taggedDigest } from "./canonical.js";
import { voicesOf } from "./seats.js";

const NEEDED = 2;
const ENROLLERS = Object.freeze(["policy_admin", "security_committee"]);

async function voicesOfKey(person, key, before) {
  const { header, policy, consents } = key.enrolment;
  const beforeDigest = await taggedDigest("policy", before);
  if (policy !== beforeDigest) return [];
  const digest = await taggedDigest("enrolment", { header, policy, person, key: { ...key, enrolment: null } });
  const deployment = before.previous === null ? beforeDigest : before.header.deployment;
  const subject = { type: "enrolment", digest, policyDigest: policy, policy: before, deployment };
  // By the moment at which each was given, as signers read them: a policy may be read long after.
  const heard = await Promise.all(
    consents.map((signed) => voicesOf([signed], subject, signed.statement.header.created)),
  );
  return heard.flatMap(({ voices }) => voices);
}

// "co-signed by Adam, Anna", or in capitals what is missing.
export async function coSignedWords(person, key, before) {
  if (key.enrolment === null) return "NOT co-signed";
  const voices = await voicesOfKey(person, key, before);
  const names = [...new Set(voices.filter((voice) => voice.decision === "approve").map((voice) => voice.actor))]
    .map((id) => findPerson(before, id))
    .filter((one) => one !== null && one.id !== person && one.roles.some((role) => ENROLLERS.includes(role)))
    .map((one) => one.name);
  const said = names.length === 0 ? "by nobody who counts" : `by ${names.join(", ")}`;
  return names.length >= NEEDED ? `co-signed ${said}` : `co-signed ${said}: TOO FEW`;
}
