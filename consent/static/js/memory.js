// Which addresses were approved from this browser before: the page's own memory, which no server can write. It holds
// addresses only, decides nothing, and losing it only makes a first use be named once more.

import { destinationOf, nameOf } from "./book.js";

const PREFIX = "approved:";

// Everybody whom an approval pays, or lets take tokens, or calls.
function addressesOf(subject) {
  const { chain } = subject.document.order.intent;
  const found = subject.calls.flatMap((call) => [
    call.flow?.destination, call.allowance?.spender, call.kind === "contract_call" ? call.to : undefined,
  ]).filter((address) => address !== undefined);
  return [...new Set(found)].map((address) => ({ chain, address }));
}

function remembered({ chain, address }) {
  try {
    return localStorage.getItem(`${PREFIX}${chain}:${address}`) !== null;
  } catch {
    return false; // a browser that keeps nothing has approved nothing before
  }
}

export function rememberApproval(subject) {
  if (subject.type !== "mandate") return;
  for (const { chain, address } of addressesOf(subject)) {
    try {
      localStorage.setItem(`${PREFIX}${chain}:${address}`, "1");
    } catch {
      return; // full or forbidden: the address stays new
    }
  }
}

export function firstUseWarnings(subject, now) {
  if (subject.type !== "mandate" || !subject.decisions.includes("approve")) return [];
  const fresh = addressesOf(subject)
    .filter(({ chain, address }) => destinationOf(subject.policy, chain, address, now).state !== "own")
    .filter((one) => !remembered(one));
  if (fresh.length === 0) return [];
  const names = fresh.map(({ chain, address }) => nameOf(subject.policy, chain, address) ?? address);
  const message = `First use from this browser: ${names.join(", ")}. Nothing to it was approved here before.`;
  return [{ code: "first_use", message }];
}
