"""A chain's nodes as one: asked in order, asked all, or asked for agreement at one height. Plain Python, no rows.

Who keeps a lasting account of nodes (the rows of `chains`, an attester's log) hands in a `Reporter`.
"""

from __future__ import annotations

import dataclasses
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from chains.errors import (
    NodeAnswerError,
    NodeDownError,
    NodeError,
    NoNodeError,
    NoQuorumError,
    NotIncludedError,
    ProofError,
    WrongChainError,
)
from chains.nodes.agreement import Agreed, Answer, Disagreement, agree, fixed_height, refusal
from chains.nodes.client import NodeClient, SendOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chains.nodes.endpoint import Endpoint
    from chains.nodes.health import HealthBook
    from chains.nodes.wire import Block

T = TypeVar("T")
NODES_AT_ONCE = 8


class Reporter(Protocol):
    """What has to outlive the question."""

    def wrong_chain(self, *, label: str, reason: str) -> None:
        """Stop a node that serves another chain."""

    def disagreed(self, *, disagreement: Disagreement) -> None:
        """Keep a contradiction, and quarantine whom it convicts."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Poll(Generic[T]):
    """What the chain's nodes said, by label, and who of them gave no usable answer."""

    answers: dict[str, T]
    silent: tuple[str, ...]

    @property
    def is_majority(self) -> bool:
        """Whether more than half of the nodes answered: silence is no vote for what the others say."""
        return len(self.answers) > len(self.silent)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rules:
    """How a chain's nodes are believed.

    Attributes:
        least: How many have to say the same.
        settled_depth: Blocks below the head from which two blocks at one height are a lie and not a fork.
        head_age_most: Seconds that a newest block may be old; 0 where the chain makes no blocks of its own accord.
    """

    least: int
    settled_depth: int = 12
    head_age_most: int = 0


