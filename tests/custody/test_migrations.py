"""Rows of the time when a wallet named one signer are carried over, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from chains.services import chain_create
from tests.factories.world import CHAIN

if TYPE_CHECKING:
    from django.apps.registry import Apps

_BEFORE = ("custody", "0002_versions_and_ledger")
_AFTER = ("custody", "0003_parties")
_KEYS = ("custody", "0004_keys")


def _at(state: tuple[str, str]) -> Apps:
    executor = MigrationExecutor(connection)
    executor.migrate([state])
    return executor.loader.project_state([state]).apps


@pytest.mark.django_db(transaction=True)
def test_a_wallet_keeps_its_signer() -> None:
    latest = MigrationExecutor(connection).loader.graph.leaf_nodes()
    try:
        apps = _at(_BEFORE)
        chain_create(actor="x", caip2=CHAIN, name="Dev chain", native_symbol="ETH", confirmation_depth=3)
        apps.get_model("custody", "Wallet").objects.create(
            caip10=f"{CHAIN}:0x0", chain_id=CHAIN, label="w", kind="hsm", public_key="04", signer="hsm-7"
        )
        wallet = _at(_AFTER).get_model("custody", "Wallet").objects.get()
        assert (wallet.signers, wallet.threshold) == (["hsm-7"], 1)
        wallet = _at(_BEFORE).get_model("custody", "Wallet").objects.get()
        assert wallet.signer == "hsm-7"
    finally:
        MigrationExecutor(connection).migrate(latest)


@pytest.mark.django_db(transaction=True)
def test_a_wallet_of_before_gets_a_key_whose_beginning_nobody_knows() -> None:
    latest = MigrationExecutor(connection).loader.graph.leaf_nodes()
    try:
        apps = _at(_AFTER)
        chain_create(actor="x", caip2=CHAIN, name="Dev chain", native_symbol="ETH", confirmation_depth=3)
        apps.get_model("custody", "Wallet").objects.create(
            caip10=f"{CHAIN}:0x0", chain_id=CHAIN, label="w", kind="hsm", public_key="04", signers=["hsm-7"]
        )
        key = _at(_KEYS).get_model("custody", "WalletKey").objects.get()
        assert (key.wallet_id, key.state, key.registered_at) == (f"{CHAIN}:0x0", "generated", None)
        assert key.period_days == 365
        _at(_AFTER)
        assert "custody_walletkey" not in connection.introspection.table_names()
    finally:
        MigrationExecutor(connection).migrate(latest)
