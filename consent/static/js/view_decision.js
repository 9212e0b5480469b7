// The panel in which a person decides: who they are, how long there is, what digest they sign, and the buttons.

import { byId, copy, download, el } from "./dom.js";
import { banner, grouped, moment, rows, small } from "./parts.js";
import { duration, rolesWords } from "./words.js";

const BUTTONS = Object.freeze({
  ask: ["primary", "Ask"],
  approve: ["primary", "Approve"],
  reject: ["danger", "Reject"],
  withdraw: ["danger", "Withdraw"],
});
const HARDWARE = "with security key";
const SOFTWARE = "with DEMO software key";
const TICK_MS = 1000;

function remaining(subject) {
  return subject.document.header.expires - Math.floor(Date.now() / 1000);
}

// Counts down once a second; calls `over` once.
export function startCountdown(subject, over) {
  const place = byId("countdown");
  const tick = () => {
    const left = remaining(subject);
    place.textContent = left > 0 ? duration(left) : "expired";
    if (left > 0) return;
    clearInterval(timer);
    over();
  };
  const timer = setInterval(tick, TICK_MS);
  tick();
}

function demoChoice(subject, demoKey) {
  if (demoKey === null) return null;
  return el(
    "div",
    { class: "striped", id: "demo-banner" },
    el("strong", {}, "Software key – demo profile only. No security."),
    el(
      "label",
      { class: "check" },
      el("input", { type: "checkbox", id: "demo-key" }),
      ` Use the DEMO software key of ${subject.person.name}`,
    ),
  );
}

function reasonField(decisions) {
  if (!decisions.includes("reject") && !decisions.includes("withdraw")) return null;
  const required = decisions.includes("reject") ? "required to reject" : "optional";
  return el(
    "label",
    { class: "field", for: "reason" },
    el("span", {}, "Reason ", small(`(${required}; you sign it too)`)),
    el("input", { id: "reason", type: "text", maxlength: "280", autocomplete: "off", "aria-describedby": "status" }),
  );
}

function buttons(decisions) {
  return decisions.map((decision) => {
    const [kind, words] = BUTTONS[decision];
    return el("button", { type: "button", id: decision, class: kind, disabled: true }, `${words} ${HARDWARE}`);
  });
}

// The buttons always say which key they are about to use.
export function followDemoChoice(decisions) {
  const choice = document.getElementById("demo-key");
  choice?.addEventListener("change", () => {
    for (const decision of decisions) {
      byId(decision).textContent = `${BUTTONS[decision][1]} ${choice.checked ? SOFTWARE : HARDWARE}`;
    }
  });
}

// For the other device: the document itself, which the check page there decodes for itself.
function secondDevice(subject) {
  const save = el("button", { type: "button", id: "save-document" }, "Save the document");
  const name = `${subject.type}-${subject.digest.slice(0, 8)}.json`;
  save.addEventListener("click", () => download(name, JSON.stringify(subject.document)));
  return el("details", { id: "second-device" }, el("summary", {}, "Compare on a second device"),
    el("p", { class: "small" }, `Open ${location.origin}/check.html there, or run “countersign-words”, with this document. `
      + "It must show the same sentence and the same words."),
    el("div", { class: "buttons" }, save));
}

export function viewDecision(subject, demoKey, words) {
  const { policy, person, decisions } = subject;
  return el(
    "aside",
    { class: "card decide", "aria-label": "Your decision" },
    rows([
      ["You are", el("span", {}, person.name, " ", small(`${person.id} · ${rolesWords(person.roles)}`))],
      ["Expires in", el("span", { class: "lead", id: "countdown" }), moment(subject.document.header.expires)],
      ["Words", el("span", { class: "lead", id: "words" }, words)],
      ["Digest", el("span", { id: "digest" }, grouped(subject.digest, "digest"))],
      subject.genesis ? null : [`Policy ${policy.number}`, grouped(subject.policyDigest, "digest minor")],
    ]),
    ...(decisions.length === 0
      ? [banner("stop", "Nothing to sign here", "Close this page, or ask for a decision that is possible.")]
      : [
        demoChoice(subject, demoKey),
        reasonField(decisions),
        el("div", { class: "buttons" }, ...buttons(decisions)),
      ].filter((part) => part !== null)),
    secondDevice(subject),
    el("p", { id: "status", role: "status", "aria-live": "polite" }),
    el("div", { id: "result" }),
  );
}

export function setStatus(kind, message) {
  const status = byId("status");
  status.className = kind;
  status.textContent = message;
}

export function setButtons(decisions, enabled) {
  for (const decision of decisions) byId(decision).disabled = !enabled;
}

// Signed: the buttons give way to the consent itself, which a person may keep or carry by hand.
export function showSigned(subject, signedConsent) {
  const text = JSON.stringify(signedConsent);
  const name = `consent-${subject.type}-${subject.digest.slice(0, 8)}-${subject.person.id}.json`;
  const copyButton = el("button", { type: "button", id: "copy" }, "Copy");
  const saveButton = el("button", { type: "button", id: "save" }, "Save as file");
  copyButton.addEventListener("click", async () => {
    copyButton.textContent = (await copy(text)) ? "Copied" : "Copy it by hand from the field";
  });
  saveButton.addEventListener("click", () => download(name, text));
  for (const selector of [".buttons", "#demo-banner", "label[for=reason]"]) document.querySelector(selector)?.remove();
  const field = el("textarea", { id: "signed", readonly: true, rows: "4", spellcheck: "false" }, text);
  byId("result").replaceChildren(
    el("details", { id: "copy-by-hand" }, el("summary", {}, "The signed consent"),
      el("label", { class: "field", for: "signed" }, el("span", { class: "small" }, "To keep, or to carry by hand"), field),
      el("div", { class: "buttons" }, saveButton, copyButton)),
  );
}

// Where no page took it, the consent itself is what a person needs next.
export function openSigned() {
  byId("copy-by-hand").open = true;
}

// While a key is waited for; a key that was pulled out never answers. Returns what is to be removed afterwards.
export function offerStop(stop) {
  const button = el("button", { type: "button", id: "stop" }, "Stop waiting");
  button.addEventListener("click", stop);
  const place = el("div", { class: "buttons" }, button);
  byId("result").replaceChildren(place);
  return place;
}

export function offerClose() {
  const button = el("button", { type: "button", id: "close", class: "primary" }, "Close this window");
  button.addEventListener("click", () => window.close());
  byId("result").prepend(el("div", { class: "buttons" }, button));
}
