// What the two kinds of reports came to, as rows of a name and a value. A report is known by its digest and was written by
// the server: its words are shown as text, shortened, and without what hides or reorders text.

import { counted, plain } from "./words.js";

const MOST_TEXT = 300;
const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu;
const SKIPPED = Object.freeze(["content", "kind", "v", "version", "type"]);
// Not repeated where they are those of the page: the policy that is pinned here, and its deployment.
const OURS = Object.freeze({
  active: (policy) => policy.previous, previous: (policy) => policy.previous, deployment: (policy) => policy.header.deployment,
});
// Shown one by one, not counted.
const SPREAD = Object.freeze({ windows: windowsRow, checks: checkRow });
const STATES = Object.freeze({
  proven: "✓ proven", information: "i to know", warning: "! warning", failed: "✕ failed", unknown: "? not answered",
});

export function shortened(value) {
  const text = String(value).replaceAll(HIDDEN, "\uFFFD");
  return text.length > MOST_TEXT ? `${text.slice(0, MOST_TEXT)}…` : text;
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function valueWords(value) {
  if (value === true) return "yes";
  if (value === false) return "no";
  if (value === null) return "–";
  if (Array.isArray(value)) return counted(value.length, "entry", "entries");
  if (isObject(value)) {
    return Object.entries(value).map(([name, one]) => `${plain(shortened(name))}: ${valueWords(one)}`).join(", ");
  }
  return shortened(value);
}

function windowsRow(one) {
  const { windows, allowed_before: before, allowed_after: after, changes } = one;
  return [
    `With ${plain(shortened(windows))} windows`,
    shortened(`${valueWords(changes)}. Allowed: ${valueWords(before)} before, ${valueWords(after)} after`),
  ];
}

function checkRow(one) {
  const state = Object.hasOwn(STATES, one.state) ? STATES[one.state] : `? ${valueWords(one.state)}`;
  return [shortened(one.title), shortened(`${state}: ${valueWords(one.answer)}`)];
}

function isQuiet(policy, name, value) {
  if (Object.hasOwn(OURS, name)) return OURS[name](policy) === value;
  return SKIPPED.includes(name) || (Array.isArray(value) && value.length === 0)
    || (name === "period" && isObject(value) && Object.values(value).every((one) => one === null));
}

// The rows of a report about a policy: [[name, value], …]. What this page does not know is shown as the report has it.
export function reportRows(policy, value) {
  return Object.entries(value).filter(([name, one]) => !isQuiet(policy, name, one)).flatMap(([name, one]) => {
    const spread = Object.hasOwn(SPREAD, name) && Array.isArray(one) && one.every(isObject);
    return spread ? one.map(SPREAD[name]) : [[plain(shortened(name)), shortened(valueWords(one))]];
  });
}
