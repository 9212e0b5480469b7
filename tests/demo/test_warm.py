"""What the story takes from a page for a wait, and what not."""

from __future__ import annotations

from core.certificate import certificate_size
from custody.parties.group import No, Outcome, outcome_words
from demo.layout import PARTIES
from demo.parties import THRESHOLD
from demo.warm import NEEDED, words_of_silence


def said(*silent: str) -> str:
    """What custody says while these parties are away."""
    agreed = tuple(name for name in PARTIES if name not in silent)
    away = dict.fromkeys(silent, No(code="unreachable", message="the signer cannot be reached"))
    return outcome_words(Outcome(parties=PARTIES, needed=NEEDED, agreed=agreed, refusals=away))


def test_the_story_reads_what_custody_says() -> None:
    page = f"Request With the signer parties: {said('party-4', 'party-5')} asked by tessa"
    assert words_of_silence(page, ("party-4", "party-5")).startswith("2 of 5 parties are silent")
    assert not words_of_silence(page, ("party-3", "party-4", "party-5"))
    later = f"{page} {said('party-3', 'party-4', 'party-5')}"
    assert "2 agree, 4 have to" in words_of_silence(later, ("party-3", "party-4", "party-5"))
    assert not words_of_silence(said(), ("party-5",))
    assert not words_of_silence("", ())


def test_four_of_five_have_to_vouch() -> None:
    assert certificate_size(len(PARTIES), THRESHOLD) == NEEDED
