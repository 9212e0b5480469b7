"""The signer's commands: init, keygen, found, pin, recover, serve, status; those of recovery sites and clones."""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from core.documents.roster import SignerRole
from core.errors import CoreError, JournalError
from signer import wire
from signer.config import load_config
from signer.console import in_groups, open_hsm, pin_genesis, recover, start_service
from signer.errors import ConfigError, JournalWriteError, PinError, SignerError
from signer.files import exclusive
from signer.hardening import harden, lock_memory
from signer.log_console import pin_log, start_log
from signer.log_key import make_log_key
from signer.provision import init_state, make_key
from signer.server import Server, listen

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from signer.config import SignerConfig
    from signer.hsm import Hsm
    from signer.log_service import LogService
    from signer.party.founding import FoundingService
    from signer.service import Service

EXIT_JOURNAL = 65
"""EX_DATAERR: the journal does not fit; a person has to look, a restart does not help."""
EXIT_PIN = 77
"""EX_NOPERM: the token refused the PIN. A supervisor that restarted us would use up the tries that are left."""
EXIT_SETTINGS = 78
"""EX_CONFIG: settings, pins, host or keys."""
EXIT_RESTART = 75
"""EX_TEMPFAIL: the disk or the token failed; start again."""


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m signer",
        description="Countersign's signer; a recovery site: recovery --help; a key with a clone: clone --help",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    every = {
        "init": "make the state folder and a SoftHSM token",
        "keygen": "make a wallet key in the token",
        "found": "make a key together with other parties, by a plan whose digest was compared",
        "pin": "install the signed genesis policy as pins, after comparing its digest",
        "recover": "start a lost journal anew by a ceremony of the policy's quorum",
        "transport": "make the key to which a recovery site releases a party's share, and print it",
        "restore": "give a party its share back, by ceremonies of the policy's quorum",
        "serve": "run the signer",
        "status": "ask a running signer where it stands",
    }
    parsers = {name: commands.add_parser(name, help=text, description=text) for name, text in every.items()}
    for command in parsers.values():
        command.add_argument("--state", type=Path, required=True, help="the signer's own folder, mode 0700")
    parsers["init"].add_argument("--signer-id", required=True, help="roster id, as the policy names it")
    parsers["init"].add_argument("--role", choices=["hsm", "party", "log"], default="hsm", help="what it will be")
    parsers["init"].add_argument("--socket", help="where to listen; by default signer.sock in the state folder")
    parsers["init"].add_argument("--allow-uid", type=int, action="append", default=[], help="user of a courier")
    parsers["init"].add_argument("--socket-group", help="group of the socket; its mode is then 0660")
    parsers["keygen"].add_argument("--label", help="a wallet key's label in the token; a log has one key")
    parsers["found"].add_argument("plan", type=Path, help="the plan, JSON")
    parsers["found"].add_argument("--expect", help="the digest that was compared, instead of typing it")
    parsers["pin"].add_argument("policy", type=Path, help="the signed policy, JSON")
    parsers["pin"].add_argument("--expect", help="the digest that was compared, instead of typing it")
    parsers["recover"].add_argument("--ceremony", type=Path, required=True, help="ceremony with consents, JSON")
    restoring = {
        "genesis": "the signed genesis policy, JSON",
        "start": "the ceremony that starts the party's journal, with the policies after the genesis, JSON",
        "ceremony": "the restore's ceremony with consents, JSON",
        "released": "what the recovery site released, JSON",
    }
    for name, text in restoring.items():
        parsers["restore"].add_argument(f"--{name}", type=Path, required=True, help=text)
    parsers["restore"].add_argument("--expect", help="the digest that was compared, instead of typing it")
    return parser.parse_args(arguments)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _init(options: argparse.Namespace) -> int:
    so_pin = init_state(
        options.state,
        options.signer_id,
        role=SignerRole(options.role),
        socket_path=options.socket,
        allowed_uids=options.allow_uid,
        group=options.socket_group,
    )
    if so_pin is None:
        _say("nothing to do: this folder is a signer's already")
    else:
        _say(f"SO PIN, shown once and stored nowhere: {so_pin}")
    return 0


def _keygen(options: argparse.Namespace) -> int:
    config = load_config(options.state)
    with exclusive(config.state):
        hsm = open_hsm(config)
        try:
            if config.role is SignerRole.LOG:
                _say(json.dumps({"public_key": "0x" + make_log_key(hsm).hex()}))
                return 0
            if config.role is SignerRole.PARTY:
                from signer.party.console import make_keys  # noqa: PLC0415 - only a party needs the extension

                _say(json.dumps({"public_key": "0x" + make_keys(hsm).hex()}))
                return 0
            if options.label is None:
                raise ConfigError("--label: a wallet's key has a label in the token")
            made = make_key(hsm, options.label)
        finally:
            hsm.close()
    key = {"public_key": "0x" + made.public_key.hex(), "address": made.address, "key_id": made.key_id.hex()}
    _say(json.dumps(key))
    return 0


def _compared(options: argparse.Namespace, what: str) -> Callable[[str], str]:
    def confirm(digest: str) -> str:
        _say(f"{what} digest\n  {in_groups(digest)}")
        if options.expect is not None:
            return str(options.expect)
        try:
            return input("Two people have compared it with theirs. Type its first eight digits: ")
        except EOFError:
            return ""

    return confirm


