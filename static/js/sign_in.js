// Signing in: by a security key, or in the demonstration by a software key that lives in this page.

import { post } from "./http.js";

const section = document.getElementById("sign-in");
const status = document.getElementById("status");
const FLAGS = 0x05; // user present, user verified

function encode(bytes) {
  const text = String.fromCharCode(...new Uint8Array(bytes));
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

async function hardwareKey({ options }) {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  const credential = await navigator.credentials.get({ publicKey });
  return credential.toJSON();
}

// WebCrypto gives r and s side by side; WebAuthn wants them as ASN.1 DER integers.
function derInteger(bytes) {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start += 1;
  const body = bytes[start] & 0x80 ? [0, ...bytes.slice(start)] : [...bytes.slice(start)];
  return [0x02, body.length, ...body];
}

function der(raw) {
  const body = [...derInteger(raw.slice(0, 32)), ...derInteger(raw.slice(32))];
  return new Uint8Array([0x30, body.length, ...body]);
}

async function softwareKey({ options, rp_id: rpId }) {
  const answer = await fetch(document.getElementById("demo-person").value, { credentials: "same-origin" });
  if (!answer.ok) throw new Error("There is no such software key.");
  const demo = await answer.json();
  const algorithm = { name: "ECDSA", namedCurve: "P-256" };
  const key = await crypto.subtle.importKey("jwk", demo.jwk, algorithm, false, ["sign"]);
  const clientData = new TextEncoder().encode(
    JSON.stringify({ type: "webauthn.get", challenge: options.challenge, origin: location.origin, crossOrigin: false }),
  );
  const rpHash = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(rpId)));
  const data = new Uint8Array([...rpHash, FLAGS, 0, 0, 0, 0]);
  const clientHash = new Uint8Array(await crypto.subtle.digest("SHA-256", clientData));
  const signed = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, key, new Uint8Array([...data, ...clientHash]));
  return {
    id: demo.credential_id,
    rawId: demo.credential_id,
    type: "public-key",
    clientExtensionResults: {},
    response: {
      clientDataJSON: encode(clientData),
      authenticatorData: encode(data),
      signature: encode(der(new Uint8Array(signed))),
    },
  };
}

async function signIn(button, key) {
  button.disabled = true;
  status.textContent = "Waiting for the key …";
  try {
    const challenge = await post(section.dataset.options);
    const answer = await post(section.dataset.verify, await key(challenge));
    status.textContent = "Signed in.";
    location.assign(answer.next);
  } catch (error) {
    const given = error.name === "NotAllowedError";
    status.textContent = given ? "Nothing was signed: cancelled, timed out, or the key is not known here." : error.message;
    button.disabled = false;
  }
}

for (const [id, key] of [["use-key", hardwareKey], ["use-demo-key", softwareKey]]) {
  const button = document.getElementById(id);
  if (!button) continue;
  button.addEventListener("click", () => signIn(button, key));
  // The page is served with it disabled: a click before this script has come would be lost.
  button.disabled = false;
}
