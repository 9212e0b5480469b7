"""A key that parties make together: by the plan that was compared, among domains that do not fail as one."""

from __future__ import annotations

import dataclasses
import json
import secrets
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.canonical import canonical
from core.documents.roster import Profile
from core.errors import PolicyError
from core.founding import KIND, FoundingParty, FoundingPlan, check_plan
from core.schema import write_struct
from courier.found import main
from tests.factories.world import CHAIN
from tests.party.rig import serving
from tests.signer.rig import command

if TYPE_CHECKING:
    from pathlib import Path

    from tests.party.rig import Founded


def plan(threshold: int = 2, parties: int = 3, profile: Profile = Profile.PRODUCTION, **same: Any) -> FoundingPlan:  # noqa: ANN401
    made = tuple(
        FoundingParty(
            id=f"party-{place}",
            public_key=Ed25519PrivateKey.generate().public_key().public_bytes_raw(),
            **{
                domain: same.get(domain, f"{domain}-{place}")
                for domain in ("host", "site", "administrator", "vendor")
            },
        )
        for place in range(1, parties + 1)
    )
    return FoundingPlan(
        kind=KIND,
        profile=profile,
        label="Warm",
        chain=CHAIN,
        threshold=threshold,
        parties=made,
        nonce=secrets.token_bytes(32),
    )


@pytest.mark.parametrize("domain", ["host", "site", "administrator", "vendor"])
def test_no_failure_domain_holds_as_many_shares_as_sign(domain: str) -> None:
    check_plan(plan())
    shared: dict[str, Any] = {domain: "one"}
    with pytest.raises(PolicyError, match=f"{domain} one holds 3 shares: 2 of them sign"):
        check_plan(plan(**shared))


def test_a_demonstration_has_one_vendor_and_no_other_excuse() -> None:
    check_plan(plan(profile=Profile.DEMO, vendor="softhsm"))
    with pytest.raises(PolicyError, match="host"):
        check_plan(plan(profile=Profile.DEMO, host="one"))


def test_plans_that_nobody_should_follow() -> None:
    good = plan()
    twice = dataclasses.replace(good, parties=(good.parties[0], *good.parties))
    weak = dataclasses.replace(good.parties[0], public_key=bytes(32))
    for bad, words in (
        (twice, "named twice"),
        (dataclasses.replace(good, threshold=4), "never sign"),
        (dataclasses.replace(good, parties=(weak, *good.parties[1:])), "anybody can sign"),
    ):
        with pytest.raises(PolicyError, match=words):
            check_plan(bad)


def test_a_party_makes_no_key_by_a_plan_that_was_not_compared_or_is_not_its_own(
    two_of_three: Founded, tmp_path: Path
) -> None:
    state = two_of_three.state("party-1")
    file = tmp_path / "plan.json"
    file.write_bytes(canonical(write_struct(two_of_three.plan, "plan")))
    done = command(state, "found", str(file), "--expect", "00" * 32)
    assert done.returncode == 78
    assert "not this plan's digest" in done.stderr
    stranger = plan(profile=Profile.DEMO)
    file.write_bytes(canonical(write_struct(stranger, "plan")))
    done = command(state, "found", str(file), "--expect", stranger.digest)
    assert "another key for this party" in done.stderr
    file.write_text("{}")
    assert command(state, "found", str(file), "--expect", "0").returncode == 78


def test_terms_other_than_the_plans_are_refused_and_one_party_alone_makes_nothing(
    two_of_three: Founded, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = two_of_three.plan
    file = tmp_path / "plan.json"
    file.write_bytes(canonical(write_struct(made, "plan")))
    with serving(two_of_three.state("party-1"), "found", str(file), "--expect", made.digest) as party:
        terms = write_struct(made.terms, "terms")
        for change in ({"threshold": 3}, {"subject": "ab" * 32}, {"quorum": ["party-1", "party-2"]}, {"epoch": 1}):
            refused = party.ask("greet", terms={**terms, **change})
            assert refused["error"]["code"] == "session"
        assert party.ask("sign", bundle={})["error"]["code"] == "unsupported"
        assert party.ask("status")["result"]["made"] is None
        nowhere = [f"--party=party-{place}={tmp_path}/none.sock" for place in (2, 3)]
        assert main([str(file), f"--party=party-1={party.path}", *nowhere]) == 1
    assert "party-2: unreachable" in capsys.readouterr().err
    assert main([str(file), f"--party=party-1={party.path}"]) == 2
    file.write_text(json.dumps({"kind": KIND}))
    assert main([str(file), "--party=a=b"]) == 2
