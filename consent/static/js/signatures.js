// Verifies what others signed: consents made with security keys, and what attesters say. Keys come from the pinned
// policy only. Sources: WebAuthn Level 3 section 7.2, RFC 9053 (ES256, EdDSA), RFC 8032, X.690 (DER).

import { bytesOfBase64url, bytesOfHex, concat, hexOf, sameBytes, sha256, textOfUtf8, utf8 } from "./bytes.js";
import { flagsOf } from "./webauthn.js";

const RP_HASH_BYTES = 32;
const COORDINATE = 32;
// The one canonical spelling of each key (RFC 9053 sections 7.1.1 and 7.2) up to where its coordinates stand.
const ES256_HEAD = "a5010203262001215820";
const ES256_MIDDLE = "225820";
const EDDSA_HEAD = "a4010103272006215820";

// {raw, kind} of a COSE key, or null: nothing but these two spellings is a consent key.
function coseKey(bytes) {
  const hex = hexOf(bytes);
  if (hex.startsWith(EDDSA_HEAD) && hex.length === EDDSA_HEAD.length + 2 * COORDINATE) {
    return { kind: "eddsa", raw: bytesOfHex(hex.slice(EDDSA_HEAD.length)) };
  }
  const x = hex.slice(ES256_HEAD.length, ES256_HEAD.length + 2 * COORDINATE);
  const rest = hex.slice(ES256_HEAD.length + 2 * COORDINATE);
  const fits = hex.startsWith(ES256_HEAD) && rest.startsWith(ES256_MIDDLE)
    && rest.length === ES256_MIDDLE.length + 2 * COORDINATE;
  return fits ? { kind: "es256", raw: bytesOfHex(`04${x}${rest.slice(ES256_MIDDLE.length)}`) } : null;
}

// r and s side by side, from strict DER with short lengths; null for any other spelling.
export function rawSignature(der) {
  const part = (at) => {
    const length = der[at + 1];
    const [first, second] = [der[at + 2], der[at + 3]];
    const digits = der.subarray(at + 2, at + 2 + length);
    const shortest = length === 1 || first !== 0 || second >= 0x80;
    if (der[at] !== 0x02 || !(length >= 1) || first >= 0x80 || !shortest || digits.length !== length) return null;
    const value = first === 0 ? digits.subarray(1) : digits;
    if (value.length > COORDINATE) return null;
    const padded = new Uint8Array(COORDINATE);
    padded.set(value, COORDINATE - value.length);
    return { padded, end: at + 2 + length };
  };
  if (der[0] !== 0x30 || der[1] !== der.length - 2) return null;
  const r = part(2);
  const s = r === null ? null : part(r.end);
  return s !== null && s.end === der.length ? concat(r.padded, s.padded) : null;
}

export async function verifyEd25519(publicKey, signature, message) {
  try {
    const key = await crypto.subtle.importKey("raw", publicKey, { name: "Ed25519" }, false, ["verify"]);
    return await crypto.subtle.verify({ name: "Ed25519" }, key, signature, message);
  } catch {
    return false; // a browser without Ed25519 verifies nothing: unknown means no
  }
}

async function verifyEs256(publicKey, signature, message) {
  const raw = rawSignature(signature);
  if (raw === null) return false;
  try {
    const algorithm = { name: "ECDSA", namedCurve: "P-256" };
    const key = await crypto.subtle.importKey("raw", publicKey, algorithm, false, ["verify"]);
    return await crypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, key, raw, message);
  } catch {
    return false; // no point of the curve
  }
}

function clientDataHolds(bytes, digest, origin) {
  let read;
  try {
    read = JSON.parse(textOfUtf8(bytes));
  } catch {
    return false;
  }
  const plain = typeof read === "object" && read !== null && read.type === "webauthn.get" && read.origin === origin;
  if (!plain || (read.crossOrigin ?? false) !== false || Object.hasOwn(read, "topOrigin")) return false;
  try {
    return sameBytes(bytesOfBase64url(read.challenge), bytesOfHex(digest));
  } catch {
    return false;
  }
}

// Whether a listed key made this assertion over a statement with this digest, at the policy's own consent origin.
export async function assertionHolds(proof, key, digest, consentOrigin) {
  const data = bytesOfBase64url(proof.authenticator_data);
  const client = bytesOfBase64url(proof.client_data_json);
  const flags = flagsOf(data);
  const relyingParty = await sha256(utf8(consentOrigin.rp_id));
  const counts = flags.present && flags.verified && !flags.backup && !flags.attested;
  if (!counts || !sameBytes(data.subarray(0, RP_HASH_BYTES), relyingParty)) return false;
  if (!clientDataHolds(client, digest, consentOrigin.origin)) return false;
  const cose = coseKey(bytesOfBase64url(key.public_key));
  if (cose === null) return false;
  const message = concat(data, await sha256(client));
  const verify = cose.kind === "es256" ? verifyEs256 : verifyEd25519;
  return verify(cose.raw, bytesOfBase64url(proof.signature), message);
}
