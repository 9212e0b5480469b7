// Hands the signed consent to the page that opened this one, and waits for its word. Both origins are checked:
// ours by the browser (the receiver's part), the receiver's against this host's own list.

import { Refused } from "./refusal.js";

const ACK_MS = 20_000;

// The window to answer to, or null where there is none and the consent is saved as a file instead.
export function receiverOf(request, config, opener) {
  if (request.return_origin === null) return null;
  if (!config.allowed_return_origins.includes(request.return_origin)) {
    throw new Refused(
      "return_origin",
      `The request wants its answer sent to ${request.return_origin}, which this host does not allow.`,
    );
  }
  return opener === null ? null : { window: opener, origin: request.return_origin };
}

function readAck(data) {
  const known = typeof data === "object" && data !== null && data.type === "countersign.ack.v1";
  if (!known || typeof data.ok !== "boolean") return null;
  return { ok: data.ok, message: String(data.message ?? "").slice(0, 500) };
}

// Resolves to {ok, message}, or to null if the other page says nothing in time.
export function deliver(receiver, signedConsent) {
  return new Promise((resolve) => {
    const finish = (ack) => {
      clearTimeout(timer);
      removeEventListener("message", listen);
      resolve(ack);
    };
    const listen = (event) => {
      if (event.source !== receiver.window || event.origin !== receiver.origin) return;
      const ack = readAck(event.data);
      if (ack !== null) finish(ack);
    };
    const timer = setTimeout(() => finish(null), ACK_MS);
    addEventListener("message", listen);
    receiver.window.postMessage({ type: "countersign.consent.v1", consent: signedConsent }, receiver.origin);
  });
}
