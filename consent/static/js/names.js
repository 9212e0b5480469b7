// Identifiers as documents spell them: CAIP-2 chain, CAIP-10 account, CAIP-19 asset, digests, times.

import { DocumentError, base64url, hexData, integer, text } from "./schema.js";

const CHAIN_PATTERN = "eip155:[1-9][0-9]{0,15}";
const NATIVE_SUFFIX = "slip44:60";
const CHAIN_FORM = new RegExp(`^${CHAIN_PATTERN}$`);
const ADDRESS_FORM = /^0x[0-9a-fA-F]{40}$/;

// The EIP-55 checksum is not recomputed here (it needs Keccak): a misspelt address changes the digest, so no
// signer takes it for the document that was meant, and every comparison on this page ignores case.
export function address(value, at) {
  if (typeof value !== "string" || !ADDRESS_FORM.test(value)) throw new DocumentError(`${at}: address expected`);
  return value;
}

export function account(value, at) {
  const cut = typeof value === "string" ? value.lastIndexOf(":") : -1;
  if (cut < 0 || !CHAIN_FORM.test(value.slice(0, cut))) throw new DocumentError(`${at}: CAIP-10 account expected`);
  address(value.slice(cut + 1), at);
  return value;
}

export function asset(value, at) {
  const cut = typeof value === "string" ? value.indexOf("/") : -1;
  const rest = cut < 0 ? "" : value.slice(cut + 1);
  const known = rest === NATIVE_SUFFIX || rest.startsWith("erc20:");
  if (cut < 0 || !CHAIN_FORM.test(value.slice(0, cut)) || !known) {
    throw new DocumentError(`${at}: CAIP-19 asset expected`);
  }
  if (rest !== NATIVE_SUFFIX) address(rest.slice("erc20:".length), at);
  return value;
}

export function nativeAsset(chain) {
  return `${chain}/${NATIVE_SUFFIX}`;
}

export function tokenAsset(chain, contract) {
  return `${chain}/erc20:${contract}`;
}

// The contract of a token, null for the native coin.
export function contractOf(assetId) {
  const rest = assetId.slice(assetId.indexOf("/") + 1);
  return rest === NATIVE_SUFFIX ? null : rest.slice("erc20:".length);
}

export function addressOf(accountId) {
  return accountId.slice(accountId.lastIndexOf(":") + 1);
}

export function chainOf(accountId) {
  return accountId.slice(0, accountId.lastIndexOf(":"));
}

// Addresses, and the identifiers that hold one, are equal whatever the case of their hex digits.
export function same(one, other) {
  return one.toLowerCase() === other.toLowerCase();
}

export const chain = text({ most: 24, pattern: CHAIN_PATTERN });
export const digest = text({ most: 64, least: 64, pattern: "[0-9a-f]{64}" });
export const identifier = text({ most: 32, least: 32, pattern: "[0-9a-f]{32}" });
export const slug = text({ most: 64, pattern: "[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?" });
export const label = text({ most: 80 });
export const sentence = text({ most: 280, least: 0 });
export const seconds = integer({ most: 10 ** 10 });
export const time = integer({ most: 10 ** 11 });
export const count = integer({ most: 10 ** 6 });
export const selector = hexData({ most: 4, exact: true });
export const calldata = hexData({ most: 128 * 1024 });
export const hash32 = hexData({ most: 32, exact: true });
export const aaguid = hexData({ most: 16, exact: true });
export const publicKey = hexData({ most: 65, exact: true });
export const blob = base64url({ most: 16 * 1024 });
export const keyBlob = base64url({ most: 2048 });
export const credentialId = base64url({ most: 1023 });