def _pin(options: argparse.Namespace) -> int:
    confirm = _compared(options, "policy")
    pin = pin_log if load_config(options.state).role is SignerRole.LOG else pin_genesis
    with exclusive(options.state):
        _say(pin(options.state, options.policy.read_bytes(), confirm))
    return 0


def _recover(options: argparse.Namespace) -> int:
    with exclusive(options.state):
        _say(recover(options.state, options.ceremony.read_bytes()))
    return 0


def _transport_key(options: argparse.Namespace) -> int:
    from signer.party.restore import transport_key  # noqa: PLC0415 - only a party needs the extension
    from signer.recovery.token import describe_key  # noqa: PLC0415 - as above

    config = load_config(options.state)
    with exclusive(config.state):
        _say(describe_key(transport_key(config)))
    return 0


def _restore(options: argparse.Namespace) -> int:
    from signer.party.restore import Brought, restore  # noqa: PLC0415 - only a party needs the extension

    brought = Brought(
        genesis=options.genesis.read_bytes(),
        start=options.start.read_bytes(),
        ceremony=options.ceremony.read_bytes(),
        released=options.released.read_bytes(),
    )
    # A share passes through this process's memory.
    harden(network=load_config(options.state).network)
    lock_memory()
    with exclusive(options.state):
        _say(restore(options.state, brought, _compared(options, "policy"), now=int(time.time())))
    return 0


def _start(config: SignerConfig) -> tuple[Service | LogService, Hsm]:
    if config.role is SignerRole.LOG:
        return start_log(config)
    if config.role is SignerRole.HSM:
        return start_service(config)
    from signer.party.console import start_party  # noqa: PLC0415 - only a party needs the extension

    return start_party(config)


def _found(options: argparse.Namespace) -> int:
    from signer.party.console import start_founding  # noqa: PLC0415 - only a party needs the extension

    raw, confirm = options.plan.read_bytes(), _compared(options, "plan")
    return _serve_with(options, lambda config: start_founding(config, raw, confirm))


def _serve(options: argparse.Namespace) -> int:
    return _serve_with(options, _start)


def _serve_with(
    options: argparse.Namespace, start: Callable[[SignerConfig], tuple[Service | LogService | FoundingService, Hsm]]
) -> int:
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    config = load_config(options.state)
    harden(network=config.network)
    if config.role is SignerRole.PARTY:
        # Shares pass through this process's memory; an HSM's keys do not.
        lock_memory()
    with exclusive(config.state):
        service, hsm = start(config)
        try:
            listener = listen(config.socket, config.bounds.connections)
            server = Server(listener, service, config.socket, config.bounds)
            log = logging.getLogger("signer")
            log.info("signer %s listens, pid %d", config.signer, os.getpid())
            # Policies and journal live as long as we do: no collection has to walk them again.
            gc.collect()
            gc.freeze()
            try:
                server.run()
            finally:
                listener.close()
                config.socket.path.unlink(missing_ok=True)
            if server.failure is not None:
                return EXIT_JOURNAL if isinstance(server.failure, JournalError) else EXIT_RESTART
        finally:
            service.close()
            hsm.close()
    return 0


def _status(options: argparse.Namespace) -> int:
    config = load_config(options.state)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(config.bounds.message_seconds)
        connection.connect(str(config.socket.path))
        connection.sendall(wire.frame({"v": wire.VERSION, "op": "status"}))
        with connection.makefile("rb") as stream:
            (length,) = wire.HEADER.unpack(stream.read(wire.HEADER.size))
            answer = json.loads(stream.read(length))
    _say(json.dumps(answer.get("result", answer), indent=2))
    return 0 if answer.get("ok") is True else EXIT_RESTART


_COMMANDS = {
    "init": _init,
    "keygen": _keygen,
    "found": _found,
    "pin": _pin,
    "recover": _recover,
    "transport": _transport_key,
    "restore": _restore,
    "serve": _serve,
    "status": _status,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; every failure is one sentence on stderr and an exit code of its own."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given[:1] == ["recovery"]:
        return _ended(lambda: _at_recovery_site(given[1:]))
    if given[:1] == ["clone"]:
        return _ended(lambda: _with_clone(given[1:]))
    options = _arguments(given)
    return _ended(lambda: _COMMANDS[options.command](options))


def _at_recovery_site(given: Sequence[str]) -> int:
    from signer.recovery.commands import run  # noqa: PLC0415 - no signer that serves needs it

    return run(given)


def _with_clone(given: Sequence[str]) -> int:
    from signer.clones.commands import run  # noqa: PLC0415 - as above

    return run(given)


def _ended(work: Callable[[], int]) -> int:
    problem: Exception
    os.umask(0o077)
    try:
        return work()
    except JournalError as error:
        problem, code = error, EXIT_JOURNAL
    except PinError as error:
        problem, code = error, EXIT_PIN
    except JournalWriteError as error:
        problem, code = error, EXIT_RESTART
    except (SignerError, CoreError) as error:
        problem, code = error, EXIT_SETTINGS
    except OSError as error:
        problem, code = error, EXIT_RESTART
    sys.stderr.write(f"signer: {problem}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
