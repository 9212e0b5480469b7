"""Teaching parties what they missed, before a case: from what is kept here, then from what other parties keep.

Nobody is believed: where a party says that it stands decides only what it is handed, and whoever is handed a
certificate checks it. Where enough others stand at one place, whoever is behind is taught little at once, and not the
same way again for a while after it was in vain: a party that says it missed everything keeps no case waiting.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

from core.documents.roster import WalletKind
from core.teaching import STEPS_MOST, reaches, teach_script
from custody.answers import lane_read, status_frame
from custody.errors import SignerAnswerError
from custody.models import Wallet
from custody.parties.certificates import certificates_missing
from custody.parties.line import parties_ask

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from core.canonical import Json
    from core.teaching import Useless
    from custody.nonces import LaneStatus
    from custody.parties.group import No

TEACHINGS_MOST = 16
"""Batches of certificates that a party is handed before one case; if it missed more, the next case goes on."""
_SPARE_TEACHINGS, _SPARE_STEPS = 2, 2
"""The same where enough others stand at one place: whoever is behind keeps no case waiting for long."""
REST_SECONDS = 60.0
"""How long nobody is taught again in a way that was in vain, unless its journal has gone on since."""
_WALLETS_MOST = 1000
"""As many as a reservation can name."""
_HERE = ""
_HEAD_MOST = 100
_useless: dict[Useless, tuple[float, str]] = {}
"""What was in vain: until when it is not tried again, and where the learner's journal stood.

A party that was away takes what people signed meanwhile one by one: with each it may learn what it refused before.
"""


def parties_teach(
    names: tuple[str, ...], *, wallet: str, needed: int, patient: bool = False
) -> tuple[tuple[str, ...], dict[str, No]]:
    """Ask how far each party's memory reaches and hand it what it missed.

    Args:
        names: Whom to ask.
        wallet: The wallet that a case is about (CAIP-10). What these parties hold of others counts as well.
        needed: How many of them it takes.
        patient: Whether all of them are waited for, also where enough have answered.

    Returns:
        Who is there, and who is not and why.
    """
    statuses, away = parties_ask({name: status_frame() for name in names}, enough=None if patient else needed)
    spare = _level(statuses, wallet) >= needed
    statuses = _from_here(statuses, spare=spare)
    _from_each_other(statuses, spare=spare)
    return tuple(name for name in names if name not in away), away


def _shared(statuses: Mapping[str, Json]) -> list[str]:
    """Return the wallets that several parties speak of, those first that most of them name."""
    named: Counter[str] = Counter()
    for status in statuses.values():
        lanes = status.get("lanes")
        named.update(list(lanes) if isinstance(lanes, dict) else ())
    shared = sorted((wallet for wallet, count in named.items() if count > 1), key=lambda one: (-named[one], one))
    return shared[:_WALLETS_MOST]


def _level(statuses: Mapping[str, Json], wallet: str) -> int:
    """Return how many parties say that they stand at one place, the one that most of them name."""
    found = [reaches(status, [wallet]).get(wallet) for status in statuses.values()]
    places = Counter((one.next_nonce, one.cancels) for one in found if one is not None)
    return max(places.values(), default=0)


def _from_here(statuses: Mapping[str, Json], *, spare: bool) -> dict[str, Json]:
    """Hand parties what is kept here; where each stands then."""
    known = frozenset(Wallet.objects.filter(kind=WalletKind.MPC.value).values_list("pk", flat=True))
    now = dict(statuses)
    learning = {name for name in now if not (spare and _rests((name, _HERE, _HERE, False), now))}
    for _ in range(_SPARE_TEACHINGS if spare else TEACHINGS_MOST):
        lessons: dict[str, Json] = {}
        for name in learning:
            try:
                missing = certificates_missing(lanes=_lanes(now[name], known))
            except SignerAnswerError:
                # It says nothing that can be read: what it needs is then its own affair.
                continue
            if missing:
                lessons[name] = {"op": "learn", "certificates": missing}
        if not lessons:
            break
        parties_ask(lessons)
        # A party may have taken half of a lesson before what it refused: where each stands is asked.
        told, _ = parties_ask({name: status_frame() for name in lessons})
        learning = {name for name, status in told.items() if status.get("lanes") != now[name].get("lanes")}
        _rest(((name, _HERE, _HERE, False) for name in told.keys() - learning), told)
        now |= told
    return now


def _lanes(status: Json, known: Collection[str]) -> dict[str, LaneStatus]:
    named = status.get("lanes")
    wallets = [wallet for wallet in named if wallet in known] if isinstance(named, dict) else []
    return {wallet: lane_read(status, wallet=wallet) for wallet in wallets}


def _from_each_other(statuses: Mapping[str, Json], *, spare: bool) -> None:
    """Have parties handed what others of them keep and nobody keeps here."""
    now = time.monotonic()
    for key in [key for key, (until, _) in _useless.items() if until <= now]:
        del _useless[key]
    useless = tuple(key for key in _useless if spare and _rests(key, statuses))
    script = teach_script(statuses, _shared(statuses), useless, _SPARE_STEPS if spare else STEPS_MOST)
    try:
        batch = next(script)
        while True:
            good, bad = parties_ask(batch.frames)
            refused: dict[str, Json] = {name: {"code": no.code, "message": no.message} for name, no in bad.items()}
            batch = script.send((good, refused))
    except StopIteration as end:
        _rest(end.value, statuses)


def _head(learner: str, statuses: Mapping[str, Json]) -> str:
    return str(statuses.get(learner, {}).get("head"))[:_HEAD_MOST]


def _rest(keys: Iterable[Useless], statuses: Mapping[str, Json]) -> None:
    until = time.monotonic() + REST_SECONDS
    _useless.update({key: (until, _head(key[0], statuses)) for key in keys})


def _rests(key: Useless, statuses: Mapping[str, Json]) -> bool:
    until, head = _useless.get(key, (0.0, ""))
    return until > time.monotonic() and head == _head(key[0], statuses)
