"""Installs a policy at a consent host: shows its digest, has it compared, writes the pins.

Two people do this at the host's console, for the first policy and for each one that follows. Nothing at run time
changes a pin. That a successor follows the pinned one is checked here; that its quorum signed it, and that signers
took it, is what the two people know from elsewhere: this host verifies no signature.
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
_EARLIER_MOST = 16
PINS, POLICY, EARLIER = "pins.json", "policy.json", "earlier.json"


def read_policy(path: Path) -> dict[str, object]:
    """Read a policy, alone or with its consents.

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
    return value


def _deployment_of(policy: dict[str, object]) -> object:
    head = policy.get("header")
    return head.get("deployment") if isinstance(head, dict) else None


def read_genesis(path: Path) -> dict[str, object]:
    """Read a first policy, alone or with its consents.

    Raises:
        PolicyFileError: If it is not one.
    """
    value = read_policy(path)
    first = value.get("previous", "") is None and value.get("number") == 1
    if not first or _deployment_of(value) != _GENESIS_DEPLOYMENT:
        raise PolicyFileError("not a first policy: nothing is pinned here, so only a genesis can be")
    return value


def _count(policy: dict[str, object], name: str) -> int:
    entries = policy.get(name)
    return len(entries) if isinstance(entries, list) else 0


def _which(policy: dict[str, object]) -> str:
    number, previous = policy.get("number"), policy.get("previous")
    if not isinstance(previous, str):
        return "First policy"
    return f"Policy {json.dumps(number)}, which follows {in_groups(previous[:16])} …,"


def describe(policy: dict[str, object], digest: str) -> str:
    """Return what a person compares before they pin."""
    counts = ", ".join(f"{_count(policy, name)} {name}" for name in ("people", "wallets", "addresses", "limits"))
    # Shown as JSON: a terminal must not obey what stands in a file.
    institution, profile = json.dumps(policy.get("institution")), json.dumps(policy.get("profile"))
    groups = in_groups(digest)
    half = len(groups) // 2
    return (
        f"{_which(policy)} of {institution}, profile {profile}\n{counts}\n\n"
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


def _installed(root: Path, pins: dict[str, object]) -> list[dict[str, object]]:
    """Return the pinned policy and those before it, the newest first, as far as they are installed here.

    Advancing that was interrupted may have left the pinned policy among the earlier ones already.

    Raises:
        PolicyFileError: If the pinned policy is not installed here.
    """
    found: list[object] = [read_policy(root / POLICY)]
    if (root / EARLIER).exists():
        stored = parse((root / EARLIER).read_bytes())
        before = stored.get("policies") if isinstance(stored, dict) else None
        found += before if isinstance(before, list) else []
    chain: list[dict[str, object]] = []
    wanted = pins.get("policy")
    for one in found:
        if isinstance(one, dict) and policy_digest(one) == wanted:
            chain.append(one)
            wanted = one.get("previous")
    if not chain:
        raise PolicyFileError(f"{PINS} and {POLICY} of this host do not belong together")
    return chain


def _follow(policy: dict[str, object], digest: str, root: Path, pins: object) -> list[dict[str, object]]:
    """Check that a policy follows the pinned one, and return what stays readable: that one and those before it.

    Raises:
        PolicyFileError: If it follows another one, or what is installed here is not in order.
    """
    if not isinstance(pins, dict) or set(pins) != {"deployment", "policy"}:
        raise PolicyFileError(f"{PINS} of this host is not in order")
    chain = _installed(root, pins)
    if digest == pins["policy"]:
        return chain[1:]
    number, before = policy.get("number"), chain[0].get("number")
    following = type(number) is int and type(before) is int and number == before + 1
    if not following or policy.get("previous") != pins["policy"]:
        raise PolicyFileError(
            f"another policy is pinned here (policy {before}), and this one does not follow it: "
            f"to start anew, two people remove {PINS}, {POLICY} and {EARLIER} by hand first"
        )
    if _deployment_of(policy) != pins["deployment"] or policy.get("profile") != chain[0].get("profile"):
        raise PolicyFileError("belongs to another deployment or profile than the policy that is pinned here")
    return chain[:_EARLIER_MOST]


def pin(root: Path, path: Path, *, expect: str | None, ask: Callable[[str], str], say: Callable[[str], None]) -> str:
    """Pin a policy in a host's folder: the first one, or the one that follows what is pinned.

    Args:
        root: The folder that the host serves its JSON from.
        path: The policy's JSON.
        expect: The digest that people compared already; None to ask for its first digits.
        ask: Reads a line from the console.
        say: Shows text on the console.

    Returns:
        The digest.

    Raises:
        PolicyFileError: If the file is no policy that could be pinned here, or was not confirmed.
    """
    pinned = root / PINS
    pins = parse(pinned.read_bytes()) if pinned.exists() else None
    policy = read_policy(path) if pins is not None else read_genesis(path)
    digest = policy_digest(policy)
    chain = [] if pins is None else _follow(policy, digest, root, pins)
    say(describe(policy, digest))
    _check_expected(digest, expect, ask)
    root.mkdir(parents=True, exist_ok=True)
    deployment = pins["deployment"] if isinstance(pins, dict) else digest
    if chain:
        _write(root / EARLIER, canonical({"policies": chain}) + b"\n")
    # The policy before the pin: between the two writes the page sees an unpinned policy, and refuses.
    _write(root / POLICY, canonical(policy) + b"\n")
    _write(pinned, canonical({"deployment": deployment, "policy": digest}) + b"\n")
    return digest
