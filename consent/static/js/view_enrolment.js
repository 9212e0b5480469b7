// Shows a new consent key to the admins who co-sign it: whose it is, and the fingerprint that they compare with them.

import { findPerson } from "./book.js";
import { el } from "./dom.js";
import { grouped, moment, rows, small } from "./parts.js";
import { keyFingerprint, modelWords } from "./policy_difference.js";
import { controlSentence, rolesWords } from "./words.js";

export async function viewEnrolment(subject) {
  const { document, policy, type } = subject;
  const { key, header } = document;
  const owner = findPerson(policy, document.person);
  const fingerprint = await keyFingerprint(key);
  return el(
    "article",
    { class: "card" },
    el("h1", { id: "sentence" }, controlSentence(type, document, policy)),
    el("p", {}, "Have the owner read the fingerprint to you, face to face, from the device that made the key. Compare every "
      + "group. Sign only if all are the same."),
    rows([
      ["Owner", owner?.name ?? "not on the pinned roster", " ",
        small(owner === null ? document.person : `${owner.id} · ${rolesWords(owner.roles)} · ${owner.site}`)],
      ["Fingerprint", el("span", { id: "fingerprint" }, grouped(fingerprint, "digest big"))],
      ["Key model", modelWords(key.aaguid)],
      ["Attestation", key.attestation === null ? "none: nobody vouches for its make" : "with its maker's attestation"],
      ["Keys so far", owner === null ? "none" : String(owner.keys.length)],
      ["Credential", el("code", { class: "calldata" }, key.credential_id)],
      ["Created", moment(header.created)],
      ["Expires", moment(header.expires)],
      ["Document id", el("code", {}, header.id)],
    ]),
  );
}
