"""Carries one case among the parties of a threshold wallet until it is signed. Nobody trusts it.

The order of steps is `core.party_script`'s. Each party verifies the case, the other parties' signatures and the
session's terms for itself: whatever a relay leaves out, repeats or changes, the parties refuse, and say why.
"""

from __future__ import annotations

import secrets
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from core.errors import Refusal
from core.party_script import UNUSABLE, Case, ScriptError, rounds_script, sign_script
from core.teaching import teach_script
from courier.client import Connection, CourierError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

    from core.documents.roster import Wallet
    from core.party_script import Script

Answer = dict[str, Any]
_ABOUT_MEMORY = frozenset({Refusal.NONCE, Refusal.BEHIND})
"""Refusals of a party that missed what others know."""
_Made = TypeVar("_Made")


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
        good = {name: answer["result"] for name, answer in answers.items() if _is_result(answer)}
        return good, {name: _error_of(answer) for name, answer in answers.items() if name not in good}

    def ask_all(self, what: str, requests: Mapping[str, Answer]) -> dict[str, Answer]:
        """Ask several parties at once, all of whom have to agree.

        Raises:
            RelayError: If any does not.
        """
        good, bad = self.ask(requests)
        if bad:
            raise RelayError(f"{what}: {len(bad)} of {len(requests)} parties refused", bad)
        return good

    def drive(self, script: Script[_Made]) -> _Made:
        """Carry out a script's requests until it has come to something.

        Raises:
            RelayError: If it came to nothing.
        """
        try:
            batch = next(script)
            while True:
                batch = script.send(self.ask(batch.frames))
        except StopIteration as end:
            return cast("_Made", end.value)
        except ScriptError as error:
            raise RelayError(str(error), error.refusals) from error

    def rounds(self, session: str, hellos: Mapping[str, Answer]) -> dict[str, Answer]:
        """Carry a session from its hellos to its end, as `core.party_script.rounds_script`.

        Raises:
            RelayError: If a party ended it.
        """
        return self.drive(rounds_script(session, hellos))

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
        names = tuple(name for name in wallet.signers if name in self._connections)
        try:
            return self._sign(bundle, wallet, names, certificates)
        except RelayError as error:
            if not any(refusal["code"] in _ABOUT_MEMORY for refusal in error.refusals.values()):
                raise
            if not self.teach(wallet):
                raise
            return self._sign(bundle, wallet, names, ())

    def teach(self, wallet: Wallet) -> bool:
        """Have the parties of a wallet taught what others of them keep, also of the other wallets that they hold.

        Returns:
            Whether any of them stands elsewhere now.
        """
        asked: dict[str, Answer] = {name: {"op": "status"} for name in wallet.signers if name in self._connections}
        told, _ = self.ask(asked)
        named = Counter(name for status in told.values() for name in _lanes(status))
        self.drive(teach_script(told, sorted(name for name, count in named.items() if count > 1)))
        now, _ = self.ask(asked)
        return any(_lanes(now[name]) != _lanes(status) for name, status in told.items() if name in now)

    def _sign(
        self, bundle: Answer, wallet: Wallet, names: tuple[str, ...], certificates: Iterable[Answer]
    ) -> tuple[Answer, Answer | None]:
        known = list(certificates)
        if known:
            self.ask({name: {"op": "learn", "certificates": known} for name in names})
        case = Case(
            bundle=bundle,
            deployment=bundle["header"]["deployment"],
            wallet=wallet,
            ask=names,
            chance=secrets.token_bytes(32),
        )
        made = self.drive(sign_script(case))
        return made.signature, made.certificate


def _lanes(status: Answer) -> Answer:
    lanes = status.get("lanes")
    return lanes if isinstance(lanes, dict) else {}


def _is_result(answer: Answer) -> bool:
    return answer.get("ok") is True and isinstance(answer.get("result"), dict)


def _error_of(answer: Answer) -> Answer:
    error = answer.get("error")
    if isinstance(error, dict) and isinstance(error.get("code"), str) and isinstance(error.get("message"), str):
        return error
    return {"code": UNUSABLE, "message": "neither a result nor an error", "retry": True}
