// The reports that a policy names as its evidence. What the server offers counts only as far as its digest, recomputed
// here, is the one in the document: people sign that digest, so they sign what they were shown.

import { concat, hexOf, sha256, utf8 } from "./bytes.js";
import { taggedDigest } from "./canonical.js";
import { Refused } from "./refusal.js";

const TAG = "countersign/v1/report\0";

function wrong(message) {
  return new Refused("report", message);
}

// What a report speaks of: the policy without the reports about it.
export function contentDigest(policy) {
  return taggedDigest("policy", { ...policy, evidence: [] });
}

function parsed(kind, body, content) {
  let value;
  try {
    value = JSON.parse(body);
  } catch {
    throw wrong(`The ${kind} report cannot be read.`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong(`The ${kind} report cannot be read.`);
  if (value.content !== content) throw wrong(`The ${kind} report is about another policy than this one.`);
  return value;
}

// For each row of the policy's evidence: {kind, digest, value}; value is null where the server offered no report.
export async function checkReports(policy, offered) {
  const content = await contentDigest(policy);
  const found = [];
  const used = new Set();
  for (const { kind, digest } of policy.evidence) {
    const report = offered.find((one) => one.kind === kind && !used.has(one));
    if (report === undefined) {
      found.push({ kind, digest, value: null });
      continue;
    }
    used.add(report);
    const recomputed = hexOf(await sha256(concat(utf8(TAG), utf8(report.body))));
    if (recomputed !== digest) {
      throw wrong(`The ${kind} report that the server offers is not the one that this policy names: somebody changed it.`);
    }
    found.push({ kind, digest, value: parsed(kind, report.body, content) });
  }
  if (used.size !== offered.length) throw wrong("The server offers a report that this policy does not name.");
  return found;
}
