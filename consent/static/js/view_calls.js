// Shows the calls of a transaction: contract, function, every argument, and what each call lets leave.

import { nameOf } from "./book.js";
import { el } from "./dom.js";
import { grouped, known, small } from "./parts.js";
import { allowanceSentence, placeWords } from "./sentence.js";
import { amountWords, groupDigits, nativeWords, walletLabel } from "./words.js";

function named(policy, chain, address) {
  return [nameOf(policy, chain, address) ?? "Not known to the policy", " ", grouped(address, "address minor")];
}

function valueOf(policy, chain, type, value) {
  if (type.kind === "address") return el("span", {}, ...named(policy, chain, value));
  if (type.kind === "array" || type.kind === "tuple") {
    const inner = (at) => (type.kind === "array" ? type.element : type.members[at]);
    const items = value.map((one, at) => el("li", {}, valueOf(policy, chain, inner(at), one)));
    return value.length === 0 ? el("span", {}, "empty list") : el("ol", { class: "values" }, ...items);
  }
  if (typeof value === "bigint") return el("span", { class: "number" }, groupDigits(value.toString()));
  const text = typeof value === "string" ? value : String(value);
  return el("code", { class: "calldata" }, text === "" ? "(empty text)" : text);
}

function argumentsOf(policy, chain, call) {
  // The calls inside a batch are shown themselves.
  if (call.arguments === null || call.isBatch || call.kind === "token_transfer") return null;
  if (call.arguments.length === 0) return small("no arguments");
  return el("ol", { class: "values" }, ...call.arguments.map((value, at) => (
    el("li", {}, small(call.types[at].text, " "), valueOf(policy, chain, call.types[at], value))
  )));
}

function lets(policy, intent, call) {
  if (call.allowance !== null) {
    return [allowanceSentence(policy, intent.chain, call.allowance, walletLabel(policy, intent.wallet))];
  }
  if (call.kind !== "native_transfer" && call.kind !== "token_transfer") return [];
  const { asset, amount, destination } = call.flow;
  return [`Transfer ${amountWords(policy, asset, amount)} to ${placeWords(policy, intent.chain, destination)}`];
}

function lineOf(policy, intent, call) {
  const what = call.signature ?? (call.selector === null ? "payment" : `unknown function ${call.selector}`);
  const marks = [call.delegate ? "DELEGATECALL" : null, call.kind === "unknown" ? "NOT UNDERSTOOD" : null];
  return el(
    "li",
    { class: `call depth-${call.depth}` },
    ...marks.filter((mark) => mark !== null).flatMap((mark) => [el("span", { class: "pill bad" }, `✕ ${mark}`), " "]),
    el("code", {}, what), " ",
    ...lets(policy, intent, call).map((words) => el("div", { class: "lead" }, words)),
    el("div", {}, small(call.hasData ? "of " : "to "), ...named(policy, intent.chain, call.to)),
    call.value === 0n || !call.hasData ? null : el("div", {}, small("sends along "), nativeWords(policy, intent.chain, call.value)),
    argumentsOf(policy, intent.chain, call),
  );
}

// What is called and how, for a call that is not a plain transfer.
export function callRows(policy, intent, calls) {
  const [outer] = calls;
  if (outer.kind === "note") return [["Note", el("code", { class: "calldata", id: "note" }, intent.data)]];
  const inside = calls.slice(1);
  return [
    ["Contract", el("span", { class: "lead" }, nameOf(policy, intent.chain, intent.to) ?? "Unknown contract", " ",
      known(outer.contract !== null)), grouped(intent.to, "address")],
    ["Function", el("code", { id: "function" }, outer.signature ?? "unknown"),
      small(` selector ${outer.selector ?? "none"}`), argumentsOf(policy, intent.chain, outer)],
    inside.length === 0 ? null : ["Calls inside", el("ol", { class: "calls", id: "calls" },
      ...inside.map((call) => lineOf(policy, intent, call)))],
  ];
}
