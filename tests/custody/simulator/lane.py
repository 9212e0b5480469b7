"""Custody's lane in memory: workers take steps as the services do, and every decision is the product's own code.

A worker's step is a generator that stops wherever the real one writes to the database, asks a signer or a node: there
other workers go on, and there it is killed. Between two stops it is one database transaction.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.custody_lifecycle import JOB_UNSIGNED, JobEvent, JobState, job_apply
from tests.custody.simulator.outside import CAP, DEPTH, TIP_CAP, Refused, Tx

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.custody.simulator.code import Code
    from tests.custody.simulator.outside import Chain, Node, Signer

    Stops = Generator[None, None, None]

LEASE = 12
RAISE_AFTER = 16
RESEND_AFTER = 12
EXPIRED = 900


@dataclasses.dataclass
class Job:
    """One intent's row."""

    intent: str
    state: JobState = JobState.QUEUED
    nonce: int | None = None
    asked: int | None = None
    written: tuple[int, int] | None = None
    versions: list[Tx] = dataclasses.field(default_factory=list)
    raise_at: int | None = None
    sent_at: int | None = None
    sighting: tuple[str, int, str] | None = None
    cancel: str = ""
    due: int | None = 0
    lease: int = -1
    fence: int = 0


@dataclasses.dataclass
class Courier:
    """Carries to the signer; `lies`: how many more times it reports a refusal, about signature and lane alike."""

    up: bool = True
    lies: int = 0


