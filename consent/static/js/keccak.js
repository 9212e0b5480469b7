// Keccak-256 as Ethereum uses it: for EIP-55 addresses and function selectors, which WebCrypto cannot compute.
// Source: The Keccak reference 3.0, sections 1.1 to 1.3 (rate 1088, padding byte 0x01, not FIPS 202's 0x06).

import { hexOf, utf8 } from "./bytes.js";

const RATE = 136;
const LANES = 25;
const LANE_BITS = 64n;
const MASK = (1n << LANE_BITS) - 1n;
const ROUND_CONSTANTS = Object.freeze([
  0x0000000000000001n, 0x0000000000008082n, 0x800000000000808an, 0x8000000080008000n, 0x000000000000808bn,
  0x0000000080000001n, 0x8000000080008081n, 0x8000000000008009n, 0x000000000000008an, 0x0000000000000088n,
  0x0000000080008009n, 0x000000008000000an, 0x000000008000808bn, 0x800000000000008bn, 0x8000000000008089n,
  0x8000000000008003n, 0x8000000000008002n, 0x8000000000000080n, 0x000000000000800an, 0x800000008000000an,
  0x8000000080008081n, 0x8000000000008080n, 0x0000000080000001n, 0x8000000080008008n,
]);

function rotated(lane, by) {
  return by === 0n ? lane : ((lane << by) | (lane >> (LANE_BITS - by))) & MASK;
}

// Where rho and pi take each lane, walked once: {from, to, by}.
const STEPS = (() => {
  const steps = [{ from: 0, to: 0, by: 0n }];
  let [x, y] = [1, 0];
  for (let t = 0; t < LANES - 1; t += 1) {
    const by = BigInt((((t + 1) * (t + 2)) / 2) % 64);
    const [nextX, nextY] = [y, (2 * x + 3 * y) % 5];
    steps.push({ from: x + 5 * y, to: nextX + 5 * nextY, by });
    [x, y] = [nextX, nextY];
  }
  return Object.freeze(steps);
})();

function permute(state) {
  for (const constant of ROUND_CONSTANTS) {
    const columns = [0, 1, 2, 3, 4].map((x) => state[x] ^ state[x + 5] ^ state[x + 10] ^ state[x + 15] ^ state[x + 20]);
    const mixed = columns.map((_, x) => columns[(x + 4) % 5] ^ rotated(columns[(x + 1) % 5], 1n));
    const moved = new Array(LANES);
    for (const { from, to, by } of STEPS) moved[to] = rotated(state[from] ^ mixed[from % 5], by);
    for (let at = 0; at < LANES; at += 1) {
      const row = at - (at % 5);
      state[at] = moved[at] ^ (~moved[row + ((at + 1) % 5)] & MASK & moved[row + ((at + 2) % 5)]);
    }
    state[0] ^= constant;
  }
}

export function keccak256(bytes) {
  const padded = new Uint8Array(Math.ceil((bytes.length + 1) / RATE) * RATE);
  padded.set(bytes);
  padded[bytes.length] ^= 0x01;
  padded[padded.length - 1] ^= 0x80;
  const view = new DataView(padded.buffer);
  const state = new Array(LANES).fill(0n);
  for (let block = 0; block < padded.length; block += RATE) {
    for (let at = 0; at < RATE / 8; at += 1) state[at] ^= view.getBigUint64(block + at * 8, true);
    permute(state);
  }
  const digest = new DataView(new ArrayBuffer(32));
  for (let at = 0; at < 4; at += 1) digest.setBigUint64(at * 8, state[at], true);
  return new Uint8Array(digest.buffer);
}

const FIRST_UPPER = 8; // EIP-55: a letter is upper case where the hash has 8 or more

// An address in its EIP-55 spelling, whatever the case of what came in.
export function checksumAddress(address) {
  const digits = address.slice(2).toLowerCase();
  const marks = hexOf(keccak256(utf8(digits)));
  const spelled = [...digits].map((digit, at) => (
    Number.parseInt(marks[at], 16) >= FIRST_UPPER ? digit.toUpperCase() : digit
  ));
  return `0x${spelled.join("")}`;
}

export function selectorOf(signature) {
  return `0x${hexOf(keccak256(utf8(signature)).subarray(0, 4))}`;
}
