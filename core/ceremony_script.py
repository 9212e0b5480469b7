"""The order of steps in which parties renew a wallet's shares; whoever relays drives it.

As `core.party_script`: it yields batches of requests, is sent what came back, does no I/O, and is believed nothing.
It begins by asking every party where it stands, so it may be begun anew after any stop, from any state.
"""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING, cast

from core.documents.party import SessionKind, SessionTerms, SignedHello
from core.documents.renewal import Proof, Said, ShareTest, SignedWord
from core.epochs import message_of_test
from core.errors import CoreError, EncodingError
from core.evm import finish_signature
from core.names import HASH32
from core.party_script import Batch, Script, ScriptError, catch_up, rounds_script
from core.schema import read_struct, write_struct
from core.sessions import session_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.canonical import Json
    from core.documents.control import SignedCeremony
    from core.documents.renewal import Made
    from core.documents.roster import Wallet

TESTS_TRIED = 12
"""How many test sessions one run begins before it leaves the rest for later."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Renewal:
    """A refresh and who has to be asked about it.

    Attributes:
        signed: The ceremony, with its consents.
        wallet: Its wallet, as the newest policy names it.
        chance: 32 bytes that nobody has seen; the sessions' names are made of them.
    """

    signed: SignedCeremony
    wallet: Wallet
    chance: bytes

    @property
    def ceremony(self) -> str:
        """The ceremony's digest."""
        return self.signed.document.digest

    @property
    def deployment(self) -> str:
        """Whose it is."""
        return self.signed.document.header.deployment

    def session(self, terms: SessionTerms) -> str:
        """Return a session's name, 0x hex."""
        return "0x" + session_id(terms, self.deployment).hex()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Standing:
    """Where one party says that it stands."""

    active: int
    source: bytes
    kept: tuple[SignedWord, ...]
    proof: Proof | None
    activated: SignedWord | None
    destroyed: SignedWord | None
    settled: str | None

    @classmethod
    def read(cls, value: object) -> Standing:
        """Read a party's answer.

        Raises:
            CoreError: If it is none.
        """
        if not isinstance(value, dict):
            message = "not where a party stands"
            raise CoreError(message)
        active, steps = value.get("active"), value.get("steps")
        if type(active) is not int or not isinstance(steps, dict):
            message = "not where a party stands"
            raise CoreError(message)
        kept = value.get("kept")
        return cls(
            active=active,
            source=HASH32.read(value.get("source"), "source"),
            kept=tuple(_word(one) for one in kept) if isinstance(kept, list) else (),
            proof=None if value.get("proof") is None else read_struct(Proof, value["proof"], "proof"),
            activated=None if value.get("activated") is None else _word(value["activated"]),
            destroyed=None if value.get("destroyed") is None else _word(value["destroyed"]),
            settled=_settled(steps),
        )


def _settled(steps: Json) -> str | None:
    evidence = steps.get("staged")
    return evidence if isinstance(evidence, str) else None


def _word(value: object) -> SignedWord:
    return read_struct(SignedWord, value, "word")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Renewed:
    """What came of a refresh: the epoch that all parties use, and each one's word that the old shares are gone."""

    epoch: int
    words: dict[str, Json]


def refresh_script(renewal: Renewal) -> Script[Renewed]:
    """Have all parties of a wallet renew their shares, from wherever they stand, to the end.

    Raises:
        ScriptError: Saying at which step it stopped, and what each party that refused answered. Run it again when
            the reason is gone: it goes on from there.
    """
    names = renewal.wallet.signers
    order = write_struct(renewal.signed, "ceremony")
    frames: dict[str, Json] = {name: {"op": "ceremony", "ceremony": order} for name in names}
    # Whoever knows it already says so, also when its time is over.
    told, refused = yield Batch(step="order", frames=frames)
    if refused:
        message = f"a refresh takes all parties: {', '.join(sorted(refused))} did not take the ceremony"
        raise ScriptError(message, refused, agreed=told)
    standing = yield from _show(renewal, "ask", _proof(renewal))
    if any(one.proof is None for one in standing.values()):
        standing = yield from _to_activation(renewal, standing)
    return (yield from _to_the_end(renewal, standing))


