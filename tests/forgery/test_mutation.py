"""Every leaf of a good case is changed, one at a time and at random: nothing is accepted but what nobody signed.

`UNSIGNED` is the whole list of what a carrier may change without anybody's consent, and it moves no money: the
envelope's own header, the fees within the caps that people consented to, the order of the consents, and attestations
(which a policy that names no attesters does not read; `demo.forgeries.attested` is about those that do).
"""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.cancel import verify_cancel
from core.canonical import canonical
from core.documents.bundle import Bundle
from core.errors import CoreError
from core.verify import verify
from demo.forgeries import Setting, Step
from demo.forgeries.catalogue import Op
from tests.forgery.gate import CoreGate, case_of
from tests.forgery.institutions import institution
from tests.soak import bounded

if TYPE_CHECKING:
    from core.documents.bundle import Bundle as BundleType

Path = tuple[str | int, ...]
UNSIGNED: set[Path] = {
    ("header", "id"),
    ("header", "created"),
    ("header", "expires"),
    ("attempt", "max_fee_per_gas"),
    ("attempt", "max_priority_fee_per_gas"),
}
WORLD = institution(Setting.STANDARD)
CASE = case_of(WORLD, nonce=0)
GOOD = CASE.bundle(CASE.mandate(CASE.token_intent()))


def accepted(value: object) -> bool:
    """Whether a signer that has seen nothing would sign; anything but our own error fails the test."""
    try:
        verify(Bundle.from_bytes(json.dumps(value).encode()), WORLD.pins, WORLD.make_journal(), WORLD.now)
    except CoreError:
        return False
    return True


