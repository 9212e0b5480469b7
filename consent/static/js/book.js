// Looks things up in a policy: the only source of names, decimals and whitelist states on this page.

import { addressOf, chainOf, same, tokenAsset } from "./names.js";

export function findPerson(policy, id) {
  return policy.people.find((person) => person.id === id) ?? null;
}

export function findClient(policy, id) {
  return policy.clients.find((client) => client.id === id) ?? null;
}

export function findAsker(policy, asker) {
  return asker.kind === "person" ? findPerson(policy, asker.id) : findClient(policy, asker.id);
}

export function findWallet(policy, id) {
  return policy.wallets.find((wallet) => same(wallet.id, id)) ?? null;
}

export function findAsset(policy, id) {
  return policy.assets.find((entry) => same(entry.id, id)) ?? null;
}

// Whoever counts as having asked has no seat: for an API client its responsible people.
export function initiators(policy, asker) {
  const found = findAsker(policy, asker);
  if (found === null) return [];
  return asker.kind === "person" ? [found.id] : found.responsible;
}

// The entry of a contract; null also where two entries contradict each other.
export function findContract(policy, chain, address) {
  const entries = policy.contracts.filter((entry) => entry.chain === chain && same(entry.address, address));
  return entries.length === 1 ? entries[0] : null;
}

const END_DIGITS = 4;

function ends(address) {
  return address.slice(2, 2 + END_DIGITS).toLowerCase() + address.slice(-END_DIGITS).toLowerCase();
}

// The label of the known address that an unknown one could be taken for: same first and last four digits. Or null.
export function lookalikeOf(policy, address) {
  const known = [
    ...policy.addresses.map((entry) => [entry.address, entry.label]),
    ...policy.wallets.map((wallet) => [addressOf(wallet.id), wallet.label]),
  ];
  if (known.some(([one]) => same(one, address))) return null;
  return known.find(([one]) => ends(one) === ends(address))?.[1] ?? null;
}

// What an address is called here, or null: a listed destination, an own wallet, a registered contract, a token.
export function nameOf(policy, chain, address) {
  const own = policy.wallets.find((wallet) => chainOf(wallet.id) === chain && same(addressOf(wallet.id), address));
  const listed = policy.addresses.find((entry) => entry.chain === chain && same(entry.address, address));
  return listed?.label ?? own?.label ?? findContract(policy, chain, address)?.label
    ?? findAsset(policy, tokenAsset(chain, address))?.name ?? null;
}

// What the whitelist says about a destination: {state: own | listed | cooling | expired | unlisted, label, entry}.
export function destinationOf(policy, chain, address, now) {
  const own = policy.wallets.find((wallet) => chainOf(wallet.id) === chain && same(addressOf(wallet.id), address));
  const entry = policy.addresses.find((one) => one.chain === chain && same(one.address, address));
  if (entry !== undefined) {
    const state = now < entry.usable_from ? "cooling" : now >= entry.expires ? "expired" : "listed";
    return { state, label: entry.label, entry };
  }
  return own === undefined
    ? { state: "unlisted", label: null, entry: null }
    : { state: "own", label: own.label, entry: null };
}
