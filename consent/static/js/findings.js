// What a person has to know about a transaction before anything else. A block leaves only what is always safe to say
// (reject, withdraw); a warning is shown in red and left to the person.

import { destinationOf, findAsset, lookalikeOf, nameOf } from "./book.js";
import { areUnderstood, flowsOf } from "./calls.js";
import { allowanceSentence, functionName } from "./sentence.js";
import { amountWords, utc, walletLabel } from "./words.js";

const UNKNOWN = "this page cannot say what the transaction does, so it cannot be approved here.";
const WAYS_OF_WRITING = "its bytes are not the one spelling of a function that the policy registers";

function whyUnknown(calls, call) {
  const [outer] = calls;
  if (outer.tooMany) return `Unknown call: more calls, or deeper ones, than are looked at: ${UNKNOWN}`;
  if (call.contract !== null && call.signature === null && call.selector !== null) {
    return `Unknown function ${call.selector} of ${call.contract.label}: ${UNKNOWN}`;
  }
  const where = call.depth === 0 ? "" : " (inside a batch)";
  return call.contract === null
    ? `Unknown call${where}: the policy registers no function of ${call.to}: ${UNKNOWN}`
    : `Unknown call${where}: ${WAYS_OF_WRITING}: ${UNKNOWN}`;
}

function blocksOf(calls, simple, policy) {
  const blocks = calls.filter((call) => call.delegate).slice(0, 1).map((call) => ({
    code: "delegatecall",
    message: `Delegatecall: the batch lets code at ${call.to} act in its place. It may do anything.`,
  }));
  if (areUnderstood(calls)) return blocks;
  if (simple.kind === "token_transfer" && findAsset(policy, simple.asset) === null) {
    const message = "Unknown asset: the policy does not know this token, so its amount cannot be shown in words.";
    return [...blocks, { code: "unknown_asset", message }];
  }
  const unknown = calls.find((call) => call.kind === "unknown" && !call.isBatch) ?? calls[0];
  const isFunction = unknown.contract !== null && unknown.signature === null && unknown.selector !== null;
  return [...blocks, { code: isFunction ? "unknown_selector" : "unknown_call", message: whyUnknown(calls, unknown) }];
}

function destinationWarnings(policy, chain, destination, now) {
  const { state, entry } = destinationOf(policy, chain, destination, now);
  const said = {
    unlisted: () => `Destination NOT LISTED: ${destination} is not on the policy's whitelist.`,
    cooling: () => `Destination cooling down: ${entry.label} may be used from ${utc(entry.usable_from)}.`,
    expired: () => `Destination expired: the whitelist entry of ${entry.label} ended at ${utc(entry.expires)}.`,
  };
  return Object.hasOwn(said, state) ? [{ code: `destination_${state}`, message: said[state]() }] : [];
}

function lookalikeWarnings(policy, address) {
  const label = lookalikeOf(policy, address);
  if (label === null) return [];
  const message = `Look-alike address: ${address} begins and ends like ${label} and is another one. `
    + "Compare every digit.";
  return [{ code: "lookalike", message }];
}

function allowanceWarnings(policy, intent, { allowance }) {
  if (allowance === null || allowance.amount === 0n) return [];
  const words = allowanceSentence(policy, intent.chain, allowance, walletLabel(policy, intent.wallet));
  const warnings = [];
  if (allowance.unlimited) {
    warnings.push({ code: "unlimited_approve", message: `Unlimited allowance, until it is taken back: ${words}.` });
  }
  if (nameOf(policy, intent.chain, allowance.spender) === null) {
    const message = `The policy does not know ${allowance.spender}, which could take tokens at any time.`;
    warnings.push({ code: "unknown_spender", message });
  }
  return [...warnings, ...lookalikeWarnings(policy, allowance.spender)];
}

function callWarnings(policy, intent, call, now) {
  const warnings = allowanceWarnings(policy, intent, call);
  if (call.flow !== null && call.allowance === null) {
    warnings.push(...destinationWarnings(policy, intent.chain, call.flow.destination, now));
    warnings.push(...lookalikeWarnings(policy, call.flow.destination));
  }
  if (call.mayAllow) {
    const message = `${functionName(call)} may let somebody else take tokens: its name says so, and this page does not `
      + "know what it allows.";
    warnings.push({ code: "may_allow", message });
  }
  return warnings;
}

// The first of each kind, with how many more there are: a long batch must not bury the page in red.
function firstOfEach(warnings) {
  const codes = [...new Set(warnings.map((one) => one.code))];
  return codes.map((code) => {
    const all = warnings.filter((one) => one.code === code);
    const messages = new Set(all.map((one) => one.message));
    const more = messages.size > 1 ? ` And ${messages.size - 1} more of this kind, in the list of calls.` : "";
    return { code, message: all[0].message + more };
  });
}

export function findingsOf(intent, calls, simple, policy, now) {
  const blocks = blocksOf(calls, simple, policy);
  const known = calls.filter((call) => call.kind !== "unknown");
  const warnings = known.flatMap((call) => callWarnings(policy, intent, call, now));
  if (areUnderstood(calls) && flowsOf(calls) === null) {
    const sent = BigInt(intent.value) === 0n ? "" : ` besides ${amountWords(policy, `${intent.chain}/slip44:60`, BigInt(intent.value))}`;
    const message = `What leaves${sent} is up to the contract: it can take what it was allowed before.`;
    warnings.push({ code: "unbounded", message });
  }
  return { blocks, warnings: firstOfEach(warnings) };
}
