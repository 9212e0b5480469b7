"""Custody without its certificates: parties teach each other, and give it back what it lost."""

from __future__ import annotations

import dataclasses
import shutil
from io import StringIO
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from django.core.management import call_command
from django.utils import timezone

from chains.services import chain_create
from core.documents.bundle import Signature
from custody.errors import SignerWaitsError
from custody.models import PartyCertificate, Wallet
from custody.parties import carry, lessons, line
from custody.parties.carry import party_sign
from custody.parties.collect import certificates_collect
from custody.services import wallet_create
from signer.party.shelf import FILE
from tests.factories.world import CHAIN
from tests.mpc.rig import generating, new_shares
from tests.party.inside import Inside
from tests.party.test_teaching import LIES, _silent, _the_same_again

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from core.party_script import Batch

pytestmark = pytest.mark.django_db
Json = dict[str, Any]
FIRST, SECOND, THIRD = (f"party-{number}" for number in range(1, 4))
LOST = 3


@pytest.fixture(scope="module")
def shares() -> dict[int, bytes]:
    return {index: bytes(share.serialise()) for index, share in new_shares(generating(2, 3)).items()}


@dataclasses.dataclass(frozen=True)
class _Step:
    """What a lie of `tests.party.test_teaching` looks at."""

    step: str


class Port:
    """Custody's way to the parties of the newest test; `lies` changes what some of them answer."""

    inside: ClassVar[Inside]
    lies: ClassVar[dict[str, Callable[[Batch, Json], Json | None]]] = {}

    def request(self, signer_id: str, frame: dict[str, object]) -> dict[str, object]:
        """Ask."""
        good, bad = self.inside.ask({signer_id: frame})
        if bad:
            return {"v": 1, "ok": False, "error": bad[signer_id]}
        lie = self.lies.get(signer_id)
        answer = good[signer_id] if lie is None else lie(_Step(str(frame["op"])), good[signer_id])  # type: ignore[arg-type]  # of a batch it looks at the step only
        if answer is None:
            code = "unreachable"
            raise SignerWaitsError(code, "nobody listens")
        return {"v": 1, "ok": True, "result": answer}


@pytest.fixture(scope="module")
def begun(
    shares: dict[int, bytes], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Inside, dict[str, list[bytes]]]:
    """A 2-of-3 wallet that has signed before, of which custody kept nothing."""
    made = Inside(shares, 2, tmp_path_factory.mktemp("parties"))
    start = list(made.lines[THIRD])
    for nonce in range(LOST):
        made.sign(made.group.case(nonce))
    for name in (FIRST, SECOND):
        made.services[name].settle()
        shutil.copy(made.folder / name / FILE, made.folder / f"{name}.kept")
    (made.folder / f"{THIRD}.kept").touch()
    return made, {FIRST: list(made.lines[FIRST]), SECOND: list(made.lines[SECOND]), THIRD: start}


@pytest.fixture
def inside(begun: tuple[Inside, dict[str, list[bytes]]], settings: Any) -> Iterator[Inside]:  # noqa: ANN401 - pytest-django's wrapper
    """Its parties as they were before any test; the third begins anew."""
    for remembered in (line._resting, line._paces, carry._troubles, carry._patient, lessons._useless):  # noqa: SLF001 - a new process would begin so
        remembered.clear()
    settings.COUNTERSIGN_SIGNER_PORT = f"{__name__}.Port"
    made, lines = begun
    for name in made.services:
        made.lines[name] = list(lines[name])
        shutil.copy(made.folder / f"{name}.kept", made.folder / name / FILE)
        made.restart(name)
    Port.inside, Port.lies = made, {}
    wallet = made.group.wallet
    chain_create(actor="x", caip2=CHAIN, name="Dev chain", native_symbol="ETH", confirmation_depth=3)
    wallet_create(
        actor="x",
        caip10=wallet.id,
        label="Warm",
        kind=wallet.kind,
        public_key=wallet.public_key,
        signers=wallet.signers,
        threshold=wallet.threshold,
    )
    yield made
    Port.lies = {}


def sign(inside: Inside, nonce: int) -> None:
    made = party_sign(wallet=Wallet.objects.get(), bundle=inside.group.case(nonce), now=timezone.now())
    assert isinstance(made, Signature), made