def leaves(value: Any, path: Path = ()) -> list[Path]:  # noqa: ANN401 - any JSON value
    """Every leaf; an empty list or object is one too."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [leaf for key, child in children for leaf in leaves(child, (*path, key))]
    return found or [path]


def replaced(value: Any, path: Path, new: object) -> Any:  # noqa: ANN401 - any JSON value
    changed = copy.deepcopy(value)
    place = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = new
    return changed


def at(value: Any, path: Path) -> Any:  # noqa: ANN401 - any JSON value
    for step in path:
        value = value[step]
    return value


def plausible(old: object) -> list[object]:
    """Values of the same kind: a number one off, a digit or a letter changed, a text doubled, a spelling changed."""
    if isinstance(old, bool) or old is None:
        return [not old, 0, 1, [], {}]
    if isinstance(old, int):
        return [old + 1, old - 1, -old, 0, old * 2, bool(old), str(old), old * 1.0, 2**53 - 1]
    if isinstance(old, str):
        middle = len(old) // 2
        flipped = old[:middle] + ("1" if old[middle : middle + 1] != "1" else "2") + old[middle + 1 :]
        number = [str(int(old) + 1), int(old) % 2**53, "0" + old] if old.isdigit() else []
        return [flipped, old + "0", old[:-1], old.upper(), old.swapcase(), "", None, old + "\n", " " + old, *number]
    return [None, [None], [old], {"": old}, "", 0]


WHOLE = GOOD.to_json()
LEAVES = leaves(WHOLE)


def test_the_case_itself_is_accepted() -> None:
    assert accepted(WHOLE)


@pytest.mark.parametrize("path", LEAVES, ids=lambda path: ".".join(map(str, path)))
def test_no_leaf_can_be_changed(path: Path) -> None:
    old = at(WHOLE, path)
    for new in plausible(old):
        value = replaced(WHOLE, path, new)
        if canonical_or_none(value) == canonical(WHOLE):
            continue
        assert not accepted(value) or path in UNSIGNED, f"{path}: {old!r} became {new!r} and was accepted"


def canonical_or_none(value: object) -> bytes | None:
    try:
        return canonical(value)
    except CoreError:
        return None


def test_exactly_the_documented_fields_are_unsigned() -> None:
    loose = {
        path
        for path in LEAVES
        for new in plausible(at(WHOLE, path))
        if canonical_or_none(replaced(WHOLE, path, new)) != canonical(WHOLE) and accepted(replaced(WHOLE, path, new))
    }
    assert loose == UNSIGNED


def test_unsigned_fields_change_nothing_that_is_signed_but_the_fees() -> None:
    for path in UNSIGNED:
        for new in plausible(at(WHOLE, path)):
            value = replaced(WHOLE, path, new)
            if not accepted(value):
                continue
            token = verify(Bundle.from_json(value), WORLD.pins, WORLD.make_journal(), WORLD.now)
            made, intent = token.transaction, GOOD.intent
            assert (made.to, made.value, made.data, made.gas) == (intent.to, intent.value, intent.data, intent.gas)
            assert made.max_fee_per_gas <= intent.max_fee_per_gas
            assert made.max_priority_fee_per_gas <= intent.max_priority_fee_per_gas


def test_the_order_of_consents_means_nothing_and_attestations_are_not_read() -> None:
    assert accepted(WHOLE | {"consents": list(reversed(WHOLE["consents"]))})  # type: ignore[call-overload]


@pytest.mark.parametrize("number", range(len(GOOD.consents)))
def test_no_consent_can_be_left_out(number: int) -> None:
    consents = [one for i, one in enumerate(json.loads(json.dumps(WHOLE["consents"]))) if i != number]
    assert not accepted(WHOLE | {"consents": consents})


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**54), 2**54) | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@bounded(300)
@given(st.sampled_from(LEAVES), st.integers(0, 3), JUNK)
def test_junk_anywhere_ends_as_our_own_refusal(path: Path, up: int, junk: object) -> None:
    place = path[: max(1, len(path) - up)]
    value = replaced(WHOLE, place, junk)
    if canonical_or_none(value) != canonical(WHOLE) and place not in UNSIGNED and place != ("attestations",):
        assert not accepted(value)


RAW = GOOD.to_bytes()


@bounded(300)
@given(st.integers(0, len(RAW) - 1), st.binary(max_size=3), st.integers(0, 8))
def test_bytes_changed_on_the_way_end_as_our_own_refusal(place: int, new: bytes, cut: int) -> None:
    raw = RAW[:place] + new + RAW[place + cut :]
    try:
        bundle = Bundle.from_bytes(raw)
        token = verify(bundle, WORLD.pins, WORLD.make_journal(), WORLD.now)
    except CoreError:
        return
    assert token.transaction.to == GOOD.intent.to
    assert token.transaction.data == GOOD.intent.data
    assert signed_part(bundle) == signed_part(GOOD)


def signed_part(bundle: BundleType) -> object:
    return bundle.mandate, bundle.intent, bundle.policy, bundle.attempt.nonce


@bounded(150)
@given(st.sampled_from(list(Op)), st.binary(max_size=60) | JUNK.map(lambda value: json.dumps(value).encode()))
def test_any_delivery_at_all_is_answered_with_a_refusal(op: Op, body: bytes) -> None:
    assert CoreGate(WORLD).deliver(Step(op=op, body=body)) is not None


CANCEL_UNSIGNED_ROOTS = {"header", "mandate", "consents", "attestations"}
"""A cancel rests on its own document and quorum: of the case it needs the intent, and nothing else is looked at."""


def test_of_a_cancel_only_the_case_around_it_is_loose() -> None:
    gate = CoreGate(institution(Setting.STANDARD))
    case = gate.case()
    first = case.bundle()
    assert gate.deliver(Step(op=Op.SIGN, body=first.to_bytes())) is None
    cancel = case.cancel(first, by=(case.cast.honest,)).to_json()
    loose: set[Path] = set()
    for path in leaves(cancel):
        for new in plausible(at(cancel, path)):
            value = replaced(cancel, path, new)
            if canonical_or_none(value) == canonical(cancel):
                continue
            try:
                verify_cancel(Bundle.from_bytes(json.dumps(value).encode()), gate.pins, gate.journal, case.now)
            except CoreError:
                continue
            loose.add(path)
    fees = {("attempt", "max_fee_per_gas"), ("attempt", "max_priority_fee_per_gas")}
    assert {path for path in loose if path[0] not in CANCEL_UNSIGNED_ROOTS} == fees
