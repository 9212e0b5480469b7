// Limits in degraded mode: the wallet's parties count alone, so each limit counts there as one of n - t + 1 parts.
// That the mode was on is the server's word; into how many parts it falls, and what each is then, is the pinned policy's.

import { findWallet } from "./book.js";

// {parts, agreed, named}: what the pinned policy divides by, whether the server says the same, whether the request names
// its nonce. Null where the server says nothing of it.
export function partsOf(subject, claimed) {
  if (claimed === 1) return null;
  const { policy, document } = subject;
  const wallet = findWallet(policy, document.order.intent.wallet);
  const parts = wallet !== null && wallet.kind === "mpc" ? wallet.signers.length - wallet.threshold + 1 : 1;
  return { parts, agreed: parts === claimed, named: document.nonce !== null };
}

// A limit as it counts in degraded mode, rounded down.
export function dividedLimit(limit, parts) {
  return parts === null || !parts.agreed ? limit : { ...limit, most: String(BigInt(limit.most) / BigInt(parts.parts)) };
}

export function dividedWords(parts) {
  if (parts === null || !parts.agreed) return "";
  return `The server says that this wallet is in degraded mode. Then each limit counts as one of ${parts.parts} parts, `
    + "as above: its parties do not reach each other, and all together must not sign more than the policy's limit.";
}

export function dividedWarnings(parts) {
  if (parts === null) return [];
  if (!parts.agreed) {
    const message = "The server divides this wallet's limits otherwise than the pinned policy would in degraded mode. "
      + "Tell the security officer.";
    return [{ code: "wrong_parts", message }];
  }
  if (parts.named) return [];
  const message = "The server says that this wallet is in degraded mode, but this request names no nonce: no party signs it.";
  return [{ code: "no_nonce", message }];
}
