"""Money is exact from 0 to 2^256 - 1 on both databases, and nothing else is money."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from chains.amounts import AmountField
from chains.models import Chain
from core.documents.roster import WalletKind
from core.schema import UINT256_MAX
from custody.models import Job, Transmission, Wallet

EDGES = (0, 1, 10**18, 2**63, 2**64, 2**255, UINT256_MAX - 1, UINT256_MAX)


@pytest.fixture
def job(db: None) -> Job:  # noqa: ARG001 - asks for the database
    chain = Chain.objects.create(caip2="eip155:31337", name="Dev", native_symbol="ETH", confirmation_depth=1)
    wallet = Wallet.objects.create(
        caip10="eip155:31337:0x0", chain=chain, label="w", kind=WalletKind.HSM, public_key="", signers=["s"]
    )
    return Job.objects.create(
        intent_digest="0" * 64, wallet=wallet, mandate="", intent="", consents="", created_at=timezone.now()
    )


def _store(job: Job, amount: object) -> Transmission:
    return Transmission.objects.create(
        job=job,
        transaction_hash=f"{Transmission.objects.count():064x}",
        raw=b"",
        nonce=0,
        max_fee_per_gas=amount,
        max_priority_fee_per_gas=0,
        stored_at=timezone.now(),
    )


def test_every_edge_comes_back_as_it_was(job: Job) -> None:
    for amount in EDGES:
        stored = _store(job, amount)
        stored.refresh_from_db()
        assert stored.max_fee_per_gas == amount
        assert type(stored.max_fee_per_gas) is int


def test_the_database_compares_and_sorts_as_numbers(job: Job) -> None:
    for amount in reversed(EDGES):
        _store(job, amount)
    assert list(Transmission.objects.order_by("max_fee_per_gas").values_list("max_fee_per_gas", flat=True)) == list(
        EDGES
    )
    assert Transmission.objects.filter(max_fee_per_gas__gt=9, max_fee_per_gas__lte=2**64).count() == 3
    assert Transmission.objects.filter(max_fee_per_gas__in=[0, UINT256_MAX]).count() == 2


@pytest.mark.parametrize("wrong", [-1, UINT256_MAX + 1, 1.0, "1.00", "-2", "", True, "\u0663", object()])
def test_anything_else_is_refused(job: Job, wrong: object) -> None:
    with pytest.raises(ValueError, match="not an amount"):
        _store(job, wrong)


def test_the_database_itself_refuses_too(job: Job) -> None:
    _store(job, 1)
    for wrong in ("-1", str(UINT256_MAX + 1), "1.5" if connection.vendor == "sqlite" else "-2"):
        statement = "UPDATE custody_transmission SET max_fee_per_gas = %s"
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, [wrong])


def test_forms_get_a_whole_number() -> None:
    form_field = AmountField().formfield()
    assert form_field is not None
    assert form_field.clean(str(UINT256_MAX)) == UINT256_MAX
    with pytest.raises(ValidationError):
        form_field.clean(str(UINT256_MAX + 1))
