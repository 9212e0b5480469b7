"""The shared vectors say what `core` says: the other half of what holds the consent page to the signers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.calldata import CallKind, decode_call, movements_of
from core.canonical import canonical
from core.documents.base import Document, check_deployment, check_lifetime
from core.documents.consent import Consent
from core.documents.control import Cancel, Ceremony, Halt, Resume
from core.documents.mandate import AskerKind, Intent, Mandate, SingleOrder
from core.documents.policy import Policy, SignedPolicy
from core.documents.roster import SignerRole
from core.errors import CoreError, RefusedError
from core.facts import resolve_asker
from core.pins import Pins
from core.schema import read_struct
from core.succession import check_genesis
from core.verify import own_wallet
from tests.vectors.generate_consent import PATH

VECTORS: dict[str, Any] = json.loads(PATH.read_text())
CLASSES: dict[str, type[Document]] = {
    cls.TYPE: cls for cls in (Policy, Intent, Mandate, Cancel, Halt, Resume, Ceremony, Consent)
}
SIGNED = read_struct(SignedPolicy, VECTORS["policy"], "policy")
POLICY = SIGNED.policy
PINS = Pins(
    deployment=VECTORS["pins"]["deployment"], signer="hsm-1", role=SignerRole.HSM, policies={POLICY.digest: POLICY}
)


def _names(rows: list[dict[str, Any]]) -> list[str]:
    return [row["name"] for row in rows]


@pytest.mark.parametrize("vector", VECTORS["documents"], ids=_names(VECTORS["documents"]))
def test_documents_have_these_bytes_and_digests(vector: dict[str, Any]) -> None:
    document = CLASSES[vector["type"]].from_json(vector["document"])
    assert document.to_bytes().hex() == vector["canonical"]
    assert document.digest == vector["digest"]


def test_canonical_values() -> None:
    for vector in VECTORS["canonical"]:
        assert canonical(vector["value"]).hex() == vector["canonical"]


def test_the_policy_is_a_signed_genesis() -> None:
    check_genesis(SIGNED, VECTORS["pins"]["policy"], now=VECTORS["now"])


def _mandate_refusal(mandate: Mandate, now: int) -> str | None:
    """Say with core's own functions why a mandate goes nowhere, in the order in which the page looks."""
    order = mandate.order
    assert isinstance(order, SingleOrder)
    try:
        check_deployment(mandate, PINS.deployment)
        PINS.policy(mandate.policy)
        check_lifetime(mandate, now=now)
        check_deployment(order.intent, PINS.deployment)
        check_lifetime(order.intent, now=now)
        own_wallet(order.intent.wallet, POLICY, PINS)
        resolve_asker(mandate, POLICY)
    except RefusedError as error:
        return str(error.code)
    return None if order.intent.movements == (movements_of(order.intent) or ()) else "movements"


def _refusal(vector: dict[str, Any]) -> str | None:
    try:
        mandate = Mandate.from_json(vector["document"])
    except CoreError:
        return "malformed"
    code = _mandate_refusal(mandate, vector["now"])
    if code is not None:
        return code
    if vector["actor"] not in {person.id for person in POLICY.people}:
        return "unknown_person"
    asks = vector["decision"] == "ask"
    theirs = mandate.asker.kind is AskerKind.PERSON and mandate.asker.id == vector["actor"]
    return "no_asker" if asks and not theirs else None


@pytest.mark.parametrize("vector", VECTORS["refused"], ids=_names(VECTORS["refused"]))
def test_refusals_are_those_of_core(vector: dict[str, Any]) -> None:
    assert _refusal(vector) == vector["refusal"]


@pytest.mark.parametrize("vector", VECTORS["shown"], ids=_names(VECTORS["shown"]))
def test_what_is_shown_is_what_core_accepts_and_understands(vector: dict[str, Any]) -> None:
    if vector["type"] != "mandate":
        check_deployment(CLASSES[vector["type"]].from_json(vector["document"]), PINS.deployment)
        return
    assert _refusal(vector) is None
    mandate = Mandate.from_json(vector["document"])
    assert isinstance(mandate.order, SingleOrder)
    understood = decode_call(mandate.order.intent).kind is not CallKind.UNKNOWN
    assert understood == ("unknown_call" not in vector["blocks"])
    barred = vector["actor"] in resolve_asker(mandate, POLICY).persons and vector["decision"] != "ask"
    assert barred == ("initiator" in vector["blocks"])
