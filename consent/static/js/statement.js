// Builds the statement that is signed. This page makes every field of it itself; its digest is the challenge.

import { hexOf } from "./bytes.js";
import { taggedDigest } from "./canonical.js";
import { VERSION, consent } from "./documents.js";
import { Refused } from "./refusal.js";
import { DocumentError } from "./schema.js";

const DAY = 24 * 60 * 60;
// Seconds that a consent may last, and never longer than what it is about. A signer that is away takes a policy when it
// is back, and reads these then. A transaction that is held for later says when it ends, and people read that above; no
// longer than witnesses name a veto of it.
const LONGEST = Object.freeze({ policy: 7 * DAY, mandate: 30 * DAY });
const ID_BYTES = 16;

export async function makeStatement(subject, decision, reason, now) {
  const statement = {
    header: {
      type: "consent",
      version: VERSION,
      deployment: subject.deployment,
      id: hexOf(crypto.getRandomValues(new Uint8Array(ID_BYTES))),
      created: now,
      expires: Math.min(subject.document.header.expires, now + (LONGEST[subject.type] ?? DAY)),
    },
    subject_type: subject.type,
    subject: subject.digest,
    policy: subject.policyDigest,
    decision,
    actor: subject.person.id,
    reason,
  };
  try {
    const read = consent(statement, "consent");
    return { statement: read, digest: await taggedDigest("consent", read) };
  } catch (error) {
    if (!(error instanceof DocumentError)) throw error;
    if (statement.header.expires <= now) throw new Refused("expired", "It has expired in the meantime.");
    const hint = "The reason takes up to 280 visible characters on one line.";
    throw new Refused("malformed", `${hint} (${error.message})`);
  }
}
