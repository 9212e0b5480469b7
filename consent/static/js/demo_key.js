// DEMO PROFILE ONLY: signs as a security key would, with a private key that this host hands to anyone who asks.
// It protects nothing; production policies refuse its model, and signers enforce that.
// Sources: WebAuthn Level 3 section 6.1, X.690 (DER INTEGER and SEQUENCE).

import { base64urlOf, bytesOfHex, concat, sha256, utf8 } from "./bytes.js";

const USER_PRESENT_AND_VERIFIED = 0x05;
const NO_COUNTER = new Uint8Array(4);
const COORDINATE = 32;

function derInteger(bytes) {
  const first = bytes.findIndex((byte) => byte !== 0);
  const digits = first < 0 ? new Uint8Array(1) : bytes.subarray(first);
  const positive = digits[0] >= 0x80 ? concat(new Uint8Array(1), digits) : digits;
  return concat(Uint8Array.of(0x02, positive.length), positive);
}

// WebCrypto gives r and s side by side, authenticators a DER sequence. It never exceeds 72 bytes: short lengths do.
export function derSignature(raw) {
  const content = concat(derInteger(raw.subarray(0, COORDINATE)), derInteger(raw.subarray(COORDINATE)));
  return concat(Uint8Array.of(0x30, content.length), content);
}

export function demoKeyOf(keys, subject) {
  return keys.find(
    (key) => key.person === subject.person.id && subject.credentials.includes(key.credential_id),
  ) ?? null;
}

export async function askDemoKey(key, subject, digest) {
  const algorithm = { name: "ECDSA", namedCurve: "P-256" };
  const privateKey = await crypto.subtle.importKey("jwk", key.jwk, algorithm, false, ["sign"]);
  const clientData = utf8(JSON.stringify({
    type: "webauthn.get",
    challenge: base64urlOf(bytesOfHex(digest)),
    origin: location.origin,
    crossOrigin: false,
  }));
  const relyingParty = await sha256(utf8(subject.policy.consent.rp_id));
  const authenticatorData = concat(relyingParty, Uint8Array.of(USER_PRESENT_AND_VERIFIED), NO_COUNTER);
  const signed = concat(authenticatorData, await sha256(clientData));
  const raw = new Uint8Array(await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, privateKey, signed));
  return {
    kind: "webauthn",
    credential_id: key.credential_id,
    authenticator_data: base64urlOf(authenticatorData),
    client_data_json: base64urlOf(clientData),
    signature: base64urlOf(derSignature(raw)),
  };
}
