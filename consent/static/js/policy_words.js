// A policy's conditions, rules, limits and quorums as sentences that a policy admin can check against intent.

import { findAsset, findWallet } from "./book.js";
import { amountWords, chainWords, counted, duration, groupDigits, inUnits, plain, usdWords } from "./words.js";

const FIELDS = Object.freeze({
  initiator: "whoever asks",
  "initiator.roles": "the asker's role",
  "initiator.kind": "the kind of asker",
  desk: "the asker's desk",
  wallet: "the wallet",
  "wallet.kind": "the kind of wallet",
  "wallets.named": "an own wallet that the transaction names",
  chain: "the chain",
  asset: "the asset",
  amount: "the amount in base units",
  usd: "the value in US dollars",
  destination: "the destination",
  "destination.entry": "the whitelist entry",
  "destination.label": "the label of the whitelist entry",
  "destination.age": "the age of the whitelist entry in seconds",
  "destination.beneficiary": "the beneficiary",
  "call.kind": "the call",
  contract: "the called contract",
  "contract.protocol": "the contract's protocol",
  selector: "the called function",
  calls: "the calls",
  "calls.count": "the number of calls",
  "calls.depth": "the depth of nested calls",
  "approve.asset": "the token of the allowance",
  "approve.spender": "whoever receives the allowance",
  "approve.amount": "the allowance in base units",
  value: "the native coin sent along, in wei,",
  fee: "the worst-case fee in wei",
  gas: "the gas limit",
  "time.now": "the time",
  "time.minute": "the minute of the UTC day",
  "time.weekday": "the UTC weekday (Monday is 0)",
  "time.zones": "a zone's offset from UTC in minutes",
  "effects.received": "what the wallet is attested to receive, in base units,",
  "effects.received.asset": "the asset that the wallet is attested to receive",
  "effects.sent": "what is attested to leave the wallet, in base units,",
  "effects.sent.asset": "the asset that is attested to leave the wallet",
  "effects.allowances": "the attested number of allowances left larger",
  "price.deviation_bps": "the attested price deviation in basis points",
  "price.quotes": "the attested prices",
  "risk.score": "the attested risk score",
  "web.simulation": "the simulation (only claimed by the server)",
});
const FLAGS = Object.freeze({
  "destination.listed": ["the destination is on the whitelist and usable", "the destination is not usably whitelisted"],
  "destination.own": ["the destination is an own wallet", "the destination is not an own wallet"],
  "destination.cooling": ["the destination is in its cool-down", "the destination is not in a cool-down"],
  "destination.lookalike": [
    "the destination looks like a known address and is none", "the destination looks like no known address",
  ],
  "contract.known": ["the contract is registered", "the contract is not registered"],
  "calls.unknown": ["a call in it is not understood", "every call in it is understood"],
  "calls.delegate": ["a call in it runs foreign code (delegatecall)", "no call in it runs foreign code (delegatecall)"],
  "approve.any": ["it lets somebody else move tokens", "it lets nobody else move tokens"],
  "approve.unlimited": ["an allowance in it is unlimited", "no allowance in it is unlimited"],
  "implementation.unchanged": [
    "implementations are attested as reviewed", "an implementation is attested as changed",
  ],
  "simulation.success": ["the attested simulation succeeded", "the attested simulation failed"],
  "code.unchanged": ["the contract's code is attested as reviewed", "the contract's code is attested as changed"],
  "breaker.closed": ["the circuit breaker is attested as closed", "the circuit breaker is attested as open"],
  "sanctions.clear": ["the destination is attested as not sanctioned", "the destination is attested as sanctioned"],
  "web.first_use": ["the server claims a first payment there", "the server claims an earlier payment there"],
});
const OPERATORS = Object.freeze({
  eq: "is",
  in: "is one of",
  le: "is at most",
  ge: "is at least",
  has: "is or includes one of",
});
const WEI_DECIMALS = 18;
const JOINS = Object.freeze({ all: " and ", any: " or " });

export function roleWords(role, count) {
  if (role === "security_committee") return `${count} of the security committee`;
  const name = role === "cro" ? "CRO" : plain(role);
  return counted(count, name, `${name}s`);
}

function seatWords(seats) {
  return seats.map((seat) => roleWords(seat.role, seat.count)).join(" + ");
}

// Seats of a later stage are filled after the earlier ones.
export function quorumWords(quorum) {
  if (quorum.seats.length === 0) return "no further person";
  const stages = [...new Set(quorum.seats.map((seat) => seat.stage))].sort((one, other) => one - other);
  const words = stages.map((stage) => seatWords(quorum.seats.filter((seat) => seat.stage === stage))).join(", then ");
  return quorum.sites > 1 ? `${words} from at least ${quorum.sites} sites` : words;
}

function valueWords(policy, field, value) {
  if (field === "usd" && /^[0-9]{1,78}$/.test(value)) return usdWords(value);
  if (field === "wallet") return findWallet(policy, value)?.label ?? value;
  if (field === "asset") return findAsset(policy, value)?.symbol ?? value;
  if (field === "chain") return chainWords(value);
  if (/^[0-9]+$/.test(value)) return groupDigits(value);
  return plain(value);
}

const ORDINARY = /^arg((?:\.[0-9]{1,3})+)$/;
const ELEMENT = /^item((?:\.[0-9]{1,3})*)$/;

