"""Parties teach each other what they missed, from what each of them keeps; whoever lies about it teaches nothing."""

from __future__ import annotations

import copy
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from core.errors import CoreError
from core.teaching import PAGE_FIRST, STEPS_MOST, Question, reaches, read_page, teach_script
from signer.errors import ConfigError
from signer.party.shelf import FILE, PAGE_MOST, Shelf
from tests.party.inside import Inside

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from core.party_script import Batch

Json = dict[str, Any]
FIRST, SECOND, THIRD, FOURTH, FIFTH = (f"party-{number}" for number in range(1, 6))
MISSED = 3


@pytest.fixture(scope="module")
def begun(blobs: dict[int, bytes], tmp_path_factory: pytest.TempPathFactory) -> tuple[Inside, dict[str, list[bytes]]]:
    """Five parties, of which the fifth has missed what the others signed; the fourth was in no session."""
    made = Inside(blobs, 3, tmp_path_factory.mktemp("parties"))
    for nonce in range(MISSED):
        made.sign(made.group.case(nonce), FIRST, SECOND, THIRD, FOURTH)
    for name in made.services:
        kept(made, name)
        shutil.copy(made.folder / name / FILE, made.folder / f"{name}.kept")
    return made, {name: list(lines) for name, lines in made.lines.items()}


@pytest.fixture
def inside(begun: tuple[Inside, dict[str, list[bytes]]]) -> Inside:
    """The same, as they were before any test."""
    made, lines = begun
    for name in made.services:
        made.lines[name] = list(lines[name])
        shutil.copy(made.folder / f"{name}.kept", made.folder / name / FILE)
        made.restart(name)
    return made


class Relay:
    """Carries a teaching among parties; `lies` changes what some of them answer, `None` is no answer at all."""

    def __init__(self, inside: Inside) -> None:
        self.inside = inside
        self.wallet = inside.group.wallet.id
        self.lies: dict[str, Callable[[Batch, Json], Json | None]] = {}
        self.batches: list[Batch] = []

    def teach(self, **changes: Any) -> frozenset[tuple[str, str, str, bool]]:  # noqa: ANN401 - of teach_script
        frames = {name: {"op": "status"} for name in self.inside.services}
        told = {name: self._lied(name, answer) for name, answer in self.inside.ask(frames)[0].items()}
        script = teach_script(told, [self.wallet], **changes)
        try:
            batch = next(script)
            while True:
                self.batches.append(batch)
                good, bad = self.inside.ask(batch.frames)
                for name in list(good):
                    lie = self.lies.get(name)
                    answer = good.pop(name) if lie is None else lie(batch, copy.deepcopy(good.pop(name)))
                    if answer is None:
                        bad[name] = {"code": "unreachable", "message": "nobody listens"}
                    else:
                        good[name] = answer
                batch = script.send((good, bad))
        except StopIteration as end:
            useless: frozenset[tuple[str, str, str, bool]] = end.value
            return useless

    def _lied(self, name: str, answer: Json) -> Json:
        lie = self.lies.get(f"{name} status")
        return answer if lie is None else lie(None, answer) or {}  # type: ignore[arg-type]  # no batch there

    def lane(self, name: str) -> tuple[int, str]:
        journal = self.inside.services[name].journal
        return journal.next_nonce(self.wallet), journal.lane_digest(self.wallet)

    def asked(self, name: str, step: str) -> int:
        return sum(batch.step == step and name in batch.frames for batch in self.batches)


def test_whoever_was_away_is_taught_and_signs_with_the_others(inside: Inside) -> None:
    relay = Relay(inside)
    assert relay.lane(FIFTH)[0] == 0
    assert relay.teach() == frozenset()
    assert relay.lane(FIFTH) == relay.lane(FIRST)
    inside.sign(inside.group.case(MISSED), FIFTH, FOURTH, THIRD, SECOND)
    # What it was taught it can teach, and nobody who is in step is asked for anything.
    relay.batches.clear()
    page = kept(inside, FIFTH)
    assert [one["reservations"][0]["document"]["binding"]["nonce"] for one in page["certificates"]] == [0, 1, 2, 3]
    relay.teach()
    assert relay.asked(SECOND, "learn") == 0


def page_of(shelf: Shelf, asked: object) -> Json:
    page: Json = shelf.page(asked)
    return page


def kept(inside: Inside, name: str) -> Json:
    """Return what a party answers of all that it keeps."""
    asked = {"v": 1, "op": "certificates", "since": since(inside.group.wallet.id)}
    page: Json = inside.services[name].handle(asked, now=inside.now)
    return page


