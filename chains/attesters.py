"""Asking attesters for their word on a transaction. What they sign is checked by `core.attested`, here and elsewhere.

Nobody is believed here: an answer that is no attestation of this very intent by this very attester is none.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import requests
from django.conf import settings
from urllib3.exceptions import HTTPError

from chains.errors import ChainsError
from chains.guards import outside_transaction
from core.canonical import canonical_of_codecs, parse
from core.documents.bundle import SignedAttestation
from core.errors import CoreError
from core.schema import read_struct

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.documents.mandate import Intent

PROTOCOL = 1
TIMEOUT_SECONDS = 10.0
_ANSWER_BYTES = 256 * 1024
_WORDS_MOST = 300


class AttestersError(ChainsError):
    """Too few attesters answered."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Word:
    """What attesters said. `problems`: for each that gave no answer, why."""

    signed: tuple[SignedAttestation, ...]
    problems: tuple[str, ...]


def attestations_ask(*, intent: Intent) -> Word:
    """Ask every configured attester about an intent, all of them on the block that the first one names.

    Not inside a database transaction. Nobody configured: nobody asked.
    """
    attesters: Mapping[str, str] = settings.COUNTERSIGN_ATTESTERS
    if attesters:
        outside_transaction("attesters asked")
    signed: list[SignedAttestation] = []
    problems: list[str] = []
    for name, url in attesters.items():
        block = signed[0].document.block_number if signed else None
        try:
            signed.append(_ask(name, url, intent, block))
        except AttestersError as error:
            problems.append(f"attester {name}: {error}")
    return Word(signed=tuple(signed), problems=tuple(problems))


def attestations_for_signing(*, intent: Intent) -> tuple[SignedAttestation, ...]:
    """Ask for what goes to the signer with a case.

    Raises:
        AttestersError: If fewer answered than are needed: a signer that is asked without them refuses for good.
    """
    word = attestations_ask(intent=intent)
    asked = len(settings.COUNTERSIGN_ATTESTERS)
    least = settings.COUNTERSIGN_ATTESTERS_LEAST or asked // 2 + 1
    if asked and len(word.signed) < min(least, asked):
        raise AttestersError(f"{len(word.signed)} of {least} attesters answered: {'; '.join(word.problems)}")
    return word.signed


def _ask(name: str, url: str, intent: Intent, block: int | None) -> SignedAttestation:
    question = canonical_of_codecs({"v": PROTOCOL, "intent": intent.to_json(), "block": block})
    try:
        with requests.post(
            f"{url.rstrip('/')}/attest",
            data=question,
            timeout=TIMEOUT_SECONDS,
            headers={"Content-Type": "application/json"},
            allow_redirects=False,
            stream=True,
        ) as answer:
            raw = answer.raw.read(_ANSWER_BYTES + 1, decode_content=True)
            status = answer.status_code
    except (requests.RequestException, HTTPError, OSError) as error:
        raise AttestersError(f"cannot be reached ({type(error).__name__})") from error
    try:
        value = parse(raw, max_bytes=_ANSWER_BYTES)
        if status != requests.codes.ok or not isinstance(value, dict):
            raise AttestersError(_words(value))
        signed = read_struct(SignedAttestation, value.get("attestation"), "attestation")
    except CoreError as error:
        raise AttestersError(f"its answer cannot be read ({error})"[:_WORDS_MOST]) from error
    if (signed.document.attester, signed.document.intent) != (name, intent.digest):
        raise AttestersError("its answer is about something else")
    return signed


def _words(value: object) -> str:
    """Return what an attester says against it, harmless for logs and pages."""
    said = value.get("error") if isinstance(value, dict) else None
    text = said if isinstance(said, str) else "gave no answer that can be understood"
    return "".join(c if c.isprintable() else " " for c in text)[:_WORDS_MOST]
