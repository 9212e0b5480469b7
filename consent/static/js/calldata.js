// What a transaction does: a native transfer, an ERC-20 transfer, or unknown. A decoder that guesses is worse than
// none, so dirty padding, trailing bytes, truncation and attached value all make a call unknown.
// Sources: Solidity contract ABI specification, EIP-20.

import { nativeAsset, same, tokenAsset } from "./names.js";

// selector, 12 zero bytes and 20 bytes of address, 32 bytes of amount: 68 bytes in all.
const TRANSFER = /^0xa9059cbb0{24}([0-9a-f]{40})([0-9a-f]{64})$/;

// Calldata has no upper case. Where the document spells the same address, its EIP-55 spelling is easier to compare.
function spelled(intent, address) {
  return intent.movements.find((movement) => same(movement.destination, address))?.destination ?? address;
}

export function decodeCall(intent) {
  if (intent.data === "0x") {
    return {
      kind: "native_transfer",
      asset: nativeAsset(intent.chain),
      destination: intent.to,
      amount: BigInt(intent.value),
      contract: null,
    };
  }
  const match = BigInt(intent.value) === 0n ? TRANSFER.exec(intent.data) : null;
  if (match === null) {
    return { kind: "unknown", asset: null, destination: null, amount: null, contract: intent.to };
  }
  return {
    kind: "token_transfer",
    asset: tokenAsset(intent.chain, intent.to),
    destination: spelled(intent, `0x${match[1]}`),
    amount: BigInt(`0x${match[2]}`),
    contract: intent.to,
  };
}

// A document may name no movement but the one that its own calldata means, to the last unit.
export function movementsAgree(intent, call) {
  if (call.kind === "unknown") return intent.movements.length === 0;
  const [movement, ...others] = intent.movements;
  return (
    movement !== undefined &&
    others.length === 0 &&
    same(movement.asset, call.asset) &&
    same(movement.source, intent.wallet.slice(intent.wallet.lastIndexOf(":") + 1)) &&
    same(movement.destination, call.destination) &&
    BigInt(movement.least) === call.amount &&
    BigInt(movement.most) === call.amount
  );
}
