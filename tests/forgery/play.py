"""Plays an attack against a gate and says what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from demo.forgeries import Forgery
    from tests.forgery.gate import Gate


def play(forgery: Forgery, fresh: Callable[[], Gate], shared: Gate | None = None) -> None:
    """Deliver the honest steps, the forgery and its control.

    Args:
        forgery: Which one.
        fresh: Makes a signer that has seen nothing.
        shared: A signer that others use too; used where the forgery leaves nothing behind and needs no other one.
    """
    gate = shared if shared is not None else fresh()
    attack = forgery.build(gate.case())
    for number, step in enumerate(attack.before, start=1):
        answer = gate.deliver(step)
        assert answer is None, f"{forgery.name}: honest step {number} was refused as {answer}"
    answer = gate.deliver(attack.forged)
    assert answer is not None, f"{forgery.name}: ACCEPTED. {forgery.why}"
    assert answer in forgery.expect, f"{forgery.name}: refused as {answer}, expected {sorted(forgery.expect)}"
    if not attack.apart:
        answer = gate.deliver(attack.control)
    else:
        other = fresh()
        answer = other.deliver(forgery.build(other.case()).control)
    assert answer is None, f"{forgery.name}: its control was refused as {answer}, so its refusal proves nothing"
