"""Looks through processes' memory and through files for secrets that only a test knows how to find."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""Of secp256k1's group (SEC 2)."""
SECRET = slice(41 + 37, 41 + 69)
"""Where a serialised share has its secret (`mpc/src/share.rs`; `tests/mpc/test_shares.py` says so too)."""


def whole_key(shares: Mapping[int, bytes]) -> bytes:
    """Put a key together from as many shares as sign, by Lagrange's formula at 0. Nothing but tests can do this.

    Args:
        shares: Serialised shares by index.

    Returns:
        The secret scalar, 32 bytes, big-endian.
    """
    total = 0
    for index, blob in shares.items():
        weight = 1
        for other in shares:
            if other != index:
                weight = weight * other * pow(other - index, -1, ORDER) % ORDER
        total += int.from_bytes(blob[SECRET]) * weight
    return (total % ORDER).to_bytes(32)


def spellings(secret: bytes) -> list[bytes]:
    """Return the ways in which 32 bytes may lie somewhere: either order, hex, decimal, base64 at any alignment."""
    found = [secret, secret[::-1], secret.hex().encode(), secret.hex().upper().encode()]
    found.append(str(int.from_bytes(secret)).encode())
    for before in range(3):
        text = base64.b64encode(bytes(before) + secret)
        whole = text[4 if before else 0 : -4]
        found += [whole, whole.replace(b"+", b"-").replace(b"/", b"_")]
    return list(dict.fromkeys(found))


def memory(pid: int) -> Iterator[bytes]:
    """Yield all memory of a process that it can write, region by region."""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as opened:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, rights, *_ = line.split()
            if not rights.startswith("rw") or "[v" in line:
                continue
            start, end = (int(part, 16) for part in span.split("-"))
            opened.seek(start)
            try:
                yield opened.read(end - start)
            except OSError:  # a region that went away meanwhile
                continue


def files(*folders: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield every file below some folders."""
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file():
                yield path, path.read_bytes()


def holds(regions: Iterable[bytes], secrets: Iterable[bytes]) -> bool:
    """Whether any of these secrets lies there, in any spelling."""
    wanted = [spelling for secret in secrets for spelling in spellings(secret)]
    return any(spelling in region for region in regions for spelling in wanted)
