// Shows a cancel, halt, resume or ceremony: a sentence, and every single field of the document.

import { findWallet } from "./book.js";
import { el } from "./dom.js";
import { grouped, moment, rows, small } from "./parts.js";
import { viewCeremony } from "./view_ceremony.js";
import { controlSentence, gweiWords, plain } from "./words.js";

const TITLES = Object.freeze({
  policy: "Policy",
  intent: "Transaction cancelled (digest)",
  wallet: "Wallet",
  max_fee_per_gas: "Fee at most",
  max_priority_fee_per_gas: "Tip at most",
  reason: "Reason",
  signers: "Signers",
  halt: "Halt that is lifted (digest)",
  kind: "Kind",
  epoch: "Epoch",
  threshold: "Threshold",
  lanes: "First nonces",
  not_before: "Mandates count from",
  plan: "Plan of the key (digest)",
  recovery: "Recovery keys",
});
const DIGESTS = Object.freeze(["policy", "intent", "halt", "plan"]);

function accountWords(policy, id) {
  return el("span", {}, findWallet(policy, id)?.label ?? "not in the policy", " ", small(id));
}

function recoveryWords(keys) {
  if (keys.length === 0) return small("none");
  const listed = keys.map((key) => el(
    "li",
    {},
    `${key.signer}: host ${key.host}, site ${key.site}, administrator ${key.administrator}, vendor ${key.vendor}`,
    el("br"),
    grouped(key.public_key.slice(2), "digest minor"),
  ));
  return el("ul", { class: "plain" }, ...listed);
}

function valueOf(policy, type, name, value) {
  if (value === null) return small("none");
  if (DIGESTS.includes(name)) return grouped(value, "digest minor");
  if (name === "wallet") return accountWords(policy, value);
  if (name === "not_before") return value === 0 ? small("no bound") : moment(value);
  if (name === "signers") return value.length === 0 ? "all signers" : value.join(", ");
  if (name === "lanes") {
    if (value.length === 0) return small("none");
    const lanes = value.map((lane) => el("li", {}, accountWords(policy, lane.wallet), ` from nonce ${lane.next_nonce}`));
    return el("ul", { class: "plain" }, ...lanes);
  }
  if (name === "recovery") return recoveryWords(value);
  if (name.startsWith("max_")) return `${gweiWords(value)} for each gas`;
  if (value === "") return small("none given");
  return plain(String(value));
}

export function viewControl(subject) {
  const { document, policy, type } = subject;
  const { header, ...fields } = document;
  const shown = Object.entries(fields).map(([name, value]) => [
    Object.hasOwn(TITLES, name) ? TITLES[name] : plain(name),
    valueOf(policy, type, name, value),
  ]);
  return el(
    "article",
    { class: "card" },
    el("h1", { id: "sentence" }, controlSentence(type, document, policy)),
    type === "ceremony" ? viewCeremony(document, policy) : null,
    rows([
      ...shown,
      ["Created", moment(header.created)],
      ["Expires", moment(header.expires)],
      ["Document id", el("code", {}, header.id)],
    ]),
  );
}
