"""The editor's pages as a browser without a script uses them: every row opens, saves unchanged, and is guarded."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import Permission

from approvals.models import User
from audit.models import AuditEntry
from core.documents.policy import ConditionOp, Demand, Measure, Property, Seat
from core.documents.roster import Role
from core.schema import UINT256_MAX, write_struct
from policies.drafts import draft_read
from policies.editor.sections import SECTIONS
from policies.models import PolicyDraft, PolicyVersion
from policies.services import draft_start
from tests.factories.policies import world_in_force
from tests.factories.world import CHAIN, ETHER, LISTED, NATIVE, STRANGER, TOKEN, World, compare, every, limit, seats
from tests.policies.draft_rows import DRAFTS, body, page_of, put, refused, saved, url
from tests.policies.row_form import filled, form_boxes, open_form
from tests.sign_in import signed_in

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return world_in_force()


@pytest.fixture
def draft(world: World, admin_user: User) -> PolicyDraft:
    del world
    return draft_start(version=PolicyVersion.objects.get(), by=admin_user)


def staff(*permissions: str) -> Client:
    user = User.objects.create_user("olga", display_name="Olga", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return signed_in(user)


def rich(world: World) -> dict[str, Any]:
    """Return sections with something of everything that a form can hold."""
    deep = compare("contract.known", ConditionOp.EQ, "true")
    within = compare("time.now", ConditionOp.WITHIN, "UTC", "mon,fri", "22:00", "06:00")
    listed = world.policy.grants[0]
    every_call = write_struct(every(compare("desk", ConditionOp.EQ, "desk-a"), deep), "when")
    every_call["parts"][1] = {  # type: ignore[index]  # a list, as it was just made
        "op": "every", "field": "calls", "values": [], "parts": [write_struct(deep, "when")]
    }  # fmt: skip
    contract = {
        "chain": CHAIN, "address": STRANGER, "label": "Pool", "code_hash": "0x" + "ab" * 32, "protocol": "aave",
        "functions": [
            {"selector": "0xa9059cbb", "signature": "transfer(address,uint256)"},
            {"selector": "0x095ea7b3", "signature": "approve(address,uint256)"},
        ],
    }  # fmt: skip
    limits = (
        *world.policy.limits,
        limit("huge", Measure.ASSET, UINT256_MAX, window=None, asset=TOKEN, order=6),
        limit("tiny", Measure.USD, 1, window=61, order=7),
    )
    asks = write_struct(limits[0], "limit") | {
        "id": "asks", "order": 8, "per": [], "quorum": write_struct(seats((Role.CRO, 1)), "quorum"),
        "when": write_struct(within, "when"),
    }  # fmt: skip
    stages = {"seats": [{"role": "risk_officer", "count": 1, "stage": 0}, {"role": "cro", "count": 1, "stage": 1}]}
    demand = Demand(approvers=2, sites=2, seats=(Seat(role=Role.CRO, count=1, stage=0),))
    large = compare("usd", ConditionOp.GE, "1")
    return {
        "grants": [
            write_struct(listed, "grant"),
            write_struct(listed, "grant") | {"id": "deep", "order": 10_001, "when": every_call},
            write_struct(listed, "grant") | {"id": "staged", "order": 10_002, "quorum": {**stages, "sites": 2}},
            write_struct(listed, "grant") | {"id": "denies", "order": 10_003, "effect": "block", "quorum": None},
            write_struct(listed, "grant") | {"id": "alone", "order": 10_004, "quorum": {"seats": [], "sites": 0}},
        ],
        "contracts": [contract, contract | {"address": LISTED, "code_hash": None,
                                            "protocol": None, "functions": [], "label": "Other"}],
        "limits": [*(write_struct(row, "limit") for row in limits), asks],
        "properties": [
            write_struct(Property(id="p1", label="One", when=large, demand=demand), "property"),
            write_struct(Property(id="p2", label="Two", when=large, demand=None), "property"),
        ],
    }  # fmt: skip


# --------------------------------------------------------------------------------------- pages and saving


def test_every_page_opens_and_saves_as_it_stands(admin_client: Client, world: World, draft: PolicyDraft) -> None:
    put(draft, **rich(world))
    assert draft_read(text=draft.body, active=world.policy).problems == ()
    before = body(draft)
    for key, section in SECTIONS.items():
        page_of(admin_client, url("section", draft, key))
        addresses = [url("section", draft, key)]
        if not section.single:
            page_of(admin_client, url("row_add", draft, key))
            addresses = [url("row", draft, key, index) for index in range(len(before[key]))]
        for address in addresses:
            answer = admin_client.post(address, open_form(admin_client, address))
            assert saved(answer), (address, form_boxes(answer.content.decode()))
            assert body(draft) == before, address
    assert "None. Every row can be used as it stands." in page_of(admin_client, url("editor", draft))


def test_a_copy_is_added_under_its_own_name_and_place(admin_client: Client, draft: PolicyDraft) -> None:
    address = url("row_add", draft, "limits")
    boxes = form_boxes(admin_client.get(f"{address}?copy=0").content.decode())
    assert (boxes["id"], boxes["order"]) == (["native-each-2"], ["6"])
    assert saved(admin_client.post(address, boxes))
    first, copied = body(draft)["limits"][0], body(draft)["limits"][-1]
    assert copied == first | {"id": "native-each-2", "order": 6}
    assert admin_client.get(f"{address}?copy=99").status_code == 404
    assert admin_client.get(f"{address}?copy=<b>").status_code == 200


def test_each_save_is_an_entry_that_says_what_was_changed(admin_client: Client, draft: PolicyDraft) -> None:
    address = url("row", draft, "limits", 0)
    admin_client.post(address, filled(open_form(admin_client, address), most="30"))
    assert body(draft)["limits"][0]["most"] == str(30 * ETHER)
    entry = AuditEntry.objects.filter(tag="policies:draft:saved").latest("seq")
    assert entry.actor == "user:ada"
    assert "Limits: native-each saved" in str(entry.payload)


def test_buttons_draw_rows_and_save_nothing(admin_client: Client, draft: PolicyDraft) -> None:
    address, before = url("row", draft, "grants", 0), body(draft)
    boxes = open_form(admin_client, address)
    for step in ("add-row:0", "add-group:", "refresh", "more-seats", "dance"):
        answer = admin_client.post(address, boxes | {"step": [step], "label": ["Half ty"]})
        boxes = form_boxes(answer.content.decode())
        assert "Not saved" not in answer.content.decode()
    assert boxes["when-layout"] == ["3,1"]
    assert boxes["label"] == ["Half ty"]
    assert body(draft) == before


# ----------------------------------------------------------------------------------------------- starting


def test_a_draft_starts_from_the_active_version_or_from_empty(admin_client: Client, world: World) -> None:
    for start, grants in (("active", 1), ("empty", 0)):
        answer = admin_client.post(f"{DRAFTS}start/", {"from": start})
        draft = PolicyDraft.objects.latest("pk")
        assert answer.headers["Location"] == url("editor", draft)
        assert len(body(draft)["grants"]) == grants
        assert draft_read(text=draft.body, active=world.policy).problems == ()
    assert admin_client.get(f"{DRAFTS}start/").status_code == 405


def test_before_any_policy_is_in_force_the_console_is_named(admin_client: Client) -> None:
    answer = admin_client.post(f"{DRAFTS}start/", {"from": "empty"}, follow=True)
    assert "manage.py at the console" in answer.content.decode()
    assert not PolicyDraft.objects.exists()


# -------------------------------------------------------------------------------------------- permissions


def test_who_may_look_sees_and_changes_nothing(draft: PolicyDraft) -> None:
    client, before = staff("view_policydraft"), draft.body
    page = page_of(client, url("section", draft, "grants"))
    assert "Remove" not in page
    boxes = open_form(client, url("row", draft, "grants", 0))
    for address, data in (
        (url("row", draft, "grants", 0), boxes),
        (url("row_add", draft, "grants"), boxes),
        (url("section", draft, "grants"), {"action": "remove:0", "revision": boxes["revision"][0]}),
        (f"{DRAFTS}start/", {"from": "empty"}),
    ):
        assert client.post(address, data).status_code == 403
    draft.refresh_from_db()
    assert draft.body == before
    assert PolicyDraft.objects.count() == 1


def test_others_see_nothing(client: Client, draft: PolicyDraft) -> None:
    stranger = staff()
    plain = signed_in(User.objects.create_user("tom", display_name="Tom"))
    for address in (url("editor", draft), url("section", draft, "grants"), url("row", draft, "grants", 0)):
        assert stranger.get(address).status_code == 403
        assert client.get(address).status_code == 302
        assert plain.get(address).status_code in {302, 403}


def test_what_is_not_there_is_not_found(admin_client: Client, draft: PolicyDraft) -> None:
    for address in (
        url("section", draft, "evidence"),
        url("row", draft, "grants", 99),
        url("row", draft, "controls", 0),
        url("row_add", draft, "general"),
        f"{DRAFTS}999/editor/",
        f"{DRAFTS}999/editor/grants/",
    ):
        assert admin_client.get(address).status_code == 404
        # What was typed into a row that is gone by now is kept, and not saved.
        gone = address == url("row", draft, "grants", 99)
        assert admin_client.post(address).status_code == (
            200 if gone else 405 if address.endswith("/editor/") else 404
        )


# ---------------------------------------------------------------------------------------------- conflicts


def test_two_who_save_at_once_lose_nothing(admin_client: Client, draft: PolicyDraft) -> None:
    address = url("row", draft, "limits", 0)
    mine = filled(open_form(admin_client, address), most="30")
    theirs = url("row", draft, "limits", 1)
    assert saved(admin_client.post(theirs, filled(open_form(admin_client, theirs), most="60")))
    boxes = refused(admin_client.post(address, mine), why="Somebody saved the draft after you opened this page")
    assert boxes["most"] == ["30"]
    assert body(draft)["limits"][0]["most"] == str(20 * ETHER)
    # Told once, whoever saves again means it; what the other saved elsewhere stays.
    assert saved(admin_client.post(address, boxes))
    assert [row["most"] for row in body(draft)["limits"][:2]] == [str(30 * ETHER), str(60 * ETHER)]


def test_a_row_that_moved_meanwhile_is_found_by_its_name(admin_client: Client, draft: PolicyDraft) -> None:
    address = url("row", draft, "limits", 2)
    mine = filled(open_form(admin_client, address), label="Mine")
    value = body(draft)
    put(draft, limits=value["limits"][1:])
    answer = admin_client.post(address, mine)
    boxes = refused(answer, why="Somebody saved")
    assert f'action="{url("row", draft, "limits", 1)}"' in answer.content.decode()
    # Even at the old address it is never put over another row.
    refused(admin_client.post(address, boxes), why="Somebody saved")
    assert saved(admin_client.post(url("row", draft, "limits", 1), boxes))
    assert [row["label"] for row in body(draft)["limits"]][:3] == ["native-day", "Mine", "fee-day"]
    put(draft, limits=[row for row in body(draft)["limits"] if row["id"] != "usd-day"])
    boxes = refused(admin_client.post(address, mine), why="The row is not in the draft now")
    assert boxes["id"] == ["usd-day"]
    assert saved(admin_client.post(url("row_add", draft, "limits"), boxes))
    assert [row["label"] for row in body(draft)["limits"] if row["id"] == "usd-day"] == ["Mine"]


def test_moving_and_removing_from_an_old_page_changes_nothing(admin_client: Client, draft: PolicyDraft) -> None:
    before = body(draft)
    for action in ("remove:0", "down:0", "remove:99", "remove:x", "", "undo"):
        address = url("section", draft, "limits")
        answer = admin_client.post(address, {"action": action, "revision": "0" * 64}, follow=True)
        assert answer.status_code == 200
        assert body(draft) == before


def test_the_document_is_not_written_over_what_others_saved(admin_client: Client, draft: PolicyDraft) -> None:
    address = f"{DRAFTS}{draft.pk}/change/"
    boxes = form_boxes(admin_client.get(address).content.decode(), form="policydraft_form")
    row = url("row", draft, "limits", 0)
    admin_client.post(row, filled(open_form(admin_client, row), most="30"))
    answer = admin_client.post(address, boxes)
    assert "Somebody saved the draft" in html.unescape(answer.content.decode())
    assert body(draft)["limits"][0]["most"] == str(30 * ETHER)
    again = form_boxes(answer.content.decode(), form="policydraft_form")
    assert saved(admin_client.post(address, again))
    assert body(draft)["limits"][0]["most"] == str(20 * ETHER)


# ----------------------------------------------------------------------------------------- remove and undo


def test_what_was_removed_can_be_put_back_until_one_leaves(admin_client: Client, draft: PolicyDraft) -> None:
    before, address = body(draft), url("section", draft, "limits")

    def act(action: str) -> str:
        revision = html.unescape(page_of(admin_client, address)).split('name="revision" value="')[1].split('"')[0]
        return admin_client.post(address, {"action": action, "revision": revision}, follow=True).content.decode()

    assert "was removed" in act("remove:1")
    assert len(body(draft)["limits"]) == len(before["limits"]) - 1
    act("undo")
    assert body(draft) == before
    act("undo")
    assert body(draft) == before
    act("remove:1")
    page_of(admin_client, url("editor", draft))
    assert "was removed" not in page_of(admin_client, address)
    act("undo")
    assert len(body(draft)["limits"]) == len(before["limits"]) - 1


def test_what_still_names_a_removed_row_is_listed_with_its_row(admin_client: Client, draft: PolicyDraft) -> None:
    value = body(draft)
    put(draft, assets=[row for row in value["assets"] if row["id"] != NATIVE])
    page = page_of(admin_client, url("editor", draft))
    assert f'href="{url("row", draft, "limits", 0)}"' in page
    assert f"limit native-each: unknown asset {NATIVE}" in page
    # The form still shows what it named, and does not save it.
    address = url("row", draft, "limits", 0)
    refused(admin_client.post(address, open_form(admin_client, address)), why="choose an asset")
