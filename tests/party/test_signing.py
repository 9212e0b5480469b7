"""Parties sign what people consented to, together, and each says no for itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from courier.relay import RelayError
from tests.mpc.oracles import noble_transactions
from tests.party.rig import relay_to

if TYPE_CHECKING:
    from tests.party.rig import Group


def test_three_of_five_sign_and_repeat(large: Group) -> None:
    case = large.bundle().to_json()
    with large.up() as parties, relay_to(parties) as relay:
        made, certificate = relay.sign(case, large.wallet)
        assert certificate is not None
        assert len(certificate["reservations"]) == 4
        again, none = relay.sign(case, large.wallet)
        assert none is None
        assert (again["raw"], again["repeated"]) == (made["raw"], True)
        # Neither noble-curves nor noble-hashes had any part in it.
        (told,) = noble_transactions([bytes.fromhex(made["raw"][2:])])
        assert (told["from"], told["hash"]) == (large.wallet.address.lower(), made["transaction_hash"])


def test_one_party_alone_signs_nothing(small: Group) -> None:
    case = small.bundle().to_json()
    with small.up() as parties:
        answer = parties["party-1"].ask("sign", bundle=case)
        assert answer["error"]["code"] == "unsupported"


def test_too_few_parties_reserve_nothing(small: Group) -> None:
    case = small.bundle().to_json()
    with small.up("party-1", "party-2") as parties, relay_to(parties) as relay:
        with pytest.raises(RelayError, match="2 of 3"):
            relay.sign(case, small.wallet)
        status = parties["party-1"].ask("status")["result"]
        assert status["lanes"][small.wallet.id]["next"] == 0
        assert (status["epochs"], status["token"]["model"]) == ({small.wallet.id: 0}, "SoftHSM v2")
