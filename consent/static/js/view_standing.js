// Shows where a case stands: what attesters signed about it, the rule, who has spoken, and which seats are open.

import { findClient, findPerson } from "./book.js";
import { dividedLimit, dividedWarnings, dividedWords } from "./divided.js";
import { el } from "./dom.js";
import { folded, section, small } from "./parts.js";
import { limitWords, roleWords, ruleWords } from "./policy_words.js";
import { amountWords, counted, duration, groupDigits, plain, usdWords, utc } from "./words.js";

const FLAGS = Object.freeze({
  "simulation.success": ["✓ succeeds", "✕ FAILS", "Simulation"],
  "code.unchanged": ["✓ as reviewed", "✕ CHANGED since the review", "Contract code"],
  "implementation.unchanged": ["✓ as reviewed", "✕ CHANGED since the review", "Implementation"],
  "breaker.closed": ["✓ closed", "✕ OPEN", "Circuit breaker"],
  "sanctions.clear": ["✓ on no list", "✕ ON A LIST", "Sanctions"],
});
const NUMBERS = Object.freeze({
  "effects.allowances": "Allowances left larger",
  "price.deviation_bps": "Price deviation, basis points",
  "risk.score": "Risk score (0 to 1000)",
});
const EFFECTS = Object.freeze({ "effects.sent": ["Leaves", "−"], "effects.received": ["Comes in", "+"] });

function effectRow(policy, facts, field) {
  const [name, sign] = EFFECTS[field];
  const amount = BigInt(facts.get(field)[0]);
  const asset = facts.get(`${field}.asset`)?.[0] ?? "";
  if (amount === 0n && asset === "") return [name, "nothing"];
  return [name, el("span", { class: "lead number" }, `${sign} ${amountWords(policy, asset, amount)}`)];
}

// "CAIP-19 asset=10^-8 US dollars for one unit", as `attested.js` has checked.
function quoteItem(policy, quote) {
  const cut = quote.lastIndexOf("=");
  const known = policy.assets.find((asset) => asset.id === quote.slice(0, cut));
  return el("span", { class: "quote" }, `1 ${known?.symbol ?? plain(quote.slice(0, cut))} = ${usdWords(quote.slice(cut + 1))} `);
}

function factRow(policy, facts, field) {
  const values = facts.get(field);
  if (Object.hasOwn(EFFECTS, field)) return effectRow(policy, facts, field);
  if (Object.hasOwn(FLAGS, field) && ["true", "false"].includes(values[0])) {
    const [yes, no, name] = FLAGS[field];
    return [name, el("span", { class: values[0] === "true" ? "good" : "bad" }, values[0] === "true" ? yes : no)];
  }
  if (field === "price.quotes") return ["Prices", ...values.map((quote) => quoteItem(policy, quote))];
  if (Object.hasOwn(NUMBERS, field)) return [NUMBERS[field], groupDigits(values[0])];
  // What this page has no words for is named as the document names it, never left out.
  return [plain(field), el("span", { class: "small" }, values.join(", "))];
}

// What succeeds first, then what leaves, comes in and stays allowed; everything else as it is named.
const FIRST = Object.freeze(["simulation.success", "effects.sent", "effects.received", "effects.allowances"]);

function inOrder(fields) {
  const place = (field) => (FIRST.includes(field) ? FIRST.indexOf(field) : FIRST.length);
  return [...fields].sort((one, other) => place(one) - place(other) || (one < other ? -1 : 1));
}

export function viewAttested(policy, attested, now) {
  if (attested.needed === 0) return null;
  const fields = inOrder([...attested.facts.keys()].filter((field) => !/^effects\.(sent|received)\.asset$/.test(field)));
  const about = attested.facts.size === 0
    ? `none that counts: ${attested.attesters.length} of the ${attested.needed} attesters that the policy asks for.`
    : `Signed by ${attested.attesters.join(", ")} (${attested.needed} needed), on block `
      + `${groupDigits(String(attested.block))}, ${duration(Math.max(0, now - attested.created))} ago.`;
  return el(
    "section",
    {
      class: "card attested", id: "attested", "aria-label": "Attested simulation",
      "data-state": attested.facts.size === 0 ? "missing" : "attested",
    },
    el("h2", {}, "Attested simulation ", small(about)),
    ...attested.notes.map((note) => el("p", { class: "note" }, `✕ Not counted: ${note}.`)),
    el("dl", { class: "facts" }, ...fields.flatMap((field) => {
      const [name, ...values] = factRow(policy, attested.facts, field);
      return [el("dt", {}, name), el("dd", {}, ...values)];
    })),
  );
}

