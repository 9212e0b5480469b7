"""The audit log, verified from its records in a new process and from roots that an outsider has; then tampered with.

One changed entry is found by anybody. A log rewritten whole, by somebody who owns the database and the application's
key, holds by itself: only what others keep shows it, and what the chain holds.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from demo.anchoring import anchors_read
from demo.keepers import WITNESS_ID, Roots
from demo.layout import ROOT
from demo.services.processes import ServiceError
from demo.site import witness_url
from demo.superuser import Superuser

if TYPE_CHECKING:
    from demo.institution import Institution
    from demo.site import Site
    from demo.telling import Teller

_SECONDS = 60
_WITNESSED_SECONDS = 30
_HOLDS, _BROKEN = 0, 1
_STATE = (
    "SELECT (SELECT count(*) FROM audit_entry), (SELECT max(size) FROM audit_checkpoint),"
    " (SELECT count(*) FROM audit_signature WHERE checkpoint_id = (SELECT max(size) FROM audit_checkpoint))"
)
_LINES = 2
"""Under a checkpoint: the log's signature and one witness's."""


class LogCheck:
    """Plays an outsider who checks, and a superuser who tampers."""

    def __init__(self, institution: Institution, site: Site, tell: Teller) -> None:
        """Take the institution, its processes, and where it is told."""
        environment = site.owner
        self._institution, self._site, self._layout = institution, site, institution.layout
        self._roots = Roots.of(institution.policy)
        self._tell = tell
        self._key_file = self._layout.web / "audit-key"
        self._note = self._layout.papers / "log-checkpoint"
        url = environment.get("COUNTERSIGN_DATABASE_URL")
        self._source = url or str(self._layout.web / "countersign.sqlite3")
        self._environment = dict(os.environ)
        if url is None:
            self._superuser = Superuser(file=Path(self._source))
        else:
            password = Path(environment["COUNTERSIGN_DATABASE_PASSWORD_FILE"]).read_text(encoding="ascii").strip()
            self._environment["PGPASSWORD"] = password
            self._superuser = Superuser(url=url, password=password)

    def play(self) -> dict[str, object]:
        """Verify the log and tamper with it; every change must be found, and is put back.

        Returns:
            What the story's last line says of it.

        Raises:
            ServiceError: If the log does not hold, or a change is not found.
        """
        self._tell.chapter("The log")
        anchors, transaction = anchors_read(self._institution, self._site, self._superuser)
        anchored, roots = ("--anchors", str(anchors)), (*self._roots.words, "--checkpoint", str(self._note))
        self._tell.step(
            f"anchored on chain as a note of wallet Anchor to itself, read back from a node: {transaction}"
        )
        self._await_witnessed()
        self._fetch_note()
        held = self._expect(_HOLDS, "verified", roots, key=True)
        self._tell.step(f"countersign-fsck, rooted in what the signed policy and the witness say: {held}")
        with self._superuser.one_changed() as index:
            found = self._expect(_BROKEN, f"leaf {index}: modified")
        self._tell.step(f"leaf {index} changed by a superuser; without any root: {found}")
        with self._superuser.all_rewritten(self._key_file.read_bytes().strip()) as index:
            with ThreadPoolExecutor(3) as outsiders:
                rootless = outsiders.submit(self._expect, _HOLDS, "UNROOTED", key=True)
                by_keys = outsiders.submit(self._expect, _BROKEN, "rewritten", roots, key=True)
                by_chain = outsiders.submit(self._expect, _BROKEN, "that the chain holds has another root", anchored)
            rootless.result()
        self._tell.step(f"leaf {index} changed and every hash and checkpoint written anew: it holds, but UNROOTED")
        self._tell.step(f"the same log, rooted in keys: {by_keys.result()}")
        self._tell.step(f"the same log, rooted in nothing but the chain: {by_chain.result()}")
        self._expect(_HOLDS, "1 anchors on chain hold", (*roots, *anchored), key=True)
        self._tell.step("put back, and it holds again, its anchor too")
        return {"audit": "verified", "anchor": transaction}

    def _await_witnessed(self) -> None:
        """Wait until the newest checkpoint covers every entry and has both lines under it."""
        deadline = time.monotonic() + _WITNESSED_SECONDS
        while True:
            entries, size, lines = self._superuser.rows(_STATE)[0]
            if entries == size and lines == _LINES:
                break
            if time.monotonic() > deadline:
                raise ServiceError(f"{entries} entries, the newest checkpoint has {size} and {lines} signatures")
            time.sleep(0.1)
        self._tell.step(f"the checkpoint of all {entries} entries is signed by the log and cosigned by {WITNESS_ID}")

    def _fetch_note(self) -> None:
        """Keep the newest checkpoint as the witness has it: what is cut off after it shows."""
        asked = urllib.parse.urlencode({"origin": self._roots.origin})
        with urllib.request.urlopen(f"{witness_url()}/checkpoint?{asked}", timeout=10) as answer:  # noqa: S310 - our own loopback address
            self._note.write_bytes(answer.read())

    def _expect(self, code: int, words: str, roots: tuple[str, ...] = (), *, key: bool = False) -> str:
        """Run `countersign-fsck`; return its first line if it ends as expected."""
        command = [sys.executable, "-m", "witness", "fsck", "--database", self._source, *roots]
        if key:
            command += ["--key-file", str(self._key_file)]
        done = subprocess.run(
            command,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
            env=self._environment,
        )
        unrooted = code == _HOLDS and not roots
        if done.returncode != code or words not in done.stdout or unrooted is not ("UNROOTED" in done.stdout):
            raise ServiceError(f"fsck was to say {words!r} and end with {code}: {done.stdout}{done.stderr}")
        return done.stdout.strip().splitlines()[0]
