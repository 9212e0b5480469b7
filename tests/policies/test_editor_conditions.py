"""Conditions as rows: a tree that was shown and posted unchanged is the same tree, whatever it is."""

from __future__ import annotations

import dataclasses
import json

import pytest
from django.template.loader import render_to_string
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.conditions import operators_of as operators_taken
from core.documents.policy import Condition, ConditionOp
from core.registry import REGISTRY
from core.schema import UINT256_MAX, write_struct
from policies.drafts import draft_text
from policies.editor.body import body_read
from policies.editor.book import Book, book_of
from policies.editor.conditions import Conditions
from policies.editor.groups import groups_of, tree_of
from policies.editor.typed import TypedRow, typed_of, typed_read
from policies.errors import RowValueError
from tests.factories.world import CHAIN, ETHER, LISTED, NATIVE, TOKEN, World, compare, every
from tests.policies.row_form import as_query, form_boxes

WORLD = World()
BOOK: Book = book_of(body_read(draft_text(policy=WORLD.policy)))
FIELDS = [name for name in REGISTRY if operators_taken(name)]
NESTED = (ConditionOp.SOME, ConditionOp.EVERY)
PLAIN_VALUES = st.one_of(
    st.sampled_from(
        [LISTED, NATIVE, TOKEN, CHAIN, WORLD.wallet, "tessa", "trader", "true", "false", "ok", "0xa9059cbb"]
    ),
    st.integers(min_value=0, max_value=UINT256_MAX).map(str),
    st.sampled_from(
        ["007", "-1", "", "a b", "1,5", "é", "mon,tue", "22:00", "UTC", "<b>", '"', "&amp;", "effects.sent"]
    ),
    st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20),
)


@st.composite
def comparisons(draw: st.DrawFn) -> Condition:
    field = draw(st.sampled_from([*FIELDS, "arg.0", "arg.1.2", "item", "nonsense"]))
    taken = sorted(operators_taken(field) - set(NESTED)) or [ConditionOp.EQ]
    op = draw(st.sampled_from([*taken, ConditionOp.EQ, ConditionOp.IN]))
    if op is ConditionOp.WITHIN:
        values = [
            "UTC",
            draw(st.sampled_from(["mon,fri", "sun", "fri,mon"])),
            "22:00",
            draw(st.sampled_from(["06:00", "24:00"])),
        ]
    elif op is ConditionOp.FLOOR:
        values = ["effects.received", str(draw(st.integers(0, 20_000)))]
    elif op is ConditionOp.OWN_WALLET:
        values = []
    else:
        values = draw(st.lists(PLAIN_VALUES, min_size=1, max_size=4))
    return compare(field, op, *values)


