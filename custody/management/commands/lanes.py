"""What stands in each lane and what holds it up: `manage.py lanes`. A wedged one is looked at again at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from core.custody_lifecycle import JobState
from custody.lane_view import lane_view
from custody.models import Job
from custody.selectors import JOB_UNMINED, wallet_find, wallet_list
from custody.wake import wake

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from custody.models import Wallet

_LOOKED_AT = JOB_UNMINED | {JobState.QUEUED, JobState.DOUBTED}


class Command(BaseCommand):
    """Show lanes. Changes nothing that people decide: a cancel is proposed on the request's page."""

    help = "Show each wallet's lane, and what it waits for."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the wallet to look at again."""
        parser.add_argument(
            "--look-again",
            metavar="WALLET",
            default="",
            help="CAIP-10 account whose open cases are made due at once.",
        )

    def handle(self, *args: object, **options: str) -> None:
        """Show all lanes, or wake one."""
        del args
        account = options["look_again"]
        if account:
            self._look_again(account)
            return
        for wallet in wallet_list():
            self._show(wallet)

    def _show(self, wallet: Wallet) -> None:
        view = lane_view(wallet=wallet)
        following = "never used" if view.next_nonce is None else f"next nonce {view.next_nonce}"
        self.stdout.write(f"{wallet.label} ({wallet.caip10}): {following}")
        self.stdout.write(f"  waits: {view.blocked_by}" if view.blocked_by else "  free")
        for row in view.rows:
            nonce = "no nonce" if row.nonce is None else f"nonce {row.nonce}"
            self.stdout.write(f"  {nonce}  {row.state}  {row.intent_digest[:16]}  {row.words}")

    def _look_again(self, account: str) -> None:
        wallet = wallet_find(caip10=account)
        if wallet is None:
            raise CommandError(f"there is no wallet {account}")
        open_ = Job.objects.filter(wallet=wallet, state__in=[state.value for state in _LOOKED_AT])
        count = open_.update(due_at=timezone.now())
        wake()
        self.stdout.write(f"{wallet.label}: cases looked at again: {count}")
