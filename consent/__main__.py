"""`python -m consent serve | pin | release`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from consent.digest import PolicyFileError
from consent.pin import pin
from consent.release import listing, release_hash
from consent.serve import ConsentServer

_DEFAULT_PORT = 8001


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _serve(arguments: argparse.Namespace) -> int:
    if not (arguments.root / "config.json").is_file():
        sys.stderr.write(f"consent: {arguments.root} has no config.json (see consent/README.md)\n")
        return 2
    with ConsentServer(arguments.root, arguments.port) as server:
        _say(f"consent page on http://localhost:{server.port}")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            _say("stopped")
    return 0


def _pin(arguments: argparse.Namespace) -> int:
    try:
        digest = pin(arguments.root, arguments.policy, expect=arguments.expect, ask=input, say=_say)
    except PolicyFileError as error:
        sys.stderr.write(f"consent: {arguments.policy}: {error}\n")
        return 2
    except EOFError:
        sys.stderr.write("consent: not confirmed: nothing was written\n")
        return 2
    _say(f"pinned {digest[:8]}…")
    return 0


def _release(_arguments: argparse.Namespace) -> int:
    _say(f"{listing()}release {release_hash()}")
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run one command; without a name it serves."""
    arguments = sys.argv[1:] if argv is None else argv
    if not arguments or arguments[0].startswith("--"):
        arguments = ["serve", *arguments]
    parser = argparse.ArgumentParser(prog="python -m consent", description="The consent origin.")
    commands = parser.add_subparsers(required=True)
    serve = commands.add_parser("serve", help="serve the page on the loopback interface (demo and tests)")
    serve.add_argument("--root", type=Path, required=True, help="folder with config, pins, policy and demo keys")
    serve.add_argument("--port", type=int, default=_DEFAULT_PORT)
    serve.set_defaults(run=_serve)
    pinning = commands.add_parser(
        "pin", help="pin the first policy at this host, or the one that follows the pinned one"
    )
    pinning.add_argument("--root", type=Path, required=True)
    pinning.add_argument("--expect", help="the digest that people compared already")
    pinning.add_argument("policy", type=Path)
    pinning.set_defaults(run=_pin)
    release = commands.add_parser("release", help="print the hash of every file of the page, and of them all")
    release.set_defaults(run=_release)
    parsed = parser.parse_args(arguments)
    return int(parsed.run(parsed))


if __name__ == "__main__":
    sys.exit(main())
