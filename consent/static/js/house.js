// What two people installed at this host: the pins, the policy that they name, and who may receive consents.
// Nothing that arrives with a request changes any of it.

import { taggedDigest } from "./canonical.js";
import { digest } from "./names.js";
import { policy as policyForm, signedPolicy } from "./policy_document.js";
import { Refused } from "./refusal.js";
import { choice, items, struct, text } from "./schema.js";

const origin = text({ most: 255, pattern: "https?://[a-z0-9.-]+(?::[0-9]{1,5})?" });
const configForm = struct({
  allowed_return_origins: items(origin, { most: 16 }),
  rp_id: text({ most: 253, pattern: "[a-z0-9.-]+" }),
});
const pinsForm = struct({ deployment: digest, policy: digest });
const coordinate = text({ most: 64, pattern: "[A-Za-z0-9_-]{43}" });
const demoKeysForm = struct({
  keys: items(
    struct({
      person: text({ most: 64 }),
      credential_id: text({ most: 1400, pattern: "[A-Za-z0-9_-]+" }),
      jwk: struct({ kty: choice("EC"), crv: choice("P-256"), x: coordinate, y: coordinate, d: coordinate }),
    }),
    { most: 64 },
  ),
});

// Null where this host has no such file (404, or 204 from our own server); anything else that fails is an error.
async function installed(path) {
  const answer = await fetch(path, { cache: "no-store", credentials: "omit", redirect: "error" });
  if (answer.status === 404 || answer.status === 204) return null;
  if (!answer.ok) throw new Refused("installation", `This host could not give ${path} (status ${answer.status}).`);
  return answer.json();
}

function read(form, value, name) {
  try {
    return form(value, name);
  } catch (error) {
    throw new Refused("installation", `This host's ${name} is not in order: ${error.message}`);
  }
}

export async function loadConfig() {
  const value = await installed("/config.json");
  if (value === null) throw new Refused("installation", "This host has no config.json. Tell its operators.");
  return read(configForm, value, "config.json");
}

// A pinned policy is believed only as far as its own digest, recomputed here, is the pinned one.
export async function checkPinned(pins, stored) {
  const holder = Object.hasOwn(stored, "policy") && Object.hasOwn(stored, "consents");
  const policy = holder ? read(signedPolicy, stored, "policy.json").policy : read(policyForm, stored, "policy.json");
  const recomputed = await taggedDigest("policy", policy);
  if (recomputed !== pins.policy) {
    throw new Refused("wrong_policy", "The policy on this host is not the one whose digest was pinned.");
  }
  const deployment = policy.previous === null ? recomputed : policy.header.deployment;
  if (deployment !== pins.deployment) {
    throw new Refused("wrong_deployment", "The policy on this host belongs to another deployment than the pin.");
  }
  return policy;
}

const earlierForm = struct({ policies: items(policyForm, { most: 16 }) });

// The policies before the pinned one, the newest first. Each names the digest of the one before it, so what the pin
// reaches back to needs no pin of its own: requests that were made under them may still be on their way.
export async function checkEarlier(pins, policy, stored) {
  const chain = [];
  let follower = policy;
  for (const before of read(earlierForm, stored, "earlier.json").policies) {
    const recomputed = await taggedDigest("policy", before);
    if (recomputed !== follower.previous || before.number !== follower.number - 1) {
      throw new Refused("wrong_policy", "An earlier policy on this host is not the one that its successor follows.");
    }
    if (before.previous === null && recomputed !== pins.deployment) {
      throw new Refused("wrong_deployment", "The first policy on this host is another deployment's.");
    }
    chain.push({ policy: before, digest: recomputed });
    follower = before;
  }
  return chain;
}

export async function loadHouse() {
  const [config, pinsValue, policyValue, earlierValue] = await Promise.all([
    loadConfig(),
    installed("/pins.json"),
    installed("/policy.json"),
    installed("/earlier.json"),
  ]);
  if ((pinsValue === null) !== (policyValue === null)) {
    throw new Refused("installation", "This host is installed by half: it needs pins.json and policy.json.");
  }
  if (pinsValue === null) return { config, pins: null, policy: null, earlier: [] };
  const pins = read(pinsForm, pinsValue, "pins.json");
  const policy = await checkPinned(pins, policyValue);
  const earlier = earlierValue === null ? [] : await checkEarlier(pins, policy, earlierValue);
  return { config, pins, policy, earlier };
}

// Software keys exist in the demo profile only; a production host is not even asked for them.
export async function loadDemoKeys(policy) {
  if (policy.profile !== "demo") return [];
  const value = await installed("/demo-keys.json");
  return value === null ? [] : read(demoKeysForm, value, "demo-keys.json").keys;
}
