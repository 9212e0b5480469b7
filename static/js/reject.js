// Walks through several cases: for each, the consent page shows it and asks the key. Nothing is signed here, and there
// is no such walk to approve.

import { post } from "./http.js";

const walk = document.getElementById("walk");
const button = document.getElementById("next");
const status = document.getElementById("consent-status");
const reason = document.getElementById("reason");
const cases = [...walk.querySelectorAll("[data-case]")];
const origin = walk.dataset.origin;
let at = 0;
let opened = null;
let busy = false;

function encode(text) {
  let binary = "";
  for (const byte of new TextEncoder().encode(text)) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

function outcome(row, words, tone) {
  const badge = document.createElement("span");
  badge.className = `badge ${tone}`;
  badge.textContent = words;
  row.querySelector("[data-outcome]").replaceChildren(badge);
}

function offer() {
  const row = cases[at];
  button.disabled = row === undefined;
  button.textContent = row === undefined ? "Done" : `Reject ${row.dataset.name} (${at + 1} of ${cases.length})`;
}

button.addEventListener("click", async () => {
  // The window first: a browser opens one only right after a click.
  opened = window.open(`${origin}/#${encode(cases[at].dataset.request)}`, "countersign-consent");
  status.textContent = opened
    ? "Waiting for the consent page …"
    : "The browser blocked the consent page. Allow pop-ups for this site and try again.";
  try {
    await navigator.clipboard.writeText(reason.value);
  } catch {
    // Without leave to copy, the reason is typed there.
  }
});

window.addEventListener("message", async (event) => {
  if (opened === null || event.source !== opened || event.origin !== origin) return;
  if (typeof event.data !== "object" || event.data === null || event.data.type !== "countersign.consent.v1") return;
  if (busy || cases[at] === undefined) return;
  busy = true;
  const row = cases[at];
  try {
    await post(row.dataset.submit, { consent: event.data.consent });
    opened.postMessage({ type: "countersign.ack.v1", ok: true, message: "Received." }, origin);
    outcome(row, "✓ rejected", "good");
    at += 1;
    status.textContent = cases[at] ? "Rejected. The next one is ready." : "All of them were rejected.";
  } catch (error) {
    opened.postMessage({ type: "countersign.ack.v1", ok: false, message: error.message }, origin);
    outcome(row, "⚠ not rejected", "bad");
    status.textContent = error.message;
    at += 1;
  }
  busy = false;
  offer();
});

offer();
