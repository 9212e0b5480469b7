// Shows the policy that would follow the pinned one: what changes, in sentences that this page made from both
// documents, the reports that it names, and when it would come into force.

import { el } from "./dom.js";
import { folded, grouped, moment, rows, section, small } from "./parts.js";
import { policyDifference } from "./policy_difference.js";
import { quorumWords } from "./policy_words.js";
import { reportRows } from "./report_words.js";
import { wholePolicy } from "./view_policy.js";
import { counted, duration, policySentence } from "./words.js";

const MARKS = Object.freeze({
  added: ["+", "Added"],
  removed: ["−", "Removed"],
  changed: ["±", "Changed"],
});

function sentenceLine(one) {
  const [mark, word] = MARKS[one.kind];
  const values = one.values.map((value) => (
    el("span", { class: "key" }, small(value.label), grouped(value.hex, value.form))
  ));
  return el(
    "li",
    { "data-kind": one.kind },
    el("strong", { class: `mark ${one.kind}` }, `${mark} ${word} `),
    one.text,
    ...values,
  );
}

function differenceView(sections) {
  if (sections.length === 0) return el("p", {}, "Nothing: it says the same as the pinned policy.");
  return el(
    "div",
    { id: "difference" },
    ...sections.map((one) => section(
      `${one.title} (${one.sentences.length})`,
      el("ul", { class: "plain" }, ...one.sentences.map(sentenceLine)),
    )),
  );
}

const REPORTS = Object.freeze({ replay: "Replay of history", proof: "Proof of properties" });

function reportView(policy, report) {
  const found = report.value === null
    ? el("p", { class: "small" }, "The server did not offer this report. Get it from whoever made it, and compare its "
      + "digest before you sign.")
    : el(
      "div",
      {},
      el("p", { class: "small" }, "The digest names exactly this report. What it says is the server's own finding: this page "
        + "does not work it out again."),
      rows(reportRows(policy, report.value)),
    );
  return el(
    "section",
    { class: "report", "data-report": report.kind, "data-offered": report.value === null ? "no" : "yes" },
    el("h3", {}, REPORTS[report.kind]),
    grouped(report.digest, "digest minor"),
    found,
  );
}

function forceWords(pinned) {
  const delay = duration(pinned.controls.succession_delay);
  return `At once only where signers find for themselves that it tightens and nothing else; otherwise ${delay} after `
    + "each signer has received it. This page does not decide which.";
}

export async function viewSuccessor(subject) {
  const { document: policy, policy: pinned, reports } = subject;
  const sections = await policyDifference(pinned, policy);
  const count = sections.reduce((sum, one) => sum + one.sentences.length, 0);
  return el(
    "article",
    { class: "card" },
    el("h1", { id: "sentence" }, `${policySentence(policy)} — follows policy ${pinned.number}`),
    el("p", { class: "compare" }, "Its digest. Compare all of it with the others who sign, by voice or side by side:"),
    grouped(subject.digest, "digest big"),
    rows([
      ["Changes", counted(count, "difference", "differences"), small("to the policy that is pinned at this host")],
      ["Signed by", quorumWords(pinned.controls.succession), small(`as policy ${pinned.number} says`)],
      ["In force", el("span", { id: "force" }, forceWords(pinned))],
      ["Expires", moment(policy.header.expires)],
    ]),
    el("h2", {}, "What changes"),
    differenceView(sections),
    section("Reports about it", ...(reports.length === 0
      ? [el("p", { class: "small" }, "None: this policy names no report.")]
      : reports.map((report) => reportView(policy, report)))),
    folded("The whole new policy in words", false, ...await wholePolicy(policy)),
  );
}
