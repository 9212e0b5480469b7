// Takes a new key apart. Source: WebAuthn Level 3 section 6.1 (authenticator data), 6.5.2 (attested credential data).

import { hexOf } from "./bytes.js";
import { CborError, endOfItem } from "./cbor.js";
import { Refused } from "./refusal.js";
import { flagsOf } from "./webauthn.js";

const CREDENTIAL_AT = 37; // after 32 bytes of relying party hash, flags and counter
const AAGUID_BYTES = 16;

export function readNewKey(data) {
  const flags = flagsOf(data);
  if (!flags.attested) throw new Refused("enrolment", "The security key did not say what it is.");
  if (!flags.verified) throw new Refused("enrolment", "The security key did not verify you (PIN or finger).");
  if (flags.backup) {
    throw new Refused("enrolment", "That is a passkey that can be copied. Use a security key that keeps its key inside.");
  }
  const lengthAt = CREDENTIAL_AT + AAGUID_BYTES;
  const credentialAt = lengthAt + 2;
  const keyAt = credentialAt + data[lengthAt] * 256 + data[lengthAt + 1];
  try {
    return {
      aaguid: `0x${hexOf(data.subarray(CREDENTIAL_AT, lengthAt))}`,
      credentialId: data.slice(credentialAt, keyAt),
      publicKey: data.slice(keyAt, endOfItem(data, keyAt)),
    };
  } catch (error) {
    if (error instanceof CborError) throw new Refused("enrolment", `The security key's answer is odd: ${error.message}.`);
    throw error;
  }
}
