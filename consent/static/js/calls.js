// A transaction as the calls that it makes: batches are opened, arguments decoded, and what can leave is told. A call
// is understood if it is a plain payment, a transfer of a token that the policy knows, or a call of a function that
// the policy registers for that contract, and every byte of it was decoded; or a note, a wallet's few bytes to
// itself. It mirrors the signers' own opener; tests/vectors/calls.json holds both to the same answers.
// Sources: EIP-20, EIP-2612, OpenZeppelin and Uniswap multicall, Safe's MultiSend (operation 1 is a delegatecall).

import { argumentTypes, decodeStrict } from "./abi.js";
import { findAsset, findContract, findWallet } from "./book.js";
import { checksumAddress } from "./keccak.js";
import { addressOf, nativeAsset, same, tokenAsset } from "./names.js";

const MOST_CALLS = 32;
const NOTE_MOST = 64; // bytes
const MOST_DEPTH = 4;
const SELECTOR_DIGITS = 10; // 0x and four bytes
const UINT256_MOST = (1n << 256n) - 1n;
const TRANSFER = "transfer(address,uint256)";
const TRANSFER_SELECTOR = "0xa9059cbb";
const TRANSFER_FROM = "transferFrom(address,address,uint256)";
const PERMIT2 = "approve(address,address,uint160,uint48)";
const MULTI_SEND = "multiSend(bytes)";
// Signatures that give an allowance: the places of spender and amount, and the amount's bits.
const APPROVALS = Object.freeze({
  "approve(address,uint256)": [0, 1, 256n],
  "increaseAllowance(address,uint256)": [0, 1, 256n],
  "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)": [1, 2, 256n],
  [PERMIT2]: [1, 2, 160n],
});
// Signatures that allow everything or nothing: the places of the spender and of the flag.
const ALL_OR_NOTHING = Object.freeze({
  "permit(address,address,uint256,uint256,bool,uint8,bytes32,bytes32)": [1, 4],
  "setApprovalForAll(address,bool)": [0, 1],
});
// Signatures that call the same contract again and again: the place of the calls.
const BATCHES = Object.freeze({
  "multicall(bytes[])": 0, "multicall(uint256,bytes[])": 1, "multicall(bytes32,bytes[])": 1,
});
// Names of functions that may give an allowance; what is named so and not listed above is not known to give none.
const MAY_ALLOW = /^(?!decrease).*(?:approv|permit|allowance|operator|authori[sz])/i;
// operation, address, value and length, in hex digits
const [PACKED_TO, PACKED_VALUE, PACKED_LENGTH, PACKED_DATA] = [2, 42, 106, 170];

class TooMany extends Error {}

// The transactions of a MultiSend; null unless they fill the data exactly.
function packed(hex) {
  const digits = hex.slice(2);
  const inner = [];
  let at = 0;
  while (at < digits.length) {
    const head = digits.slice(at, at + PACKED_DATA);
    if (head.length < PACKED_DATA || !["00", "01"].includes(head.slice(0, PACKED_TO))) return null;
    const length = BigInt(`0x${head.slice(PACKED_LENGTH)}`);
    if (length > BigInt(digits.length)) return null;
    const body = digits.slice(at + PACKED_DATA, at + PACKED_DATA + Number(length) * 2);
    if (body.length < Number(length) * 2) return null;
    inner.push({
      to: checksumAddress(`0x${head.slice(PACKED_TO, PACKED_VALUE)}`),
      value: BigInt(`0x${head.slice(PACKED_VALUE, PACKED_LENGTH)}`),
      data: `0x${body}`,
      delegate: head.startsWith("01"),
      payment: body === "",
    });
    at += PACKED_DATA + body.length;
  }
  return inner.length === 0 ? null : inner;
}

function isToken(policy, chain, call) {
  return call.value === 0n && findAsset(policy, tokenAsset(chain, call.to)) !== null;
}

// What a call is as long as nothing more is known of it.
const NOTHING = Object.freeze({
  signature: null, types: null, arguments: null, allowance: null, mayAllow: false, isBatch: false, hasData: true,
});

function payment(chain, call, depth) {
  const understood = call.payment && !call.delegate;
  return {
    depth, to: call.to, value: call.value, data: call.data, selector: null, delegate: call.delegate, contract: null,
    kind: understood ? "native_transfer" : "unknown",
    flow: understood ? { asset: nativeAsset(chain), destination: call.to, amount: call.value } : null,
    ...NOTHING, hasData: false,
  };
}

function allowance(asset, spender, amount, unlimited) {
  return { asset, spender, amount, unlimited };
}

// What a registered function lets leave; `known` is the called token, where the policy knows it as one.
function tokenCall(made, chain, known) {
  const { signature, arguments: values } = made;
  const token = tokenAsset(chain, made.to);
  if (signature === TRANSFER_FROM && known !== null) {
    return { ...made, flow: { asset: known, destination: values[1], amount: values[2] } };
  }
  let given = null;
  if (Object.hasOwn(APPROVALS, signature)) {
    const [spender, amount, bits] = APPROVALS[signature];
    const asset = signature === PERMIT2 ? tokenAsset(chain, values[0]) : token;
    given = allowance(asset, values[spender], values[amount], values[amount] >= 1n << (bits - 1n));
  } else if (Object.hasOwn(ALL_OR_NOTHING, signature)) {
    const [spender, flag] = ALL_OR_NOTHING[signature];
    given = allowance(token, values[spender], values[flag] ? UINT256_MOST : 0n, values[flag]);
  } else {
    return { ...made, mayAllow: MAY_ALLOW.test(signature.slice(0, signature.indexOf("("))) };
  }
  const flow = known === given.asset ? { asset: known, destination: given.spender, amount: given.amount } : null;
  return { ...made, allowance: given, flow };
}

