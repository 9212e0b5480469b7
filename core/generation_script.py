"""The order of steps in which running parties make a further key; as `core.ceremony_script`."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING

from core.documents.party import SignedHello
from core.documents.renewal import SignedWord
from core.errors import CoreError
from core.party_script import Batch, Script, ScriptError, rounds_script
from core.schema import read_struct, write_struct
from core.sessions import session_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.canonical import Json
    from core.documents.control import SignedCeremony
    from core.documents.party import SessionTerms
    from core.documents.renewal import Made
    from core.founding import FoundingPlan


@dataclasses.dataclass(frozen=True, kw_only=True)
class Generation:
    """A key that is to be made.

    Attributes:
        signed: The ceremony, with its consents.
        plan: What the ceremony names by its digest.
        chance: 32 bytes that nobody has seen; the session's name is made of them.
    """

    signed: SignedCeremony
    plan: FoundingPlan
    chance: bytes

    @property
    def names(self) -> tuple[str, ...]:
        """All parties, in the order of their indices."""
        return self.signed.document.signers

    @property
    def terms(self) -> SessionTerms:
        """The terms of the session that makes the key."""
        nonce = hashlib.sha256(self.chance + b"generate").digest()
        return dataclasses.replace(self.plan.terms, nonce=nonce, subject=self.signed.document.digest)

    def showing(self, words: list[Json]) -> Json:
        """Return a request that shows the plan and words."""
        shown: Json = {
            "ceremony": self.signed.document.digest,
            "plan": write_struct(self.plan, "plan"),
            "words": words,
        }
        return {"op": "generate", "generation": shown}


def generate_script(generation: Generation) -> Script[dict[str, Json]]:
    """Have parties make a key, from wherever they stand.

    Returns:
        What each party says came out: `wallet` (CAIP-10), `public_key`, `plan`. People compare the addresses.

    Raises:
        ScriptError: Saying at which step it stopped; run it again when the reason is gone.
    """
    order = write_struct(generation.signed, "ceremony")
    yield from _all(generation, "order", {"op": "ceremony", "ceremony": order})
    said = yield from _ask(generation)
    if _agreed(generation, said) is None:
        yield from _make(generation)
        said = yield from _ask(generation)
    words = _agreed(generation, said)
    if words is None:
        message = "the parties do not keep shares of one key: run it again"
        raise ScriptError(message, {})
    answers = yield from _all(generation, "settle", generation.showing(words))
    made = {name: one for name, answer in answers.items() if isinstance(one := answer.get("made"), dict)}
    if set(made) != set(generation.names) or len({str(sorted(one.items())) for one in made.values()}) != 1:
        message = "the parties do not say the same: nobody may use this key"
        raise ScriptError(message, {}, agreed=list(made))
    return made


def _all(generation: Generation, step: str, frame: Json) -> Script[dict[str, Json]]:
    good, refused = yield Batch(step=step, frames=dict.fromkeys(generation.names, frame))
    if refused:
        message = f"{step}: {len(refused)} of {len(generation.names)} parties refused"
        raise ScriptError(message, refused, agreed=good)
    return good


def _ask(generation: Generation) -> Script[dict[str, list[SignedWord]]]:
    answers = yield from _all(generation, "ask", generation.showing([]))
    said: dict[str, list[SignedWord]] = {}
    for name, answer in answers.items():
        kept = answer.get("kept")
        try:
            said[name] = [read_struct(SignedWord, one, "word") for one in kept] if isinstance(kept, list) else []
        except CoreError as error:
            refusal: Json = {"code": "answer", "message": str(error), "retry": True}
            message = f"{name} does not answer as a party does"
            raise ScriptError(message, {name: refusal}) from error
    return said


def _agreed(generation: Generation, said: Mapping[str, list[SignedWord]]) -> list[Json] | None:
    """Return everybody's word on one key, if there is one of which all keep a share."""
    found: dict[Made, dict[str, SignedWord]] = {}
    for name, words in said.items():
        for signed in words:
            if signed.word.party == name:
                found.setdefault(signed.word.made, {})[name] = signed
    for words_of in found.values():
        if set(words_of) == set(generation.names):
            return [write_struct(words_of[name], "word") for name in generation.names]
    return None


def _make(generation: Generation) -> Script[None]:
    terms = generation.terms
    hellos = yield from _all(generation, "greet", {"op": "greet", "terms": write_struct(terms, "terms")})
    for name, hello in hellos.items():
        try:
            read_struct(SignedHello, hello, "hello")
        except CoreError as error:
            refusal: Json = {"code": "answer", "message": str(error), "retry": True}
            message = f"{name} does not answer as a party does"
            raise ScriptError(message, {name: refusal}) from error
    session = session_id(terms, generation.signed.document.header.deployment)
    yield from rounds_script("0x" + session.hex(), hellos)
