// What every judgement shares: the typed no, lifetimes, this page's origin, who is asked, and what may be decided.

import { findPerson } from "./book.js";
import { Refused } from "./refusal.js";
import { utc } from "./words.js";

const SKEW = 120; // seconds that `created` may lie ahead of this device's clock, as signers allow
const HARMFUL = Object.freeze(["ask", "approve"]);

export function refuseUnless(condition, code, message) {
  if (!condition) throw new Refused(code, message);
}

export function checkLifetime(header, now, what) {
  refuseUnless(now < header.expires, "expired", `The ${what} expired at ${utc(header.expires)}. It has to be made anew.`);
  refuseUnless(
    header.created <= now + SKEW,
    "not_yet_valid",
    `The ${what} is dated in the future (${utc(header.created)}). Check the clock of this device.`,
  );
}

export function checkConsentOrigin(policy, here) {
  refuseUnless(
    policy.consent.origin === here,
    "wrong_origin",
    `The policy takes consents made at ${policy.consent.origin} only; this page is ${here}.`,
  );
}

// A check on a second device is about a document alone: nobody is asked, and nothing can be decided.
export const CHECK = "check";

export function actorOf(policy, request) {
  if (request.decision === CHECK) return null;
  const person = findPerson(policy, request.actor);
  refuseUnless(person !== null, "unknown_person", `${request.actor} is not on the policy's roster.`);
  refuseUnless(person.keys.length > 0, "unknown_key", `The roster lists no security key for ${person.name}.`);
  return person;
}

export function decisionsLeft(request, blocks) {
  if (request.decision === CHECK) return [];
  const wanted = request.decision === "review" ? ["approve", "reject"] : [request.decision];
  return blocks.length === 0 ? wanted : wanted.filter((decision) => !HARMFUL.includes(decision));
}
