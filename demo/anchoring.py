"""The log's anchors: a wallet's notes to itself on the chain, asked by a client that may ask for nothing else.

The institution asks for the first one as soon as there is a log, and then each hour. Here somebody from outside reads
it from a node; the institution only says which transaction to look for.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from demo.services.processes import ServiceError
from demo.steps import run_as

if TYPE_CHECKING:
    from pathlib import Path

    from core.documents.policy import Policy
    from demo.institution import Institution
    from demo.layout import Layout
    from demo.site import Site
    from demo.superuser import Superuser

LABEL, CLIENT_ID = "Anchor", "anchor"
_SECONDS = 60
_STATE = "SELECT transaction_hash, problem FROM oms_anchor WHERE verified_at IS NOT NULL OR problem <> ''"


def _key_file(layout: Layout) -> Path:
    return layout.web / "anchor-key"


def anchor_client_make(layout: Layout) -> dict[str, str]:
    """Make the client's key in a file of the workers; return the half that the policy's description leaves open."""
    key, file, owner = Ed25519PrivateKey.generate(), _key_file(layout), layout.accounts.web
    file.touch(mode=0o600)
    file.write_text(key.private_bytes_raw().hex(), encoding="ascii")
    if owner is not None:
        os.chown(file, owner, owner)
    return {"anchor_key": f"0x{key.public_key().public_bytes_raw().hex()}"}


def anchor_settings(layout: Layout, policy: Policy) -> dict[str, str]:
    """Return the web tier's settings, which only the first policy can give: the wallet is named by its key."""
    (wallet,) = (one for one in policy.wallets if one.label == LABEL)
    return {
        "COUNTERSIGN_ANCHOR_WALLET": wallet.id,
        "COUNTERSIGN_ANCHOR_CLIENT": CLIENT_ID,
        "COUNTERSIGN_ANCHOR_KEY_FILE": str(_key_file(layout)),
    }


def anchors_read(institution: Institution, site: Site, superuser: Superuser) -> tuple[Path, str]:
    """Read the log's anchors from the chain, once the institution says that there is one.

    Args:
        institution: Whose log it is.
        site: Its processes.
        superuser: Sees whether the institution has read its anchor back.

    Returns:
        The file for `countersign-fsck`, and the last anchor's transaction.

    Raises:
        ServiceError: If there is none, or the chain holds something else.
    """
    deadline = time.monotonic() + _SECONDS
    while not (found := superuser.rows(_STATE)):
        if time.monotonic() > deadline:
            raise ServiceError("the log is not anchored")
        time.sleep(0.2)
    if problems := [problem for _, problem in found if problem]:
        raise ServiceError(f"an anchor came to nothing: {problems[0]}")
    papers = institution.layout.papers
    claims, anchors = papers / "anchor-claims.jsonl", papers / "anchors.jsonl"
    claims.write_text(site.web.run("manage.py", "anchors_export"), encoding="ascii")
    (wallet,) = (one for one in institution.policy.wallets if one.label == LABEL)
    chain = wallet.chain.rpartition(":")[2]
    reading = ("--node", institution.node.url, "--wallet", wallet.address, "--chain", chain)
    run_as(None, "-m", "witness", "anchors", "--claims", claims, *reading, "--out", anchors)
    return anchors, f"0x{found[-1][0]}"
