"""Reading a draft: every problem at once, each row named, so that an admin mends them in one go."""

from __future__ import annotations

import dataclasses
import json
import secrets
from typing import TYPE_CHECKING

from core.canonical import parse
from core.documents.base import Header
from core.documents.policy import Policy
from core.errors import CoreError, DocumentError, EncodingError
from core.policy_check import validate
from core.schema import Items

if TYPE_CHECKING:
    from core.schema import Codec

_DAY = 86_400
_LIFETIME_DAYS = 365
_NAMES = ("id", "label", "symbol", "asset", "address")


@dataclasses.dataclass(frozen=True, kw_only=True)
class DraftReading:
    """What a draft's text came to. `policy` is there as soon as it has the shape of one; problems may remain."""

    policy: Policy | None
    problems: tuple[str, ...]


def _row_name(section: str, index: int, row: object) -> str:
    found = [row[name] for name in _NAMES if isinstance(row, dict) and isinstance(row.get(name), str)]
    return f"{section}[{index}]" + (f" ({found[0][:60]})" if found else "")


def _field_problems(section: str, codec: Codec, value: object) -> list[str]:
    """Return what is wrong with a field of the document; for a list, of each of its rows."""
    problems: list[str] = []
    if isinstance(codec, Items) and isinstance(value, list) and codec.least <= len(value) <= codec.most:
        for index, row in enumerate(value):
            try:
                codec.codec.read(row, _row_name(section, index, row))
            except DocumentError as error:
                problems.append(str(error))
        return problems
    try:
        codec.read(value, section)
    except DocumentError as error:
        problems.append(str(error))
    return problems


def _shape_problems(value: object) -> list[str]:
    if not isinstance(value, dict):
        return ["the draft: one JSON object expected, with the fields of a policy"]
    problems: list[str] = []
    fields = {field.name: field.metadata["codec"] for field in dataclasses.fields(Policy)}
    problems.extend(f"{name}: missing" for name in fields if name not in value)
    problems.extend(f"{str(name)[:60]}: no such field" for name in value if name not in fields)
    for name, codec in fields.items():
        if name in value:
            problems.extend(_field_problems(name, codec, value[name]))
    return problems


def _parse(text: str) -> tuple[object, list[str]]:
    try:
        return parse(text.encode()), []
    except UnicodeEncodeError:
        return None, ["the draft: holds half of a character"]
    except EncodingError as error:
        cause = error.__cause__
        if isinstance(cause, json.JSONDecodeError):
            return None, [f"line {cause.lineno}, column {cause.colno}: {cause.msg}"]
        return None, [f"the draft: {cause if isinstance(cause, EncodingError) else error}"]


def _follow_problems(policy: Policy, active: Policy) -> list[str]:
    problems = []
    if policy.number != active.number + 1:
        problems.append(f"number: must be {active.number + 1}, to follow the active policy {active.number}")
    if policy.previous != active.digest:
        problems.append(f"previous: must be the active policy's digest, {active.digest}")
    if policy.deployment != active.deployment:
        problems.append(f"header.deployment: must be {active.deployment}")
    if policy.profile is not active.profile:
        problems.append(f"profile: never changes; it is {active.profile}")
    return problems


def draft_read(*, text: str, active: Policy | None) -> DraftReading:
    """Read a draft.

    Args:
        text: The draft's body.
        active: The policy that it would follow; None before the genesis.
    """
    value, problems = _parse(text)
    if problems:
        return DraftReading(policy=None, problems=tuple(problems))
    problems = _shape_problems(value)
    if problems:
        return DraftReading(policy=None, problems=tuple(problems))
    try:
        policy = Policy.from_json(value)
        problems = validate(policy)
    except CoreError as error:
        return DraftReading(policy=None, problems=(str(error),))
    if active is not None:
        problems.extend(_follow_problems(policy, active))
    return DraftReading(policy=policy, problems=tuple(problems))


def draft_text(*, policy: Policy) -> str:
    """Return a policy as text that people edit: one field a line."""
    return json.dumps(policy.to_json(), indent=2, ensure_ascii=False)


def successor_text(*, active: Policy, now: int) -> str:
    """Return a draft that follows the active policy and says the same."""
    header = Header(
        type=Policy.TYPE,
        version=active.header.version,
        deployment=active.deployment,
        id=secrets.token_hex(16),
        created=now,
        expires=now + _LIFETIME_DAYS * _DAY,
    )
    policy = dataclasses.replace(active, header=header, number=active.number + 1, previous=active.digest)
    return draft_text(policy=policy)
