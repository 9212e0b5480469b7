// The consent page: read the request, judge it against this host's own policy, show it, and only then ask the key.

import { demoKeyOf, askDemoKey } from "./demo_key.js";
import { byId, el } from "./dom.js";
import { loadDemoKeys, loadHouse } from "./house.js";
import { judge } from "./judge.js";
import { deliver, receiverOf } from "./messaging.js";
import { banner, claimed } from "./parts.js";
import { Refused } from "./refusal.js";
import { readRequest } from "./request.js";
import { makeStatement } from "./statement.js";
import {
  followDemoChoice, offerClose, openSigned, setButtons, setStatus, showSigned, startCountdown, viewDecision,
} from "./view_decision.js";
import { viewControl } from "./view_control.js";
import { viewMandate } from "./view_mandate.js";
import { viewPolicy } from "./view_policy.js";
import { viewSuccessor } from "./view_successor.js";
import { askSecurityKey, keyProblem } from "./webauthn.js";

// A page that appears under a moving pointer must not be clicked by accident (or by design: double-click hijacking).
const ARM_MS = 600;

function nowSeconds() {
  return Math.floor(Date.now() / 1000);
}

function showWelcome() {
  byId("page").replaceChildren(
    el(
      "article",
      { class: "card narrow" },
      el("h1", {}, "Nothing to sign"),
      el("p", {}, "This page shows you in words what you are about to sign, and then asks your security key. It "
        + "opens from a request or a case in Countersign, with the document in its address."),
      el("p", {}, "Opened it by hand? Go back to the case and choose “Review and sign”."),
      el("p", {}, el("a", { href: "/enrol.html" }, "Enrol a security key")),
    ),
  );
  byId("page").setAttribute("data-state", "empty");
}

function showRefusal(error) {
  const known = error instanceof Refused;
  const message = known ? error.message : "This page could not check the request, so it shows nothing to sign.";
  byId("page").replaceChildren(
    el(
      "article",
      { class: "card narrow", role: "alert", id: "refusal", "data-code": known ? error.code : "error" },
      banner("stop", "✕ Refused: there is nothing to sign", message),
      el("p", {}, "Nothing was signed and nothing was sent. If you expected a request here, tell the security "
        + "officer what this page says, by another way than the page that sent you."),
    ),
  );
  byId("page").setAttribute("data-state", "refused");
}

function findingBanners(subject) {
  const stops = subject.blocks.map((one) => banner("stop", "✕ Cannot be approved", one.message, { "data-code": one.code }));
  const warnings = subject.warnings.map((one) => banner("stop", "⚠ Look twice", one.message, { "data-code": one.code }));
  const genesis = subject.genesis
    ? [banner("warn", "⚠ No policy is pinned here", "Compare this digest with the other admin before you sign.")]
    : [];
  return [...stops, ...warnings, ...genesis];
}

function viewOf(subject) {
  if (subject.type === "mandate") return viewMandate(subject, nowSeconds());
  if (subject.type !== "policy") return viewControl(subject);
  return subject.genesis ? viewPolicy(subject) : viewSuccessor(subject);
}

function nameHouse(subject) {
  const { policy } = subject;
  byId("house").textContent = policy.institution;
  if (policy.profile === "demo") byId("profile").replaceChildren(el("span", { class: "pill demo" }, "demo profile"));
}

function askedReason(decision) {
  const reason = document.querySelector("#reason")?.value.trim() ?? "";
  if (decision === "reject" && reason === "") {
    throw new Refused("reason", "Type a reason: it becomes part of what you sign, and the asker reads it.");
  }
  return decision === "reject" || decision === "withdraw" ? reason : "";
}

async function handOver(receiver, signedConsent) {
  if (receiver === null) {
    setStatus("good", "✓ Signed. Nothing was sent: save it, and hand it to whoever asked you.");
    openSigned();
    return;
  }
  setStatus("busy", "Signed. Handing it over…");
  const ack = await deliver(receiver, signedConsent);
  if (ack === null) {
    setStatus("bad", "✕ Signed, but the case page did not answer. Save the consent and hand it over.");
    openSigned();
  } else if (ack.ok) {
    setStatus("good", `✓ Signed and handed over. ${ack.message}`);
    offerClose();
  } else {
    setStatus("bad", `✕ Signed, but the case page refused it: ${ack.message}`);
  }
}

class Signing {
  constructor(subject, receiver, demoKey) {
    this.subject = subject;
    this.receiver = receiver;
    this.demoKey = demoKey;
    this.state = "ready"; // ready, busy, signed, over: only "ready" starts anything, so a double click signs once
  }

  async proofOf(digest) {
    const software = this.demoKey !== null && byId("demo-key").checked;
    if (software) return askDemoKey(this.demoKey, this.subject, digest);
    setStatus("busy", "Touch your security key and enter its PIN. It waits two minutes.");
    return askSecurityKey(this.subject, digest);
  }

  async decide(decision) {
    if (this.state !== "ready") return;
    this.state = "busy";
    setButtons(this.subject.decisions, false);
    try {
      const reason = askedReason(decision);
      const { statement, digest } = await makeStatement(this.subject, decision, reason, nowSeconds());
      const proof = await this.proofOf(digest);
      this.state = "signed";
      const signedConsent = { statement, proof };
      showSigned(this.subject, signedConsent);
      await handOver(this.receiver, signedConsent);
    } catch (error) {
      if (this.state !== "busy") throw error;
      setStatus("bad", `✕ ${error instanceof Refused ? error.message : keyProblem(error)}`);
      if (error instanceof Refused && error.code === "reason") byId("reason").focus();
      this.state = remainingSeconds(this.subject) > 0 ? "ready" : "over";
      setButtons(this.subject.decisions, this.state === "ready");
    }
  }

  expire() {
    if (this.state !== "ready") return;
    this.state = "over";
    setButtons(this.subject.decisions, false);
    setStatus("bad", "✕ This request has expired. It has to be made anew.");
  }
}

function remainingSeconds(subject) {
  return subject.document.header.expires - nowSeconds();
}

async function showSubject(subject, request, receiver) {
  const demoKey = demoKeyOf(await loadDemoKeys(subject.policy), subject);
  nameHouse(subject);
  byId("banners").replaceChildren(...findingBanners(subject));
  const decision = viewDecision(subject, demoKey);
  const server = claimed(request.claimed);
  byId("page").replaceChildren(
    el("div", { class: "columns" }, await viewOf(subject), el("div", { class: "side" }, decision, server ?? "")),
  );
  byId("page").setAttribute("data-state", subject.decisions.length > 0 ? "ready" : "blocked");
  followDemoChoice(subject.decisions);
  const signing = new Signing(subject, receiver, demoKey);
  for (const choice of subject.decisions) byId(choice).addEventListener("click", () => signing.decide(choice));
  startCountdown(subject, () => signing.expire());
  setTimeout(() => setButtons(subject.decisions, signing.state === "ready"), ARM_MS);
}

async function main() {
  // The document changes with the address: start over instead of mixing two requests.
  addEventListener("hashchange", () => location.reload());
  try {
    // Headers forbid frames already; a host that lost its headers must not sign inside one.
    if (window.top !== window) throw new Refused("framed", "This page signs nothing inside another page.");
    const request = readRequest(location.hash);
    if (request === null) {
      showWelcome();
      return;
    }
    const house = await loadHouse();
    const receiver = receiverOf(request, house.config, window.opener);
    const subject = await judge(request, house, nowSeconds(), location.origin);
    await showSubject(subject, request, receiver);
  } catch (error) {
    byId("banners").replaceChildren();
    showRefusal(error);
  }
}

await main();
