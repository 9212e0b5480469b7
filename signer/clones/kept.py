"""A clone on its way to the second token, and what either token's folder keeps of the ceremony that made it.

Nothing in the file is a secret to whoever lacks the transport key. AES key wrap takes no associated data, so what
binds it together is its digest, which people compare at both consoles, and which the first signer's journal names.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.canonical import canonical_of_codecs, parse, tagged_digest
from core.clones import CloneName, check_promise
from core.documents.control import Ceremony, CeremonyKind
from core.errors import CoreError, RefusedError
from core.names import DIGEST
from core.records import CeremonyStep
from core.schema import Base64Url, Constant, Struct, of, read_struct, write_struct
from signer.config import check_private
from signer.errors import BackupError, ConfigError, TokenKeyError
from signer.files import write_new

if TYPE_CHECKING:
    from pathlib import Path

    from core.canonical import Json
    from core.documents.roster import Wallet
    from core.journal import Journal

CLONE, KEPT = "countersign.clone.v1", "countersign.kept-clone.v1"
FOLDER = "clones"
WRAPPED_BYTES = 512
"""The most that a wrapped secp256k1 key has: 72 bytes with SoftHSM, which leaves the public key out."""
FILE_BYTES = 64 * 1024
"""The most that is read of any of these files."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CloneFile(CloneName):
    """A key under an AES key (`wrapped`), and that under the second token's transport key (`wrapped_key`)."""

    kind: str = of(Constant(CLONE))
    wrapped_key: bytes = of(Base64Url(most=1024))
    wrapped: bytes = of(Base64Url(most=WRAPPED_BYTES))

    @property
    def digest(self) -> str:
        """What people compare and the journal names: 64 hex digits."""
        return tagged_digest("clone", canonical_of_codecs(self.json))

    @property
    def json(self) -> Json:
        """The file's content."""
        return write_struct(self, "clone")

    @property
    def name(self) -> CloneName:
        """Which key it is."""
        return CloneName(**{field.name: getattr(self, field.name) for field in dataclasses.fields(CloneName)})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kept:
    """What a folder remembers: the ceremony as people signed it, the key's name, the digest of the clone's file."""

    kind: str = of(Constant(KEPT))
    ceremony: Ceremony = of(Struct(lambda: Ceremony))
    name: CloneName = of(Struct(lambda: CloneName))
    clone: str = of(DIGEST)


def read_clone(raw: bytes) -> CloneFile:
    """Read a clone's file.

    Raises:
        BackupError: If it is cut, changed in its form, or something else.
    """
    try:
        return read_struct(CloneFile, parse(raw, max_bytes=FILE_BYTES), "clone")
    except CoreError as error:
        raise BackupError(f"this is no clone: {error}") from error


def label_of(ceremony: str) -> str:
    """Return the label of a key that was made with a clone, in both tokens."""
    return f"countersign clone {ceremony}"


def kept_path(state: Path, ceremony: str) -> Path:
    """Return where a folder keeps what it knows of a clone."""
    return state / FOLDER / f"{ceremony}.json"


def keep(state: Path, kept: Kept) -> None:
    """Write down, durably, what is kept of a clone; what a run that was stopped wrote is replaced."""
    path = kept_path(state, kept.name.ceremony)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.unlink(missing_ok=True)
    write_new(path, canonical_of_codecs(write_struct(kept, "kept")), mode=0o400)


def read_kept(state: Path, ceremony: str) -> Kept | None:
    """Return what a folder keeps of a clone's ceremony; None if it knows none.

    Raises:
        ConfigError: If the file is open to others, broken, or of another ceremony.
    """
    path = kept_path(state, ceremony)
    if not path.exists():
        return None
    check_private(path, most=0o400)
    try:
        kept = read_struct(Kept, parse(path.read_bytes(), max_bytes=FILE_BYTES), "clones")
    except CoreError as error:
        raise ConfigError(f"{path}: {error}") from error
    document = kept.ceremony
    fits = (document.digest, document.kind, document.signers) == (ceremony, CeremonyKind.CLONE, (kept.name.signer,))
    if not fits or kept.name.ceremony != ceremony:
        raise ConfigError(f"{path}: holds another ceremony")
    return kept


class Clones:
    """The clones' ceremonies that a signer's folder knows."""

    def __init__(self, state: Path) -> None:
        """Read from this folder when asked."""
        self._state = state
        self._journal: Journal | None = None

    def follow(self, journal: Journal) -> None:
        """Hold what is kept against this journal from now on."""
        self._journal = journal

    def check(self, wallet: Wallet) -> None:
        """Refuse a wallet with a clone unless the ceremony that its policy names made this key, here.

        The journal says so; one that a ceremony started anew does not know it, and the folder's word is enough then:
        the policy that people signed names both the ceremony's digest and the key.

        Raises:
            TokenKeyError: Saying what does not fit.
        """
        journal = self._journal
        if wallet.clone is None:
            return
        if journal is None or journal.start is None:
            raise TokenKeyError("a first policy names no clone: no ceremony can have made it")
        try:
            kept = read_kept(self._state, wallet.clone)
            if kept is None:
                raise TokenKeyError("the policy names a clone whose ceremony this folder does not know")
            check_promise(kept.name, wallet, journal.start.signer, journal.start.deployment)
        except (ConfigError, RefusedError) as error:
            raise TokenKeyError(str(error)) from error
        if wallet.clone not in journal.ceremonies:
            if journal.start.ceremony is None:
                raise TokenKeyError("this journal knows nothing of the clone that the policy names")
            return
        step = journal.ceremonies.done(wallet.clone).get(CeremonyStep.BACKED_UP)
        if step is None or step.evidence != kept.clone:
            raise TokenKeyError("the journal says otherwise of the clone that the policy names")
