"""`python -m witness init …`, `watch …`, `pin …` and `serve …`: somebody's own witness, on a host of their own."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import signal
import sqlite3
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from core.canonical import parse
from core.documents.policy import SignedPolicy
from core.errors import CoreError
from core.lease import LONGEST
from core.schema import read_struct
from witness.desk import DOCUMENT_BYTES, Desk
from witness.fsck import named_key
from witness.service import STORE_FILE, Witness, WitnessConfigError, init_state, load_config, watch_log
from witness.store import WitnessStore
from witness.web import make_server

if TYPE_CHECKING:
    from collections.abc import Sequence

_FAILED = 2


def init(argv: Sequence[str] | None = None) -> int:
    """Make a witness's folder and print the key that the policy has to name."""
    parser = argparse.ArgumentParser(prog="python -m witness init", description="Make a witness.")
    parser.add_argument("--state", type=Path, required=True, help="the witness's own folder")
    parser.add_argument("--name", required=True, help="as the policy will name it")
    parser.add_argument("--log", metavar="NAME=HEX", type=named_key, action="append", default=[])
    arguments = parser.parse_args(argv)
    try:
        public = init_state(arguments.state, arguments.name, dict(arguments.log))
    except (WitnessConfigError, OSError) as error:
        sys.stderr.write(f"witness: {error}\n")
        return _FAILED
    sys.stdout.write(f"{arguments.name}={public.hex()}\n")
    return 0


def watch(argv: Sequence[str] | None = None) -> int:
    """Have a witness watch a log whose name was not known when its key was made."""
    parser = argparse.ArgumentParser(prog="python -m witness watch", description="Watch one more log.")
    parser.add_argument("--state", type=Path, required=True, help="the witness's own folder")
    parser.add_argument("--log", metavar="NAME=HEX", type=named_key, required=True)
    arguments = parser.parse_args(argv)
    origin, public = arguments.log
    try:
        watch_log(arguments.state, origin, public)
    except (WitnessConfigError, OSError) as error:
        sys.stderr.write(f"witness: {error}\n")
        return _FAILED
    sys.stdout.write(f"watches {origin}; a witness that serves already learns of it at its next start\n")
    return 0


def pin(argv: Sequence[str] | None = None) -> int:
    """Install the genesis whose digest people compared: from then on a witness leases to its signers."""
    parser = argparse.ArgumentParser(prog="python -m witness pin", description="Pin a deployment's first policy.")
    parser.add_argument("policy", type=Path, help="the signed policy, JSON")
    parser.add_argument("--state", type=Path, required=True, help="the witness's own folder")
    parser.add_argument("--expect", required=True, help="the digest that was compared, 64 hex digits")
    arguments = parser.parse_args(argv)
    try:
        config = load_config(arguments.state, watching=False)
        raw = parse(arguments.policy.read_bytes(), max_bytes=DOCUMENT_BYTES)
        genesis = read_struct(SignedPolicy, raw, "signed_policy")
        digest = arguments.expect.replace(" ", "").lower()
        store = WitnessStore(arguments.state / STORE_FILE)
        try:
            Desk(config, store).pin(genesis, digest, now=int(time.time()))
        finally:
            store.close()
    except (WitnessConfigError, CoreError, OSError, sqlite3.Error) as error:
        sys.stderr.write(f"witness: {error}\n")
        return _FAILED
    sys.stdout.write(f"pinned {digest}; a witness that serves already learns of it at its next start\n")
    return 0


def serve(argv: Sequence[str] | None = None) -> int:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m witness serve", description="Cosign checkpoints of a log.")
    parser.add_argument("--state", type=Path, required=True, help="the witness's own folder")
    parser.add_argument("--host", default="127.0.0.1", help="behind a proxy with TLS where others reach it")
    parser.add_argument("--port", type=int, default=8100)
    parser.add_argument(
        "--lease-seconds", type=int, choices=range(1, LONGEST + 1), metavar="N", default=LONGEST, help="of a lease"
    )
    arguments = parser.parse_args(argv)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    try:
        config = dataclasses.replace(load_config(arguments.state), lease_seconds=arguments.lease_seconds)
        store = WitnessStore(arguments.state / STORE_FILE)
        server = make_server(Witness(config, store), arguments.host, arguments.port)
    except (WitnessConfigError, CoreError, OSError, sqlite3.Error, OverflowError) as error:
        sys.stderr.write(f"witness: {error}\n")
        return _FAILED
    for number in (signal.SIGTERM, signal.SIGINT):
        # `shutdown` waits for the loop to end, so it cannot be called from the thread that runs it.
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    sys.stdout.write(f"witness {config.name} listens on {arguments.host}:{server.server_address[1]}\n")
    sys.stdout.flush()
    try:
        server.serve_forever(poll_interval=0.2)
    finally:
        server.server_close()
        store.close()
    return 0
