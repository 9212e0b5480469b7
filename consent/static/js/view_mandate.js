// Shows a mandate: what moves, from where, to whom, at what worst cost, and the bytes behind it.

import { destinationOf, findAsker, findAsset, findWallet } from "./book.js";
import { el } from "./dom.js";
import { addressOf, contractOf } from "./names.js";
import { folded, grouped, moment, pill, rows, small } from "./parts.js";
import {
  amountWords, chainWords, groupDigits, gweiWords, mandateSentence, nativeWords, rolesWords, shortAddress,
} from "./words.js";

function amountRow(policy, call) {
  const decimals = findAsset(policy, call.asset)?.decimals;
  const raw = `${groupDigits(call.amount.toString())} base units`;
  const places = decimals === undefined ? "" : ` · ${decimals} decimals`;
  return [
    "Amount",
    el("span", { class: "amount", id: "amount" }, amountWords(policy, call.asset, call.amount)),
    small(`${raw}${places}`),
  ];
}

function destinationRow(policy, chain, call, now) {
  const { state, label, entry } = destinationOf(policy, chain, call.destination, now);
  return [
    "To",
    el("span", { class: "lead" }, label ?? "Unknown destination", " ", pill(state)),
    grouped(call.destination, "address"),
    entry === null || entry.reason === "" ? null : small(`Listed because: ${entry.reason}`),
  ];
}

function assetRow(policy, call) {
  const entry = findAsset(policy, call.asset);
  const contract = contractOf(call.asset);
  return [
    "Asset",
    entry === null ? "Unknown to the policy" : `${entry.name} (${entry.symbol})`,
    contract === null ? small("the chain's native coin") : grouped(contract, "address minor"),
  ];
}

function askerRow(policy, asker) {
  const found = findAsker(policy, asker);
  const about = asker.kind === "person"
    ? `${found.id} · ${rolesWords(found.roles)} · desk ${found.desk} · ${found.site}`
    : `API client ${found.id} · desk ${found.desk} · responsible: ${found.responsible.join(", ")}`;
  return ["Asked by", found.name, small(about)];
}

function feeRow(policy, intent) {
  const most = BigInt(intent.gas) * BigInt(intent.max_fee_per_gas);
  const how = `${groupDigits(String(intent.gas))} gas × ${gweiWords(intent.max_fee_per_gas)}, `
    + `tip at most ${gweiWords(intent.max_priority_fee_per_gas)}`;
  return ["Fee at most", nativeWords(policy, intent.chain, most), small(how)];
}

function raw(mandate, call) {
  const { intent } = mandate.order;
  return folded(
    "Raw transaction",
    call.kind === "unknown",
    rows([
      ["Paying address", grouped(addressOf(intent.wallet), "address minor")],
      ["Called address", grouped(intent.to, "address minor")],
      ["Value", `${groupDigits(intent.value)} wei`],
      ["Calldata", el("code", { class: "calldata", id: "calldata" }, intent.data === "0x" ? "0x (none)" : intent.data)],
      ["Request id", el("code", {}, mandate.header.id)],
      ["Transaction id", el("code", {}, intent.header.id)],
      ["Transaction expires", moment(intent.header.expires)],
    ]),
  );
}

export function viewMandate(subject, now) {
  const { document: mandate, policy, call } = subject;
  const { intent } = mandate.order;
  const wallet = findWallet(policy, intent.wallet);
  const known = call.kind !== "unknown";
  return el(
    "article",
    { class: "card" },
    el("h1", { id: "sentence" }, mandateSentence(mandate, policy, now)),
    rows([
      known ? amountRow(policy, call) : null,
      known ? destinationRow(policy, intent.chain, call, now) : ["Calls", grouped(intent.to, "address")],
      ["From", wallet.label, small(`${wallet.kind.toUpperCase()} wallet · ${shortAddress(addressOf(wallet.id))}`)],
      known ? assetRow(policy, call) : null,
      ["Chain", chainWords(intent.chain)],
      askerRow(policy, mandate.asker),
      ["Purpose", mandate.purpose === "" ? small("none given") : mandate.purpose],
      feeRow(policy, intent),
      ["Created", moment(mandate.header.created)],
    ]),
    raw(mandate, call),
  );
}
