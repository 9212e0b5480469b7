"""The page's modules, in a real Chromium, against the shared vectors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.consent.house import fragment
from tests.vectors.generate_consent import PATH

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.fixtures import ConsoleGuard
    from tests.consent.house import House

pytestmark = pytest.mark.browser
VECTORS: dict[str, Any] = json.loads(PATH.read_text())

_DOCUMENTS = """async (vectors) => {
  const [documents, policies, canonical, bytes] = await Promise.all(
    ["documents", "policy_document", "canonical", "bytes"].map((name) => import(`/js/${name}.js`)));
  const forms = {...documents, ...policies};
  const answers = [];
  for (const {type, document} of vectors) {
    const read = forms[type](document, type);
    answers.push({
      canonical: bytes.hexOf(canonical.canonical(read)),
      digest: await canonical.taggedDigest(type, read),
    });
  }
  return answers;
}"""

_JUDGE = """async ({vectors, pins, policy, origin}) => {
  const [requests, house, judges, words, sentences] = await Promise.all(
    ["request", "house", "judge", "words", "sentence"].map((name) => import(`/js/${name}.js`)));
  const pinned = {config: null, pins, policy: await house.checkPinned(pins, policy), earlier: []};
  const answers = [];
  for (const {fragment, now} of vectors) {
    try {
      const subject = await judges.judge(requests.readRequest(fragment), pinned, now, origin);
      const sentence = subject.type === "mandate"
        ? sentences.mandateSentence(subject.document, subject.policy)
        : words.controlSentence(subject.type, subject.document, subject.policy);
      const codes = (list) => list.map((one) => one.code);
      answers.push({
        sentence, blocks: codes(subject.blocks), warnings: codes(subject.warnings), decisions: subject.decisions,
      });
    } catch (error) {
      answers.push({refusal: error.code ?? String(error), message: error.message});
    }
  }
  return answers;
}"""


@pytest.fixture
def modules(page: Page, house: House, console_guard: ConsoleGuard) -> Page:  # noqa: ARG001 - guards the console
    """A page at the consent origin that can import its modules."""
    page.goto(house.origin)
    return page


def _judged(page: Page, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    vectors = [
        {
            "fragment": fragment(
                {
                    "v": 1,
                    "subject_type": row["type"],
                    "document": row["document"],
                    "decision": row["decision"],
                    "actor": row["actor"],
                }
            ),
            "now": row["now"],
        }
        for row in rows
    ]
    asked = {"vectors": vectors, "pins": VECTORS["pins"], "policy": VECTORS["policy"], "origin": VECTORS["origin"]}
    answers: list[dict[str, Any]] = page.evaluate(_JUDGE, asked)
    return answers


def test_documents_have_these_bytes_and_digests(modules: Page) -> None:
    vectors = VECTORS["documents"]
    answers = modules.evaluate(_DOCUMENTS, vectors)
    assert answers == [{"canonical": v["canonical"], "digest": v["digest"]} for v in vectors]


def test_canonical_values(modules: Page) -> None:
    script = """async (values) => {
      const [{canonical}, {hexOf}] = await Promise.all([import("/js/canonical.js"), import("/js/bytes.js")]);
      return values.map((value) => hexOf(canonical(value)));
    }"""
    assert modules.evaluate(script, [v["value"] for v in VECTORS["canonical"]]) == [
        v["canonical"] for v in VECTORS["canonical"]
    ]


def test_sentences_blocks_and_warnings(modules: Page) -> None:
    rows = VECTORS["shown"]
    for row, answer in zip(rows, _judged(modules, rows), strict=True):
        told = {name: answer.get(name) for name in ("sentence", "blocks", "warnings")}
        assert told == {name: row[name] for name in told}, (row["name"], answer)
        harmful = {"ask", "approve"} & set(answer["decisions"])
        assert bool(harmful) == (not row["blocks"]), row["name"]


def test_refusals(modules: Page) -> None:
    rows = VECTORS["refused"]
    answers = _judged(modules, rows)
    assert [(row["name"], answer.get("refusal")) for row, answer in zip(rows, answers, strict=True)] == [
        (row["name"], row["refusal"]) for row in rows
    ]


def test_a_policy_that_is_not_the_pinned_one_is_refused(modules: Page) -> None:
    script = """async ({pins, policy}) => {
      const {checkPinned} = await import("/js/house.js");
      try { await checkPinned(pins, policy); return "taken"; } catch (error) { return error.code; }
    }"""
    policy = json.loads(json.dumps(VECTORS["policy"]))
    assert modules.evaluate(script, {"pins": VECTORS["pins"], "policy": policy}) == "taken"
    other = {**VECTORS["pins"], "deployment": "ab" * 32}
    assert modules.evaluate(script, {"pins": other, "policy": policy}) == "wrong_deployment"
    policy["policy"]["limits"][0]["most"] = "1"
    assert modules.evaluate(script, {"pins": VECTORS["pins"], "policy": policy}) == "wrong_policy"


def test_software_signatures_become_strict_der(modules: Page) -> None:
    script = """async (raw) => {
      const [{derSignature}, {bytesOfHex, hexOf}] = await Promise.all(
        [import("/js/demo_key.js"), import("/js/bytes.js")]);
      return hexOf(derSignature(bytesOfHex(raw)));
    }"""
    small, high = f"{1:064x}", "ff" * 32
    assert modules.evaluate(script, small + high) == f"3026020101022100{high}"
    assert modules.evaluate(script, high + f"{0x80:064x}") == f"3027022100{high}02020080"
