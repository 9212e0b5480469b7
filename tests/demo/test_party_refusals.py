"""Certificates that the story's attacker makes: each lacks just what it says, and parties refuse it for that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from core.documents.party import Certificate
from core.errors import Refusal, RefusedError
from core.schema import read_struct, write_struct
from core.sessions import session_id
from demo.layout import PARTIES
from demo.party_refusals import forged_certificates
from tests.factories.parties import Parties

if TYPE_CHECKING:
    from core.documents.bundle import Bundle

NAMES = tuple(forged_certificates({name: {"document": {}} for name in PARTIES}))


@pytest.fixture(scope="module")
def group() -> Parties:
    return Parties()


@pytest.fixture(scope="module")
def case(group: Parties) -> Bundle:
    return group.case()


@pytest.mark.parametrize("name", NAMES)
def test_each_forged_certificate_is_refused_and_the_real_one_is_not(name: str, group: Parties, case: Bundle) -> None:
    now = group.world.now
    given = [write_struct(group[place].reserve(case, now), "word") for place in range(1, 6)]
    forged = forged_certificates(dict(zip(PARTIES, given, strict=True)))[name]
    certificate = read_struct(Certificate, {"reservations": forged}, "certificate")
    with pytest.raises(RefusedError) as caught:
        group[1].join(case, certificate, group.terms(case, (1, 2, 3)), now)
    assert caught.value.code is Refusal.CERTIFICATE
    real = read_struct(Certificate, {"reservations": given[:4]}, "certificate")
    terms = group.terms(case, (1, 2, 3))
    assert group[1].join(case, real, terms, now).session == session_id(terms, group.world.deployment)