// "arg.2.0" is the first part of the third argument. Documents count from 0; people are shown the document's own
// name as well, so that nobody miscounts.
function numbered(first, path, field) {
  const places = path.split(".").filter((part) => part !== "").map((part) => Number(part) + 1);
  const inner = places.slice(first === "argument" ? 1 : 0).map((place) => `, part ${place}`).join("");
  const outer = first === "argument" ? `argument ${places[0]}` : "the element";
  return `${outer}${inner} (“${field}”)`;
}

function fieldWords(field) {
  if (Object.hasOwn(FIELDS, field ?? "")) return FIELDS[field];
  const argument = ORDINARY.exec(field ?? "");
  if (argument !== null) return numbered("argument", argument[1], field);
  const element = ELEMENT.exec(field ?? "");
  if (element !== null) return numbered("element", element[1], field);
  // A field that this page has no words for is named as the document names it, never left out.
  return `“${field}”`;
}

function windowOfTime(values) {
  const [zone, days, from, to] = values;
  return `it is ${days} between ${from} and ${to} in ${zone}${from > to ? " (past midnight)" : ""}`;
}

const SPECIAL = Object.freeze({
  within: (_policy, { values }) => (values.length === 4 ? windowOfTime(values) : null),
  own_wallet: (_policy, { field, values }) => (values.length === 0 ? `${fieldWords(field)} is an own wallet` : null),
  floor: (_policy, { field, values }) => (values.length === 2
    ? `${fieldWords(field)} is at least ${fieldWords(values[0])} less ${values[1]} basis points`
    : null),
});

function listWords(policy, { op, field, parts }) {
  const inner = parts.map((part) => conditionWords(policy, part)).join(" and ");
  return op === "some" ? `at least one of ${fieldWords(field)} has: (${inner})` : `every one of ${fieldWords(field)} has: (${inner})`;
}

function comparisonWords(policy, condition) {
  const { field, op, values } = condition;
  if (Object.hasOwn(FLAGS, field ?? "") && op === "eq" && values.length === 1 && ["true", "false"].includes(values[0])) {
    return FLAGS[field][values[0] === "true" ? 0 : 1];
  }
  const special = Object.hasOwn(SPECIAL, op) ? SPECIAL[op](policy, condition) : null;
  if (special !== null) return special;
  const shown = values.map((value) => valueWords(policy, field, value));
  const verb = (op === "has" || op === "in") && shown.length === 1 ? "is" : OPERATORS[op] ?? `“${op}”`;
  return `${fieldWords(field)} ${verb} ${shown.join(", ")}`;
}

export function conditionWords(policy, condition) {
  const { op, parts } = condition;
  if (op === "not") return `not (${parts.map((part) => conditionWords(policy, part)).join(" and ")})`;
  if (op === "some" || op === "every") return listWords(policy, condition);
  if (!Object.hasOwn(JOINS, op)) return comparisonWords(policy, condition);
  // Nothing to join is always true for "all", never for "any".
  if (parts.length === 0) return op === "all" ? "always" : "never";
  const words = parts.map((part) => {
    const inner = conditionWords(policy, part);
    return Object.hasOwn(JOINS, part.op) && part.parts.length > 1 ? `(${inner})` : inner;
  });
  return words.join(JOINS[op]);
}

export function ruleWords(policy, kind, rule) {
  const when = conditionWords(policy, rule.when);
  if (rule.effect === "block") return `Blocked when ${when}.`;
  const quorum = quorumWords(rule.quorum ?? { seats: [], sites: 0 });
  return kind === "escalation"
    ? `When ${when}, it also takes ${quorum}.`
    : `Allowed when ${when}, with ${quorum}.`;
}

function limitAmount(policy, limit) {
  if (limit.measure === "usd") return usdWords(limit.most);
  if (limit.measure === "fee") return `${inUnits(BigInt(limit.most), WEI_DECIMALS)} of the native coin in fees`;
  if (limit.measure === "count") return `${groupDigits(limit.most)} transactions`;
  return amountWords(policy, limit.asset ?? "", BigInt(limit.most));
}

function windowWords(window) {
  if (window === null) return "for ever";
  return window === 0 ? "in each transaction" : `within ${duration(window)}`;
}

export function limitWords(policy, limit) {
  const per = limit.per.map((dimension) => (dimension === "mandate" ? "request" : dimension)).join(" and ");
  const each = limit.per.length === 0 ? "for everything together" : `for each ${per}`;
  const when = limit.when === null ? "" : ` where ${conditionWords(policy, limit.when)}`;
  const beyond = limit.quorum === null ? "More is denied" : `More takes ${quorumWords(limit.quorum)}`;
  return `At most ${limitAmount(policy, limit)} ${windowWords(limit.window)}, ${each}${when}. ${beyond}.`;
}

// What the institution states about its own policy, and has had proven.
export function propertyWords(policy, property) {
  const when = conditionWords(policy, property.when);
  if (property.demand === null) return `Whenever ${when}, it is denied.`;
  const { approvers, sites, seats } = property.demand;
  const people = counted(approvers, "distinct approver", "distinct approvers");
  const from = sites > 1 ? ` from at least ${sites} sites` : "";
  const among = seats.length === 0 ? "" : `, among them ${seatWords(seats)}`;
  return `Whenever ${when}, it takes at least ${people}${from}${among}, or is denied.`;
}
