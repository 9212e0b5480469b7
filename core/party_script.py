"""The order of steps that has a case signed by the parties of a threshold wallet; whoever relays drives it.

A script yields batches of requests, is sent what came back, and returns what came of it: no I/O, no clock, no chance
of its own. Courier and custody drive the same one. Nobody trusts it: each party verifies the case, the certificate,
the terms and the other parties' signatures for itself. And it trusts no party: an answer that cannot be used counts
as none, and what one party says never shuts another one out.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Generator
from typing import TYPE_CHECKING, TypeVar, cast

from core.certificate import certificate_size
from core.degraded import going_together
from core.documents.bundle import Signature
from core.documents.party import MOST_PARTIES, Binding, SessionKind, SessionTerms, SignedHello, SignedReservation
from core.errors import CoreError
from core.names import COUNT
from core.party_quorums import newest_epoch, ways
from core.schema import read_struct, write_struct
from core.sessions import session_id

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from core.canonical import Json
    from core.documents.roster import Wallet

ROUNDS_MOST = 8
"""More than any protocol of ours has."""
SESSIONS_MOST = 3
"""Sessions that may end without a signature before the case is left for later: each counts against the epoch."""
UNUSABLE = "answer"
"""The code of an answer that is not what a party may answer."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Batch:
    """Requests for several parties at once.

    Attributes:
        step: What they are, for people: `prepare`, `reserve`, `join`, `begin`, `round 1`, …
        frames: A request for each party, by its roster id, without the protocol's version.
        keep: A certificate that has to be stored for good before these requests are sent.
    """

    step: str
    frames: dict[str, Json]
    keep: Json | None = None


Heard = tuple[dict[str, "Json"], dict[str, "Json"]]
"""What a batch brought: the results of those who agreed, and the errors of those who did not or gave no answer."""
_Made = TypeVar("_Made")
Script = Generator[Batch, Heard, _Made]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Signed:
    """What came of a case. `certificate` is None where the very transaction had been signed before."""

    signature: Json
    certificate: Json | None


class ScriptError(CoreError):
    """It came to nothing now."""

    def __init__(self, message: str, refusals: Mapping[str, Json], *, agreed: Collection[str] = ()) -> None:
        """Say how far it came.

        Args:
            message: One sentence for people.
            refusals: What each party that said no, or nothing, answered: `code` and `message`, by its roster id.
            agreed: The parties that agreed as far as they were asked.
        """
        super().__init__(message)
        self.refusals = dict(refusals)
        self.agreed = tuple(agreed)


def _unusable(message: str) -> Json:
    return {"code": UNUSABLE, "message": message, "retry": True}


def _usable(heard: Heard, read: Callable[[str, Json], _Made]) -> tuple[dict[str, _Made], dict[str, Json]]:
    """Read each result; one that cannot be read counts as a refusal of its party."""
    read_ones: dict[str, _Made] = {}
    refused = dict(heard[1])
    for name, result in heard[0].items():
        try:
            read_ones[name] = read(name, result)
        except CoreError as error:
            refused[name] = _unusable(f"not what a party answers: {error}")
    return read_ones, refused


def _ask_all(batch: Batch) -> Script[dict[str, Json]]:
    good, refused = yield batch
    if refused:
        raise _ended(batch, good, refused)
    return good


def _ended(batch: Batch, good: Mapping[str, Json], refused: Mapping[str, Json]) -> ScriptError:
    message = f"{batch.step}: {len(refused)} of {len(batch.frames)} parties refused"
    return ScriptError(message, refused, agreed=tuple(good))


def rounds_script(
    session: str,
    hellos: Mapping[str, Json],
    *,
    keep: Json | None = None,
    ends: Callable[[Json], bool] = lambda _: False,
) -> Script[dict[str, Json]]:
    """Carry a session from its hellos to its end.

    Args:
        session: Its name, 0x hex.
        hellos: Each party's word, by its roster id.
        keep: As `Batch.keep`, for the first request.
        ends: Whether an answer brings what the session is for, whatever the other parties answer or send on.

    Returns:
        Each party's last answer.

    Raises:
        ScriptError: If a party ended it, or sent what cannot be carried.
    """
    beginning: Json = {"session": session, "hellos": list(hellos.values())}
    frames: dict[str, Json] = {name: {"op": "begin", "beginning": beginning} for name in hellos}
    answers = yield from _ask_all(Batch(step="begin", frames=frames, keep=keep))
    for number in range(1, ROUNDS_MOST + 1):
        sent: list[Json] = []
        for name, answer in answers.items():
            sent += _envelopes(name, answer, hellos)
        if not sent:
            return answers
        frames = {
            name: {"op": "turn", "turn": {"session": session, "envelopes": _for(name, sent)}} for name in hellos
        }
        batch = Batch(step=f"round {number}", frames=frames)
        answers, refused = yield batch
        if any(map(ends, answers.values())):
            return answers
        if refused:
            raise _ended(batch, answers, refused)
    raise ScriptError("the session has more rounds than any protocol", {})


