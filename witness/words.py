"""`python -m witness words FILE`: what a document says, its digest in groups, and six words to compare two devices.

The consent page and its second-device check show the same. Whoever is about to sign reads them there, runs this on
another machine over the same document, and compares. Names and decimals come from a policy file whose digest the
person gives, from a source of their own; without a policy there is no sentence.

Exit codes: 0 shown, 1 the words or the digest that were given are others, 2 unreadable or the command line is wrong.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from core.canonical import parse
from core.documents.mandate import Mandate
from core.documents.policy import Policy, SignedPolicy
from core.errors import CoreError, DocumentError
from core.schema import read_struct
from witness.sentence import DOCUMENTS, sentence_of

if TYPE_CHECKING:
    from core.documents.base import Document

SHOWN, DIFFERS, UNUSABLE = 0, 1, 2
LIST = Path(__file__).with_name("words.txt")
LIST_SHA256 = "6effcb76225cac0016f6122816ea087fd9bec4f7be23e02e789adeb2bbe95d81"
"""The list of the consent page, byte for byte."""
_ITERATIONS = 2**18
_SALT = b"countersign/v1/words"
_WORDS = 6
_BITS_PER_WORD = 10
_SPARE_BITS = 4
_MOST_BYTES = 8 * 1024 * 1024


@cache
def _word_list() -> tuple[str, ...]:
    raw = LIST.read_bytes()
    if hashlib.sha256(raw).hexdigest() != LIST_SHA256:
        msg = f"{LIST.name} is not the list of this release"
        raise DocumentError(msg)
    return tuple(raw.decode("ascii").split())


def six_words(digest: str) -> str:
    """Return a digest as six words.

    The first 60 bits of PBKDF2-HMAC-SHA-256 (RFC 8018 section 5.2) over the digest's 32 bytes, 2¹⁸ rounds, ten bits
    for each word, the highest first. The rounds make it costly to look for another document with the same words.

    Args:
        digest: 64 hex digits.

    Raises:
        DocumentError: If the list of words was changed.
    """
    derived = hashlib.pbkdf2_hmac("sha256", bytes.fromhex(digest), _SALT, _ITERATIONS, 8)
    number = int.from_bytes(derived, "big") >> _SPARE_BITS
    words = _word_list()
    places = (number >> (_BITS_PER_WORD * place) for place in reversed(range(_WORDS)))
    return " ".join(words[place % len(words)] for place in places)


def in_groups(digest: str) -> str:
    """Return a digest in groups of four, as the pages show it."""
    return " ".join(digest[at : at + 4] for at in range(0, len(digest), 4))


def read_document(value: object) -> Document:
    """Read a document that people sign; a signed policy gives its policy.

    Raises:
        DocumentError: For anything else.
    """
    if isinstance(value, dict) and set(value) == {"policy", "consents"}:
        return read_struct(SignedPolicy, value, "policy").policy
    head = value.get("header") if isinstance(value, dict) else None
    kind = head.get("type") if isinstance(head, dict) else None
    cls = DOCUMENTS.get(kind) if isinstance(kind, str) else None
    if cls is None:
        msg = f"not a document that people sign: its header has to name one of {', '.join(DOCUMENTS)}"
        raise DocumentError(msg)
    return cls.from_json(value)


def _load(path: Path) -> Document:
    with path.open("rb") as file:
        raw = file.read(_MOST_BYTES + 1)
    return read_document(parse(raw, max_bytes=_MOST_BYTES))


def _policy(path: Path, digest: str | None) -> Policy:
    policy = _load(path)
    if not isinstance(policy, Policy):
        msg = f"{path.name} holds no policy"
        raise DocumentError(msg)
    if digest is None or digest.replace(" ", "").lower() != policy.digest:
        msg = "the policy is not the one with the given --policy-digest: take the digest from your own records"
        raise DocumentError(msg)
    return policy


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="countersign-words", description=__doc__)
    parser.add_argument("document", type=Path, help="the document, JSON: a mandate, a policy, a cancel, a halt …")
    parser.add_argument("--policy", type=Path, help="the policy whose names and decimals are used, JSON")
    parser.add_argument("--policy-digest", help="that policy's digest, from your own records: 64 hex digits")
    parser.add_argument("--compare", help="the six words, or the digest, that the other device shows")
    return parser


def _compared(shown: str, digest: str, words: str) -> bool:
    given = " ".join(shown.lower().split())
    return given == words or given.replace(" ", "") == digest


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def main(arguments: list[str] | None = None) -> int:
    """Show one document; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        document = _load(options.document)
        names = document if isinstance(document, Policy) else None
        if options.policy is not None:
            names = _policy(options.policy, options.policy_digest)
        sentence = "" if names is None else sentence_of(document, names)
        words = six_words(document.digest)
    except (OSError, CoreError) as error:
        # What stands in a file must not steer the terminal.
        _say(f"UNREADABLE {options.document.name}: {re.sub(r'[^ -~]', '?', str(error))}")
        return UNUSABLE
    _say(sentence or f"A {document.TYPE}. Give --policy and --policy-digest for a sentence with names and amounts.")
    if isinstance(document, Mandate) and names is not None and names.digest != document.policy:
        _say(f"note    made under another policy than the one given: {in_groups(document.policy)}")
    _say(f"type    {document.TYPE}")
    _say(f"digest  {in_groups(document.digest)}")
    _say(f"words   {words}")
    if options.compare is None:
        return SHOWN
    same = _compared(options.compare, document.digest, words)
    _say("SAME" if same else "NOT THE SAME: do not sign; tell the security officer")
    return SHOWN if same else DIFFERS
