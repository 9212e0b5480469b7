// What a ceremony does to keys and shares, in plain words from the pinned policy: whom it names, whom it leaves, and what
// nothing undoes. The document's own fields stand below it, every one of them.

import { findWallet } from "./book.js";
import { el } from "./dom.js";
import { section, small } from "./parts.js";
import { counted, duration } from "./words.js";

// How many parties have to agree before t of n sign: more than half of what n and t leave (ADR 22).
function certifying(parties, threshold) {
  return Math.floor((parties + threshold - 1) / 2) + 1;
}

function listed(names) {
  return names.length === 0 ? "nobody" : names.join(", ");
}

function refresh(named) {
  return [
    `All ${named.length} parties make new shares of the same key. The address stays, and so does every limit.`,
    "Once all of them use their new shares, the old ones are destroyed and their backups are worth nothing. "
      + "Nothing undoes that.",
  ];
}

function degraded(named, others, wallet, lasts) {
  const needed = certifying(wallet.signers.length, wallet.threshold);
  return [
    `${listed(named)} sign without ${listed(others)}: ${named.length} instead of the ${needed} that have to agree otherwise.`,
    `Meanwhile every limit is divided by ${wallet.signers.length - wallet.threshold + 1}, and only requests that name their `
      + "nonce are signed.",
    `It ends by itself ${duration(lasts)} after the draft. What was signed by then stays signed.`,
  ];
}

function ban(named, others, wallet) {
  return [
    `${listed(named)} never take part in this wallet again. No document undoes that; what they hold is not destroyed.`,
    `Left are ${listed(others)}: ${counted(others.length, "party", "parties")}, of which ${wallet.threshold} sign.`,
  ];
}

function backup(named, wallet) {
  const whole = wallet.signers.length === 1
    ? "Whoever opens it has the key."
    : `Whoever opens ${wallet.threshold} of them has the key.`;
  return [`What each of ${listed(named)} holds is wrapped to a recovery key, below. ${whole}`, "Nothing changes for signing."];
}

function destroy(named, others, epoch, wallet) {
  const gone = `${listed(named)} destroy what they hold of this key, up to epoch ${epoch}. Nothing undoes that.`;
  if (wallet === null) return [gone, "No policy names this wallet any more. Compare its account below, and see that it is empty."];
  return [
    gone,
    others.length === 0
      ? "Nobody else holds any of it: what is still at the address is LOST FOR EVER unless a backup is left."
      : `What ${listed(others)} hold is left.`,
  ];
}

const NEW_KEY = Object.freeze([
  "The named parties make a key together that exists nowhere whole. No wallet has it until a policy names it.",
]);
const OTHERS = Object.freeze({
  key_generation: NEW_KEY,
  drill: ["It is proved that backups open and fit. Nothing is restored, and nothing changes."],
  restore: ["One signer gets its share back from its backup, to the key of its new token, below. The others do nothing."],
  clone: [
    "A new key is made, and its clone goes, wrapped, to the second token below. From then on two tokens hold the key.",
    "Compare the second token's transport key. No wallet has the key until a policy names it together with this ceremony.",
  ],
  journal_start: ["A signer forgets what it signed, and starts anew at the nonces below: every limit counts as used up."],
});

function sentences(document, wallet, named, others) {
  const { kind, header, epoch } = document;
  if (wallet !== null && kind === "refresh") return refresh(named);
  if (wallet !== null && kind === "degraded") return degraded(named, others, wallet, header.expires - header.created);
  if (wallet !== null && kind === "ban") return ban(named, others, wallet);
  if (wallet !== null && kind === "backup") return backup(named, wallet);
  if (kind === "destroy") return destroy(named, others, epoch, wallet);
  return OTHERS[kind] ?? [];
}

function partyItem(policy, name, isNamed) {
  const entry = policy.signers.find((signer) => signer.id === name);
  return el(
    "li",
    { "data-named": isNamed ? "yes" : "no" },
    isNamed ? `✓ ${name} ` : `○ ${name}, not named `,
    small(`site ${entry.site}, administrator ${entry.administrator}`),
  );
}

export function viewCeremony(document, policy) {
  const wallet = document.wallet === null ? null : findWallet(policy, document.wallet);
  const all = wallet === null ? document.signers : [...new Set([...wallet.signers, ...document.signers])];
  const others = all.filter((name) => !document.signers.includes(name));
  const about = wallet === null
    ? (document.wallet === null ? "No wallet yet" : "A wallet that the policy does not name")
    : `${wallet.label}: ${wallet.signers.length === 1 ? "one signer" : `${wallet.threshold} of ${wallet.signers.length} parties sign`}`;
  return el(
    "div",
    { id: "ceremony" },
    section("What this does", ...sentences(document, wallet, document.signers, others).map((words) => el("p", {}, words))),
    section(about, el("ul", { class: "plain", id: "parties" },
      ...all.map((name) => partyItem(policy, name, document.signers.includes(name))))),
  );
}

const WARNINGS = Object.freeze({
  ban: "For ever: no document takes a ban back.",
  destroy: "For ever: what is destroyed comes back from a backup only, if there is one.",
  degraded: "Fewer parties than otherwise have to agree on every case: approve it only if the others cannot be brought back.",
  restore: "Make sure that the old token is lost or empty: two tokens with one share are two parties in one.",
  journal_start: "A signer that forgets what it signed can be made to sign again what others hold already.",
});

export function ceremonyWarnings(document) {
  const message = Object.hasOwn(WARNINGS, document.kind) ? WARNINGS[document.kind] : null;
  return message === null ? [] : [{ code: document.kind, message }];
}
