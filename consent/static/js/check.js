// The second-device check: the same document, decoded again on another device, so that a person compares two of them.
// It asks no key and sends nothing. Names come from this host's own pins, as on the signing page.

import { textOfUtf8 } from "./bytes.js";
import { CHECK } from "./checks.js";
import { byId, el } from "./dom.js";
import { loadHouse } from "./house.js";
import { judge } from "./judge.js";
import { grouped, moment, rows } from "./parts.js";
import { Refused } from "./refusal.js";
import { readDocument, readRequest } from "./request.js";
import { findingBanners, nameHouse, refusalCard, viewOf } from "./show.js";
import { sixWords } from "./six_words.js";

const MOST_BYTES = 8 * 1024 * 1024;
// A document alone: nobody is asked, and nothing that a server says comes with it.
const ALONE = Object.freeze({
  decision: CHECK, actor: null, credentials: [], attestations: [], consents: [], rules: [], limit_parts: 1,
});
const NEEDED = "Choose the document's file, or paste the document.";

function nowSeconds() {
  return Math.floor(Date.now() / 1000);
}

function setStatus(kind, message) {
  byId("status").className = kind;
  byId("status").textContent = message;
}

async function givenText() {
  const [file] = byId("file").files;
  if (file === undefined) return byId("text").value.trim();
  if (file.size > MOST_BYTES) throw new Refused("malformed", "The file is larger than any document (over 8 MiB).");
  try {
    return textOfUtf8(new Uint8Array(await file.arrayBuffer())).trim();
  } catch {
    throw new Refused("malformed", "The file is not text: choose the document that the other device saved.");
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Refused("malformed", "This is not a document: it is not JSON, and not an address of the consent page.");
  }
}

// A document, a signed policy, or the address that opens the consent page.
function readGiven(text) {
  if (text === "") throw new Refused("form", NEEDED);
  if (text.length > MOST_BYTES) throw new Refused("malformed", "The text is longer than any document (over 8 MiB).");
  const at = text.indexOf("#");
  if (/^https?:\/\//.test(text) && at >= 0) {
    const request = readRequest(text.slice(at));
    if (request === null) throw new Refused("malformed", "The address carries no document.");
    return { subject_type: request.subject_type, document: request.document, reports: request.reports };
  }
  return { ...readDocument(parsed(text)), reports: [] };
}

// What the other device shows: the six words in any case, or the digest with or without spaces.
function isSame(shown, digest, words) {
  const given = shown.toLowerCase().split(/\s+/).filter((part) => part !== "").join(" ");
  return given === words || given.replaceAll(" ", "") === digest;
}

function tell(shown, digest, words) {
  if (shown === "") {
    setStatus("busy", "Compare the sentence and the six words below with the other device.");
  } else if (isSame(shown, digest, words)) {
    setStatus("good", "✓ The same document as on the other device.");
  } else {
    setStatus("bad", "✕ NOT the document that the other device shows. Do not sign it; tell the security officer.");
  }
}

function result(subject, words) {
  return el(
    "aside",
    { class: "card decide", "aria-label": "To compare" },
    rows([
      ["Words", el("span", { class: "lead big", id: "words" }, words)],
      ["Digest", el("span", { id: "digest" }, grouped(subject.digest, "digest"))],
      ["Expires", moment(subject.document.header.expires)],
    ]),
  );
}

async function check() {
  byId("banners").replaceChildren();
  byId("page").replaceChildren();
  byId("page").setAttribute("data-state", "empty");
  setStatus("", "");
  const request = { ...readGiven(await givenText()), ...ALONE };
  const subject = await judge(request, await loadHouse(), nowSeconds(), location.origin);
  const words = await sixWords(subject.digest);
  const view = await viewOf(subject, nowSeconds());
  nameHouse(subject);
  byId("banners").replaceChildren(...findingBanners(subject));
  byId("page").replaceChildren(el(
    "div",
    { class: "columns" },
    view,
    el("div", { class: "side" }, result(subject, words)),
  ));
  byId("page").setAttribute("data-state", "checked");
  tell(byId("shown").value.trim(), subject.digest, words);
}

function refuse(error) {
  if (error instanceof Refused && error.code === "form") {
    setStatus("bad", `✕ ${error.message}`);
    byId("text").focus();
    return;
  }
  byId("page").replaceChildren(refusalCard(
    error,
    "Refused: this is nothing to sign",
    "Do not sign it on the other device either, before the security officer knows what this page says.",
  ));
  byId("page").setAttribute("data-state", "refused");
}

function start() {
  if (window.top !== window) throw new Refused("framed", "This page works in a window of its own only.");
  let busy = false;
  byId("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    if (busy) return;
    busy = true;
    try {
      await check();
    } catch (error) {
      refuse(error);
    } finally {
      busy = false;
    }
  });
  // Whichever was given last is meant.
  byId("text").addEventListener("input", () => { byId("file").value = ""; });
  byId("check").disabled = false;
}

try {
  start();
} catch (error) {
  refuse(error);
}
