"""Load a share, use it, look for its secret in this process' memory, wipe it, look again.

The secret is looked for as the library holds it: little-endian, as a scalar's words lie in memory. What is looked
for is itself in memory, so it is kept in two parts of which one is masked.
"""

from __future__ import annotations

import sys
from pathlib import Path

from countersign_mpc import RefreshSession, Share, SignSession

START, MIDDLE, END = 41 + 37, 41 + 53, 41 + 69
MASK = 0xA5


def found(first: bytes, masked: bytes) -> bool:
    """Whether the secret lies anywhere in memory that can be written."""
    with Path("/proc/self/mem").open("rb", buffering=0) as memory:
        for line in Path("/proc/self/maps").read_text().splitlines():
            span, rights, *_ = line.split()
            if not rights.startswith("rw") or "[v" in line:
                continue
            start, end = (int(part, 16) for part in span.split("-"))
            memory.seek(start)
            region = memory.read(end - start)
            at = region.find(first)
            while at >= 0:
                if all(region[at + 16 + i] ^ MASK == byte for i, byte in enumerate(masked) if at + 32 <= len(region)):
                    return True
                at = region.find(first, at + 1)
    return False


def main() -> None:
    """Read the blob's hex, say what was found before and after."""
    blob = bytearray.fromhex(sys.stdin.read())
    # Never the whole in one piece: little-endian, the last 16 bytes come first.
    first = bytes(reversed(blob[MIDDLE:END]))
    masked = bytes(byte ^ MASK for byte in reversed(blob[START:MIDDLE]))
    share = Share.load(blob)
    blob[:] = bytes(len(blob))
    signing = SignSession(share, session=bytes(32), counterparties=[2], message_hash=bytes(32))
    renewing = RefreshSession(share, session=bytes(32))
    signing.start()
    renewing.start()
    sys.stdout.write("found\n" if found(first, masked) else "not found\n")
    share.wipe()
    del signing, renewing
    sys.stdout.write("still there\n" if found(first, masked) else "gone\n")


main()
