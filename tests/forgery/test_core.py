"""Every forgery of the catalogue against `core.verify`, each with its control."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from demo.forgeries import CATALOGUE
from tests.forgery.gate import CoreGate
from tests.forgery.institutions import institution
from tests.forgery.play import play

if TYPE_CHECKING:
    from demo.forgeries import Forgery


@pytest.mark.parametrize("forgery", CATALOGUE.values(), ids=CATALOGUE)
def test_forgery_is_refused_and_its_control_accepted(forgery: Forgery) -> None:
    play(forgery, lambda: CoreGate(institution(forgery.setting)))


def test_the_catalogue_is_as_long_as_the_threat_model_says() -> None:
    assert len(CATALOGUE) >= 150
    assert len({forgery.why for forgery in CATALOGUE.values()}) > 90


def test_a_refused_forgery_leaves_no_trace_in_the_journal() -> None:
    for forgery in CATALOGUE.values():
        gate = CoreGate(institution(forgery.setting))
        attack = forgery.build(gate.case())
        for step in attack.before:
            gate.deliver(step)
        head, signed = gate.journal.head, len(gate.signed)
        gate.deliver(attack.forged)
        assert (gate.journal.head, len(gate.signed)) == (head, signed), forgery.name
