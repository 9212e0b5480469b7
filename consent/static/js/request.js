// Reads what was asked of this page: base64url JSON in the URL fragment, which never travels to any server.

import { signedAttestation } from "./attested.js";
import { bytesOfBase64url, textOfUtf8 } from "./bytes.js";
import { DECISIONS, SUBJECT_TYPES, cancel, ceremony, halt, mandate, resume, signedConsent } from "./documents.js";
import { credentialId, slug } from "./names.js";
import { enrolment, policy, signedPolicy } from "./policy_document.js";
import { Refused } from "./refusal.js";
import { DocumentError, choice, integer, items, struct, text } from "./schema.js";

const LONGEST = 1900 * 1024; // characters: a browser carries 2 MiB in an address, a policy has 1 MiB at most
const MOST_REPORT = 1024 * 1024;
const MOST_CLAIMS = 20;
const DEFAULTS = Object.freeze({
  credentials: [], return_origin: null, claimed: {}, reports: [], attestations: [], consents: [], rules: [],
  limit_parts: 1,
});
const FORMS = Object.freeze({ mandate, policy, cancel, halt, resume, ceremony, enrolment });

const claimName = text({ most: 40 });
const claimValue = text({ most: 500, least: 0 });
const returnOrigin = text({ most: 255, pattern: "https?://[a-z0-9.-]+(?::[0-9]{1,5})?" });

function claims(value, at) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new DocumentError(`${at}: object expected`);
  }
  const entries = Object.entries(value);
  if (entries.length > MOST_CLAIMS) throw new DocumentError(`${at}: at most ${MOST_CLAIMS} claims`);
  return entries.map(([name, claim]) => [claimName(name, at), claimValue(claim, `${at}.${name.slice(0, 40)}`)]);
}

// Any text: a report is compared by its digest, and shown only if that is the one which the document names.
function reportBody(value, at) {
  if (typeof value !== "string" || value.length > MOST_REPORT) throw new DocumentError(`${at}: a report's text expected`);
  return value;
}

function decode(encoded) {
  try {
    return JSON.parse(textOfUtf8(bytesOfBase64url(encoded)));
  } catch {
    throw new Refused("malformed", "The link is damaged: what follows the # is not a request.");
  }
}

function readFields(value) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new DocumentError("request: object expected");
  }
  const complete = { ...DEFAULTS, ...value };
  const type = choice(...SUBJECT_TYPES)(value.subject_type, "subject_type");
  return struct({
    v: integer({ least: 1, most: 1 }),
    subject_type: choice(type),
    // A name that JSON repeats, or a spelling that parsers read differently, cannot mislead: what is shown and
    // what is digested is the one value read here, and a signer reads its own.
    document: (document) => FORMS[type](document, type),
    decision: choice(...DECISIONS, "review"),
    actor: slug,
    credentials: items(credentialId, { most: 16 }),
    return_origin: (origin, at) => (origin === null ? null : returnOrigin(origin, at)),
    claimed: claims,
    attestations: items(signedAttestation, { most: 64 }),
    consents: items(signedConsent, { most: 64 }),
    rules: items(slug, { most: 16 }),
    limit_parts: integer({ least: 1, most: 16 }),
    reports: items(struct({ kind: choice("replay", "proof"), body: reportBody }), { most: 8 }),
  })(complete, "request");
}

function readable(read) {
  try {
    return read();
  } catch (error) {
    if (error instanceof DocumentError) throw new Refused("malformed", `The request cannot be read: ${error.message}.`);
    if (error instanceof RangeError) throw new Refused("malformed", "The request is nested too deeply.");
    throw error;
  }
}

// A document by itself, or a policy with its consents: {subject_type, document}.
export function readDocument(value) {
  return readable(() => {
    const holder = typeof value === "object" && value !== null ? value : {};
    if (Object.hasOwn(holder, "policy") && Object.hasOwn(holder, "consents") && !Object.hasOwn(holder, "header")) {
      return { subject_type: "policy", document: signedPolicy(value, "policy").policy };
    }
    const type = choice(...SUBJECT_TYPES)(holder.header?.type, "header.type");
    return { subject_type: type, document: FORMS[type](value, type) };
  });
}

// Null for a page that was opened without a request.
export function readRequest(fragment) {
  const encoded = fragment.startsWith("#") ? fragment.slice(1) : fragment;
  if (encoded === "") return null;
  if (encoded.length > LONGEST) {
    throw new Refused("malformed", "The link is too long to be a request (over 1900 KiB).");
  }
  const value = decode(encoded);
  return readable(() => readFields(value));
}
