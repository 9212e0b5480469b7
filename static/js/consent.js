// Opens the consent origin, takes the signed consent from exactly that window and origin, and hands it to our server.
// This page never sees a key, and what it shows binds nobody: the consent page decodes the document for itself.

import { post } from "./http.js";

const panel = document.getElementById("consent");
const status = document.getElementById("consent-status");
const button = panel.querySelector("[data-open]");
const origin = panel.dataset.origin;
const asked = JSON.parse(panel.dataset.request);
const NEXT = "Nothing changed by this. Reload the case to see where it stands, and sign again if it still asks you.";
let opened = null;
let busy = false;

function encode(text) {
  let binary = "";
  for (const byte of new TextEncoder().encode(text)) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

function acknowledge(ok, message) {
  opened.postMessage({ type: "countersign.ack.v1", ok, message }, origin);
}

// What attesters sign lasts minutes, so it is asked for when a person opens the case. Without an answer the consent
// page says in red that nothing is attested; it never depends on our word.
async function withAttestations() {
  try {
    const answer = await fetch(panel.dataset.attestations, { credentials: "same-origin", redirect: "error" });
    const { attestations } = await answer.json();
    return JSON.stringify({ ...asked, attestations });
  } catch {
    return panel.dataset.request;
  }
}

button.addEventListener("click", async () => {
  const asks = Boolean(panel.dataset.attestations);
  // Opened before anything is waited for: browsers block windows that open later than the click.
  opened = window.open(asks ? "" : `${origin}/#${encode(panel.dataset.request)}`, "countersign-consent");
  if (opened === null) {
    status.textContent = "The browser blocked the consent page. Allow pop-ups for this site and try again.";
    return;
  }
  if (asks) {
    status.textContent = "Asking the attesters …";
    opened.location = `${origin}/#${encode(await withAttestations())}`;
  }
  status.textContent = "Waiting for the consent page …";
});

window.addEventListener("message", async (event) => {
  if (opened === null || event.source !== opened || event.origin !== origin) return;
  if (typeof event.data !== "object" || event.data === null || event.data.type !== "countersign.consent.v1") return;
  if (busy) return;
  busy = true;
  button.disabled = true;
  status.textContent = "Checking the consent …";
  try {
    const body = { consent: event.data.consent };
    if (panel.dataset.sendDocument) body.mandate = asked.document;
    const answer = await post(panel.dataset.submit, body);
    acknowledge(true, "Received.");
    location.assign(answer.next);
  } catch (error) {
    const told = `${error.message} ${NEXT}`;
    acknowledge(false, told);
    status.textContent = told;
    button.disabled = false;
    busy = false;
  }
});

// The page is served with it disabled: a click before this script has come would be lost.
button.disabled = false;