class Lane:
    """The database, and what workers do to it."""

    def __init__(self, code: Code, chain: Chain, nodes: list[Node], signer: Signer) -> None:
        self.code, self.chain, self.nodes, self.signer = code, chain, nodes, signer
        self.courier = Courier()
        self.raises = True
        self.jobs: list[Job] = []
        self.next: int | None = None
        self.now = 0
        self.sent_unstored: list[str] = []

    # ------------------------------------------------------------------ rows

    def claim(self) -> tuple[Job, int] | None:
        """Claim what has been due for longest."""
        due = [job for job in self.jobs if job.due is not None and job.due <= self.now and job.lease <= self.now]
        if not due:
            return None
        job = min(due, key=lambda one: one.due or 0)
        job.fence, job.lease = job.fence + 1, self.now + LEASE
        return job, job.fence

    def move(self, job: Job, event: JobEvent, *, wait: int = 0) -> None:
        """Move a job along the table; the product says whether anybody comes back to it."""
        job.state = job_apply(job.state, event)
        job.due = self.now + wait if self.code.machine.is_due_again(job.state) else None
        job.lease = -1

    def postpone(self, job: Job, wait: int = 3) -> None:
        """Give the lease back."""
        job.due, job.lease = self.now + wait, -1

    def unsigned(self) -> int:
        """Count the pinned jobs without a signature."""
        return sum(job.state in JOB_UNSIGNED for job in self.jobs)

    def ask(self, intent: str, nonce: int, fees: tuple[int, int], *, cancel: bool = False) -> Tx | str:
        """Ask the signer through its courier: bytes, a refusal's code, or nothing."""
        if not self.courier.up:
            return "unreachable"
        try:
            tx = self.signer.cancel(intent, nonce, *fees) if cancel else self.signer.sign(intent, nonce, *fees)
        except Refused as refused:
            return str(refused)
        if self.courier.lies > 0:
            self.courier.lies -= 1
            return "denied"
        return tx

    def status(self) -> object | None:
        """Ask the signer for its lane, through the same courier."""
        if not self.courier.up:
            return None
        if self.courier.lies > 0:
            self.courier.lies -= 1
            lied: object = self.code.nonces.LaneStatus(next_nonce=0, held={})
            return lied
        told: object = self.code.nonces.LaneStatus(next_nonce=self.signer.next, held=dict(self.signer.slots))
        return told

    # ------------------------------------------------------------------ one step

    def step(self, job: Job, fence: int) -> Stops:
        """Take the next step of a claimed job."""
        machine = self.code.machine
        step = machine.step_of(job.state, cancel_due=job.cancel == "ordered")
        steps = {
            "pin": self._pin,
            "sign": self._sign,
            "cancel": self._cancel,
            "doubt": self._doubt,
            "send": self._watch,
            "watch": self._watch,
            "follow": self._follow,
        }
        if str(step) in steps:
            yield from steps[str(step)](job, fence)
        else:
            job.due = None

    def _ours(self, job: Job, fence: int) -> bool:
        return job.fence == fence

    def _pin(self, job: Job, fence: int) -> Stops:
        said = [node.claims if node.claims is not None else self._count(node) for node in self.nodes if node.up]
        silent = sum(not node.up for node in self.nodes)
        yield
        agreed = self.code.nonces.nonce_agreed(said, silent=silent)
        if not self._ours(job, fence):
            return
        if self.next is None and agreed is not None:
            self.next = agreed
        if self.next is None or (agreed is not None and agreed > self.next):
            self.postpone(job)
            return
        nonce = self.code.nonces.nonce_next(lane_next=self.next, held=job.nonce, unsigned=self.unsigned())
        if nonce is None:
            self.postpone(job)
            return
        suggested = self.code.fees.fees_suggested([self.code.fees.Fees(most=150, tip=20)])
        fees = self.code.fees.fees_within(suggested, self.code.fees.Fees(most=CAP, tip=TIP_CAP))
        job.nonce = job.asked = nonce
        job.written, self.next = (fees.most, fees.tip), nonce + 1
        self.move(job, JobEvent.PIN)

    def _count(self, node: Node) -> int:
        return self.chain.consumed(node.height)

    def _sign(self, job: Job, fence: int) -> Stops:
        nonce, fees = job.nonce, job.written
        if nonce is None or fees is None:
            raise AssertionError("asked for a signature without nonce or fees")
        yield
        answer = self.ask(job.intent, nonce, fees)
        yield
        if isinstance(answer, Tx):
            if self._ours(job, fence):
                self._store(job, answer, JobEvent.SIGN)
            return
        lane = None if answer == "unreachable" else self.status()
        yield
        if not self._ours(job, fence):
            return
        reading = (
            None if lane is None else self.code.nonces.refusal_read(answer, lane=lane, nonce=nonce, intent=job.intent)
        )
        if reading != "reported":
            if job.state is JobState.PINNED:
                self.move(job, JobEvent.SIGNER_WAITS, wait=3)
            else:
                self.postpone(job)
            if reading == "mismatch":
                self._wake_doubts()
            return
        if not self.code.nonces.nonce_returns(lane_next=self.next, nonce=nonce):
            self.postpone(job)
            return
        self.next, job.nonce = nonce, None
        self.move(job, JobEvent.SIGNER_REFUSES, wait=10)

    def _wake_doubts(self) -> None:
        for job in self.jobs:
            if job.state is JobState.DOUBTED:
                job.due = self.now

    def _store(self, job: Job, tx: Tx, event: JobEvent) -> None:
        if tx not in job.versions:
            job.versions.append(tx)
        if tx.kind == "payment":
            job.written = None
        job.raise_at, job.sent_at = self.now + RAISE_AFTER, None
        self.move(job, event)
        self._wake_doubts()

    def _cancel(self, job: Job, fence: int) -> Stops:
        if job.nonce is None:
            job.cancel = "failed"
            self.postpone(job)
            return
        yield
        answer = self.ask(job.intent, job.nonce, (2 * CAP, 2 * TIP_CAP), cancel=True)
        yield
        if not self._ours(job, fence):
            return
        if isinstance(answer, Tx):
            job.cancel = "signed"
            self._store(job, answer, JobEvent.SIGN_CANCEL)
            return
        job.cancel = "failed" if answer == "cancel" else job.cancel
        self.postpone(job)

    def _doubt(self, job: Job, fence: int) -> Stops:
        asked = job.asked
        lane = self.status()
        other = any(one is not job and any(tx.nonce == asked for tx in one.versions) for one in self.jobs)
        yield
        if not self._ours(job, fence):
            return
        verdict = self.code.nonces.doubt_judge(
            lane=lane, nonce=asked, intent=job.intent, signed_other=other, over=self.now > EXPIRED
        )
        if verdict == "settled":
            self.move(job, JobEvent.SETTLE_REFUSAL)
        elif verdict == "reopen" and self._reclaim(job):
            job.written = job.written or (150, 20)
            self.move(job, JobEvent.REOPEN)
        else:
            self.postpone(job, 8)

    def _reclaim(self, job: Job) -> bool:
        holder = next((one for one in self.jobs if one.nonce == job.asked and one is not job), None)
        if holder is not None:
            if holder.state not in JOB_UNSIGNED or self.next != (job.asked or 0) + 1:
                return False
            holder.fence += 1
            self.next, holder.nonce = job.asked, None
            self.move(holder, JobEvent.YIELD, wait=3)
        if self.next != job.asked:
            return False
        job.nonce, self.next = job.asked, (job.asked or 0) + 1
        return True

    def _look(self, job: Job) -> Generator[None, None, object]:
        machine = self.code.machine
        looks, silent = {}, 0
        for number, node in enumerate(self.nodes):
            if not node.up:
                silent += 1
                continue
            height, nonce = node.height, job.nonce or 0
            spent = self.chain.consumed(height) > nonce
            spent_finally = self.chain.consumed(height - DEPTH + 1) > nonce
            yield
            sights = []
            watched = machine.versions_watched([tx.hash for tx in job.versions])
            for name in watched:
                at = self.chain.find(name, node.height)
                if at is not None:
                    block = self.chain.blocks[at].name
                    sights.append(
                        machine.Sight(transaction_hash=name, block_number=at, block_hash=block, succeeded=True)
                    )
            pool = {tx.hash for tx in self.chain.pool.values()}
            looks[str(number)] = machine.Look(
                sights=tuple(sights),
                spent=spent,
                spent_finally=spent_finally,
                known=frozenset(pool & set(watched)),
            )
        found: object = machine.look_judge(looks, silent=silent)
        return found

    def _watch(self, job: Job, fence: int) -> Stops:
        found = yield from self._look(job)
        yield
        if not self._ours(job, fence):
            return
        if found.finding == "included":  # type: ignore[attr-defined]  # a mutant's class is another one
            sight = found.sight  # type: ignore[attr-defined]  # as above
            job.sighting = (sight.transaction_hash, sight.block_number, sight.block_hash)
            self.move(job, JobEvent.INCLUDE)
            return
        if found.finding == "superseded":  # type: ignore[attr-defined]  # as above
            self.move(job, JobEvent.SUPERSEDE)
            return
        act = self.code.machine.unmined_act(
            finding=found.finding,  # type: ignore[attr-defined]  # as above
            unsent=job.sent_at is None,
            can_raise=job.state is JobState.LIVE and self._first(job) and self._next_fees(job) is not None,
            raise_due=self.raises and job.raise_at is not None and job.raise_at <= self.now,
            resend_due=job.sent_at is None or job.sent_at <= self.now - RESEND_AFTER,
        )
        if act == "raise":
            yield from self._raise(job, fence)
        elif act == "send" or job.state is JobState.SIGNED:
            yield from self._send(job, fence)
        else:
            self.postpone(job)

    def _first(self, job: Job) -> bool:
        unmined = JOB_UNSIGNED | {JobState.SIGNED, JobState.LIVE}
        before = [one for one in self.jobs if one.nonce is not None and one.nonce < (job.nonce or 0)]
        return not any(one.state in unmined for one in before)

    def _next_fees(self, job: Job) -> tuple[int, int] | None:
        fees = self.code.fees
        signed = [fees.Fees(most=tx.most, tip=tx.tip) for tx in job.versions if tx.kind == "payment"]
        if not signed or len(signed) < len(job.versions):
            return None
        raised = fees.fees_raised(signed, caps=fees.Fees(most=CAP, tip=TIP_CAP), suggested=None)
        return None if raised is None else (raised.most, raised.tip)

    def _raise(self, job: Job, fence: int) -> Stops:
        if job.written is None:
            job.written = self._next_fees(job)
        job.raise_at = self.now + RAISE_AFTER
        if job.written is None or job.nonce is None:
            self.postpone(job)
            return
        fees = job.written
        yield
        answer = self.ask(job.intent, job.nonce, fees)
        yield
        if not self._ours(job, fence):
            return
        if isinstance(answer, Tx):
            self._store(job, answer, JobEvent.RAISE)
        else:
            self.postpone(job)

    def _send(self, job: Job, fence: int) -> Stops:
        machine = self.code.machine
        known = {tx.hash: tx for tx in job.versions}
        chosen = machine.sends_of([(tx.hash, machine.Kind(tx.kind)) for tx in job.versions], state=job.state)
        perhaps = False
        for name in chosen:
            for node in self.nodes:
                yield
                stored = any(name == tx.hash for one in self.jobs for tx in one.versions)
                if not stored:
                    self.sent_unstored.append(name)
                if node.up:
                    perhaps = self.chain.send(known[name]) or perhaps
        yield
        if not self._ours(job, fence):
            return
        if perhaps:
            job.sent_at = self.now
        if perhaps and job.state is JobState.SIGNED:
            self.move(job, JobEvent.SEND)
        else:
            self.postpone(job)

    def _follow(self, job: Job, fence: int) -> Stops:
        machine = self.code.machine
        if job.sighting is None:
            raise AssertionError("included without a sighting")
        name, number, block = job.sighting
        rechecks, silent = {}, 0
        for label, node in enumerate(self.nodes):
            if not node.up or node.height < number:
                silent += 1
                continue
            stands = self.chain.blocks[number].name == block and self.chain.find(name, node.height) == number
            deep = stands and machine.is_deep(head=node.height, block=number, depth=DEPTH, tagged=None)
            rechecks[str(label)] = machine.Recheck(stands=stands, final=deep, depth=node.height - number + 1)
            yield
        standing = machine.recheck_judge(rechecks, silent=silent) if rechecks else "silent"
        if not self._ours(job, fence):
            return
        if standing == "gone":
            job.sighting, job.sent_at = None, None
            self.move(job, JobEvent.REORG)
        elif standing == "final":
            kind = next(tx.kind for tx in job.versions if tx.hash == name)
            self.move(job, machine.end_of(machine.Kind(kind), succeeded=True))
        else:
            self.postpone(job)