class Opener {
  constructor(policy, chain, sender) {
    this.policy = policy;
    this.chain = chain;
    this.sender = sender;
    this.count = 0;
  }

  // The call and all calls inside it, outermost first.
  open(call, depth) {
    this.count += 1;
    if (this.count > MOST_CALLS || depth > MOST_DEPTH) throw new TooMany();
    if (call.data === "0x") return [payment(this.chain, call, depth)];
    const selector = call.data.length >= SELECTOR_DIGITS ? call.data.slice(0, SELECTOR_DIGITS) : null;
    const contract = findContract(this.policy, this.chain, call.to);
    const made = {
      depth, to: call.to, value: call.value, data: call.data, selector, kind: "unknown", delegate: call.delegate,
      contract, flow: null, ...NOTHING,
    };
    if (this.isNote(call, depth)) {
      return [{ ...made, kind: "note", flow: { asset: nativeAsset(this.chain), destination: call.to, amount: 0n } }];
    }
    if (selector === null || call.delegate) return [made];
    const signature = this.signatureOf(contract, selector, call);
    return signature === null ? [made] : this.understood(made, signature, call);
  }

  // Whether a wallet of the policy sends itself a few bytes and nothing else: there is no code that could read them.
  isNote(call, depth) {
    const { policy, chain, sender } = this;
    const own = depth === 0 && same(call.to, sender) && findWallet(policy, `${chain}:${call.to}`) !== null;
    const foreign = findAsset(policy, tokenAsset(chain, call.to)) !== null
      || policy.contracts.some((entry) => entry.chain === chain && same(entry.address, call.to));
    return own && !foreign && call.value === 0n && (call.data.length - 2) / 2 <= NOTE_MOST;
  }

  // Null where no function, or more than one, answers to the selector: whichever is meant, the other one might be.
  signatureOf(contract, selector, call) {
    const listed = (contract?.functions ?? []).filter((one) => one.selector === selector).map((one) => one.signature);
    if (listed.length > 1) return null;
    if (selector !== TRANSFER_SELECTOR) return listed[0] ?? null;
    if (listed.length === 1) return listed[0] === TRANSFER ? TRANSFER : null;
    return isToken(this.policy, this.chain, call) ? TRANSFER : null;
  }

  understood(made, signature, call) {
    const types = argumentTypes(signature);
    const values = types === null ? null : decodeStrict(types, `0x${call.data.slice(SELECTOR_DIGITS)}`);
    if (values === null) return [made];
    const read = { ...made, signature, types, arguments: values };
    const token = isToken(this.policy, this.chain, call) ? tokenAsset(this.chain, call.to) : null;
    if (signature === TRANSFER && token !== null) {
      return [{ ...read, kind: "token_transfer", flow: { asset: token, destination: values[0], amount: values[1] } }];
    }
    const called = { ...read, kind: "contract_call" };
    const isBatch = signature === MULTI_SEND || Object.hasOwn(BATCHES, signature);
    return isBatch ? this.batch(called) : [tokenCall(called, this.chain, token)];
  }

  batch(made) {
    const { signature, arguments: values } = made;
    const again = (data) => ({ to: made.to, value: made.value, data, delegate: false, payment: false });
    const inner = signature === MULTI_SEND ? packed(values[0]) : values[BATCHES[signature]].map(again);
    if (inner === null || inner.length === 0) return [{ ...made, kind: "unknown" }];
    const below = inner.flatMap((call) => this.open(call, made.depth + 1));
    const clear = below.every((one) => one.kind !== "unknown" && !one.delegate);
    return [{ ...made, kind: clear ? "contract_call" : "unknown", isBatch: true }, ...below];
  }
}

// All calls of a transaction, outermost first.
export function openCalls(intent, policy) {
  const { chain, to, data } = intent;
  const outer = { to, value: BigInt(intent.value), data, delegate: false, payment: data === "0x" };
  try {
    return new Opener(policy, chain, addressOf(intent.wallet)).open(outer, 0);
  } catch (error) {
    if (!(error instanceof TooMany)) throw error;
    const selector = data.length >= SELECTOR_DIGITS ? data.slice(0, SELECTOR_DIGITS) : null;
    const contract = findContract(policy, chain, to);
    return [{
      depth: 0, to, value: outer.value, data, selector, kind: "unknown", delegate: false, contract, flow: null,
      ...NOTHING, tooMany: true,
    }];
  }
}

export function areUnderstood(calls) {
  return calls.every((call) => call.kind !== "unknown");
}

// All that can leave by these calls, or null where any part of it is not known.
export function flowsOf(calls) {
  const known = areUnderstood(calls) && calls.every((call) => call.isBatch || call.flow !== null);
  return known ? calls.map((call) => call.flow).filter((flow) => flow !== null) : null;
}

// What the wallet loses at most, fee included: [[asset, amount]]. `known` is false where a contract decides the rest.
export function worstCase(intent, calls) {
  const native = nativeAsset(intent.chain);
  const flows = flowsOf(calls);
  const leaving = new Map();
  for (const { asset, amount } of flows ?? []) leaving.set(asset, (leaving.get(asset) ?? 0n) + amount);
  const paid = leaving.get(native) ?? 0n;
  const sent = paid > BigInt(intent.value) ? paid : BigInt(intent.value);
  const fee = BigInt(intent.gas) * BigInt(intent.max_fee_per_gas);
  leaving.delete(native);
  const most = (amount) => (amount > UINT256_MOST ? UINT256_MOST : amount);
  const amounts = [...leaving].map(([asset, amount]) => [asset, most(amount)]);
  return { known: flows !== null, amounts: [...amounts, [native, most(sent + fee)]], fee, sent };
}
