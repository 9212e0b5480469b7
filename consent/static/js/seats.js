// Who said what about this document, each signature checked here against the pinned roster, and which seats that fills.
// Which rule matched is the server's word; what the rule says and asks for is the pinned policy's. Signers decide all of
// it again, so this only tells a person where the case stands.

import { bytesOfBase64url, bytesOfHex } from "./bytes.js";
import { findClient, findPerson, initiators } from "./book.js";
import { taggedDigest } from "./canonical.js";
import { assertionHolds, verifyEd25519 } from "./signatures.js";

async function clientHolds(signed, client, digest) {
  if (client === null || signed.statement.decision !== "ask" || signed.proof.kind !== "ed25519") return false;
  return verifyEd25519(bytesOfHex(client.public_key.slice(2)), bytesOfBase64url(signed.proof.signature), bytesOfHex(digest));
}

async function holds(signed, subject, now) {
  const { statement, proof } = signed;
  const { header } = statement;
  const about = statement.subject_type === subject.type && statement.subject === subject.digest
    && statement.policy === subject.policyDigest && header.deployment === subject.deployment;
  if (!about || now >= header.expires) return false;
  const digest = await taggedDigest("consent", statement);
  const person = findPerson(subject.policy, statement.actor);
  if (person === null) return clientHolds(signed, findClient(subject.policy, statement.actor), digest);
  if (proof.kind !== "webauthn") return false;
  const key = person.keys.find((one) => one.credential_id === proof.credential_id);
  return key !== undefined && assertionHolds(proof, key, digest, subject.policy.consent);
}

// {voices, bad}: the consents that hold, oldest first, and how many do not.
export async function voicesOf(consents, subject, now) {
  const checked = await Promise.all(consents.map((signed) => holds(signed, subject, now)));
  const voices = consents.filter((_, at) => checked[at]).map(({ statement }) => ({
    actor: statement.actor, decision: statement.decision, at: statement.header.created, reason: statement.reason,
  }));
  return { voices: voices.sort((one, other) => one.at - other.at), bad: checked.filter((one) => !one).length };
}

const SECTIONS = Object.freeze({ grant: "grants", escalation: "escalations", limit: "limits" });

// The pinned rules that the server names, in the policy's order; `unknown` are ids that the policy does not have.
export function rulesNamed(policy, ids) {
  const found = Object.entries(SECTIONS).flatMap(([kind, list]) => (
    policy[list].filter((rule) => ids.includes(rule.id)).map((rule) => ({ kind, rule }))
  ));
  return { found, unknown: ids.filter((id) => !found.some(({ rule }) => rule.id === id)) };
}

// For each role the most seats that one of the rules asks for, in the order of their stages.
export function seatsAsked(rules) {
  const most = new Map();
  for (const { rule } of rules) {
    const counts = new Map();
    for (const seat of rule.quorum?.seats ?? []) {
      const before = counts.get(seat.role) ?? { count: 0, stage: 0 };
      counts.set(seat.role, { count: before.count + seat.count, stage: Math.max(before.stage, seat.stage) });
    }
    for (const [role, { count, stage }] of counts) {
      const before = most.get(role) ?? { count: 0, stage: 0 };
      most.set(role, { count: Math.max(before.count, count), stage: Math.max(before.stage, stage) });
    }
  }
  const rows = [...most].sort(([, one], [, other]) => one.stage - other.stage);
  return rows.flatMap(([role, { count }]) => new Array(count).fill(role));
}

// One person, one seat; Kuhn's augmenting paths. [{role, person}], person null where the seat is open.
export function seated(roles, people) {
  const holder = new Map();
  const place = (seat, tried) => people.some((person) => {
    if (tried.has(person.id) || !person.roles.includes(roles[seat])) return false;
    tried.add(person.id);
    if (holder.has(person.id) && !place(holder.get(person.id), tried)) return false;
    holder.set(person.id, seat);
    return true;
  });
  roles.forEach((_, seat) => place(seat, new Set()));
  return roles.map((role, seat) => {
    const id = [...holder].find(([, held]) => held === seat)?.[0];
    return { role, person: people.find((person) => person.id === id) ?? null };
  });
}

// The people of the roster whose approval stands and who did not ask.
export function approversOf(policy, asker, voices) {
  const gone = voices.filter((voice) => voice.decision === "withdraw").map((voice) => voice.actor);
  const barred = [...initiators(policy, asker), ...gone];
  const ids = new Set(voices.filter((voice) => voice.decision === "approve").map((voice) => voice.actor));
  return [...ids].filter((id) => !barred.includes(id)).map((id) => findPerson(policy, id)).filter((one) => one !== null);
}
