"""What the page makes of calldata, in a real Chromium, against the vectors from `core`, and what it then shows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from core.abi import SELECTOR_BYTES, argument_types, decode_strict
from core.books import books_of
from core.calls import open_calls
from core.documents.mandate import Mandate, SingleOrder
from core.documents.policy import SignedPolicy
from core.schema import read_struct
from tests.vectors.call_cases import SAID
from tests.vectors.generate_calls import PATH, plain
from witness.sentence import mandate_sentence

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.fixtures import ConsoleGuard
    from tests.consent.house import House

VECTORS: dict[str, Any] = json.loads(PATH.read_text())
POLICY = read_struct(SignedPolicy, VECTORS["policy"], "policy").policy

_IMPORT = """async (vectors) => {
  const names = ["abi", "bytes", "calls", "documents", "keccak", "policy_document", "sentence"];
  const modules = await Promise.all(names.map((name) => import(`/js/${name}.js`)));
  const js = Object.fromEntries(names.map((name, at) => [name, modules[at]]));
  const plain = (value) => Array.isArray(value) ? value.map(plain)
    : typeof value === "bigint" ? {number: value.toString()} : value;
"""

_KECCAK = (
    _IMPORT
    + """
  return vectors.keccak.map(({data}) => js.bytes.hexOf(js.keccak.keccak256(js.bytes.bytesOfHex(data))));
}"""
)
_ADDRESSES = _IMPORT + "return vectors.addresses.map((one) => js.keccak.checksumAddress(one.toLowerCase())); }"
_SIGNATURES = (
    _IMPORT
    + """
  return vectors.signatures.map(({signature}) => js.abi.argumentTypes(signature)?.map((type) => type.text) ?? null);
}"""
)
_ENCODINGS = (
    _IMPORT
    + """
  return vectors.encodings.map(({signature, data}) => {
    const values = js.abi.decodeStrict(js.abi.argumentTypes(signature), data);
    return values === null ? null : plain(values);
  });
}"""
)
_CALLS = (
    _IMPORT
    + """
  const {policy} = js.policy_document.signedPolicy(vectors.policy, "policy");
  return vectors.calls.map((row) => {
    const mandate = js.documents.mandate(row.mandate, "mandate");
    const {intent} = mandate.order;
    const calls = js.calls.openCalls(intent, policy);
    const worst = js.calls.worstCase(intent, calls);
    return {
      calls: calls.map((call, at) => ({
        depth: call.depth, to: call.to, value: String(call.value), selector: call.selector, kind: call.kind,
        delegate: call.delegate, contract: call.contract?.label ?? null,
        flow: call.flow && [call.flow.asset, call.flow.destination, String(call.flow.amount)],
        allowance: call.allowance && [call.allowance.asset, call.allowance.spender, String(call.allowance.amount),
          call.allowance.unlimited],
        mayAllow: call.mayAllow, isBatch: call.isBatch,
        arguments: at === 0 && call.arguments !== null && call.contract !== null ? plain(call.arguments) : null,
      })),
      understood: js.calls.areUnderstood(calls),
      known: worst.known,
      most: worst.amounts.map(([asset, amount]) => [asset, String(amount)]).sort(),
      sentence: js.sentence.mandateSentence(mandate, policy),
    };
  });
}"""
)


@pytest.fixture
def modules(page: Page, house: House, console_guard: ConsoleGuard) -> Page:  # noqa: ARG001 - guards the console
    """A page at the consent origin that can import its modules."""
    page.goto(house.origin)
    return page


def test_the_vectors_are_what_core_says() -> None:
    for row in VECTORS["encodings"]:
        types = argument_types(row["signature"]) or ()
        values = decode_strict(types, bytes.fromhex(row["data"][2:]))
        found = None if values is None else [plain(*pair) for pair in zip(types, values, strict=True)]
        assert found == row["values"], row["signature"]
    for row in VECTORS["signatures"]:
        named = argument_types(row["signature"])
        assert (None if named is None else list(named)) == row["types"]


@pytest.mark.parametrize("row", VECTORS["calls"], ids=[row["name"] for row in VECTORS["calls"]])
def test_calls_are_what_core_opens(row: dict[str, Any]) -> None:
    mandate = Mandate.from_json(row["mandate"])
    assert isinstance(mandate.order, SingleOrder)
    intent = mandate.order.intent
    calls = open_calls(intent.chain, intent.to, intent.value, intent.data, books_of(POLICY), sender=intent.sender)
    assert [one.kind.value for one in calls.made] == [one["kind"] for one in row["calls"]]
    assert (calls.understood, calls.flows is not None) == (row["understood"], row["known"])
    sentence = mandate_sentence(mandate, POLICY)
    assert sentence == row["sentence"]
    assert sentence == f"{SAID.get(row['name'], sentence[:-17])} — asked by Tessa"
    assert len(intent.data) < SELECTOR_BYTES or row["calls"][0]["selector"] == "0x" + intent.data[:4].hex()


@pytest.mark.browser
def test_hashes_and_spellings(modules: Page) -> None:
    assert modules.evaluate(_KECCAK, VECTORS) == [row["hash"] for row in VECTORS["keccak"]]
    assert modules.evaluate(_ADDRESSES, VECTORS) == VECTORS["addresses"]


@pytest.mark.browser
def test_signatures_and_encodings(modules: Page) -> None:
    assert modules.evaluate(_SIGNATURES, VECTORS) == [row["types"] for row in VECTORS["signatures"]]
    answers = modules.evaluate(_ENCODINGS, VECTORS)
    for row, answer in zip(VECTORS["encodings"], answers, strict=True):
        assert answer == row["values"], (row["signature"], row["data"])


@pytest.mark.browser
def test_calls_worst_cases_and_sentences(modules: Page) -> None:
    for row, answer in zip(VECTORS["calls"], modules.evaluate(_CALLS, VECTORS), strict=True):
        assert answer == {name: row[name] for name in answer}, row["name"]
