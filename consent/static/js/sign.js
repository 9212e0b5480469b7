// The consent page: read the request, judge it against this host's own policy, show it, and only then ask the key.

import { demoKeyOf, askDemoKey } from "./demo_key.js";
import { byId, el } from "./dom.js";
import { loadDemoKeys, loadHouse } from "./house.js";
import { judge } from "./judge.js";
import { firstUseWarnings, rememberApproval } from "./memory.js";
import { deliver, receiverOf } from "./messaging.js";
import { claimed } from "./parts.js";
import { Refused } from "./refusal.js";
import { readRequest } from "./request.js";
import { findingBanners, nameHouse, refusalCard, viewOf } from "./show.js";
import { sixWords } from "./six_words.js";
import { makeStatement } from "./statement.js";
import {
  followDemoChoice, offerClose, offerStop, openSigned, setButtons, setStatus, showSigned, startCountdown, viewDecision,
} from "./view_decision.js";
import { viewAttested, viewStanding } from "./view_standing.js";
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
      el("p", {}, el("a", { href: "/check.html" }, "Check a document on this device"), " · ",
        el("a", { href: "/enrol.html" }, "Enrol a security key")),
    ),
  );
  byId("page").setAttribute("data-state", "empty");
}

function showRefusal(error) {
  byId("page").replaceChildren(refusalCard(
    error,
    "Refused: there is nothing to sign",
    "Nothing was signed and nothing was sent. If you expected a request here, tell the security officer what this "
      + "page says, by another way than the page that sent you.",
  ));
  byId("page").setAttribute("data-state", "refused");
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
    const waiting = new AbortController();
    setStatus("busy", "Touch your security key and enter its PIN. It waits two minutes.");
    const stop = offerStop(() => waiting.abort());
    try {
      return await askSecurityKey(this.subject, digest, waiting.signal);
    } finally {
      stop.remove();
    }
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
      if (decision === "approve") rememberApproval(this.subject);
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
  const fresh = firstUseWarnings(subject, nowSeconds());
  const decision = viewDecision(subject, demoKey, await sixWords(subject.digest));
  const attested = subject.attested === null ? null : viewAttested(subject.policy, subject.attested, nowSeconds());
  const view = await viewOf(subject, nowSeconds());
  // All at once: nobody reads a page without its banners, or the banners without the page.
  byId("banners").replaceChildren(...findingBanners({ ...subject, warnings: [...subject.warnings, ...fresh] }));
  byId("page").replaceChildren(el(
    "div",
    { class: "columns" },
    el("div", { class: "told" }, ...[view, attested, claimed(request.claimed)].filter((part) => part !== null)),
    el("div", { class: "side" }, decision, viewStanding(subject.policy, subject.standing)),
  ));
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
