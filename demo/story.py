"""The story: ether and tokens go from form to chain, a rejection ends a request, forgeries are refused."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from core.documents.consent import Decision
from core.names import native_asset, token_asset
from demo.institution import POLICY_ADMINS
from demo.layout import PARTIES, ROOT
from demo.lease_check import Outage, await_signed
from demo.log_check import LogCheck
from demo.party_refusals import PartyAttack, party_refusals_prepare
from demo.people import Browser
from demo.refusals import refusals_play, refusals_prepare
from demo.services.processes import ServiceError
from demo.site import courier_name
from demo.steps import run_as
from demo.warm import SMALL, Warm

if TYPE_CHECKING:
    from concurrent.futures import Future

    from demo.institution import Institution
    from demo.refusals import Refusals
    from demo.site import Site
    from demo.telling import Teller

_CONFIRM_SECONDS = 40
_APART = ("web", "worker", "sequencer", "courier", "log-courier", "signer", "log-signer", "witness")
"""What is a process of its own in full mode, beside each party and each party's courier."""
EXCHANGE = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


@dataclasses.dataclass
class Story:
    """Plays the parts and counts what came of it."""

    institution: Institution
    site: Site
    tell: Teller
    full: bool
    confirmed: int = 0

    def play(self) -> dict[str, object]:
        """Play everything; return the last line."""
        if self.full:
            self._check_full()
        with ThreadPoolExecutor(1) as beside:
            ready = beside.submit(refusals_prepare, self.institution, self.site)
            return self._play(ready, beside)

    def _play(self, ready: Future[Refusals], beside: ThreadPoolExecutor) -> dict[str, object]:
        self.tell.chapter("People ask, decide and consent")
        tessa, rita, ravi = (Browser(self.institution, name) for name in ("tessa", "rita", "ravi"))
        wallet = next(w for w in self.institution.policy.wallets if w.label == "Treasury")
        ether = tessa.ask(
            wallet=wallet.id,
            asset=native_asset(wallet.chain),
            destination=EXCHANGE,
            amount="1.5",
            purpose="Collateral for the exchange",
        )
        self.tell.step("tessa asks for 1.5 ETH to the exchange and signs the mandate")
        self._approve(ether, rita, ravi)
        token = tessa.ask(
            wallet=wallet.id,
            asset=token_asset(wallet.chain, self.institution.token),
            destination=EXCHANGE,
            amount="12,500",
            purpose="Settlement",
        )
        self.tell.step("tessa asks for 12,500 USDC to the exchange and signs the mandate")
        self._approve(token, rita, ravi)
        self._reject(tessa, rita, wallet.id, native_asset(wallet.chain))
        warm = Warm(self.institution, self.site, self.tell, people=(tessa, rita, ravi), destination=EXCHANGE)
        shared = warm.pay(SMALL, "Collateral from the shared key")
        self.tell.step(f"tessa asks for {SMALL} ETH from Warm, whose key no machine holds; both officers approve")
        first = (ether, token, shared)
        for reference in first:
            await_signed(tessa, reference)
        prepared = ready.result()
        outage = Outage(self.institution, self.site, self.tell, people=(tessa, rita, ravi), destination=EXCHANGE)
        late = outage.begin()
        # What is signed is mined without a witness, and its lease takes its time to end.
        for reference in first:
            self._await(tessa, reference)
        proofs = [beside.submit(self._prove, reference) for reference in (ether, shared)]
        outage.end(late)
        adam, anna = (Browser(self.institution, name) for name in POLICY_ADMINS)
        parties = warm.play((adam, anna))
        self._await(tessa, late)
        refused = self._refuse(prepared)
        last = warm.recover(partial(self._await, tessa))
        besieged = party_refusals_prepare(self.institution, self.site)
        self.tell.chapter("The attacker goes to each party, past everything else")
        parties["refused"] = PartyAttack(
            self.institution, self.site, besieged, self.tell, refused=warm.refused
        ).play()
        self._await(tessa, last)
        audit = LogCheck(self.institution, self.site, self.tell).play()
        self.tell.chapter("Outsiders check")
        for proof in proofs:
            for line in proof.result():
                self.tell.step(line)
        return {
            "story": "ok",
            "confirmed": self.confirmed,
            "refused": refused,
            "parties": parties,
            **audit,
            "seconds": round(self.tell.seconds, 1),
        }

    def _check_full(self) -> None:
        """Make sure that nothing here runs in a smaller way than it says."""
        eager = "from config.celery import app; print(app.conf.task_always_eager)"
        if self.site.web.run("manage.py", "shell", "--verbosity", "0", "--command", eager).strip() != "False":
            raise ServiceError("Celery runs tasks in the caller's process")
        apart = [self.site.pids[name] for name in (*_APART, *PARTIES, *map(courier_name, PARTIES))]
        if len(set(apart)) != len(apart):
            raise ServiceError(f"{', '.join(_APART)} must be processes of their own")
        if ended := self.site.ended():
            raise ServiceError(f"{', '.join(ended)} ended by itself")
        layout = self.institution.layout
        # A witness is somebody else's and keeps what it saw as it likes.
        if any(layout.witness not in file.parents for file in layout.base.rglob("*.sqlite3")):
            raise ServiceError("there is a SQLite database in full mode")
        apart_words = f"{', '.join(_APART)}, five parties and their five couriers"
        self.tell.step(f"Celery's eager mode is off; {apart_words} are separate; no SQLite file of ours")

    def _approve(self, reference: str, *officers: Browser) -> None:
        for officer in officers:
            state = officer.decide(reference)
            self.tell.step(f"{officer.person} reads the case at the consent origin and approves it: {state}")

    def _reject(self, tessa: Browser, rita: Browser, wallet: str, asset: str) -> None:
        reference = tessa.ask(wallet=wallet, asset=asset, destination=EXCHANGE, amount="2", purpose="Twice?")
        state = rita.decide(reference, Decision.REJECT, "This was paid already")
        self.tell.step(f"a third request is rejected by rita, with a reason: {state}")
        if state != "rejected":
            raise ServiceError(f"one rejection must end it, not leave it {state}")

    def _await(self, browser: Browser, reference: str) -> None:
        deadline = time.monotonic() + _CONFIRM_SECONDS
        while True:
            status = browser.status(reference)
            if status["state"] == "confirmed":
                break
            if status["final"] or time.monotonic() > deadline:
                raise ServiceError(f"request {reference[:8]} is {status['state']}: {status['why']}")
            time.sleep(0.3)
        self.confirmed += 1
        self.tell.step(f"mined and confirmed at depth {status['depth']}: {status['transaction_hash']}")

    def _refuse(self, prepared: Refusals) -> int:
        self.tell.chapter("An attacker owns web server, database, broker, an admin, one approver and the initiator")
        return refusals_play(self.institution, self.site, prepared, self.tell)

    def _prove(self, reference: str) -> list[str]:
        """Keep a case and verify it as an outsider, with a root and without; return what is said of it."""
        case = self.institution.layout.papers / f"case-{reference[:8]}.json"
        self.site.web.run("manage.py", "case_export", reference, "--out", case)
        verify = ("-m", "witness", "verify", case)
        printed = run_as(None, *verify, "--genesis", self.institution.deployment)
        rootless = subprocess.run(
            [sys.executable, *map(str, verify)], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
        if rootless.returncode != 2 or "UNROOTED" not in rootless.stdout:  # noqa: PLR2004 - its exit code
            raise ServiceError("a case without a root from outside must be UNROOTED")
        return [*printed.strip().splitlines(), "without a root from outside: UNROOTED, exit code 2"]