def _envelopes(name: str, answer: Json, names: Collection[str]) -> list[Json]:
    """Return what a party sends, each to be carried to somebody; what nobody waits for would keep a session open."""
    envelopes = answer.get("envelopes")
    if not isinstance(envelopes, list) or not all(isinstance(one, dict) for one in envelopes):
        raise ScriptError(f"{name} sends no envelopes", {name: _unusable("no envelopes")})
    to_whom: list[object] = [None, *(other for other in names if other != name)]
    if any(one.get("sender") != name or one.get("receiver") not in to_whom for one in envelopes):
        message = "envelopes of another party, or to nobody in the session"
        raise ScriptError(f"{name} sends {message}", {name: _unusable(message)})
    return cast("list[Json]", envelopes)


def _for(name: str, sent: Iterable[Json]) -> list[Json]:
    return [one for one in sent if one["sender"] != name and one["receiver"] in (None, name)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """A case and who may be asked about it.

    Attributes:
        bundle: The case, as it goes to the parties.
        deployment: Whose, as the bundle's header names it.
        wallet: Its wallet, as the newest policy names it.
        ask: The parties to ask, those to be preferred first.
        chance: 32 bytes that nobody has seen; the sessions' names are made of them.
        accepts: Whether a signature that a party answers is the one that was asked for.
    """

    bundle: Json
    deployment: str
    wallet: Wallet
    ask: tuple[str, ...]
    chance: bytes
    accepts: Callable[[Json], bool] = lambda _: True

    @property
    def needed(self) -> int:
        """How many parties have to reserve it."""
        return certificate_size(len(self.wallet.signers), self.wallet.threshold)


def reserve_script(case: Case) -> Script[Signed | Words]:
    """Ask parties about a case, and have enough of them reserve it.

    Returns:
        The signature, where the very transaction was signed before; else what the parties gave their word on.

    Where fewer agree than a certificate takes, those go on that say they are in one degraded mode (`core.degraded`).

    Raises:
        ScriptError: If too few agree. Where already looking at it shows that, none has reserved anything.
    """
    names = [name for name in case.ask if name in case.wallet.signers]
    told = yield _batch(case, "prepare", names)
    looked, refused = _usable(told, lambda _, result: _read_ready(case, result))
    stored = next((one for one in looked.values() if not isinstance(one, int)), None)
    if stored is not None:
        return Signed(signature=stored, certificate=None)
    epochs = {name: epoch for name in names if isinstance(epoch := looked.get(name), int)}
    if len(set(epochs.values())) > 1:
        epochs = yield from catch_up(case.wallet, epochs)
    # Nobody reserves a nonce for a case that too few would reserve it for.
    needed = case.needed
    if len(epochs) < needed:
        going_on = going_together(told[0], epochs, case.wallet.threshold)
        if not going_on:
            message = f"{len(epochs)} of {len(case.wallet.signers)} parties agree, {needed} have to"
            raise ScriptError(message, refused, agreed=epochs)
        needed, epochs = case.wallet.threshold, {name: epochs[name] for name in going_on}
    heard = yield _batch(case, "reserve", list(epochs))
    bindings, unwilling = _usable(heard, _read_word)
    most = Counter(bindings.values()).most_common(1)
    agreed = [name for name in epochs if name in bindings and bindings[name] == most[0][0]]
    refused |= unwilling
    refused |= {name: _unusable("it reserved something else") for name in bindings if name not in agreed}
    if len(agreed) < needed:
        raise ScriptError(f"{len(agreed)} parties reserved it, {needed} have to", refused, agreed=agreed)
    words, epochs = {name: heard[0][name] for name in agreed}, {name: epochs[name] for name in agreed}
    return Words(binding=most[0][0], words=words, epochs=epochs, refused=refused, needed=needed)


def catch_up(wallet: Wallet, epochs: Mapping[str, int]) -> Script[dict[str, int]]:
    """Bring parties that use an older epoch of their shares the proof of the newest that anybody says it uses.

    Args:
        wallet: Whose shares.
        epochs: The epoch that each party says it uses, by its roster id.

    Returns:
        The epochs that they say now.
    """
    newest, now = max(epochs.values()), dict(epochs)
    ahead = [name for name in epochs if epochs[name] == newest]
    told, _ = yield Batch(step="status", frames={name: {"op": "status"} for name in ahead})
    shares = [one.get("shares") for one in told.values()]
    mine = [one.get(wallet.id) for one in shares if isinstance(one, dict)]
    named = [one.get("ceremony") for one in mine if isinstance(one, dict)]
    for ceremony in sorted({one for one in named if isinstance(one, str)}):
        empty: Json = {"ceremony": ceremony, "kept": [], "tests": [], "activated": []}
        asked, _ = yield Batch(step="ask", frames={name: {"op": "refresh", "proof": empty} for name in ahead})
        for proof in [one["proof"] for one in asked.values() if isinstance(one.get("proof"), dict)]:
            frames: dict[str, Json] = {
                name: {"op": "refresh", "proof": proof} for name, epoch in now.items() if epoch < newest
            }
            for name, one in (yield Batch(step="activate", frames=frames))[0].items():
                active = one.get("active")
                now[name] = active if type(active) is int else now[name]
    return now


@dataclasses.dataclass(frozen=True, kw_only=True)
class Words:
    """Reservations of one binding by at least as many parties as a certificate takes, those preferred first.

    `needed` is how many that is: in degraded mode no more than sign together.
    """

    binding: Binding
    words: dict[str, Json]
    epochs: dict[str, int]
    refused: dict[str, Json]
    needed: int


def _batch(case: Case, op: str, names: Iterable[str]) -> Batch:
    return Batch(step=op, frames={name: {"op": op, "bundle": case.bundle} for name in names})


def _read_ready(case: Case, result: Json) -> int | Json:
    """Return the epoch of a party's share, or the signature that it has already."""
    stored, epoch = result.get("stored"), result.get("epoch")
    if stored is not None:
        read_struct(Signature, stored, "stored")
        if not case.accepts(cast("Json", stored)):
            message = "its signature is not of this case"
            raise CoreError(message)
        return cast("Json", stored)
    return int(COUNT.read(epoch, "epoch"))


def _read_word(name: str, result: Json) -> Binding:
    document = read_struct(SignedReservation, result, "reservation").document
    if document.party != name:
        message = "another party's word"
        raise CoreError(message)
    return document.binding


def session_script(case: Case, words: Words) -> Script[Signed]:
    """Have t of the parties that reserved a case sign it.

    Parties that end a session, or refuse to join, are left out while others are there to be asked.

    Raises:
        ScriptError: If no quorum signed it now.
    """
    newest = newest_epoch(words.epochs, case.wallet.threshold)
    able = [name for name in words.words if words.epochs[name] == newest]
    if len(able) < case.wallet.threshold:
        message = f"{len(able)} parties have shares of epoch {newest}, {case.wallet.threshold} sign"
        raise ScriptError(message, words.refused, agreed=able)
    refused, sessions = dict(words.refused), 0
    for number, (quorum, certificate) in enumerate(ways(case, words, able, refused)):
        terms = _terms(case, words.binding, newest, quorum, number)
        joining: Json = {"bundle": case.bundle, "certificate": certificate, "terms": write_struct(terms, "terms")}
        frames: dict[str, Json] = {name: {"op": "join", "joining": joining} for name in quorum}
        hellos, unwilling = _usable((yield Batch(step="join", frames=frames)), _read_hello)
        refused |= unwilling
        if unwilling:
            continue
        try:
            answers = yield from rounds_script(
                _name(terms, case), hellos, keep=certificate, ends=lambda one: _signature_of(one, case) is not None
            )
        except ScriptError as error:
            answers = {}
            refused |= error.refusals
        made = next((one for answer in answers.values() if (one := _signature_of(answer, case)) is not None), None)
        if made is not None:
            return Signed(signature=made, certificate=certificate)
        sessions += 1
        if sessions == SESSIONS_MOST:
            break
    raise ScriptError("the parties that reserved it did not sign it together", refused, agreed=able)


def _terms(case: Case, binding: Binding, epoch: int, quorum: tuple[str, ...], number: int) -> SessionTerms:
    return SessionTerms(
        kind=SessionKind.SIGN,
        wallet=case.wallet.id,
        public_key=case.wallet.public_key,
        epoch=epoch,
        threshold=case.wallet.threshold,
        quorum=quorum,
        message_hash=binding.signing_hash,
        subject=binding.cancel or binding.intent,
        nonce=hashlib.sha256(case.chance + number.to_bytes(4, "big")).digest(),
    )


def _name(terms: SessionTerms, case: Case) -> str:
    return "0x" + session_id(terms, case.deployment).hex()


def _read_hello(_: str, result: Json) -> Json:
    read_struct(SignedHello, result, "hello")
    return result


def _signature_of(answer: Json, case: Case) -> Json | None:
    signature = answer.get("signature")
    try:
        read_struct(Signature, signature, "signature")
    except CoreError:
        return None
    return cast("Json", signature) if case.accepts(cast("Json", signature)) else None


def sign_script(case: Case) -> Script[Signed]:
    """Have a case signed by as many parties as it takes.

    Raises:
        ScriptError: Saying how far it came, and what each party that refused answered.
    """
    if len(case.chance) != hashlib.sha256().digest_size or len(case.wallet.signers) > MOST_PARTIES:
        message = "a session takes 32 bytes of chance, and no more parties than a wallet can have"
        raise ScriptError(message, {})
    words = yield from reserve_script(case)
    if isinstance(words, Signed):
        return words
    return (yield from session_script(case, words))
