"""Makes of security keys at the web origin: listed models, pinned roots, and production that insists on both."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from django.core.exceptions import ImproperlyConfigured

from approvals import makers
from approvals.makers import maker_problem, models_allowed, roots_pinned
from core.documents.roster import KeyAttestation, Profile
from tests.factories.attested import LEAF, MODEL, ROOT, attest, hardware
from tests.factories.world import World

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django.fixtures import Settings

NOW = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
pytestmark = pytest.mark.django_db


def attestation() -> KeyAttestation:
    made = attest(hardware()).attestation
    assert made is not None
    return made


def problem(aaguid: bytes = MODEL, made: KeyAttestation | None = None, now: dt.datetime = NOW) -> str | None:
    return maker_problem(attestation=made or attestation(), aaguid=aaguid, now=now)


@pytest.fixture
def pinned(tmp_path: Path, settings: Settings) -> Path:
    file = tmp_path / "root.pem"
    file.write_bytes(x509.load_der_x509_certificate(ROOT).public_bytes(Encoding.PEM))
    settings.COUNTERSIGN_SIGN_IN_MODELS = (MODEL.hex(),)
    settings.COUNTERSIGN_SIGN_IN_ROOTS = {hashlib.sha256(file.read_bytes()).hexdigest(): str(file)}
    return file


def test_without_lists_a_demo_takes_any_key() -> None:
    assert problem(aaguid=bytes(16)) is None


@pytest.mark.usefixtures("pinned")
def test_a_listed_model_of_a_pinned_maker_is_taken() -> None:
    assert roots_pinned() == (ROOT,)
    assert problem() is None


@pytest.mark.usefixtures("pinned")
def test_an_unlisted_model_is_refused_with_what_to_do() -> None:
    said = problem(aaguid=bytes.fromhex("ee882879721c491397753dfcce97072a"))
    assert said is not None
    assert "not on this site's list" in said
    assert "Ask an administrator" in said


@pytest.mark.usefixtures("pinned")
def test_an_attestation_that_is_none_or_came_too_late_is_refused(settings: Settings) -> None:
    made = dataclasses.replace(attestation(), object=b"\xa0")
    assert "does not verify" in str(problem(made=made))
    assert "not valid" in str(problem(now=dt.datetime(2080, 1, 1, tzinfo=dt.UTC)))
    settings.COUNTERSIGN_SIGN_IN_ROOTS = {}
    assert problem(made=made) is None, "no roots are pinned here, and this is no production"


def test_a_root_file_that_somebody_changed_stops_everything(pinned: Path) -> None:
    pinned.write_bytes(x509.load_der_x509_certificate(LEAF).public_bytes(Encoding.PEM))
    with pytest.raises(ImproperlyConfigured, match="has the hash"):
        problem()
    pinned.unlink()
    with pytest.raises(ImproperlyConfigured):
        roots_pinned()


@pytest.mark.parametrize("listed", ["nonsense", "abcd", "zz" * 16])
def test_a_model_that_is_none_stops_everything(settings: Settings, listed: str) -> None:
    settings.COUNTERSIGN_SIGN_IN_MODELS = (listed,)
    with pytest.raises(ImproperlyConfigured):
        models_allowed()


@pytest.mark.usefixtures("pinned")
@pytest.mark.parametrize("missing", ["COUNTERSIGN_SIGN_IN_MODELS", "COUNTERSIGN_SIGN_IN_ROOTS"])
def test_production_insists_on_both_lists(settings: Settings, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    policy = dataclasses.replace(World().policy, profile=Profile.PRODUCTION)
    monkeypatch.setattr(makers, "policy_in_force", lambda: policy)
    assert problem() is None
    setattr(settings, missing, type(getattr(settings, missing))())
    assert "lists no models and makers" in str(problem())