def lane(inside: Inside, name: str) -> tuple[int, str]:
    journal, wallet = inside.services[name].journal, inside.group.wallet.id
    return journal.next_nonce(wallet), journal.lane_digest(wallet)


def kept() -> list[int]:
    return list(PartyCertificate.objects.order_by("nonce").values_list("nonce", flat=True))


def test_signing_goes_on_where_the_database_lost_every_certificate(inside: Inside) -> None:
    assert lane(inside, THIRD)[0] == 0
    sign(inside, LOST)
    assert lane(inside, THIRD) == lane(inside, FIRST)
    assert kept() == [LOST]


def test_rows_that_somebody_forged_teach_nothing_and_the_parties_do(inside: Inside) -> None:
    certificates_collect(now=timezone.now())
    forged = PartyCertificate.objects.get(nonce=0)
    other = PartyCertificate.objects.get(nonce=1)
    inside.lines[THIRD] = inside.lines[THIRD][:1]
    inside.restart(THIRD)
    PartyCertificate.objects.filter(pk=forged.pk).update(certificate=other.certificate)
    sign(inside, LOST)
    assert lane(inside, THIRD) == lane(inside, FIRST)


def test_the_store_is_filled_from_the_parties_and_serves_in_the_order_of_nonces(inside: Inside) -> None:
    sign(inside, LOST)
    said = StringIO()
    call_command("certificates_collect", stdout=said, stderr=said)
    assert said.getvalue() == f"{inside.group.wallet.id}: {LOST} certificates are kept that were not here before\n"
    assert kept() == list(range(LOST + 1))
    again = StringIO()
    call_command("certificates_collect", stdout=again, stderr=again)
    assert ": 0 certificates" in again.getvalue()
    # Now the parties' own files are gone, and one of them begins anew: custody has all of it again.
    inside.lines[THIRD] = inside.lines[THIRD][:1]
    for name in inside.services:
        (inside.folder / name / FILE).unlink()
        inside.restart(name)
    sign(inside, LOST + 1)
    assert lane(inside, THIRD) == lane(inside, FIRST)


@pytest.mark.parametrize("lie", [one for one in LIES if one not in (_silent, _the_same_again)])
def test_a_liar_puts_nothing_into_the_store(inside: Inside, lie: Callable[[Batch, Json], Json | None]) -> None:
    Port.lies = {FIRST: lie}
    certificates_collect(now=timezone.now())
    assert kept() == list(range(LOST))
    Port.lies = {}
    inside.lines[THIRD] = inside.lines[THIRD][:1]
    inside.restart(THIRD)
    (inside.folder / SECOND / FILE).unlink()
    inside.restart(SECOND)
    sign(inside, LOST)
    assert lane(inside, THIRD) == lane(inside, FIRST)


@pytest.mark.usefixtures("inside")
def test_where_all_hand_out_lies_the_store_stays_empty_and_says_so() -> None:
    Port.lies = dict.fromkeys((FIRST, SECOND, THIRD), LIES[0])
    made = certificates_collect(now=timezone.now())
    assert (kept(), made[0].kept) == ([], 0)
    assert "too few parties take what it hands out from nonce 0 on" in made[0].troubles.values()


def test_who_was_taught_in_vain_is_taught_again_when_its_journal_has_gone_on() -> None:
    key = (THIRD, "", "", False)
    stood: dict[str, dict[str, Any]] = {THIRD: {"head": "ab" * 32}}
    lessons._useless.clear()  # noqa: SLF001 - a new process would begin so
    lessons._rest([key], stood)  # noqa: SLF001 - what a lesson in vain leaves behind
    assert lessons._rests(key, stood)  # noqa: SLF001 - as above
    # It took the document without which it could not learn.
    assert not lessons._rests(key, {THIRD: {"head": "cd" * 32}})  # noqa: SLF001 - as above


def test_without_a_wallet_of_parties_there_is_nothing_to_ask_for(db: None) -> None:
    del db
    said = StringIO()
    call_command("certificates_collect", stdout=said)
    assert said.getvalue() == "no wallet is held by parties\n"
