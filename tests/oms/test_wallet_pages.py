"""Pages about wallets: balances over time, the lane and what holds it up, outflows without us."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from custody.models import StrangeOutflow
from custody.reconcile import wallet_reconcile
from custody.selectors import wallet_list
from tests.sign_in import signed_in

if TYPE_CHECKING:
    from tests.oms.conftest import Desk

pytestmark = pytest.mark.anvil


def test_a_wallet_is_shown_with_its_balance_lane_and_last_block(desk: Desk) -> None:
    rita = signed_in(desk.users["rita"])
    assert "not read yet" in rita.get("/wallets/").content.decode()
    (wallet,) = wallet_list()
    wallet_reconcile(wallet=wallet, now=timezone.now())
    page = rita.get("/wallets/").content.decode()
    assert "1,000 ETH" in page
    assert f"/wallets/{wallet.caip10}/" in page
    page = rita.get(f"/wallets/{wallet.caip10}/").content.decode()
    for words in (
        "1,000 ETH",
        "This lane was never used",
        "ETH held",
        "Nothing is under way",
        "warns below 0.05 ETH",
    ):
        assert words in page
    assert "data-chart" in page


def test_an_outflow_without_us_is_shown_on_both_pages(desk: Desk) -> None:
    (wallet,) = wallet_list()
    wallet_reconcile(wallet=wallet, now=timezone.now())
    desk.node.call("anvil_setBalance", wallet.address, hex(400 * 10**18))
    desk.node.call("anvil_mine", "0x1")
    wallet_reconcile(wallet=wallet, now=timezone.now())
    assert StrangeOutflow.objects.count() == 1
    rita = signed_in(desk.users["rita"])
    assert "1 strange outflow" in rita.get("/wallets/").content.decode()
    page = rita.get(f"/wallets/{wallet.caip10}/").content.decode()
    assert "600 ETH" in page
    assert "the balance fell by more than what our transactions spent" in page


def test_only_whoever_sees_all_desks_sees_wallets_and_bad_names_are_no_error(desk: Desk) -> None:
    tessa = signed_in(desk.users["tessa"])
    assert tessa.get("/wallets/").status_code == 403
    assert tessa.get("/wallets/x/").status_code == 403
    rita = signed_in(desk.users["rita"])
    for name in ("x", "eip155:31337:0x00", "a" * 300, "%00"):
        assert rita.get(f"/wallets/{name}/").status_code == 404, name
    assert rita.post("/wallets/").status_code == 405
    for page in ("0", "-1", "x", "99999999999999999999"):
        assert rita.get(f"/wallets/?page={page}").status_code == 200