class Pool:
    """The usable nodes of one chain, for one piece of work."""

    def __init__(
        self, *, chain: str, endpoints: Sequence[Endpoint], rules: Rules, book: HealthBook, reporter: Reporter
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            chain: CAIP-2 name.
            endpoints: The nodes that may be used; stopped and quarantined ones are not among them.
            rules: How they are believed.
            book: Their health.
            reporter: Who keeps what has to last.
        """
        self.chain = chain
        self.rules = rules
        self._endpoints = sorted(endpoints, key=lambda endpoint: (endpoint.priority, endpoint.label))
        self._book = book
        self._reporter = reporter

    @property
    def labels(self) -> tuple[str, ...]:
        """The nodes, first choice first."""
        return tuple(endpoint.label for endpoint in self._endpoints)

    def open(self, endpoint: Endpoint) -> NodeClient:
        """Open a client for one node, to be closed by whoever opens it."""
        return NodeClient(endpoint=endpoint, book=self._book)

    def _by_breaker(self) -> tuple[list[Endpoint], list[Endpoint]]:
        """Return the nodes that a breaker leaves, and the others: a last resort is better than none."""
        now = time.monotonic()
        asked = [endpoint for endpoint in self._endpoints if self._book.may_ask(endpoint.key, now=now)]
        return asked, [endpoint for endpoint in self._endpoints if endpoint not in asked]

    def _one(self, endpoint: Endpoint, question: Callable[[NodeClient], T]) -> T:
        try:
            with self.open(endpoint) as client:
                return question(client)
        except WrongChainError as error:
            self._reporter.wrong_chain(label=error.label, reason=error.message)
            raise

    def read(self, question: Callable[[NodeClient], T]) -> T:
        """Ask the nodes in order until one answers. For what is shown, never for what money depends on.

        Raises:
            NoNodeError: If no node answers, with each node's reason.
        """
        reasons: list[str] = []
        asked, others = self._by_breaker()
        for endpoint in [*asked, *others]:
            try:
                return self._one(endpoint, question)
            except NodeError as error:
                reasons.append(str(error))
        raise NoNodeError("; ".join(reasons) or f"{self.chain} has no enabled node")

    def _each(self, endpoints: Sequence[Endpoint], question: Callable[[NodeClient], T]) -> list[T | NodeError]:
        """Ask nodes at the same time; an answer or its error for each, in order."""

        def ask(endpoint: Endpoint) -> T | NodeError:
            try:
                with self.open(endpoint) as client:
                    return question(client)
            except NodeError as error:
                return error

        if len(endpoints) == 1:
            found = [ask(endpoints[0])]
        else:
            with ThreadPoolExecutor(max_workers=NODES_AT_ONCE) as threads:
                found = list(threads.map(ask, endpoints))
        for answer in found:
            # Here and not in the threads: whoever keeps rows has a database connection in this one only.
            if isinstance(answer, WrongChainError):
                self._reporter.wrong_chain(label=answer.label, reason=answer.message)
        return found

    def _all(self, question: Callable[[NodeClient], T], *, enough: int) -> dict[str, T | NodeError]:
        """Ask every node that its breaker leaves; the others too where fewer than enough of those answer.

        So a node that is gone costs its time-out now and then, and not with every question.
        """
        found: dict[str, T | NodeError] = {}
        for endpoints in self._by_breaker():
            if not endpoints:
                continue
            if sum(not isinstance(answer, NodeError) for answer in found.values()) >= enough:
                gone = (NodeDownError(endpoint.label, "is left alone after failures") for endpoint in endpoints)
                found |= {error.label: error for error in gone}
            else:
                answers = self._each(endpoints, question)
                found |= {endpoint.label: answer for endpoint, answer in zip(endpoints, answers, strict=True)}
        return found

    def read_all(self, question: Callable[[NodeClient], T]) -> Poll[T]:
        """Ask every node.

        Raises:
            NoNodeError: If none answers.
        """
        answers: dict[str, T] = {}
        silent: dict[str, str] = {}
        for label, answer in self._all(question, enough=len(self._endpoints) // 2 + 1).items():
            if isinstance(answer, NodeError):
                silent[label] = str(answer)
            else:
                answers[label] = answer
        if not answers:
            raise NoNodeError("; ".join(silent.values()) or f"{self.chain} has no enabled node")
        return Poll(answers=answers, silent=tuple(sorted(silent)))

    def read_agreed(
        self, question: Callable[[NodeClient, Block], T], *, what: str, number: int | None = None, now: int = 0
    ) -> Agreed[T]:
        """Ask for what money depends on: `rules.least` nodes have to say the same about the same block.

        Args:
            question: What to ask a node about a block; the answers are compared with ``==``, so it returns plain
                values and leaves out what nodes may differ in.
            what: The question in words, for the account of it.
            number: The block's height; None for the highest that enough nodes have reached.
            now: Unix seconds, for the age of the newest block; 0 leaves age unchecked.

        Raises:
            NodesDisagreeError: If nodes contradict each other and no quorum says the same.
            NoQuorumError: If too few give a usable answer.
        """
        heads = self._heads(what, now)
        height = number
        if height is None:
            height = fixed_height([head.number for head in heads.values()], self.rules.least)
        asked = [endpoint for endpoint in self._endpoints if endpoint.label in heads]
        reasons = [f"{label}: no usable head" for label in self.labels if label not in heads]
        behind = [endpoint for endpoint in asked if heads[endpoint.label].number < height]
        reasons += [f"{e.label}: is at block {heads[e.label].number}, before {height}" for e in behind]
        asked = [endpoint for endpoint in asked if endpoint not in behind]
        found = self._each(asked, lambda client: _answer(client, question, height, heads)) if asked else []
        answers = [answer for answer in found if not isinstance(answer, NodeError)]
        reasons += [str(answer) for answer in found if isinstance(answer, NodeError)]
        told = {answer.node for answer in answers}
        agreed, disagreement = agree(
            answers,
            question=what,
            number=height,
            least=self.rules.least,
            settled_depth=self.rules.settled_depth,
            silent=tuple(label for label in self.labels if label not in told),
        )
        if disagreement is not None:
            self._account(disagreement)
        if agreed is None:
            raise refusal(answers, question=what, least=self.rules.least, reasons=reasons)
        return agreed

    def _account(self, disagreement: Disagreement) -> None:
        for endpoint in self._endpoints:
            if endpoint.label in disagreement.liars:
                self._book.disagreed(endpoint.key)
        self._reporter.disagreed(disagreement=disagreement)

    def read_proven(self, prove: Callable[[NodeClient], T], *, what: str, number: int) -> T:
        """Ask the nodes in order until one proves what it says.

        A node whose proof fails is quarantined once another one's holds. Where none holds, what they said is kept and
        nobody is blamed: a chain with rules that we do not know looks like that as well.

        Args:
            prove: Asks a node and checks the proof; it raises `ProofError` where that fails.
            what: The question in words, for the account of it.
            number: The block's height.

        Raises:
            NotIncludedError: If a proven block does not hold what was looked for.
            ProofError: If no node proves it.
        """
        failed: dict[str, str] = {}

        def question(client: NodeClient) -> T:
            try:
                return prove(client)
            except NotIncludedError:
                raise
            except ProofError as error:
                failed[client.label] = str(error)
                raise NodeAnswerError(client.label, str(error)) from error

        try:
            found = self.read(question)
        except NoNodeError as error:
            if failed:
                self._account(Disagreement(question=what, number=number, answers=failed, liars=()))
            raise ProofError(f"{what} failed: {error}") from error
        if failed:
            told = Disagreement(question=what, number=number, answers=failed, liars=tuple(sorted(failed)))
            self._account(told)
        return found

    def _heads(self, what: str, now: int) -> dict[str, Block]:
        """Ask every node for its newest block; stale ones are left out."""
        found = self._all(lambda client: client.head(), enough=self.rules.least)
        heads: dict[str, Block] = {}
        reasons: list[str] = []
        for endpoint in self._endpoints:
            head = found[endpoint.label]
            if isinstance(head, NodeError):
                reasons.append(str(head))
            elif now and self.rules.head_age_most and now - head.timestamp > self.rules.head_age_most:
                age = now - head.timestamp
                reasons.append(f"{endpoint.label}: its newest block is {age} s old")
                self._book.failed(endpoint.key, reason=f"newest block is {age} s old", now=time.monotonic())
            else:
                heads[endpoint.label] = head
        if len(heads) < self.rules.least:
            told = "; ".join(reasons) or f"{self.chain} has {len(self._endpoints)} usable nodes"
            raise NoQuorumError(f"{what}: {len(heads)} of {self.rules.least} nodes named a newest block ({told})")
        return heads

    def send_to(self, *, label: str, raw: bytes, transaction_hash: bytes) -> SendOutcome:
        """Send signed bytes to one chosen node, once.

        Raises:
            NoNodeError: If no usable node has that label.
            WrongChainError: Not sent; the node is stopped.
            NodeDownError: Certainly not sent.
            NodeRefusalError: The node looked at the bytes and refused them.
            AmbiguousSendError: Perhaps sent.
        """
        for endpoint in self._endpoints:
            if endpoint.label == label:
                return self._one(endpoint, lambda client: client.send(raw, transaction_hash))
        raise NoNodeError(f"{label} is no usable node of {self.chain}")


def _answer(
    client: NodeClient,
    question: Callable[[NodeClient, Block], T],
    height: int,
    heads: dict[str, Block],
) -> Answer[T]:
    """Ask one node about a height, and make sure that it held the same block before and after."""
    before = client.block(height)
    if before is None:
        raise NodeAnswerError(client.label, f"has no block {height}")
    value = question(client, before)
    after = client.block(height)
    if after is None or after.hash != before.hash:
        raise NodeAnswerError(client.label, f"block {height} was replaced meanwhile")
    return Answer(node=client.label, block_hash=before.hash, value=value, head_number=heads[client.label].number)
