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
  chain: "the chain",
  asset: "the asset",
  amount: "the amount in base units",
  usd: "the value in US dollars",
  destination: "the destination",
  "destination.entry": "the whitelist entry",
  "call.kind": "the call",
  contract: "the called contract",
  selector: "the called function",
  value: "the native coin sent along, in wei,",
  fee: "the worst-case fee in wei",
  gas: "the gas limit",
  "time.minute": "the minute of the UTC day",
  "time.weekday": "the UTC weekday (Monday is 0)",
  "price.deviation_bps": "the attested price deviation in basis points",
  "risk.score": "the attested risk score",
  "web.simulation": "the simulation (only claimed by the server)",
});
const FLAGS = Object.freeze({
  "destination.listed": ["the destination is on the whitelist and usable", "the destination is not usably whitelisted"],
  "destination.own": ["the destination is an own wallet", "the destination is not an own wallet"],
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

export function quorumWords(quorum) {
  if (quorum.seats.length === 0) return "no further person";
  const words = quorum.seats.map((seat) => roleWords(seat.role, seat.count)).join(" + ");
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

function comparisonWords(policy, condition) {
  const { field, op, values } = condition;
  if (Object.hasOwn(FLAGS, field) && op === "eq" && values.length === 1 && ["true", "false"].includes(values[0])) {
    return FLAGS[field][values[0] === "true" ? 0 : 1];
  }
  // A field that this page has no words for is named as the document names it, never left out.
  const subject = Object.hasOwn(FIELDS, field ?? "") ? FIELDS[field] : `“${field}”`;
  const shown = values.map((value) => valueWords(policy, field, value));
  const verb = (op === "has" || op === "in") && shown.length === 1 ? "is" : OPERATORS[op];
  return `${subject} ${verb} ${shown.join(", ")}`;
}

export function conditionWords(policy, condition) {
  const { op, parts } = condition;
  if (op === "not") return `not (${parts.map((part) => conditionWords(policy, part)).join(" and ")})`;
  if (!Object.hasOwn(JOINS, op)) return comparisonWords(policy, condition);
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
  const each = limit.per.length === 0 ? "for everything together" : `for each ${limit.per.join(" and ")}`;
  const when = limit.when === null ? "" : ` where ${conditionWords(policy, limit.when)}`;
  const beyond = limit.quorum === null ? "More is denied" : `More takes ${quorumWords(limit.quorum)}`;
  return `At most ${limitAmount(policy, limit)} ${windowWords(limit.window)}, ${each}${when}. ${beyond}.`;
}
