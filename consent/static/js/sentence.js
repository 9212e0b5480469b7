// What a request does, in one sentence. `python -m witness words` says the same, from another implementation:
// tests/vectors/calls.json holds both to it. Addresses without a name are spelled out, never shortened.

import { findAsker, findAsset, nameOf } from "./book.js";
import { areUnderstood, openCalls } from "./calls.js";
import { nativeAsset } from "./names.js";
import { amountWords, counted, walletLabel } from "./words.js";

export function placeWords(policy, chain, address) {
  return nameOf(policy, chain, address) ?? `unlisted address ${address}`;
}

export function functionName(call) {
  return call.signature.slice(0, call.signature.indexOf("("));
}

// Who may take how much; `wallet` is the label of the wallet that it is taken from.
export function allowanceSentence(policy, chain, allowance, wallet) {
  const { asset, amount, unlimited } = allowance;
  const symbol = findAsset(policy, asset)?.symbol ?? null;
  const contract = placeWords(policy, chain, asset.slice(asset.lastIndexOf(":") + 1));
  const spender = placeWords(policy, chain, allowance.spender);
  if (amount === 0n) return `Take back what ${spender} may take of ${symbol ?? contract} from ${wallet}`;
  if (unlimited) {
    const everything = symbol === null ? `EVERYTHING of ${contract}` : `ALL ${symbol}`;
    return `Allow ${spender} to take ${everything}, without limit, from ${wallet}`;
  }
  return `Allow ${spender} to take up to ${amountWords(policy, asset, amount)} from ${wallet}`;
}

function does(policy, intent, calls) {
  const [outer] = calls;
  const { chain } = intent;
  const wallet = walletLabel(policy, intent.wallet);
  if (!areUnderstood(calls)) return `Unknown call of ${placeWords(policy, chain, intent.to)} from ${wallet}`;
  if (outer.kind === "note") return `Note of ${(intent.data.length - 2) / 2} bytes from ${wallet} to itself, moving nothing`;
  if (outer.kind !== "contract_call") {
    const { asset, amount, destination } = outer.flow;
    return `Transfer ${amountWords(policy, asset, amount)} from ${wallet} to ${placeWords(policy, chain, destination)}`;
  }
  const value = BigInt(intent.value);
  const sending = value === 0n ? "" : `, sending ${amountWords(policy, nativeAsset(chain), value)} along`;
  if (outer.allowance !== null) return allowanceSentence(policy, chain, outer.allowance, wallet) + sending;
  const called = `${functionName(outer)} of ${placeWords(policy, chain, outer.to)}`;
  if (outer.isBatch) {
    const inside = counted(calls.filter((call) => !call.isBatch).length, "call", "calls");
    return `Batch of ${inside} through ${called} from ${wallet}${sending}`;
  }
  return `Call ${called} from ${wallet}${sending}`;
}

export function mandateSentence(mandate, policy) {
  const { intent } = mandate.order;
  const asker = findAsker(policy, mandate.asker)?.name ?? "somebody unknown";
  const only = mandate.nonce === null ? "" : `, at nonce ${mandate.nonce} only`;
  return `${does(policy, intent, openCalls(intent, policy))}${only} — asked by ${asker}`;
}
