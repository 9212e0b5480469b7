"""A relay in the middle that changes what it carries, and a party whose code was replaced."""

from __future__ import annotations

import copy
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from core.documents.party import SessionKind, SessionTerms
from core.errors import RefusedError
from core.schema import write_struct
from core.sessions import session_id
from signer.config import load_config
from signer.errors import RequestError
from signer.files import exclusive
from signer.party.console import start_party

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from core.documents.bundle import Bundle
    from courier.relay import Relay
    from signer.party.envelopes import Envelope
    from tests.party.rig import Group

Answer = dict[str, Any]


class Steps:
    """One case carried step by step, so that a test can change any of it in between."""

    def __init__(self, group: Group, relay: Relay | Mixed, bundle: Bundle) -> None:
        self.group, self.relay, self.bundle = group, relay, bundle
        self.case = bundle.to_json()
        self.certificate: Answer = {}
        self.session = ""
        self.quorum: tuple[str, ...] = ()

    def reserve(self, *names: str) -> Answer:
        """Have parties reserve the case; keep what they said as a certificate."""
        words, refused = self.relay.ask({name: {"op": "reserve", "bundle": self.case} for name in names})
        assert not refused, refused
        self.certificate = {"reservations": list(words.values())}
        return self.certificate

    def terms(self, *quorum: str, **changes: Any) -> SessionTerms:  # noqa: ANN401 - fields of SessionTerms
        """Write down terms that hold."""
        binding = self.certificate["reservations"][0]["document"]["binding"]
        wallet = self.group.wallet
        fields: dict[str, Any] = {
            "kind": SessionKind.SIGN,
            "wallet": wallet.id,
            "public_key": wallet.public_key,
            "epoch": 0,
            "threshold": wallet.threshold,
            "quorum": quorum,
            "message_hash": bytes.fromhex(binding["signing_hash"][2:]),
            "subject": binding["intent"],
            "nonce": b"n" * 32,
        }
        return SessionTerms(**(fields | changes))

    def join(self, terms: SessionTerms) -> tuple[dict[str, Answer], dict[str, Answer]]:
        """Ask a session's parties to join it."""
        self.quorum = terms.quorum
        self.session = "0x" + session_id(terms, self.group.world.deployment).hex()
        joining = {"bundle": self.case, "certificate": self.certificate, "terms": write_struct(terms, "terms")}
        return self.relay.ask({name: {"op": "join", "joining": joining} for name in terms.quorum})

    def begin(self, hellos: Mapping[str, Answer]) -> tuple[dict[str, Answer], dict[str, Answer]]:
        """Hand everybody the hellos."""
        beginning = {"session": self.session, "hellos": list(hellos.values())}
        return self.relay.ask({name: {"op": "begin", "beginning": beginning} for name in self.quorum})

    def turn(
        self, answers: Mapping[str, Answer], change: Callable[[Answer], list[Answer]] | None = None
    ) -> tuple[dict[str, Answer], dict[str, Answer]]:
        """Carry one round; `change` makes of each delivery what arrives (`to` says at whom)."""
        turns = {}
        for name in self.quorum:
            delivered: list[Answer] = []
            for answer in answers.values():
                for envelope in answer["envelopes"]:
                    if envelope["sender"] == name or envelope["receiver"] not in (None, name):
                        continue
                    sent = copy.deepcopy(envelope)
                    delivered += [sent] if change is None else change({**sent, "to": name})
            for envelope in delivered:
                envelope.pop("to", None)
            turns[name] = {"op": "turn", "turn": {"session": self.session, "envelopes": delivered}}
        return self.relay.ask(turns)

    def finish(self, answers: dict[str, Answer]) -> Answer:
        """Carry the remaining rounds honestly; return the signature."""
        while not any("signature" in answer for answer in answers.values()):
            answers, refused = self.turn(answers)
            assert not refused, refused
        return next(answer["signature"] for answer in answers.values())


class Corrupt:
    """A party whose code was replaced: it runs in the test's process, and changes what it says before it signs it."""

    def __init__(self, group: Group, name: str) -> None:
        self.name = name
        self._stack = ExitStack()
        config = load_config(group.state(name))
        self._stack.enter_context(exclusive(config.state))
        self.service, hsm = start_party(config)
        self._stack.callback(hsm.close)
        self._stack.callback(self.service.close)
        self.change: Callable[[int, list[tuple[str | None, bytes]]], list[tuple[str | None, bytes]]] | None = None

    def ask(self, request: Answer) -> Answer:
        """Answer as the socket would."""
        try:
            return {"ok": True, "result": self.service.handle({"v": 1, **request}, now=int(time.time()))}
        except RequestError as error:
            return {"ok": False, "error": {"code": error.code, "message": error.message, "retry": error.retry}}
        except RefusedError as error:
            return {"ok": False, "error": {"code": str(error.code), "message": error.message, "retry": False}}

    def lie(self, name: str) -> None:
        """Change messages between the protocol and the envelope, where only this party's own code could."""
        making = self.service._making._live  # noqa: SLF001 - its code is ours to replace
        live = {one: going.session for one, going in self.service._sessions.items()}  # noqa: SLF001 - as above
        session = (live | {one: session for one, (session, _) in making.items()})[bytes.fromhex(name[2:])]
        seal = session._seal  # noqa: SLF001 - as above

        def lying(messages: Iterable[tuple[int | None, bytes]]) -> list[Envelope]:
            listed = [(to, bytes(body)) for to, body in messages]
            channel = session._channel  # noqa: SLF001 - as above
            number = 1 if channel is None else channel.round + 1
            return seal(self.change(number, listed) if self.change is not None else listed)  # type: ignore[arg-type]

        session._seal = lying  # type: ignore[method-assign]  # noqa: SLF001 - as above

    def has(self, steps: Steps) -> bool:
        """Whether it got the signature."""
        return self.ask({"op": "prepare", "bundle": steps.case})["result"]["stored"] is not None

    def close(self) -> None:
        """End it."""
        self._stack.close()


class Mixed:
    """A relay to honest parties behind sockets and corrupt ones in this process."""

    def __init__(self, relay: Relay, *corrupt: Corrupt) -> None:
        self._relay, self._corrupt = relay, {one.name: one for one in corrupt}

    def ask(self, requests: Mapping[str, Answer]) -> tuple[dict[str, Answer], dict[str, Answer]]:
        """As `Relay.ask`."""
        good, bad = self._relay.ask({name: one for name, one in requests.items() if name not in self._corrupt})
        for name, one in requests.items():
            if name in self._corrupt:
                answer = self._corrupt[name].ask(one)
                if answer["ok"]:
                    good[name] = answer["result"]
                else:
                    bad[name] = answer["error"]
        return good, bad
