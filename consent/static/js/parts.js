// The small pieces that every view is made of.

import { el } from "./dom.js";
import { groupsOfFour, localTime, utc } from "./words.js";

const STATES = Object.freeze({
  listed: ["good", "✓ Whitelisted"],
  own: ["good", "✓ Own wallet"],
  cooling: ["bad", "✕ Cooling down"],
  expired: ["bad", "✕ Expired entry"],
  unlisted: ["bad", "✕ NOT LISTED"],
});

// Groups are spaced by the stylesheet, so that what is copied is the value itself.
export function grouped(value, kind) {
  const [prefix, digits] = value.startsWith("0x") ? ["0x", value.slice(2)] : ["", value];
  const groups = groupsOfFour(digits).map((group) => el("span", { class: "group" }, group));
  return el("span", { class: `hex ${kind}` }, prefix === "" ? null : el("span", { class: "group" }, prefix), ...groups);
}

export function rows(pairs) {
  const shown = pairs.filter((pair) => pair !== null);
  return el(
    "dl",
    { class: "rows" },
    ...shown.map(([name, ...values]) => el("div", {}, el("dt", {}, name), el("dd", {}, ...values))),
  );
}

export function small(...children) {
  return el("span", { class: "small" }, ...children);
}

export function pill(state) {
  const [kind, words] = STATES[state];
  return el("span", { class: `pill ${kind}`, "data-state": state }, words);
}

export function known(registered) {
  const [kind, words] = registered ? ["good", "✓ Registered in the policy"] : ["bad", "✕ NOT REGISTERED"];
  return el("span", { class: `pill ${kind}` }, words);
}

export function banner(kind, title, message, attributes = {}) {
  return el(
    "div",
    { class: `banner ${kind}`, ...attributes },
    el("strong", {}, title),
    message === null ? null : el("p", {}, message),
  );
}

export function moment(seconds) {
  const iso = new Date(seconds * 1000).toISOString();
  return el("span", { class: "moment" }, el("time", { datetime: iso }, utc(seconds)), " ", small(localTime(seconds)));
}

export function section(title, ...children) {
  return el("section", {}, el("h2", {}, title), ...children);
}

export function folded(title, open, ...children) {
  return el("details", { open }, el("summary", {}, title), ...children);
}

export function claimed(claims) {
  if (claims.length === 0) return null;
  return el(
    "section",
    { class: "claimed", id: "claimed", "aria-label": "Claimed by the server" },
    el("h2", {}, "⚠ Claimed by the server ", small("not checked by this page, and not part of what you sign")),
    el("dl", { class: "claims" }, ...claims.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])),
  );
}