def since(wallet: str, nonce: int = 0, *, cancels: bool = False, most: int = PAGE_MOST) -> Json:
    return {"wallet": wallet, "nonce": nonce, "cancels": cancels, "most": most}


def test_what_is_kept_outlives_a_restart_and_a_torn_line_is_cut_off(inside: Inside) -> None:
    relay = Relay(inside)
    for name in (FIRST, SECOND, THIRD):
        kept(inside, name)
        with (inside.folder / name / FILE).open("ab") as file:
            file.write(b"eip155:1:0x00 9 intent ")
        inside.restart(name)
    relay.teach()
    assert relay.lane(FIFTH) == relay.lane(FIRST)


def test_a_party_without_its_file_still_signs_and_others_are_asked(inside: Inside) -> None:
    relay = Relay(inside)
    for name in (FIRST, SECOND):
        (inside.folder / name / FILE).unlink()
        inside.restart(name)
    relay.teach()
    assert relay.lane(FIFTH) == relay.lane(FIRST)
    inside.sign(inside.group.case(MISSED), FIRST, SECOND, FOURTH, FIFTH)


def _words(page: Json) -> list[Json]:
    return [word for one in page["certificates"] for word in one["reservations"]]


def _forged(_: Batch, answer: Json) -> Json:
    for word in _words(answer) if "certificates" in answer else []:
        word["signature"] = "0x" + "11" * 64
    return answer


def _of_another_intent(_: Batch, answer: Json) -> Json:
    for word in _words(answer) if "certificates" in answer else []:
        word["document"]["binding"]["intent"] = "ab" * 32
    return answer


def _of_a_foreign_deployment(_: Batch, answer: Json) -> Json:
    for word in _words(answer) if "certificates" in answer else []:
        word["document"]["header"]["deployment"] = "cd" * 32
    return answer


def _reordered(_: Batch, answer: Json) -> Json:
    return {**answer, "certificates": answer["certificates"][::-1]} if "certificates" in answer else answer


def _too_many(_: Batch, answer: Json) -> Json:
    return {**answer, "certificates": answer["certificates"] * 500} if "certificates" in answer else answer


def _the_same_again(_: Batch, answer: Json) -> Json:
    return {**answer, "certificates": answer["certificates"][:1] * 8} if "certificates" in answer else answer


def _too_few_words(_: Batch, answer: Json) -> Json:
    for one in answer.get("certificates", []):
        del one["reservations"][1:]
    return answer


def _garbage(batch: Batch, answer: Json) -> Json:
    return {"certificates": [7, None, {"reservations": []}], "next": "x"} if batch.step == "certificates" else answer


def _silent(batch: Batch, answer: Json) -> Json | None:
    return None if batch.step == "certificates" else answer


LIES = (
    *(_forged, _of_another_intent, _of_a_foreign_deployment, _reordered),
    *(_too_many, _the_same_again, _too_few_words, _garbage, _silent),
)


@pytest.mark.parametrize("lie", LIES)
def test_a_liar_teaches_nothing_and_others_are_asked(
    inside: Inside, lie: Callable[[Batch, Json], Json | None]
) -> None:
    relay = Relay(inside)
    relay.lies = {FIRST: lie, SECOND: lie}
    relay.teach()
    assert relay.lane(FIFTH) == relay.lane(THIRD)
    assert relay.asked(FIRST, "certificates") >= 1


@pytest.mark.parametrize("lie", [one for one in LIES if one is not _the_same_again])
def test_where_everybody_lies_nothing_is_taken(inside: Inside, lie: Callable[[Batch, Json], Json | None]) -> None:
    relay = Relay(inside)
    relay.lies = dict.fromkeys((FIRST, SECOND, THIRD), lie)
    before = list(inside.lines[FIFTH])
    useless = relay.teach()
    assert inside.lines[FIFTH] == before
    assert {source for learner, source, _, _ in useless if learner == FIFTH} >= {FIRST, SECOND, FOURTH} - (
        {FIRST, SECOND} if lie is _silent else set()
    )
    # Whoever was of no use is not asked again as long as the relay remembers it.
    relay.batches.clear()
    relay.teach(useless=useless)
    assert len(relay.batches) <= (4 if lie is _silent else 0)


BOASTS: tuple[object, ...] = (
    {"next": 10**9, "cancels": 0, "held": {}},
    {"next": 3, "cancels": 10**6, "held": {}},
    {"next": 3, "cancels": 0, "held": {"0": "ab" * 32}},
    {"next": -1, "cancels": 0, "held": {}},
    {"next": 3.5, "cancels": True, "held": {}},
    {"next": 2**60, "cancels": 0, "held": {"9" * 9000: "ab" * 32}},
    {"next": 0, "cancels": 0, "held": {"-4": "ab" * 32, "x": 7}},
    {"next": 0, "cancels": 0, "held": []},
    [],
    None,
)


