"""What the editor's forms refuse, and how: with a reason, beside what was typed, and without a server error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from core.documents.policy import ConditionOp, Rule
from core.documents.roster import ContractEntry
from core.schema import UINT256_MAX, write_struct
from policies.editor.sections import SECTIONS
from policies.models import PolicyDraft, PolicyVersion
from policies.selectors import policy_active
from policies.services import draft_start
from tests.factories.policies import world_in_force
from tests.factories.world import CHAIN, STRANGER, TOKEN, World, compare
from tests.policies.draft_rows import DRAFTS, body, page_of, put, refused, saved, url
from tests.policies.row_form import filled, form_boxes, open_form

if TYPE_CHECKING:
    from django.test import Client

    from approvals.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return world_in_force()


@pytest.fixture
def draft(world: World, admin_user: User) -> PolicyDraft:
    del world
    return draft_start(version=PolicyVersion.objects.get(), by=admin_user)


def test_amounts_are_exact_up_to_the_largest(admin_client: Client, draft: PolicyDraft) -> None:
    address = url("row", draft, "limits", 0)
    boxes = open_form(admin_client, address)
    digits = str(UINT256_MAX)
    largest = f"{digits[:-18]}.{digits[-18:]}"
    assert saved(admin_client.post(address, filled(boxes, most=largest)))
    assert body(draft)["limits"][0]["most"] == str(UINT256_MAX)
    boxes = open_form(admin_client, address)
    assert boxes["most"] == [largest]
    for typed in (largest[:-1] + "6", "1e3", "0.1234567890123456789", "-1", "0", "1,5", "NaN", "0x10", "", "9" * 500):
        answer = admin_client.post(address, filled(boxes, most=typed))
        assert refused(answer, why="Not saved")["most"] == [typed]
    assert body(draft)["limits"][0]["most"] == str(UINT256_MAX)


@pytest.mark.parametrize(
    ("section", "typed", "why"),
    [
        ("limits", {"asset": "eip155:1/slip44:60"}, "Select a valid choice"),
        ("limits", {"measure": "magic"}, "Select a valid choice"),
        ("limits", {"per": ["moon"]}, "Select a valid choice"),
        ("limits", {"window": "rolling", "length": "0s"}, "greater than 0"),
        ("limits", {"length": "a while"}, "no duration"),
        ("limits", {"order": "2"}, "limits: order 2: named 2 times"),
        ("limits", {"order": "-1"}, "greater than or equal to 0"),
        ("limits", {"id": "listed"}, "rule listed: named 2 times"),
        ("limits", {"id": "Not A Slug"}, "Lower-case letters"),
        ("limits", {"beyond": "ask"}, "name the people"),
        ("limits", {"beyond": "ask", "quorum__0__role": "boss", "quorum__0__count": "1"}, "unknown role"),
        (
            "limits",
            {"beyond": "ask", "quorum__0__role": "cro", "quorum__0__count": "9"},
            "cro needed, 1 on the roster",
        ),
        ("limits", {"beyond": "ask", "quorum__0__role": "cro", "quorum__0__count": "1.5"}, "a whole number"),
        ("limits", {"quorum__0__role": "cro", "quorum__0__count": "1"}, "a limit that denies asks nobody"),
        ("grants", {"quorum__sites": "9"}, "asks for 9 sites with 2 seats"),
        ("grants", {"quorum__0__count": "0"}, "at least one person"),
        ("grants", {"when__0__0__field": "destination.nice"}, "unknown field"),
        ("grants", {"when__0__0__field": "web.first_use"}, "a grant cannot rest on what a server claims"),
        ("grants", {"when__0__0__chosen": "maybe"}, "destination.listed is true or false"),
        ("grants", {"when__layout": ""}, "add at least one condition"),
        ("grants", {"effect": "block"}, "a grant that denies asks nobody"),
        ("guards", {"when__0__0__chosen": "teleport"}, "is not in this draft"),
        ("escalations", {"quorum__0__role": "", "quorum__0__count": ""}, "asks for 2 sites with 1 seats"),
        ("people", {"id": "tom"}, "person tom: named 2 times"),
        ("people", {"roles": ["boss"]}, "Select a valid choice"),
        ("people", {"enrolment": "{}"}, "an object with 'person' and 'key' expected"),
        ("people", {"enrolment": '{"person": "tom", "key": {}}'}, "enrolment"),
        ("clients", {"responsible": ["nobody"]}, "Select a valid choice"),
        ("clients", {"public_key": "0x00"}, "32 bytes in hex expected"),
        ("wallets", {"public_key": "04" + "00" * 64}, "Not saved"),
        ("wallets", {"signers": ["hsm-9"]}, "Select a valid choice"),
        ("wallets", {"clone": "c1"}, "clone"),
        ("wallets", {"clone": "c1" * 32}, "more than half of the witnesses have to lease"),
        ("assets", {"token": "0x5fbdb2315678afecb367f032d93F642f64180aa3"}, "The checksum does not fit"),
        ("assets", {"decimals": "78"}, "less than or equal to 77"),
        ("assets", {"chain": "bitcoin"}, "CAIP-2 chain expected"),
        ("prices", {"usd": "0"}, "must be greater than 0"),
        ("prices", {"asset": TOKEN}, "named 2 times"),
        ("prices", {"expires": "soon"}, "neither a duration"),
        ("addresses", {"usable_from": "90d", "expires": "1d"}, "expires before it becomes usable"),
        ("addresses", {"address": "0xnope"}, "40 hex digits"),
        ("controls", {"resume__0__count": "1"}, "at least 2 people"),
        ("controls", {"cancel__0__role": "", "cancel__0__count": ""}, "an empty quorum"),
        ("controls", {"succession_delay": "1.5h"}, "no duration"),
        ("general", {"witness_threshold": "3"}, "witness: threshold 3 of 0"),
        ("general", {"models": "zz"}, "16 bytes in hex expected"),
        ("general", {"origin": "javascript:alert(1)"}, "not in the expected form"),
    ],
)
def test_what_is_wrong_stays_on_the_form(
    admin_client: Client, draft: PolicyDraft, section: str, typed: dict[str, Any], why: str
) -> None:
    single, before = SECTIONS[section].single, body(draft)
    address = url("section", draft, section) if single else url("row", draft, section, 0)
    sent = filled(open_form(admin_client, address), **typed)
    shown = refused(admin_client.post(address, sent), why=why)
    assert body(draft) == before
    for name, value in typed.items():
        # A list has no place for what is not on it; every box keeps what was typed.
        if (
            isinstance(value, str)
            and value
            and name in {"most", "order", "id", "length", "usd", "decimals", "models"}
        ):
            assert shown[name] == [value]


@pytest.mark.parametrize(
    "label",
    ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ draft }}", "a" * 10_240, "x\u202ey", "\x00"],
)
def test_hostile_text_is_harmless(admin_client: Client, draft: PolicyDraft, label: str) -> None:
    address = url("row", draft, "grants", 0)
    answer = admin_client.post(address, filled(open_form(admin_client, address), label=label))
    pages = [answer.content.decode(), *(admin_client.get(url(name, draft, *rest)).content.decode() for name, rest in (
        ("editor", ()), ("section", ("grants",)), ("row", ("grants", 0)), ("row_add", ("limits",))
    ))]  # fmt: skip
    for page in pages:
        assert "<script>alert" not in page
        assert "<img src=x" not in page
    if not saved(answer):
        assert form_boxes(pages[0])["label"] == [label]
        assert body(draft)["grants"][0]["label"] == "Transfers to the whitelist"


def test_a_draft_whose_text_cannot_be_read_is_mended_as_a_document(admin_client: Client, draft: PolicyDraft) -> None:
    for text in ("{", "[]", "[" * 100, '{"grants": [1, null, {"id": 5, "when": 3}], "people": 7}', '{"grants": {}}'):
        PolicyDraft.objects.filter(pk=draft.pk).update(body=text)
        assert "Problems" in page_of(admin_client, url("editor", draft))
        for key, section in SECTIONS.items():
            answer = admin_client.get(url("section", draft, key))
            assert answer.status_code in {200, 302}
            for index in range(3):
                if not section.single:
                    assert admin_client.get(url("row", draft, key, index)).status_code in {200, 302, 404}
        assert admin_client.post(url("row_add", draft, "limits"), {}).status_code in {200, 302}


def test_an_empty_form_says_what_is_missing(admin_client: Client, draft: PolicyDraft) -> None:
    before = body(draft)
    for key, section in SECTIONS.items():
        address = url("section", draft, key) if section.single else url("row_add", draft, key)
        refused(admin_client.post(address, {}), why="Not saved")
        refused(admin_client.post(address, {"when-layout": "1,2", "step": "save"}), why="Not saved")
    assert body(draft) == before


def test_what_is_too_large_to_be_read_says_so(admin_client: Client, draft: PolicyDraft) -> None:
    answer = admin_client.post(f"{DRAFTS}{draft.pk}/change/", {"title": "Large", "body": "x" * 1_200_000})
    assert answer.status_code == 400
    assert "at most 1 MiB" in answer.content.decode()
    many = {f"quorum-{i}-role": "cro" for i in range(2_000)}
    assert "Nothing was changed" in admin_client.post(url("row_add", draft, "grants"), many).content.decode()


def test_no_page_writes_a_version(admin_client: Client, world: World, draft: PolicyDraft) -> None:
    address = url("row", draft, "limits", 0)
    admin_client.post(address, filled(open_form(admin_client, address), most="30"))
    assert policy_active() == world.policy
    assert PolicyVersion.objects.count() == 1


def test_rules_choose_among_what_the_draft_names(admin_client: Client, world: World, draft: PolicyDraft) -> None:
    contract = ContractEntry(chain=CHAIN, address=STRANGER, label="Pool", code_hash=None, functions=(), protocol=None)
    guard = Rule(**{**vars(world.policy.guards[0]), "when": compare("contract", ConditionOp.EQ, STRANGER)})
    put(draft, contracts=[write_struct(contract, "contract")], guards=[write_struct(guard, "guard")])
    page = page_of(admin_client, url("row", draft, "guards", 0))
    assert f'<option value="{STRANGER}" selected>Pool ({STRANGER})</option>' in page
    assert "derived: every signer works it out for itself" in page


@pytest.mark.parametrize("key", ["9" * 5000, "9" * 30, "0", "x", "-1", "\u0663"])
def test_an_address_of_no_draft_leads_nowhere(admin_client: Client, draft: PolicyDraft, key: str) -> None:
    assert draft.pk
    for page in ("change/", "editor/", "proof/", "replay/", "propose/"):
        assert admin_client.get(f"{DRAFTS}{key}/{page}").status_code in (302, 404)
