// Builds the statement that is signed. This page makes every field of it itself; its digest is the challenge.

import { hexOf } from "./bytes.js";
import { taggedDigest } from "./canonical.js";
import { VERSION, consent } from "./documents.js";
import { Refused } from "./refusal.js";
import { DocumentError } from "./schema.js";

const LONGEST = 24 * 60 * 60; // seconds that a consent may last
const ID_BYTES = 16;

export async function makeStatement(subject, decision, reason, now) {
  const statement = {
    header: {
      type: "consent",
      version: VERSION,
      deployment: subject.deployment,
      id: hexOf(crypto.getRandomValues(new Uint8Array(ID_BYTES))),
      created: now,
      expires: Math.min(subject.document.header.expires, now + LONGEST),
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
