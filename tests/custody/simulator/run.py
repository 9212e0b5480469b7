"""One run from one seed: chaos first, then calm in which everything has to come to its right end."""

from __future__ import annotations

import dataclasses
import random
from collections import Counter
from typing import TYPE_CHECKING

from core.custody_lifecycle import JOB_FINAL, JOB_MINED, JobState
from tests.custody.simulator.lane import Job, Lane
from tests.custody.simulator.outside import CAP, REORG_MOST, Chain, Node, Signer

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.custody.simulator.code import Code

WORKERS = 3
CHAOS = 600
CALM = 1400
_WEIGHTS = {
    "work": 110,
    "crash": 3,
    "mine": 10,
    "other": 2,
    "reorganise": 4,
    "evict": 3,
    "node": 4,
    "lag": 3,
    "courier": 2,
    "lie": 2,
    "fee": 3,
    "cancel": 2,
    "case": 4,
    "wake": 2,
}


@dataclasses.dataclass
class Run:
    """The whole of a simulation."""

    code: Code
    seed: int

    def __post_init__(self) -> None:
        """Begin with a chain on which the wallet has been used before."""
        self.rng = random.Random(self.seed)  # noqa: S311 - repeatable, and no secret
        self.chain = Chain(self.rng)
        self.nodes = [Node(self.chain) for _ in range(3)]
        self.nodes[0].claims = self.rng.choice([None, None, 7])
        self.signer = Signer()
        self.lane = Lane(self.code, self.chain, self.nodes, self.signer)
        # Some chains' rule says that fees are never raised: there only what is sent again gets through.
        self.lane.raises = self.rng.random() < 0.75
        self.busy: list[Generator[None, None, None] | None] = [None] * WORKERS
        self.problem = ""

    def violation(self) -> str:
        """Run, and return what was violated; empty if nothing was."""
        for _ in range(CHAOS):
            self._act(self.rng.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0])
            if self._broken():
                return self.problem
        self._calm()
        return self.problem or self._ends()

    # ------------------------------------------------------------------ chaos

    def _act(self, name: str) -> None:
        self.lane.now += 1
        getattr(self, f"_{name}")()

    def _work(self) -> None:
        place = self.rng.randrange(WORKERS)
        worker = self.busy[place]
        if worker is None:
            claim = self.lane.claim()
            if claim is not None:
                self.busy[place] = self.lane.step(*claim)
            return
        try:
            next(worker)
        except StopIteration:
            self.busy[place] = None

    def _crash(self) -> None:
        self.busy[self.rng.randrange(WORKERS)] = None

    def _mine(self) -> None:
        self.chain.mine()

    def _other(self) -> None:
        self.chain.mine(other=True)

    def _reorganise(self) -> None:
        self.chain.reorganise(self.rng.randint(1, REORG_MOST))
        # Bounded: the next one comes only after as many blocks as make anything final.
        for _ in range(REORG_MOST):
            self.chain.mine()

    def _evict(self) -> None:
        if self.chain.pool:
            self.chain.pool.pop(self.rng.choice(list(self.chain.pool)))

    def _node(self) -> None:
        node = self.rng.choice(self.nodes)
        node.up = not node.up

    def _lag(self) -> None:
        self.rng.choice(self.nodes).lag = self.rng.choice([0, 0, 1, 2])

    def _courier(self) -> None:
        self.lane.courier.up = not self.lane.courier.up

    def _lie(self) -> None:
        self.lane.courier.lies = self.rng.randint(1, 4)

    def _fee(self) -> None:
        self.chain.base = self.rng.choice([50, 100, 140, 200, 400])

    def _cancel(self) -> None:
        open_ = [job for job in self.lane.jobs if job.state in (JobState.LIVE, JobState.WAITING) and not job.cancel]
        if open_:
            self.rng.choice(open_).cancel = "ordered"

    def _case(self) -> None:
        if len(self.lane.jobs) < 6:
            intent = f"i{len(self.lane.jobs)}"
            if self.rng.random() < 0.15:
                self.signer.refuses.add(intent)
            self.lane.jobs.append(Job(intent))

    def _wake(self) -> None:
        """Deliver work twice, or look at a row for no reason."""
        for job in self.lane.jobs:
            if job.due is not None and self.rng.random() < 0.5:
                job.due = self.lane.now

    # ------------------------------------------------------------------ calm

    def _calm(self) -> None:
        self.busy = [None] * WORKERS
        for node in self.nodes:
            node.up, node.lag = True, 0
        self.chain.pool.clear()
        self.lane.courier.up, self.lane.courier.lies = True, 0
        # More than the first attempt pays, less than people allowed: fees have to be raised to get through.
        self.chain.base = CAP // 5 if self.lane.raises else 100
        self.lane.jobs.append(Job("last"))
        for turn in range(CALM):
            self.lane.now += 1
            for _ in range(4):
                self._work()
            if turn % 6 == 0:
                self.chain.mine()
            if self._broken() or self._all_ended():
                return

    def _all_ended(self) -> bool:
        return all(job.state in JOB_FINAL for job in self.lane.jobs)

    # ------------------------------------------------------------------ what has to hold

    def _broken(self) -> bool:
        mined = Counter(tx.intent for block in self.chain.blocks for tx in block.txs if tx.kind == "payment")
        twice = [intent for intent, count in mined.items() if count > 1]
        if twice:
            self.problem = f"{twice} was paid twice"
        elif self.lane.sent_unstored:
            self.problem = f"{self.lane.sent_unstored} was sent before it was stored"
        else:
            self.problem = next(
                (said for said in (self._false_end(job, mined) for job in self.lane.jobs) if said), ""
            )
        return bool(self.problem)

    def _false_end(self, job: Job, mined: Counter[str]) -> str:
        held = job.intent in self.signer.slots.values()
        if job.state is JobState.CONFIRMED and not mined[job.intent]:
            return f"{job.intent} is confirmed and not mined"
        if job.state in JOB_MINED and self._gone(job):
            return f"{job.intent} is final, and its block is gone"
        if job.state is JobState.CANCELLED and mined[job.intent]:
            return f"{job.intent} is cancelled and paid"
        if job.state is JobState.REFUSED and held:
            return f"{job.intent} is refused, and the signer holds it"
        if job.state is JobState.SUPERSEDED:
            return f"{job.intent} is superseded, and nobody else has this key"
        return ""

    def _gone(self, job: Job) -> bool:
        _, number, block = job.sighting or ("", -1, "")
        return number >= len(self.chain.blocks) or self.chain.blocks[number].name != block

    def _ends(self) -> str:
        stuck = [(job.intent, str(job.state), job.nonce) for job in self.lane.jobs if job.state not in JOB_FINAL]
        return f"stuck: {stuck}, lane {self.lane.next}, signer {self.signer.next}" if stuck else ""