export function attestedWarnings(attested) {
  if (attested.needed === 0) return [];
  if (attested.facts.size === 0) {
    const message = `No attested simulation: ${attested.attesters.length} of ${attested.needed} attesters count. `
      + "Nobody but the server says what it will do.";
    return [{ code: "not_attested", message }];
  }
  const failed = attested.facts.get("simulation.success")?.[0] === "false";
  return failed ? [{ code: "simulation_failed", message: "The attested simulation FAILS: the transaction would revert." }] : [];
}

function ruleItems(policy, rules, parts) {
  return rules.found.map(({ kind, rule }) => el(
    "li",
    {},
    el("strong", {}, rule.label), " ",
    kind === "limit" ? limitWords(policy, dividedLimit(rule, parts)) : ruleWords(policy, kind, rule),
  ));
}

const SAID = Object.freeze({ ask: "asked", approve: "approved", reject: "REJECTED", withdraw: "withdrew" });

function voiceItem(policy, voice) {
  const name = (findPerson(policy, voice.actor) ?? findClient(policy, voice.actor)).name;
  const reason = voice.reason === "" ? "" : `: “${voice.reason}”`;
  return el("li", {}, `${name} ${SAID[voice.decision]}${reason} `, small(utc(voice.at)));
}

function seatItem({ role, person }) {
  const name = roleWords(role, 1).replace(/^1 /, "");
  return el(
    "li",
    { class: "seat", "data-seat": person === null ? "open" : "filled" },
    person === null ? `○ open: ${name}` : `✓ ${person.name}: ${name}`,
  );
}

// `standing`: {rules, parts, seats, voices}; null where there is nothing to say.
export function viewStanding(policy, standing) {
  const { rules, parts: divided, seats, voices } = standing;
  if (rules.found.length === 0 && voices.length === 0 && seats.length === 0) return null;
  const parts = [
    seats.length === 0 ? null : section("Seats, by the signatures that came along", el("ul", { class: "seats", id: "seats" }, ...seats.map(seatItem))),
    rules.found.length === 0 ? null : section("Rule",
      el("ul", { class: "plain" }, ...ruleItems(policy, rules, divided)),
      dividedWords(divided) === "" ? null : el("p", { class: "small", id: "divided" }, dividedWords(divided)),
      el("p", { class: "small" }, "Which rule it is: the server's word. What it says: the pinned policy's.")),
    voices.length === 0 ? null : folded(`Said so far: ${counted(voices.length, "signature", "signatures")}, checked here`,
      false, el("ul", { class: "plain", id: "voices" }, ...voices.map((voice) => voiceItem(policy, voice)))),
  ];
  return el("section", { class: "card standing", id: "standing", "aria-label": "Where it stands" },
    ...parts.filter((part) => part !== null));
}

export function standingWarnings(standing) {
  const warnings = dividedWarnings(standing.parts);
  if (standing.bad > 0) {
    const message = `${standing.bad} of the consents that the server shows do not verify. Tell the security officer.`;
    warnings.push({ code: "bad_consents", message });
  }
  if (standing.rules.unknown.length > 0) {
    const message = `The server names a rule that the pinned policy does not have: ${standing.rules.unknown.join(", ")}.`;
    warnings.push({ code: "unknown_rule", message });
  }
  const rejected = standing.voices.find((voice) => voice.decision === "reject");
  if (rejected !== undefined) {
    warnings.push({ code: "rejected", message: "It was rejected already: one rejection ends it, no signer takes it." });
  }
  return warnings;
}

