// Asks a security key. Source: W3C Web Authentication Level 3, sections 5.1 and 6.1.

import { base64urlOf, bytesOfBase64url, bytesOfHex, sameBytes, textOfUtf8 } from "./bytes.js";
import { Refused } from "./refusal.js";

const TIMEOUT_MS = 120_000;
const FLAGS_AT = 32; // after the hash of the relying party id
const [PRESENT, VERIFIED, BACKUP_ELIGIBLE, BACKED_UP, ATTESTED] = [0x01, 0x04, 0x08, 0x10, 0x40];

export function keyProblem(error) {
  const said = {
    NotAllowedError:
      "The security key did not sign: it was cancelled, taken out, timed out, or did not verify you (PIN or finger). "
      + "Nothing was sent. You may try again.",
    InvalidStateError: "This security key is registered here already.",
    SecurityError: "The browser refuses security keys at this address. Tell the operators of this host.",
    NotSupportedError: "This security key cannot make the kind of key that is needed (ES256 or EdDSA).",
    AbortError: "Stopped waiting for the security key. Nothing was sent. You may try again.",
  };
  const known = error instanceof DOMException && Object.hasOwn(said, error.name);
  return known ? said[error.name] : "The security key could not be used. Nothing was sent. You may try again.";
}

export function flagsOf(authenticatorData) {
  const flags = authenticatorData[FLAGS_AT] ?? 0;
  return {
    present: (flags & PRESENT) !== 0,
    verified: (flags & VERIFIED) !== 0,
    backup: (flags & (BACKUP_ELIGIBLE | BACKED_UP)) !== 0,
    attested: (flags & ATTESTED) !== 0,
  };
}

// Signers check all of this again; here it only spares a person a consent that could never count.
function checkAnswer(proof, authenticatorData, clientData, offered, challenge) {
  const flags = flagsOf(authenticatorData);
  const read = JSON.parse(textOfUtf8(clientData));
  if (!offered.includes(proof.credential_id)) {
    throw new Refused("unknown_key", "That security key is not the one that the policy lists for you.");
  }
  if (read.type !== "webauthn.get" || !sameBytes(bytesOfBase64url(read.challenge), challenge)) {
    throw new Refused("assertion", "The browser had something else signed. Nothing was sent: do not use this browser.");
  }
  if (!flags.present || !flags.verified) {
    throw new Refused("assertion", "The security key did not verify you (PIN or finger), so this does not count.");
  }
  if (flags.backup) {
    throw new Refused("assertion", "That is a passkey that can be copied. Only keys that stay in one device count.");
  }
}

// `signal` lets a person stop waiting for a key that is no longer there.
export async function askSecurityKey(subject, digest, signal) {
  const challenge = bytesOfHex(digest);
  const credential = await navigator.credentials.get({
    signal,
    publicKey: {
      challenge,
      rpId: subject.policy.consent.rp_id,
      allowCredentials: subject.credentials.map((id) => ({ type: "public-key", id: bytesOfBase64url(id) })),
      userVerification: "required",
      timeout: TIMEOUT_MS,
    },
  });
  const authenticatorData = new Uint8Array(credential.response.authenticatorData);
  const clientData = new Uint8Array(credential.response.clientDataJSON);
  const proof = {
    kind: "webauthn",
    credential_id: base64urlOf(new Uint8Array(credential.rawId)),
    authenticator_data: base64urlOf(authenticatorData),
    client_data_json: base64urlOf(clientData),
    signature: base64urlOf(new Uint8Array(credential.response.signature)),
  };
  checkAnswer(proof, authenticatorData, clientData, subject.credentials, challenge);
  return proof;
}
