"""`python -m attester keygen|pin|serve --state FOLDER`: an attester's console, and the attester itself."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from importlib import import_module
from pathlib import Path

from attester.config import config_load, deployment_load, deployment_pin, key_load, key_make
from attester.errors import ConfigError
from attester.service import Attester
from attester.web import make_server

_FAILED = 2


def _keygen(arguments: argparse.Namespace) -> None:
    """Make the key and print its public half, which the policy has to name."""
    arguments.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    sys.stdout.write(key_make(arguments.state).hex() + "\n")


def _pin(arguments: argparse.Namespace) -> None:
    """Pin the deployment whose genesis digest people compared."""
    deployment_pin(arguments.state, arguments.deployment)
    sys.stdout.write(f"pinned {arguments.deployment}\n")


def _serve(arguments: argparse.Namespace) -> None:
    """Serve until told to stop."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    # What asks nodes is loaded before the first question; the console's other commands need none of it.
    import_module("chains.nodes.provider")
    config = config_load(arguments.state)
    attester = Attester(config, key_load(arguments.state), deployment_load(arguments.state))
    server = make_server(attester, arguments.host, arguments.port)
    for number in (signal.SIGTERM, signal.SIGINT):
        # `shutdown` waits for the loop to end, so it cannot be called from the thread that runs it.
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    sys.stdout.write(f"attester {config.name} listens on {arguments.host}:{server.server_address[1]}\n")
    sys.stdout.flush()
    try:
        server.serve_forever(poll_interval=0.2)
    finally:
        server.server_close()


def main() -> int:
    """Run the named command; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m attester", description="Repeat simulations, and sign them.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run, words in (
        ("keygen", _keygen, "make the key"),
        ("pin", _pin, "pin the deployment"),
        ("serve", _serve, "serve"),
    ):
        command = commands.add_parser(name, help=words)
        command.add_argument("--state", type=Path, required=True, help="the attester's own folder")
        command.set_defaults(run=run)
        if name == "pin":
            command.add_argument("--deployment", required=True, help="the genesis digest, 64 hex digits")
        if name == "serve":
            command.add_argument("--host", default="127.0.0.1", help="behind a proxy with TLS where others reach it")
            command.add_argument("--port", type=int, default=8200)
    arguments = parser.parse_args()
    try:
        arguments.run(arguments)
    except (ConfigError, OSError, OverflowError) as error:
        sys.stderr.write(f"attester: {error}\n")
        return _FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
