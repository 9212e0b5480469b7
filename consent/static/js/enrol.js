// Makes a consent key at this origin and shows what other admins compare: its fingerprint and its model.
// Nothing is stored or sent: the person hands the enrolment to a policy admin, who puts it into the next policy.

import { base64urlOf, hexOf, sameBytes, sha256 } from "./bytes.js";
import { readNewKey } from "./authenticator_data.js";
import { byId, copy, download, el } from "./dom.js";
import { loadConfig } from "./house.js";
import { label, slug } from "./names.js";
import { grouped, rows, small } from "./parts.js";
import { Refused } from "./refusal.js";
import { DocumentError } from "./schema.js";
import { keyProblem } from "./webauthn.js";

const ES256 = -7;
const EDDSA = -8;
const TIMEOUT_MS = 120_000;
const RANDOM_BYTES = 32;

function setStatus(kind, message) {
  const status = byId("status");
  status.className = kind;
  status.textContent = message;
}

function typed(id, form, hint) {
  try {
    return form(byId(id).value.trim(), id);
  } catch (error) {
    if (!(error instanceof DocumentError)) throw error;
    byId(id).setAttribute("aria-invalid", "true");
    byId(id).focus();
    throw new Refused("form", hint);
  }
}

function readForm() {
  for (const id of ["person", "name"]) byId(id).removeAttribute("aria-invalid");
  return {
    person: typed("person", slug, "Person id: lower-case letters, digits, dots, hyphens or underscores, as in your account."),
    name: typed("name", label, "Name: 1 to 80 visible characters."),
  };
}

function options(config, who) {
  return {
    rp: { id: config.rp_id, name: "Countersign consent" },
    // Random, so that the key itself stores nothing about the person.
    user: { id: crypto.getRandomValues(new Uint8Array(RANDOM_BYTES)), name: who.person, displayName: who.name },
    challenge: crypto.getRandomValues(new Uint8Array(RANDOM_BYTES)),
    pubKeyCredParams: [ES256, EDDSA].map((alg) => ({ type: "public-key", alg })),
    // "preferred": small keys without room for resident credentials serve as well here.
    authenticatorSelection: { userVerification: "required", residentKey: "preferred" },
    attestation: "direct",
    timeout: TIMEOUT_MS,
  };
}

async function enrol(config, who) {
  const publicKey = options(config, who);
  const credential = await navigator.credentials.create({ publicKey });
  const { response } = credential;
  const key = readNewKey(new Uint8Array(response.getAuthenticatorData()));
  if (!sameBytes(key.credentialId, new Uint8Array(credential.rawId))) {
    throw new Refused("enrolment", "The browser names another key than the security key made. Do not use it.");
  }
  const clientDataHash = await sha256(new Uint8Array(response.clientDataJSON));
  return {
    fingerprint: hexOf(await sha256(key.publicKey)),
    enrolment: {
      person: who.person,
      name: who.name,
      key: {
        credential_id: base64urlOf(key.credentialId),
        public_key: base64urlOf(key.publicKey),
        aaguid: key.aaguid,
        attestation: {
          object: base64urlOf(new Uint8Array(response.attestationObject)),
          client_data_hash: `0x${hexOf(clientDataHash)}`,
        },
        // Two admins co-sign it after they compared the fingerprint; the next policy carries what they signed.
        enrolment: null,
      },
    },
  };
}

function showEnrolment({ enrolment, fingerprint }) {
  const text = JSON.stringify(enrolment, null, 2);
  const saveButton = el("button", { type: "button", id: "save", class: "primary" }, "Save the enrolment");
  const copyButton = el("button", { type: "button", id: "copy" }, "Copy the enrolment");
  saveButton.addEventListener("click", () => download(`enrolment-${enrolment.person}.json`, `${text}\n`));
  copyButton.addEventListener("click", async () => {
    copyButton.textContent = (await copy(text)) ? "Copied" : "Copy by hand from the field below";
  });
  byId("result").replaceChildren(
    rows([
      ["Person", enrolment.name, small(enrolment.person)],
      ["Fingerprint", el("span", { id: "fingerprint" }, grouped(fingerprint, "digest")),
        small("Read it aloud to the admins who compare it.")],
      ["Key model", el("code", { id: "aaguid" }, enrolment.key.aaguid), small("AAGUID, as the key says it")],
    ]),
    el("div", { class: "buttons" }, saveButton, copyButton),
    el("label", { class: "field", for: "enrolment" }, el("span", {}, "Enrolment, for the policy admin"),
      el("textarea", { id: "enrolment", readonly: true, rows: "6", spellcheck: "false" }, text)),
  );
}

async function start() {
  const config = await loadConfig();
  const button = byId("create");
  let busy = false;
  byId("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    if (busy) return; // a double click makes one key
    busy = true;
    button.disabled = true;
    try {
      const who = readForm();
      setStatus("busy", "Touch your security key and enter its PIN. Allow the browser to show its make and model.");
      showEnrolment(await enrol(config, who));
      button.className = "";
      button.textContent = "Register another security key";
      setStatus("good", "✓ The key is made. Nothing was sent: hand the enrolment to a policy admin.");
    } catch (error) {
      setStatus("bad", `✕ ${error instanceof Refused ? error.message : keyProblem(error)}`);
    } finally {
      busy = false;
      button.disabled = false;
    }
  });
  button.disabled = false;
}

try {
  if (window.top !== window) throw new Refused("framed", "This page works in a window of its own only.");
  await start();
} catch (error) {
  setStatus("bad", `✕ ${error instanceof Refused ? error.message : "This page could not start. Tell its operators."}`);
}