@pytest.mark.parametrize("boast", BOASTS)
def test_what_a_liar_says_of_its_lanes_keeps_nobody_from_being_taught(inside: Inside, boast: object) -> None:
    relay = Relay(inside)
    relay.lies = {f"{FIRST} status": lambda _, answer: answer | {"lanes": {relay.wallet: boast}}}
    relay.teach()
    assert relay.lane(FIFTH) == relay.lane(SECOND)
    assert len(relay.batches) <= 3 * STEPS_MOST


def test_a_flood_of_lessons_that_bring_a_liar_no_further_ends(inside: Inside) -> None:
    relay = Relay(inside)
    relay.lies = {
        FOURTH: lambda batch, answer: (
            answer | {"lanes": {relay.wallet: {"next": 0, "cancels": 0, "held": {}}}}
            if batch.step == "status"
            else answer
        ),
        f"{FOURTH} status": lambda _, answer: (
            answer | {"lanes": {relay.wallet: {"next": 0, "cancels": 0, "held": {}}}}
        ),
    }
    useless = relay.teach()
    assert relay.lane(FIFTH) == relay.lane(FIRST)
    assert relay.asked(FOURTH, "learn") == 4
    assert {learner for learner, _, _, _ in useless} >= {FOURTH}


def test_a_page_is_bounded_and_names_where_it_goes_on(inside: Inside) -> None:
    wallet = inside.group.wallet.id
    kept(inside, FIRST)
    shelf = Shelf(inside.folder / FIRST / FILE)
    page = page_of(shelf, since(wallet, most=2))
    assert (len(page["certificates"]), page["next"]) == (1, 1)
    assert len(page_of(shelf, since(wallet, 1))["certificates"]) == MISSED - 1
    assert shelf.page(since(wallet, cancels=True)) == {"certificates": [], "next": None}
    assert shelf.page(since("eip155:1:0x" + "00" * 20)) == {"certificates": [], "next": None}
    bad: tuple[object, ...] = (None, [], {}, {"wallet": wallet}, since(wallet, -1), since("x y"))
    for wrong in (
        *bad,
        *(since(wallet) | edit for edit in ({"most": 10**6}, {"most": 1}, {"nonce": True}, {"a": 1})),
    ):
        with pytest.raises(CoreError):
            shelf.page(wrong)


def test_long_certificates_fill_no_answer_beyond_what_a_socket_takes(inside: Inside, tmp_path: Path) -> None:
    wallet = inside.group.wallet.id
    long = "x" * 150_000
    path = tmp_path / "long"
    path.write_bytes(
        b"".join(f'{wallet} {nonce} intent {"ab" * 32} {{"a":"{long}"}}\n'.encode() for nonce in range(9))
    )
    shelf = Shelf(path)
    seen, pages = 0, 0
    place: int | None = 0
    while place is not None:
        page = page_of(shelf, since(wallet, place))
        assert sum(len(one["a"]) for one in page["certificates"]) < 1024 * 1024
        seen, place, pages = seen + len(page["certificates"]), page["next"], pages + 1
    assert (seen, pages) == (9, 3)


def test_a_damaged_line_is_passed_over_and_a_link_is_not_followed(inside: Inside, tmp_path: Path) -> None:
    kept(inside, FIRST)
    path = inside.folder / FIRST / FILE
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"\xff\xfe 1\n" + lines[0].replace(b'"', b"#", 1) + b"\n" + b"".join(lines[1:]))
    page = page_of(Shelf(path), since(inside.group.wallet.id))
    assert len(page["certificates"]) == MISSED - 1
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(ConfigError):
        Shelf(tmp_path / "link")


def test_a_page_with_a_hole_ends_before_it(inside: Inside) -> None:
    wallet = inside.group.wallet.id
    page = kept(inside, FIRST)
    del page["certificates"][1]
    question = Question(wallet=wallet, nonce=0)
    assert [one.nonce for one, _ in read_page(page, question, PAGE_FIRST)] == [0]
    assert read_page(page, Question(wallet=wallet, nonce=1), PAGE_FIRST) == []
    assert read_page(page, Question(wallet=wallet, nonce=0, cancels=True), PAGE_FIRST) == []
    assert reaches({"lanes": 7}, [wallet]) == {}
