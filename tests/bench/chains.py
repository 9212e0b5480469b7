"""What a request costs before anyone is asked, and how fast the line from hand-over to chain is.

Run as ``python -m tests.bench.chains``. Requests are swaps on the reference Uniswap V3 pool: `simulate` is
``eth_simulateV1``, run again with the sender's balances measured, and both tracers; `decode` opens the calldata and
says it in words; `decide` derives the facts and decides under the factories' policy; `request` is all three in a row.
`inclusion_151_ms` proves one transaction of a block of 151, both tries rebuilt.

`whole_line_tps`: cases handed over to custody that were confirmed, divided by the seconds between the first one's
creation and the last one's end in the database (SQLite, one worker, one lane, a software key behind the signer's
protocol; the HSM's own speed is BENCH=signer). `slowest_stage_tps`: of pinning, signing, sending and following, the
one that took longest in the same run, by itself. Last line: JSON.
"""

from __future__ import annotations

import dataclasses
import json
import os
import statistics
import sys
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import django

from chains.nodes.endpoint import Endpoint
from chains.nodes.health import HealthBook
from chains.nodes.inclusion import prove_inclusion
from chains.nodes.pool import Pool, Rules
from chains.simulation import Call, sequence_simulate
from core.books import books_of
from core.calls import open_calls
from core.facts import derive_facts, resolve_asker
from core.names import checksum_address
from core.policy import decide
from demo.services.anvil import anvil
from tests.factories.contracts import contract
from tests.factories.uniswap import EXACT_INPUT_SINGLE, uniswap_deploy
from tests.factories.world import CHAIN, ETHER, NOW, World

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator

    from chains.nodes.agreement import Disagreement
    from core.documents.mandate import Intent
    from custody.transitions import Claim
    from demo.services.anvil import Node
    from tests.factories.uniswap import Uniswap

ROUNDS = int(os.environ.get("COUNTERSIGN_BENCH_ROUNDS", "200"))
CASES = int(os.environ.get("COUNTERSIGN_BENCH_CASES", "40"))
BLOCK = 151
INCLUSIONS = 7
LINE_SECONDS = 120
_MILLION = 10**12


class _Loud:
    """A pool's reporter: nothing may go wrong while it is measured."""

    def wrong_chain(self, *, label: str, reason: str) -> None:
        """Stop the measurement."""
        raise RuntimeError(f"{label}: {reason}")

    def disagreed(self, *, disagreement: Disagreement) -> None:
        """Stop the measurement."""
        raise RuntimeError(str(disagreement))


def _pool(node: Node) -> Pool:
    endpoint = Endpoint(label="own", url=node.url, chain_id=node.chain_id)
    return Pool(chain=CHAIN, endpoints=[endpoint], rules=Rules(least=1), book=HealthBook(), reporter=_Loud())


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


@dataclasses.dataclass
class _Requests:
    """A desk that asks for swaps."""

    market: Uniswap
    world: World
    pool: Pool

    def simulate(self, intent: Intent) -> None:
        call = Call(sender=intent.sender, to=intent.to, value=intent.value, data=intent.data, gas=intent.gas)
        (found,) = sequence_simulate(self.pool, [call])
        if not (found.succeeded and found.whole and found.frames):
            raise RuntimeError(f"not a whole simulation: {found}")

    def decode(self, intent: Intent) -> None:
        from oms.call_words import call_lines  # noqa: PLC0415 - Django is set up by then

        if not open_calls(intent.chain, intent.to, intent.value, intent.data, books_of(self.world.policy)).understood:
            raise RuntimeError("the swap is not understood")
        call_lines(intent.chain, intent.to, intent.value, intent.data, self.world.policy)

    def decide(self, intent: Intent) -> None:
        who = resolve_asker(self.world.mandate(intent), self.world.policy)
        facts, draw = derive_facts(intent, self.world.policy, who, order="aa" * 32, now=NOW)
        decide(self.world.policy, facts, draw, self.world.journal, now=NOW, enforce=True)


def _requests(node: Node) -> dict[str, float]:
    market = uniswap_deploy(node)
    world = World(overrides={"contracts": (contract(market.router, "Router", EXACT_INPUT_SINGLE),)})
    account = world.wallet.rpartition(":")[2]
    node.call("anvil_setBalance", account, hex(10**20))
    market.fund(account, 2 * _MILLION)
    market.approve(account, 2 * _MILLION)
    desk = _Requests(market, world, _pool(node))
    times: dict[str, list[float]] = {"simulate": [], "decode": [], "decide": [], "request": []}
    for number in range(ROUNDS):
        data = market.swap_data(_MILLION + number, account)
        intent = world.intent(to=market.router, value=0, data=data, gas=400_000)
        began = time.perf_counter()
        for name, stage in (("simulate", desk.simulate), ("decode", desk.decode), ("decide", desk.decide)):
            started = time.perf_counter()
            stage(intent)
            times[name].append(time.perf_counter() - started)
        times["request"].append(time.perf_counter() - began)
    found = {f"{name}_p50_ms": _ms(statistics.median(taken)) for name, taken in times.items()}
    return found | {"simulate_p95_ms": _ms(statistics.quantiles(times["simulate"], n=20)[-1])}


