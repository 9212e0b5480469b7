"""Installs the first policy at a consent host: shows its digest, has it compared, writes the pins.

Two people do this at the host's console. Nothing at run time changes a pin.
"""

from __future__ import annotations

import json
import os
import secrets
from typing import TYPE_CHECKING

from consent.digest import PolicyFileError, canonical, in_groups, parse, policy_digest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_GENESIS_DEPLOYMENT = "0" * 64
_TYPED = 8
_MODE = 0o644
PINS, POLICY = "pins.json", "policy.json"


def read_genesis(path: Path) -> dict[str, object]:
    """Read a first policy, alone or with its consents.

    Raises:
        PolicyFileError: If it is not one.
    """
    try:
        value = parse(path.read_bytes())
    except OSError as error:
        raise PolicyFileError(f"cannot be read: {error.strerror}") from error
    if isinstance(value, dict) and set(value) == {"policy", "consents"}:
        value = value["policy"]
    if not isinstance(value, dict):
        raise PolicyFileError("not a policy")
    head = value.get("header")
    if not isinstance(head, dict) or head.get("type") != "policy":
        raise PolicyFileError("not a policy: its header names another type")
    first = value.get("previous", "") is None and value.get("number") == 1
    if not first or head.get("deployment") != _GENESIS_DEPLOYMENT:
        raise PolicyFileError("not a first policy: only a genesis is pinned at a console")
    return value


def _count(policy: dict[str, object], name: str) -> int:
    entries = policy.get(name)
    return len(entries) if isinstance(entries, list) else 0


def describe(policy: dict[str, object], digest: str) -> str:
    """Return what a person compares before they pin."""
    counts = ", ".join(f"{_count(policy, name)} {name}" for name in ("people", "wallets", "addresses", "limits"))
    # Shown as JSON: a terminal must not obey what stands in a file.
    institution, profile = json.dumps(policy.get("institution")), json.dumps(policy.get("profile"))
    groups = in_groups(digest)
    half = len(groups) // 2
    return (
        f"First policy of {institution}, profile {profile}\n{counts}\n\n"
        f"Digest:\n  {groups[:half].strip()}\n  {groups[half:].strip()}\n"
    )


def _write(path: Path, data: bytes) -> None:
    """Replace a file at once, or not at all."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _check_expected(digest: str, expect: str | None, ask: Callable[[str], str]) -> None:
    if expect is not None:
        if expect.replace(" ", "").lower() != digest:
            raise PolicyFileError("not the digest that was expected: nothing was written")
        return
    typed = ask(f"Compare it with the other admin. To pin it, type its first {_TYPED} digits: ")
    if typed.replace(" ", "").lower() != digest[:_TYPED]:
        raise PolicyFileError("the digits do not match: nothing was written")


def pin(root: Path, path: Path, *, expect: str | None, ask: Callable[[str], str], say: Callable[[str], None]) -> str:
    """Pin a first policy in a host's folder.

    Args:
        root: The folder that the host serves its JSON from.
        path: The policy's JSON.
        expect: The digest that people compared already; None to ask for its first digits.
        ask: Reads a line from the console.
        say: Shows text on the console.

    Returns:
        The digest.

    Raises:
        PolicyFileError: If the file is no first policy, was not confirmed, or another one is pinned here.
    """
    policy = read_genesis(path)
    digest = policy_digest(policy)
    say(describe(policy, digest))
    pins = {"deployment": digest, "policy": digest}
    pinned = root / PINS
    if pinned.exists() and parse(pinned.read_bytes()) != pins:
        raise PolicyFileError(f"another policy is pinned here: two people remove {PINS} and {POLICY} by hand first")
    _check_expected(digest, expect, ask)
    root.mkdir(parents=True, exist_ok=True)
    # The policy first: between the two writes the page sees an unpinned policy, and refuses.
    _write(root / POLICY, canonical(policy) + b"\n")
    _write(pinned, canonical(pins) + b"\n")
    return digest
