// Numbers, times, identifiers and documents in words. Nothing is ever rounded: what is shown is what is signed.

import { findAsset, findWallet } from "./book.js";
import { nativeAsset } from "./names.js";

const CHAINS = Object.freeze({
  "eip155:1": "Ethereum",
  "eip155:10": "OP Mainnet",
  "eip155:137": "Polygon",
  "eip155:8453": "Base",
  "eip155:42161": "Arbitrum One",
  "eip155:11155111": "Sepolia (test network)",
  "eip155:1337": "Local development chain",
  "eip155:31337": "Local development chain",
});
const GWEI_DECIMALS = 9;
const DAY = 86_400;
const HOUR = 3600;
const MINUTE = 60;

export function groupDigits(digits) {
  return digits.replace(/\B(?=(?:\d{3})+$)/g, ",");
}

// A whole number of base units as a decimal number; at least two places where the asset has them.
export function inUnits(amount, decimals) {
  const digits = amount.toString().padStart(decimals + 1, "0");
  const whole = groupDigits(digits.slice(0, digits.length - decimals));
  const places = digits.slice(digits.length - decimals).replace(/0+$/, "").padEnd(Math.min(2, decimals), "0");
  return places === "" ? whole : `${whole}.${places}`;
}

export function amountWords(policy, assetId, amount) {
  const entry = findAsset(policy, assetId);
  if (entry === null) return `${groupDigits(amount.toString())} base units of an unknown asset`;
  return `${inUnits(amount, entry.decimals)} ${entry.symbol}`;
}

export function nativeWords(policy, chain, wei) {
  return findAsset(policy, nativeAsset(chain)) === null
    ? `${groupDigits(wei.toString())} wei`
    : amountWords(policy, nativeAsset(chain), wei);
}

export function gweiWords(wei) {
  return `${inUnits(BigInt(wei), GWEI_DECIMALS)} gwei`;
}

// 10^-8 US dollars.
export function usdWords(usdE8) {
  return `$${inUnits(BigInt(usdE8), 8)}`;
}

export function chainWords(chain) {
  const known = Object.hasOwn(CHAINS, chain) ? CHAINS[chain] : "EVM chain";
  return `${known} (${chain})`;
}

export function utc(seconds) {
  return `${new Date(seconds * 1000).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

export function localTime(seconds) {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  // Swedish writes ISO 8601, which no two readers take for different days.
  const format = new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "medium" });
  return `${format.format(new Date(seconds * 1000))} ${zone}`;
}

export function duration(seconds) {
  const parts = [
    [Math.floor(seconds / DAY), "d"],
    [Math.floor((seconds % DAY) / HOUR), "h"],
    [Math.floor((seconds % HOUR) / MINUTE), "min"],
    [seconds % MINUTE, "s"],
  ];
  const first = parts.findIndex(([number]) => number > 0);
  if (first < 0) return "0 s";
  const shown = parts.slice(first, first + 2).filter(([number]) => number > 0);
  return shown.map(([number, unit]) => `${number} ${unit}`).join(" ");
}

export function groupsOfFour(hex) {
  return hex.match(/.{1,4}/g) ?? [];
}

export function counted(number, one, many) {
  return `${groupDigits(String(number))} ${number === 1 ? one : many}`;
}

export function plain(identifier) {
  return identifier.replaceAll("_", " ");
}

export function rolesWords(roles) {
  return roles.length === 0 ? "no role" : roles.map((role) => (role === "cro" ? "CRO" : plain(role))).join(", ");
}

export function walletLabel(policy, id) {
  return findWallet(policy, id)?.label ?? "an unknown wallet";
}

function signersWords(signers) {
  return signers.length === 0 ? "all signers" : signers.join(", ");
}

const CEREMONIES = Object.freeze({
  key_generation: "Generate a new wallet key on",
  refresh: "Refresh the key shares of",
  restore: "Restore key shares to",
  ban: "Ban for ever from signing:",
  journal_start: "Start the journal anew on",
  backup: "Wrap to recovery keys the keys or shares of",
  drill: "Prove by a drill that the backups open, of",
  degraded: "Sign without the other parties of the wallet, under divided limits, by",
  destroy: "Destroy for ever the keys or shares of",
  clone: "Make a new key with a clone in a second token, on",
});

export function controlSentence(type, document, policy) {
  if (type === "halt") return `Halt: ${signersWords(document.signers)} sign nothing from now on`;
  if (type === "resume") return `Resume: ${signersWords(document.signers)} may sign again`;
  if (type === "cancel") {
    return `Cancel a transaction from ${walletLabel(policy, document.wallet)}: a transfer of 0 to itself replaces it`;
  }
  if (type === "enrolment") {
    const owner = policy.people.find((person) => person.id === document.person)?.name ?? document.person;
    return `Enrol a security key of ${owner}`;
  }
  // A journal is a signer's, whichever wallets it has; everything else is about one wallet, or makes a key for one.
  const about = document.wallet === null || document.kind === "journal_start" ? "" : `, wallet ${walletLabel(policy, document.wallet)}`;
  return `${CEREMONIES[document.kind]} ${signersWords(document.signers)}${about}`;
}

export function policySentence(policy) {
  const start = policy.previous === null ? "First policy" : `Policy ${policy.number}`;
  return `${start} of ${policy.institution} (${policy.profile} profile)`;
}
