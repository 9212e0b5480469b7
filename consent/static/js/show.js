// What signing and the second-device check share: whose house this is, the banners, and the view of each document.

import { byId, el } from "./dom.js";
import { banner } from "./parts.js";
import { Refused } from "./refusal.js";
import { viewControl } from "./view_control.js";
import { viewEnrolment } from "./view_enrolment.js";
import { viewMandate } from "./view_mandate.js";
import { viewPolicy } from "./view_policy.js";
import { viewSuccessor } from "./view_successor.js";

function findings(title, found) {
  if (found.length === 0) return [];
  const items = found.map((one) => el("li", { "data-code": one.code }, one.message));
  return [el("div", { class: "banner stop" }, el("strong", {}, title), el("ul", {}, ...items))];
}

export function findingBanners(subject) {
  const genesis = subject.genesis
    ? [banner("warn", "⚠ No policy is pinned here", "Compare this digest with the other admin before you sign.")]
    : [];
  return [
    ...findings("✕ Cannot be approved", subject.blocks),
    ...findings("⚠ Look twice", subject.warnings),
    ...genesis,
  ];
}

export function viewOf(subject, now) {
  if (subject.type === "mandate") return viewMandate(subject, now);
  if (subject.type === "enrolment") return viewEnrolment(subject);
  if (subject.type !== "policy") return viewControl(subject);
  return subject.genesis ? viewPolicy(subject) : viewSuccessor(subject);
}

export function nameHouse(subject) {
  const { policy } = subject;
  byId("house").textContent = policy.institution;
  if (policy.profile === "demo") byId("profile").replaceChildren(el("span", { class: "pill demo" }, "demo profile"));
}

// A typed no, with nothing left of what was shown before.
export function refusalCard(error, title, advice) {
  const known = error instanceof Refused;
  const message = known ? error.message : "This page could not check the request, so it shows nothing.";
  return el(
    "article",
    { class: "card narrow", role: "alert", id: "refusal", "data-code": known ? error.code : "error" },
    banner("stop", `✕ ${title}`, message),
    el("p", {}, advice),
  );
}