def _proof(renewal: Renewal, **parts: object) -> Proof:
    fields: dict[str, object] = {"ceremony": renewal.ceremony, "kept": (), "tests": (), "activated": ()}
    return Proof(**(fields | parts))  # type: ignore[arg-type] # each caller names fields of the class


def _show(renewal: Renewal, step: str, proof: Proof) -> Script[dict[str, Standing]]:
    """Show every party the same, and read where each stands then; all have to answer."""
    shown = write_struct(proof, "proof")
    frames: dict[str, Json] = {name: {"op": "refresh", "proof": shown} for name in renewal.wallet.signers}
    good, refused = yield Batch(step=step, frames=frames)
    standing: dict[str, Standing] = {}
    for name, value in good.items():
        try:
            standing[name] = Standing.read(value)
        except CoreError as error:
            refused[name] = {"code": "answer", "message": f"not what a party answers: {error}", "retry": True}
    if refused:
        message = f"{step}: {len(refused)} of {len(frames)} parties refused"
        raise ScriptError(message, refused, agreed=standing)
    return standing


def _to_activation(renewal: Renewal, standing: Mapping[str, Standing]) -> Script[dict[str, Standing]]:
    known = next((one.proof for one in standing.values() if one.proof is not None), None)
    if known is not None:
        # One party went over already: its proof takes the others along.
        return (yield from _show(renewal, "activate", known))
    kept = _agreed(renewal, standing)
    if kept is None:
        yield from _make(renewal, standing)
        standing = yield from _show(renewal, "ask", _proof(renewal))
        kept = _agreed(renewal, standing)
    if kept is None:
        message = "the parties do not keep shares of one session: run it again"
        raise ScriptError(message, {})
    yield from _show(renewal, "stage", _proof(renewal, kept=kept))
    tests = yield from _test(renewal, kept[0].word.made)
    return (yield from _show(renewal, "activate", _proof(renewal, kept=kept, tests=tests)))


def _agreed(renewal: Renewal, standing: Mapping[str, Standing]) -> tuple[SignedWord, ...] | None:
    """Return everybody's word on the shares of one session, that on which somebody has settled first."""
    said: dict[Made, dict[str, SignedWord]] = {}
    for name, one in standing.items():
        for signed in one.kept:
            if signed.word.party == name and signed.word.said is Said.KEPT:
                said.setdefault(signed.word.made, {})[name] = signed
    settled = {one.settled for one in standing.values()}
    whole = [made for made, words in said.items() if set(words) == set(renewal.wallet.signers)]
    whole.sort(key=lambda made: made.digest not in settled)
    return tuple(said[whole[0]][name] for name in renewal.wallet.signers) if whole else None


def _make(renewal: Renewal, standing: Mapping[str, Standing]) -> Script[None]:
    """Run a session that makes new shares, of those of one epoch."""
    epochs = {name: one.active for name, one in standing.items()}
    if len(set(epochs.values())) > 1:
        yield from catch_up(renewal.wallet, epochs)
        standing = yield from _show(renewal, "ask", _proof(renewal))
    newest = max((one.active, one.source) for one in standing.values())
    behind = sorted(name for name, one in standing.items() if (one.active, one.source) != newest)
    if behind:
        message = f"{', '.join(behind)} do not use the shares of epoch {newest[0]} that others use"
        raise ScriptError(message, {})
    terms = _terms(renewal, SessionKind.REFRESH, renewal.wallet.signers, newest[1], b"make")
    yield from _session(renewal, terms, "refresh")


