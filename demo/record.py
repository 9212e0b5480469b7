"""Writes the log's entries of kept-back cases and prints the cases with their proofs, as the web tier has them.

The refusals need honest controls: cases that people consented to and that the signer accepts. Nobody hands them in by
page, so the web tier writes their entries here: `python -m demo.record` under its user, bundles on stdin, one a line.
"""

from __future__ import annotations

import json
import os
import sys
import time

import django

from core.documents.bundle import Bundle
from core.inclusion import CONSENT_TAG, DECISION_TAG

ACTOR = "system:demo"
SECONDS = 30


def _record(bundle: Bundle) -> None:
    from django.db import transaction  # noqa: PLC0415 - Django is set up by then

    from audit.services import entry_append  # noqa: PLC0415 - as above

    decided: dict[str, object] = {"allowed": True, "mandate": bundle.mandate.digest, "policy": bundle.policy}
    with transaction.atomic():
        entry_append(actor=ACTOR, tag=DECISION_TAG, subject=bundle.intent.digest, payload=decided)
        for signed in bundle.consents:
            statement = signed.statement
            payload: dict[str, object] = {
                "consent": statement.digest,
                "decision": statement.decision.value,
                "nonce": statement.header.id,
                "policy": statement.policy,
                "reason": statement.reason,
                "subject_type": statement.subject_type.value,
            }
            entry_append(actor=statement.actor, tag=CONSENT_TAG, subject=statement.subject, payload=payload)


def _proven(bundle: Bundle, deadline: float) -> Bundle:
    from custody.errors import SignerWaitsError  # noqa: PLC0415 - as above
    from custody.log_proofs import bundle_with_log  # noqa: PLC0415 - as above

    while True:
        try:
            proven = bundle_with_log(bundle=bundle)
        except SignerWaitsError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
            continue
        if proven.log is not None and proven.log.checkpoint.count("— ".encode()) > 1:
            return proven
        time.sleep(0.2)


def main() -> None:
    """Record every case, then wait for the log's witnesses."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    bundles = [Bundle.from_bytes(line.encode()) for line in sys.stdin if line.strip()]
    for bundle in bundles:
        _record(bundle)
    deadline = time.monotonic() + SECONDS
    sys.stdout.write(json.dumps([_proven(bundle, deadline).to_json() for bundle in bundles]) + "\n")


if __name__ == "__main__":
    main()
