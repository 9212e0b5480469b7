"""What it costs that every party verifies: threshold signatures among processes, beside the bare protocol.

Run as ``python -m tests.bench.mpc``. Each party is a process with a token of its own; a round is a new case that all
verify, reserve (fsynced), certify and sign, carried by a relay. Beside it, in the same round, the library's protocol
with all signers in this process and nothing around it. A key is made, and its shares renewed by ceremony with their
tests and proofs, among the same processes. Last line: JSON.
"""

from __future__ import annotations

import json
import os
import secrets
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from mpc import DkgSession, RefreshSession, Share, SignSession
from signer.config import load_config
from signer.console import open_hsm
from signer.party.shares import ShareName, ShareStore
from tests.party.renewing import generate, order, planned, refresh
from tests.party.rig import Group, found, relay_to

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from courier.relay import Relay
    from tests.party.rig import Process

    Session = DkgSession | RefreshSession | SignSession

WARM_UP, ROUNDS = 5, int(os.environ.get("COUNTERSIGN_BENCH_ROUNDS", "60"))


def _ms(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def _run(sessions: Mapping[int, Session]) -> None:
    """Carry a protocol's messages inside this process until everybody is done."""
    sent = {index: session.start() for index, session in sessions.items()}
    while not all(session.done for session in sessions.values()):
        inbox: dict[int, list[tuple[int, bytes]]] = {index: [] for index in sessions}
        for sender, messages in sent.items():
            for receiver, body in messages:
                for index in sessions if receiver is None else (receiver,):
                    if index != sender:
                        inbox[index].append((sender, bytes(body)))
        sent = {index: session.advance(inbox[index]) for index, session in sessions.items()}


def _made(threshold: int, parties: int) -> dict[int, Share]:
    name = secrets.token_bytes(32)
    sessions = {
        index: DkgSession(index=index, threshold=threshold, parties=parties, session=name)
        for index in range(1, parties + 1)
    }
    _run(sessions)
    return {index: session.result() for index, session in sessions.items()}


def _signed(shares: Mapping[int, Share], quorum: tuple[int, ...]) -> None:
    name, digest = secrets.token_bytes(32), secrets.token_bytes(32)
    _run(
        {
            index: SignSession(
                shares[index],
                session=name,
                counterparties=[other for other in quorum if other != index],
                message_hash=digest,
            )
            for index in quorum
        }
    )


def _refreshed(shares: Mapping[int, Share]) -> None:
    name = secrets.token_bytes(32)
    _run({index: RefreshSession(share, session=name) for index, share in shares.items()})


def _rounds(group: Group, relay: Relay, library: Callable[[], object], times: int) -> tuple[list[float], list[float]]:
    whole: list[float] = []
    bare: list[float] = []
    for turn in range(WARM_UP + times):
        case = group.bundle().to_json()
        mine, theirs = _ms(lambda c=case: relay.sign(c, group.wallet)), _ms(library)  # type: ignore[misc]
        if turn >= WARM_UP:
            whole.append(mine)
            bare.append(theirs)
    return whole, bare


def _unwrapped(group: Group) -> float:
    name = group.names[0]
    hsm = open_hsm(load_config(group.state(name)))
    try:
        store = ShareStore(group.state(name), hsm)
        share = ShareName(deployment=group.world.deployment, wallet=group.wallet.id, party=name, epoch=0)
        return statistics.median(_ms(lambda: store.open(share).wipe()) for _ in range(50))
    finally:
        hsm.close()


def _ceremonies(group: Group, parties: dict[str, Process]) -> dict[str, float]:
    """Time whole ceremonies among running parties, from the order to the last party's word: a key, and new shares.

    Beside them stands the bare protocol in this process (`library_…`). The shares' tests are part of a refresh.
    """
    ordered, plan = planned(group)
    renewal = order(group)
    # Connections of their own: parties drop those that were idle meanwhile.
    with relay_to(parties) as relay:
        made = _ms(lambda: generate(relay, ordered, plan))
        return {"dkg_3of5_ms": made, "refresh_3of5_ms": _ms(lambda: refresh(group, relay, renewal))}


def main() -> int:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="cs-bench-") as folder, ExitStack() as stack:
        base = Path(folder)
        print("making a 3-of-5 key and a 2-of-3 key among processes")
        five = Group(found(base / "five", 3, 5), base / "of-five")
        three = Group(found(base / "three", 2, 3), base / "of-three")
        shares: dict[int, Share] = {}
        library_dkg = _ms(lambda: shares.update(_made(3, 5)))
        small = _made(2, 3)
        up_five, up_three = stack.enter_context(five.up()), stack.enter_context(three.up())
        large_relay, small_relay = stack.enter_context(relay_to(up_five)), stack.enter_context(relay_to(up_three))
        print(f"{ROUNDS} rounds, each a new case that every party verifies")
        whole, bare = _rounds(five, large_relay, lambda: _signed(shares, (1, 2, 3)), ROUNDS)
        two, two_bare = _rounds(three, small_relay, lambda: _signed(small, (1, 2)), ROUNDS)
        figures = {
            "ecdsa_3of5_p50_ms": statistics.median(whole),
            "ecdsa_3of5_p95_ms": statistics.quantiles(whole, n=20)[-1],
            "ecdsa_2of3_p50_ms": statistics.median(two),
            "library_3of5_p50_ms": statistics.median(bare),
            "library_2of3_p50_ms": statistics.median(two_bare),
            "library_dkg_3of5_ms": library_dkg,
            "library_refresh_3of5_ms": _ms(lambda: _refreshed(shares)),
            "unwrap_p50_ms": _unwrapped(five),
            **_ceremonies(five, up_five),
        }
    print(json.dumps({name: round(value, 2) for name, value in figures.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