def _terms(
    renewal: Renewal, kind: SessionKind, quorum: tuple[str, ...], message_hash: bytes, label: bytes
) -> SessionTerms:
    wallet = renewal.wallet
    return SessionTerms(
        kind=kind,
        wallet=wallet.id,
        public_key=wallet.public_key,
        epoch=renewal.signed.document.epoch,
        threshold=wallet.threshold,
        quorum=quorum,
        message_hash=message_hash,
        subject=renewal.ceremony,
        nonce=hashlib.sha256(renewal.chance + label).digest(),
    )


def _session(renewal: Renewal, terms: SessionTerms, step: str) -> Script[dict[str, Json]]:
    frames: dict[str, Json] = {name: {"op": "greet", "terms": write_struct(terms, "terms")} for name in terms.quorum}
    hellos, refused = yield Batch(step=f"{step}: greet", frames=frames)
    for name, hello in list(hellos.items()):
        try:
            read_struct(SignedHello, hello, "hello")
        except CoreError as error:
            refused[name] = {"code": "answer", "message": str(error), "retry": True}
    if refused:
        message = f"{step}: {len(refused)} of {len(frames)} parties refused"
        raise ScriptError(message, refused)
    return (yield from rounds_script(renewal.session(terms), hellos))


def _quorums(wallet: Wallet, missing: set[str]) -> tuple[str, ...]:
    """Return t parties with as many as can be of those that no test has covered yet."""
    first = [name for name in wallet.signers if name in missing]
    others = [name for name in wallet.signers if name not in missing]
    chosen = {*[*first, *others][: wallet.threshold]}
    return tuple(name for name in wallet.signers if name in chosen)


def _test(renewal: Renewal, made: Made) -> Script[tuple[ShareTest, ...]]:
    """Have quorums that cover every party sign a test over the new shares."""
    missing = set(renewal.wallet.signers)
    tests: list[ShareTest] = []
    for number in range(TESTS_TRIED):
        if not missing:
            return tuple(tests)
        quorum = _quorums(renewal.wallet, missing)
        terms = _terms(
            renewal, SessionKind.TEST, quorum, message_of_test(made, quorum), b"test" + number.to_bytes(2, "big")
        )
        answers = yield from _session(renewal, terms, f"test of {', '.join(quorum)}")
        made_here = [one for one in map(_test_of, answers.values()) if one is not None and _holds(one, made, renewal)]
        if made_here and made_here[0].quorum == quorum:
            tests.append(made_here[0])
            missing -= set(quorum)
    message = "no test signature covers every party"
    raise ScriptError(message, {})


def _test_of(answer: Json) -> ShareTest | None:
    try:
        return read_struct(ShareTest, answer.get("test"), "test")
    except CoreError:
        return None


def _holds(test: ShareTest, made: Made, renewal: Renewal) -> bool:
    """Whether a signature is what the parties will take for a test: one that lies keeps nobody from the others'."""
    try:
        finish_signature(message_of_test(made, test.quorum), test.signature, renewal.wallet.public_key)
    except EncodingError:
        return False
    return True


def _to_the_end(renewal: Renewal, standing: Mapping[str, Standing]) -> Script[Renewed]:
    known = next((one.proof for one in standing.values() if one.proof is not None), None)
    if known is not None and any(one.activated is None for one in standing.values()):
        standing = yield from _show(renewal, "activate", known)
    words = [one.activated for one in standing.values()]
    if any(word is None for word in words):
        message = "not every party uses the new epoch yet"
        raise ScriptError(message, {}, agreed=[name for name, one in standing.items() if one.activated is not None])
    activated = tuple(cast("SignedWord", word) for word in words)
    standing = yield from _show(renewal, "destroy", _proof(renewal, activated=activated))
    gone = {name: one.destroyed for name, one in standing.items() if one.destroyed is not None}
    if set(gone) != set(renewal.wallet.signers):
        message = "not every party has destroyed its old share"
        raise ScriptError(message, {}, agreed=list(gone))
    epoch = renewal.signed.document.epoch
    return Renewed(epoch=epoch, words={name: write_struct(word, "word") for name, word in gone.items()})