def _inclusion(node: Node) -> float:
    """Prove one transaction of a block of 151."""
    rich, other = (checksum_address(name) for name in node.call("eth_accounts")[:2])
    node.call("evm_setAutomine", False)  # noqa: FBT003 - JSON-RPC's positional flag
    sent = [
        node.call("eth_sendTransaction", {"from": rich, "to": other, "value": hex(n), "gas": hex(21_000)})
        for n in range(1, BLOCK + 1)
    ]
    node.call("anvil_mine", "0x1")
    node.call("evm_setAutomine", True)  # noqa: FBT003 - as above
    block = node.call("eth_getBlockByNumber", "latest", False)  # noqa: FBT003 - as above
    if len(block["transactions"]) != BLOCK:
        raise RuntimeError(f"{len(block['transactions'])} transactions in the block")
    block_hash, number = bytes.fromhex(block["hash"][2:]), int(block["number"], 16)
    taken = []
    for wanted in sent[:: BLOCK // INCLUSIONS][:INCLUSIONS]:
        started = time.perf_counter()
        prove_inclusion(_pool(node), block_hash=block_hash, number=number, transaction_hash=bytes.fromhex(wanted[2:]))
        taken.append(time.perf_counter() - started)
    return _ms(statistics.median(taken))


@contextmanager
def _timed() -> Iterator[dict[str, float]]:
    """Add up how long custody's steps take."""
    from custody import sweep  # noqa: PLC0415 - Django is set up by then

    spent: dict[str, float] = {}
    steps = dict(sweep._STEPS)  # noqa: SLF001 - each stage by itself, in the same run as the whole

    def timed(name: str, step: Callable[[Claim, dt.datetime], None]) -> Callable[[Claim, dt.datetime], None]:
        def run(claim: Claim, now: dt.datetime) -> None:
            started = time.perf_counter()
            try:
                step(claim, now)
            finally:
                spent[name] = spent.get(name, 0.0) + time.perf_counter() - started

        return run

    sweep._STEPS.update({step: timed(str(step.value), run) for step, run in steps.items()})  # noqa: SLF001 - as above
    try:
        yield spent
    finally:
        sweep._STEPS.update(steps)  # noqa: SLF001 - as above


def _line() -> dict[str, float]:
    from django.conf import settings  # noqa: PLC0415 - Django is set up by then
    from django.utils import timezone  # noqa: PLC0415 - as above

    from audit.models import AuditEntry  # noqa: PLC0415 - as above
    from chains.services import chain_create, node_create  # noqa: PLC0415 - as above
    from core.custody_lifecycle import JobState  # noqa: PLC0415 - as above
    from core.documents.roster import WalletKind  # noqa: PLC0415 - as above
    from custody.models import Job  # noqa: PLC0415 - as above
    from custody.services import wallet_create  # noqa: PLC0415 - as above
    from custody.sweep import sweep_once  # noqa: PLC0415 - as above
    from tests.custody.conftest import Line  # noqa: PLC0415 - as above
    from tests.fakes.proxy import LyingNode  # noqa: PLC0415 - as above
    from tests.fakes.signer import FakeSigner  # noqa: PLC0415 - as above

    world = World(now=int(time.time()))
    with ExitStack() as stack:
        node = stack.enter_context(anvil())
        signer = stack.enter_context(FakeSigner(world))
        proxy = stack.enter_context(LyingNode(node.url))
        settings.COUNTERSIGN_SIGNER_SOCKETS = {world.signer: signer.path}
        settings.COUNTERSIGN_POLL_SECONDS = 0.01
        node.call("anvil_setBalance", world.wallet.rpartition(":")[2], hex(1000 * ETHER))
        chain_create(actor="x", caip2=CHAIN, name="Dev chain", native_symbol="ETH", confirmation_depth=1)
        node_create(actor="x", chain=CHAIN, label="anvil", url=node.url)
        wallet_create(
            actor="x",
            caip10=world.wallet,
            label="Treasury Hot",
            kind=WalletKind.HSM,
            public_key=world.wallet_public_key,
            signers=(world.signer,),
        )
        line = Line(world=world, node=node, signer=signer, proxy=proxy)
        with _timed() as spent:
            for number in range(CASES):
                line.hand_over(line.intent(value=1 + number))
            deadline = time.monotonic() + LINE_SECONDS
            while Job.objects.filter(state=JobState.CONFIRMED).count() < CASES:
                if time.monotonic() > deadline:
                    raise RuntimeError("the line took too long")
                sweep_once(now=timezone.now())
        ends = (
            AuditEntry.objects.filter(tag="custody:attempt:final").order_by("at_us").values_list("at_us", flat=True)
        )
        first = AuditEntry.objects.filter(tag="custody:job:created").order_by("at_us").values_list("at_us", flat=True)
        seconds = (list(ends)[-1] - first[0]) / 1_000_000
    stages = {name: CASES / taken for name, taken in spent.items() if taken}
    slowest = min(stages, key=lambda name: stages[name])
    sys.stderr.write(f"stages, cases per second: { {name: round(rate, 1) for name, rate in stages.items()} }\n")
    sys.stderr.write(f"the slowest: {slowest}\n")
    return {"whole_line_tps": round(CASES / seconds, 2), "slowest_stage_tps": round(stages[slowest], 2)}


def main() -> None:
    """Measure; the last line is JSON."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    from django.db import connection  # noqa: PLC0415 - Django is set up by then

    with anvil() as node:
        figures = _requests(node)
        figures["inclusion_151_ms"] = _inclusion(node)
    kept = str(connection.settings_dict["NAME"])
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        figures |= _line()
    finally:
        connection.creation.destroy_test_db(kept, verbosity=0)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
