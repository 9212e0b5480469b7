// Shows a mandate: what moves, from where, to whom, at what worst cost, and the bytes behind it.

import { destinationOf, findAsker, findAsset, findWallet, nameOf } from "./book.js";
import { areUnderstood, worstCase } from "./calls.js";
import { el } from "./dom.js";
import { addressOf, contractOf } from "./names.js";
import { folded, grouped, moment, pill, rows, small } from "./parts.js";
import { mandateSentence } from "./sentence.js";
import { callRows } from "./view_calls.js";
import { amountWords, chainWords, groupDigits, gweiWords, nativeWords, rolesWords } from "./words.js";

function amountRow(policy, flow) {
  const entry = findAsset(policy, flow.asset);
  const contract = contractOf(flow.asset);
  const raw = `${groupDigits(flow.amount.toString())} base units`;
  const about = entry === null ? `${raw} of an asset that the policy does not know` : `${raw} · ${entry.decimals} decimals`;
  return [
    "Amount",
    el("span", { class: "amount", id: "amount" }, amountWords(policy, flow.asset, flow.amount)),
    small(about),
    el("div", {}, small(entry?.name ?? "Unknown asset", contract === null ? ", the chain's native coin" : " "),
      contract === null ? null : grouped(contract, "address minor")),
  ];
}

function destinationRow(policy, chain, flow, now) {
  const { state, entry } = destinationOf(policy, chain, flow.destination, now);
  return [
    "To",
    el("span", { class: "lead" }, nameOf(policy, chain, flow.destination) ?? "Unknown destination", " ", pill(state)),
    grouped(flow.destination, "address"),
    entry === null || entry.reason === "" ? null : small(`Listed because: ${entry.reason}`),
  ];
}

function askerRow(policy, { asker, header }) {
  const found = findAsker(policy, asker);
  const about = asker.kind === "person"
    ? `${found.id} · ${rolesWords(found.roles)} · desk ${found.desk} · ${found.site}`
    : `API client ${found.id} · desk ${found.desk} · responsible: ${found.responsible.join(", ")}`;
  return ["Asked by", el("span", {}, found.name, " ", small(about)), el("div", { class: "small" }, moment(header.created))];
}

function feeWords(policy, intent) {
  const most = BigInt(intent.gas) * BigInt(intent.max_fee_per_gas);
  return `${nativeWords(policy, intent.chain, most)} of it is the fee at most: ${groupDigits(String(intent.gas))} gas × `
    + `${gweiWords(intent.max_fee_per_gas)}, tip at most ${gweiWords(intent.max_priority_fee_per_gas)}`;
}

// All that these bytes can cost, fee included. Whatever a contract may take besides is said, never left out.
function worstRow(policy, intent, calls) {
  const worst = worstCase(intent, calls);
  const amounts = worst.amounts.map(([asset, amount]) => amountWords(policy, asset, amount)).join(" + ");
  const open = areUnderstood(calls)
    ? `${amounts}, and whatever the contract may take by what it was allowed before`
    : "Not known: the call is not understood.";
  const words = worst.known ? amounts : open;
  return ["At worst", el("span", { id: "worst" }, words), small(feeWords(policy, intent))];
}

function raw(mandate, open) {
  const { intent } = mandate.order;
  return folded(
    "Raw transaction",
    open,
    rows([
      ["Called address", grouped(intent.to, "address minor")],
      ["Value", `${groupDigits(intent.value)} wei`],
      ["Calldata", el("code", { class: "calldata", id: "calldata" }, intent.data === "0x" ? "0x (none)" : intent.data)],
      ["Selector", el("code", {}, intent.data.length < 10 ? "none" : intent.data.slice(0, 10))],
      ["Request id", el("code", {}, mandate.header.id)],
      ["Transaction id", el("code", {}, intent.header.id)],
      ["Transaction expires", moment(intent.header.expires)],
    ]),
  );
}

export function viewMandate(subject, now) {
  const { document: mandate, policy, calls } = subject;
  const { intent } = mandate.order;
  const wallet = findWallet(policy, intent.wallet);
  const [outer] = calls;
  const plain = outer.kind === "native_transfer" || outer.kind === "token_transfer";
  return el(
    "article",
    { class: "card" },
    el("h1", { id: "sentence" }, mandateSentence(mandate, policy)),
    rows([
      ...(plain
        ? [amountRow(policy, outer.flow), destinationRow(policy, intent.chain, outer.flow, now)]
        : callRows(policy, intent, calls)),
      ["From", el("span", {}, wallet.label, " ", small(`${wallet.kind.toUpperCase()} wallet`)),
        grouped(addressOf(wallet.id), "address minor")],
      ["Chain", chainWords(intent.chain)],
      askerRow(policy, mandate),
      ["Purpose", mandate.purpose === "" ? small("none given") : mandate.purpose],
      ["Nonce", mandate.nonce === null ? "The next one of the wallet" : `${mandate.nonce} only`],
      worstRow(policy, intent, calls),
    ]),
    raw(mandate, outer.kind === "unknown"),
  );
}
