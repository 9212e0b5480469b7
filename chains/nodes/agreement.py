"""Whether nodes agree at one height: the same block there, and the same answer about it.

Two answers about the same block cannot both be true, so of nodes that name the same block the ones outside the
quorum lied or are broken. Two blocks at one height are a lie only where the chain has settled: near its end, honest
nodes see forks.
"""

from __future__ import annotations

import dataclasses
from typing import Generic, TypeVar

from chains.errors import NodesDisagreeError, NoQuorumError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer(Generic[T]):
    """What one node said about one height.

    Attributes:
        node: Its label.
        block_hash: The block that it holds at the height, before and after it answered.
        value: What it answered; compared with ``==``.
        head_number: Where its chain ended.
    """

    node: str
    block_hash: bytes
    value: T
    head_number: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Agreed(Generic[T_co]):
    """What k nodes said alike.

    Attributes:
        value: The answer.
        number: The height.
        block_hash: The block at that height.
        nodes: Who said so.
        apart: Who said something else.
        silent: Who gave no usable answer, or is not as far yet.
    """

    value: T_co
    number: int
    block_hash: bytes
    nodes: tuple[str, ...]
    apart: tuple[str, ...]
    silent: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Disagreement:
    """Both sides of a contradiction, to be kept.

    Attributes:
        question: What was asked, in words.
        number: The height.
        answers: What each node said, by label, as text.
        liars: Those whose answer cannot be true if the others' is; empty where that is not known.
    """

    question: str
    number: int
    answers: dict[str, str]
    liars: tuple[str, ...]


def fixed_height(heads: list[int], least: int) -> int:
    """Return the highest block that at least `least` nodes have reached.

    One node that claims to be far ahead moves nothing, and one that lags holds nobody up.

    Raises:
        NoQuorumError: If fewer nodes than that named a head.
    """
    if len(heads) < least:
        msg = f"{len(heads)} of the {least} nodes that are needed named their newest block"
        raise NoQuorumError(msg)
    return sorted(heads, reverse=True)[least - 1]


def _groups(answers: list[Answer[T]]) -> list[list[Answer[T]]]:
    """Sort answers by what they say, most voices first. Values need no hash, only equality."""
    groups: list[list[Answer[T]]] = []
    for answer in answers:
        for group in groups:
            if (group[0].block_hash, group[0].value) == (answer.block_hash, answer.value):
                group.append(answer)
                break
        else:
            groups.append([answer])
    return sorted(groups, key=len, reverse=True)


def spell(answer: Answer[T]) -> str:
    """Write an answer down for people, at a length that a log can take."""
    return f"block {answer.block_hash.hex()}: {answer.value!r}"[:2000]


def agree(
    answers: list[Answer[T]], *, question: str, number: int, least: int, settled_depth: int, silent: tuple[str, ...]
) -> tuple[Agreed[T] | None, Disagreement | None]:
    """Find what at least `least` nodes say alike.

    Args:
        answers: What the nodes said.
        question: What was asked, in words.
        number: The height.
        least: How many have to agree; more than half of all nodes is the only figure that cannot be reached twice.
        settled_depth: How far below a node's head a block has to be for two blocks at its height to be a lie.
        silent: Who gave no usable answer.

    Returns:
        What was agreed, if so; and the contradiction, if there was one.
    """
    groups = _groups(answers)
    winner = groups[0] if groups and len(groups[0]) >= least else None
    if winner is not None and len(groups) > 1 and len(groups[1]) >= least:
        winner = None
    others = [answer for group in groups if group is not winner for answer in group]
    disagreement = None
    if len(groups) > 1:
        liars = tuple(a.node for a in others if winner and _contradicts(a, winner[0], settled_depth, number))
        told = {answer.node: spell(answer) for answer in answers}
        disagreement = Disagreement(question=question, number=number, answers=told, liars=tuple(sorted(liars)))
    if winner is None:
        return None, disagreement
    agreed = Agreed(
        value=winner[0].value,
        number=number,
        block_hash=winner[0].block_hash,
        nodes=tuple(sorted(answer.node for answer in winner)),
        apart=tuple(sorted(answer.node for answer in others)),
        silent=silent,
    )
    return agreed, disagreement


def _contradicts(answer: Answer[T], truth: Answer[T], settled_depth: int, number: int) -> bool:
    if answer.block_hash == truth.block_hash:
        return True
    return min(answer.head_number, truth.head_number) - number >= settled_depth


def refusal(answers: list[Answer[T]], *, question: str, least: int, reasons: list[str]) -> NoQuorumError:
    """Return the error for a question that had no quorum, with every node's part in it."""
    apart = len(_groups(answers)) > 1
    told = "; ".join([*(f"{answer.node}: answered" for answer in answers), *reasons]) or "there is no usable node"
    if apart:
        return NodesDisagreeError(f"{question}: nodes contradict each other, {least} have to agree ({told})")
    return NoQuorumError(f"{question}: {len(answers)} of {least} nodes answered ({told})")
