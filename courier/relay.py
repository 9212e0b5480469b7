"""Carries one case among the parties of a threshold wallet until it is signed. Nobody trusts it.

It chooses who is asked and in which order, and no more: each party verifies the case, the other parties' signatures
and the session's terms for itself. Whatever a relay leaves out, repeats or changes, the parties refuse, and say why.
"""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self

from core.certificate import certificate_size
from core.documents.party import SessionKind, SessionTerms
from core.schema import write_struct
from core.sessions import session_id
from courier.client import Connection, CourierError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

    from core.documents.roster import Wallet

Answer = dict[str, Any]
_ROUNDS_MOST = 8
"""More than any protocol of ours has."""


class RelayError(Exception):
    """The case was not signed now. `refusals`: what each party that said no answered, by its roster id."""

    def __init__(self, message: str, refusals: Mapping[str, Answer]) -> None:
        """Say how far it came."""
        super().__init__(message)
        self.refusals = dict(refusals)


class Relay:
    """Connections to parties, asked at the same time."""

    def __init__(self, sockets: Mapping[str, str], timeout: float) -> None:
        """Remember where the parties listen; nothing is opened yet.

        Args:
            sockets: Unix sockets by roster id.
            timeout: Seconds for each request.
        """
        self._connections = {name: Connection(path, timeout) for name, path in sockets.items()}
        self._pool = ThreadPoolExecutor(max_workers=max(1, len(self._connections)))

    def __enter__(self) -> Self:
        """Use it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection."""
        self._pool.shutdown(wait=True)
        for connection in self._connections.values():
            connection.close()

    def ask(self, requests: Mapping[str, Answer]) -> tuple[dict[str, Answer], dict[str, Answer]]:
        """Ask several parties at once.

        Returns:
            The results of those who agreed, and the errors of those who did not, by roster id.
        """

        def one(name: str) -> Answer:
            try:
                return self._connections[name].ask({"v": 1, **requests[name]})
            except CourierError as error:
                return {"ok": False, "error": {"code": error.code, "message": error.message, "retry": True}}

        answers = dict(zip(requests, self._pool.map(one, requests), strict=True))
        good = {name: answer["result"] for name, answer in answers.items() if answer.get("ok") is True}
        bad = {name: answer["error"] for name, answer in answers.items() if answer.get("ok") is not True}
        return good, bad

    def ask_all(self, what: str, requests: Mapping[str, Answer]) -> dict[str, Answer]:
        """Ask several parties at once, all of whom have to agree.

        Raises:
            RelayError: If any does not.
        """
        good, bad = self.ask(requests)
        if bad:
            raise RelayError(f"{what}: {len(bad)} of {len(requests)} parties refused", bad)
        return good

    def rounds(self, session: str, hellos: Mapping[str, Answer]) -> dict[str, Answer]:
        """Carry a session from its hellos to its end.

        Args:
            session: Its name, 0x hex.
            hellos: Each party's word.

        Returns:
            Each party's last answer.

        Raises:
            RelayError: If a party ended it.
        """
        beginning = {"session": session, "hellos": list(hellos.values())}
        answers = self.ask_all("begin", {name: {"op": "begin", "beginning": beginning} for name in hellos})
        for number in range(1, _ROUNDS_MOST + 1):
            sent = [envelope for answer in answers.values() for envelope in answer["envelopes"]]
            if not sent:
                return answers
            turns = {
                name: {"op": "turn", "turn": {"session": session, "envelopes": _for(name, sent)}} for name in hellos
            }
            answers = self.ask_all(f"round {number}", turns)
        raise RelayError("the session has more rounds than any protocol", {})

    def sign(
        self, bundle: Answer, wallet: Wallet, certificates: Iterable[Answer] = ()
    ) -> tuple[Answer, Answer | None]:
        """Have a case signed by as many parties as it takes.

        Args:
            bundle: The case.
            wallet: Its wallet, as the newest policy names it.
            certificates: Earlier certificates, oldest first, for parties that missed some.

        Returns:
            A signature as a signer answers it, and the certificate that was made for it; no certificate where the
            very transaction was signed before.

        Raises:
            RelayError: Saying how far it came, and what each party that refused answered.
        """
        names = [name for name in wallet.signers if name in self._connections]
        known = list(certificates)
        if known:
            self.ask({name: {"op": "learn", "certificates": known} for name in names})
        ready, refused = self.ask({name: {"op": "prepare", "bundle": bundle} for name in names})
        stored = next((one["stored"] for one in ready.values() if one["stored"] is not None), None)
        if stored is not None:
            return stored, None
        # Nobody reserves a nonce for a case that too few would reserve it for.
        needed = certificate_size(len(wallet.signers), wallet.threshold)
        if len(ready) < needed:
            raise RelayError(f"{len(ready)} of {len(wallet.signers)} parties agree, {needed} have to", refused)
        words, unwilling = self.ask({name: {"op": "reserve", "bundle": bundle} for name in ready})
        if len(words) < needed:
            raise RelayError(f"{len(words)} parties reserved it, {needed} have to", refused | unwilling)
        certificate = {"reservations": list(words.values())[:needed]}
        return self._session(bundle, wallet, certificate, {name: ready[name]["epoch"] for name in words}), certificate

    def _session(self, bundle: Answer, wallet: Wallet, certificate: Answer, epochs: Mapping[str, int]) -> Answer:
        newest = max(epochs.values())
        quorum = [name for name in wallet.signers if epochs.get(name) == newest][: wallet.threshold]
        if len(quorum) < wallet.threshold:
            raise RelayError(f"{len(quorum)} parties have shares of epoch {newest}, {wallet.threshold} sign", {})
        binding = certificate["reservations"][0]["document"]["binding"]
        terms = SessionTerms(
            kind=SessionKind.SIGN,
            wallet=wallet.id,
            public_key=wallet.public_key,
            epoch=newest,
            threshold=wallet.threshold,
            quorum=tuple(quorum),
            message_hash=bytes.fromhex(binding["signing_hash"][2:]),
            subject=binding["cancel"] or binding["intent"],
            nonce=secrets.token_bytes(32),
        )
        joining = {"bundle": bundle, "certificate": certificate, "terms": write_struct(terms, "terms")}
        hellos = self.ask_all("join", {name: {"op": "join", "joining": joining} for name in quorum})
        name = session_id(terms, bundle["header"]["deployment"])
        answers = self.rounds("0x" + name.hex(), hellos)
        return next(answer["signature"] for answer in answers.values())


def _for(name: str, sent: Iterable[Answer]) -> list[Answer]:
    return [one for one in sent if one["sender"] != name and one["receiver"] in (None, name)]
