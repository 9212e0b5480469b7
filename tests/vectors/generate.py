"""Writes the frozen v1 vectors: `python -m tests.vectors.generate` refuses to overwrite them without `--force`.

v1 is frozen: overwriting is for adding new vectors, and a diff that changes an old one is a broken deployment.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from core.canonical import canonical
from core.documents.base import GENESIS_DEPLOYMENT
from core.documents.consent import Decision, SubjectType
from core.schema import write_struct
from tests.vectors import rulebook, specimens

if TYPE_CHECKING:
    from core.documents.base import Document

FILE = Path(__file__).with_name("documents.json")


def documents() -> dict[str, Document]:
    """Return one instance of every document, by vector name."""
    made: dict[str, Document] = {
        "intent": specimens.intent(),
        "mandate": specimens.mandate(),
        "mandate-parent": specimens.parent_mandate(),
        "mandate-at-a-nonce": specimens.mandate(nonce=12),
        "policy": rulebook.policy(
            specimens.header("policy", 11, deployment=GENESIS_DEPLOYMENT), specimens.key_enrolment()
        ),
        "enrolment": specimens.enrolment(),
        "cancel": specimens.cancel(),
        "halt": specimens.halt(),
        "resume": specimens.resume(),
        "ceremony": specimens.ceremony(),
        "attestation": specimens.attestation(),
        "bundle": specimens.bundle(),
        "lease": specimens.lease(),
        "reservation": specimens.reservation(),
        "hello": specimens.hello(),
    }
    for decision in Decision:
        made[f"consent-{decision}"] = specimens.consent(decision)
    for subject in SubjectType:
        made[f"consent-about-{subject}"] = specimens.consent(subject_type=subject)
    return made


def vectors() -> dict[str, object]:
    """Return the file's contents: canonical bytes as text, and digest, of each document; the case file's bytes."""
    return {
        "note": "v1 is frozen: canonical is RFC 8785 text in UTF-8, digest its SHA-256 under the type's domain tag",
        "documents": {
            name: {"type": document.TYPE, "canonical": document.to_bytes().decode(), "digest": document.digest}
            for name, document in documents().items()
        },
        "case_file": canonical(write_struct(specimens.case_file(), "case")).decode(),
    }


def main(arguments: list[str]) -> int:
    """Write the file; return the exit code."""
    if FILE.exists() and "--force" not in arguments:
        sys.stderr.write(f"{FILE} exists: v1 is frozen. --force overwrites it; look at the diff.\n")
        return 1
    FILE.write_text(json.dumps(vectors(), indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