def joins(parts: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    many = st.tuples(st.sampled_from([ConditionOp.ALL, ConditionOp.ANY]), st.lists(parts, min_size=1, max_size=4))
    one = st.tuples(st.sampled_from([ConditionOp.NOT]), parts.map(lambda part: [part]))
    each = st.tuples(st.sampled_from(NESTED), parts.map(lambda part: [part]))
    return st.one_of(many, one, each).map(
        lambda made: Condition(
            op=made[0], field="calls" if made[0] in NESTED else None, values=(), parts=tuple(made[1])
        )
    )


TREES = st.recursive(comparisons(), joins, max_leaves=12)


def posted_back(conditions: Conditions) -> Conditions:
    """Draw conditions as the page does, and take them as a browser would send them."""
    page = render_to_string("admin/policies/draft/_conditions.html", {"conditions": conditions, "may_change": True})
    return Conditions.posted(as_query(form_boxes(page, form=None)), BOOK)


@given(tree=TREES)
def test_a_tree_as_groups_is_the_same_tree(tree: Condition) -> None:
    assert tree_of(groups_of(tree)) == tree


@given(tree=TREES)
@example(tree=compare("destination.listed", ConditionOp.EQ, ""))
@settings(max_examples=150)
def test_a_tree_that_is_shown_and_saved_is_the_same_tree(tree: Condition) -> None:
    shown = Conditions.shown(write_struct(tree, "when"), BOOK, start_with_row=True)
    assert shown.read() == tree
    assert posted_back(shown).read() == tree


USUAL = [
    compare("destination.listed", ConditionOp.EQ, "true"),
    compare("usd", ConditionOp.GE, str(10_000 * 10**8)),
    compare("usd", ConditionOp.LE, "1"),
    compare("fee", ConditionOp.LE, str(ETHER // 2)),
    compare("amount", ConditionOp.LE, str(UINT256_MAX)),
    compare("asset", ConditionOp.EQ, TOKEN),
    compare("initiator.roles", ConditionOp.HAS, "trader", "cro"),
    compare("initiator", ConditionOp.HAS, "tessa"),
    compare("wallet", ConditionOp.IN, WORLD.wallet),
    compare("destination", ConditionOp.IN, LISTED, "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"),
    compare("destination", ConditionOp.OWN_WALLET),
    compare("destination.age", ConditionOp.GE, "604800"),
    compare("call.kind", ConditionOp.EQ, "unknown"),
    compare("time.now", ConditionOp.WITHIN, "UTC", "mon,tue,wed,thu,fri", "22:00", "06:00"),
    compare("amount", ConditionOp.FLOOR, "effects.received", "50"),
    compare("arg.0", ConditionOp.EQ, LISTED),
    compare("web.simulation", ConditionOp.EQ, "ok"),
    compare("desk", ConditionOp.EQ, "desk-a"),
]


@pytest.mark.parametrize("condition", USUAL, ids=lambda c: f"{c.field} {c.op}")
def test_the_usual_comparisons_are_boxes_and_not_text(condition: Condition) -> None:
    row = typed_of(condition, BOOK)
    assert not row.tree
    assert row.kind is not None
    again = posted_back(Conditions(BOOK, [[row]]))
    assert not again.groups[0][0].tree
    assert again.read() == condition


def test_amounts_are_shown_in_the_units_of_the_asset_that_the_group_names() -> None:
    tree = every(compare("asset", ConditionOp.EQ, TOKEN), compare("amount", ConditionOp.LE, "1500250000"))
    conditions = Conditions.shown(write_struct(tree, "when"), BOOK, start_with_row=True)
    row = conditions.groups[0][1]
    assert (row.other, row.unit) == ("1500.25", TOKEN)
    assert posted_back(conditions).read() == tree


def test_what_is_deeper_than_rows_stays_a_tree_in_its_row() -> None:
    inner = Condition(
        op=ConditionOp.EVERY, field="calls", values=(), parts=(compare("contract.known", ConditionOp.EQ, "true"),)
    )
    tree = every(compare("desk", ConditionOp.EQ, "desk-a"), inner)
    plain, deep = Conditions.shown(write_struct(tree, "when"), BOOK, start_with_row=True).groups[0]
    assert not plain.tree
    assert deep.tree
    assert json.loads(deep.raw)["parts"] == [{"op": "eq", "field": "contract.known", "values": ["true"]}]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (TypedRow(), "choose a field"),
        (TypedRow(field="destination.nice", op="eq"), "unknown field"),
        (TypedRow(field="item", op="eq"), "unknown field"),
        (TypedRow(field="arg.", op="eq"), "say which argument"),
        (TypedRow(field="usd", op="has"), "does not take"),
        (TypedRow(field="usd", op="le"), "choose or type a value"),
        (TypedRow(field="usd", op="le", other="1e9"), "not a number"),
        (TypedRow(field="usd", op="le", other="-5"), "not a number"),
        (TypedRow(field="usd", op="le", other="0.123456789"), "more than 8 decimal places"),
        (TypedRow(field="usd", op="le", other="9" * 200), "not a number"),
        (TypedRow(field="amount", op="le", other=str(UINT256_MAX + 1)), "larger than anything"),
        (TypedRow(field="amount", op="le", other="1", unit="eip155:1/slip44:60"), "does not name"),
        (TypedRow(field="usd", op="le", other="1\n2"), "one value only"),
        (TypedRow(field="wallet", op="eq", chosen=("eip155:1:0x00",)), "is not in this draft"),
        (TypedRow(field="initiator", op="has", chosen=("nobody",)), "is not in this draft"),
        (TypedRow(field="initiator.roles", op="has", chosen=("boss",)), "is not in this draft"),
        (TypedRow(field="asset", op="eq", chosen=("eip155:1/slip44:60",)), "is not in this draft"),
        (TypedRow(field="time.now", op="within", days=("mon",), start="09:00", end="17:00"), "time zone"),
        (TypedRow(field="time.now", op="within", zone="UTC", start="09:00", end="17:00"), "weekday"),
        (TypedRow(field="time.now", op="within", zone="UTC", days=("mon",), start="9", end="17:00"), "times such as"),
        (TypedRow(field="time.now", op="within", zone="UTC", days=("mon",), start="09:00", end="09:00"), "never"),
        (TypedRow(field="amount", op="floor", other="1"), "attested amount"),
        (TypedRow(field="amount", op="floor", chosen=("effects.sent",), other="x"), "tolerance"),
        (TypedRow(field="destination.age", op="ge", other="soon"), "no duration"),
        (TypedRow(tree=True), "write the condition"),
        (TypedRow(tree=True, raw="[]"), "an object such as"),
        (TypedRow(tree=True, raw='{"op": "maybe"}'), "condition.op"),
        (TypedRow(tree=True, raw='{"op": "any", "parts": 3}'), "a list expected"),
        (TypedRow(tree=True, raw='{"op": "any", "colour": 1}'), "unknown fields: colour"),
        (TypedRow(tree=True, raw='{"op": "eq", "values": [0.5]}'), "floats are refused"),
        (TypedRow(tree=True, raw='{"op": "any",}'), "line 1, column"),
        (TypedRow(tree=True, raw='{"op": "any", "op": "all"}'), "twice"),
        (TypedRow(tree=True, raw='{"parts": [' * 70 + "]}" * 70), "nested deeper"),
        (TypedRow(tree=True, raw="x" * 100_000), "longer than"),
        (TypedRow(tree=True, raw='{"op": "eq", "field": "desk", "values": ["a\u202eb"]}'), "invisible"),
    ],
)  # fmt: skip
def test_a_row_says_what_is_wrong_with_it(row: TypedRow, why: str) -> None:
    with pytest.raises(RowValueError, match="^(?s:.*)" + why.replace(".", r"\.")):
        typed_read(row, BOOK)


def test_all_rows_that_are_wrong_say_so_and_keep_what_was_typed() -> None:
    typed = [[TypedRow(field="usd", op="le", other="much")], [TypedRow(field="gas", op="ge", other="x")]]
    conditions = Conditions(BOOK, typed)
    with pytest.raises(RowValueError) as caught:
        conditions.read()
    assert [problem[:13] for problem in caught.value.problems] == ["condition 1.1", "condition 2.1"]
    assert [row.other for group in conditions.groups for row in group] == ["much", "x"]
    assert all(row.errors for group in conditions.groups for row in group)


def test_buttons_add_and_remove_rows_and_groups() -> None:
    conditions = Conditions(BOOK, [[TypedRow(field="usd", op="le", other="1")]])
    for step in (
        "add-row:0",
        "add-group:",
        "add-row:1",
        "remove-row:0:0",
        "add-row:9",
        "remove-row:9:9",
        "add-row:",
        "dance",
    ):
        conditions.step(step)
    assert conditions.layout == "2,2"
    for _ in range(100):
        conditions.step("add-row:0")
        conditions.step("add-group:")
    assert max(map(int, conditions.layout.split(","))) == 64
    assert len(conditions.groups) == 64


@pytest.mark.parametrize("layout", ["x", "1," * 200, "-1", "999", "1.5", "१"])
def test_a_layout_that_no_page_drew_is_one_open_row(layout: str) -> None:
    conditions = Conditions.posted(as_query({"when-layout": [layout]}), BOOK)
    assert conditions.groups == [[TypedRow()]]


def test_a_condition_that_cannot_be_read_is_shown_as_it_stands() -> None:
    conditions = Conditions.shown({"op": "dance"}, BOOK, start_with_row=True)
    row = conditions.groups[0][0]
    assert row.tree
    assert json.loads(row.raw) == {"op": "dance"}
    assert row.errors


def test_a_chosen_value_that_the_draft_lost_stays_to_be_seen() -> None:
    book = dataclasses.replace(BOOK, wallets=())
    row = TypedRow(field="wallet", op="eq", chosen=(WORLD.wallet,))
    (view,) = Conditions(book, [[row]]).views()[0]
    assert view.options == ((WORLD.wallet, f"{WORLD.wallet} (not in this draft)", True),)
