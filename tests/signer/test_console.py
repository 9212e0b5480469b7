"""The console: init, keygen, pin, recover; each as people run it."""

from __future__ import annotations

import dataclasses
import json
import stat
from typing import TYPE_CHECKING, Any

import pytest

from core.canonical import canonical, parse
from core.documents.base import GENESIS_DEPLOYMENT
from core.documents.consent import SubjectType
from core.documents.control import Ceremony, CeremonyKind, LaneStart
from core.errors import JournalError, Refusal, RefusedError
from core.evm import address_of
from core.schema import write_struct
from signer.console import in_groups, pin_genesis, recover
from signer.errors import ConfigError, TokenKeyError
from signer.files import exclusive
from tests.factories.documents import DAY, header
from tests.factories.world import World
from tests.signer.rig import Rig, command

if TYPE_CHECKING:
    from pathlib import Path

    from core.documents.consent import SignedConsent
    from tests.signer.rig import Template


def test_init_and_keygen_on_a_clean_folder(tmp_path: Path) -> None:
    state = tmp_path / "hsm-9"
    done = command(state, "init", "--signer-id", "hsm-9", "--allow-uid", "4242")
    assert done.returncode == 0, done.stderr
    so_pin = done.stdout.split()[-1]
    assert len(so_pin) == 32
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert stat.S_IMODE((state / "hsm-pin").stat().st_mode) == 0o400
    for path in state.rglob("*"):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path
        if path.is_file():
            assert so_pin.encode() not in path.read_bytes()
    done = command(state, "keygen", "--label", "treasury")
    key = json.loads(done.stdout)
    public = bytes.fromhex(key["public_key"][2:])
    assert (len(public), address_of(public), len(key["key_id"])) == (65, key["address"], 32)
    again = command(state, "init", "--signer-id", "hsm-9")
    assert (again.returncode, "nothing to do" in again.stdout) == (0, True)
    assert command(state, "init", "--signer-id", "hsm-8").returncode == 78


def test_pin_from_the_command_line(unpinned: Rig, tmp_path: Path) -> None:
    path = tmp_path / "genesis.json"
    path.write_bytes(unpinned.genesis)
    done = command(unpinned.state, "pin", str(path), "--expect", unpinned.world.deployment)
    assert done.returncode == 0, done.stderr
    assert in_groups(unpinned.world.deployment) in done.stdout
    for name in ("pins.json", f"policies/{unpinned.world.deployment}.json"):
        assert stat.S_IMODE((unpinned.state / name).stat().st_mode) == 0o400
    with unpinned.service() as service:
        assert service.status(now=unpinned.world.now)["deployment"] == unpinned.world.deployment


@pytest.mark.parametrize("typed", ["", "0" * 8, "0" * 64, "f" * 7])
def test_another_digest_installs_nothing(unpinned: Rig, typed: str) -> None:
    with pytest.raises(ConfigError, match="nothing was installed"):
        pin_genesis(unpinned.state, unpinned.genesis, lambda _: typed)
    assert not (unpinned.state / "pins.json").exists()
    assert not (unpinned.state / "journal").exists()


def test_eight_digits_typed_in_groups_are_enough(unpinned: Rig) -> None:
    pin_genesis(unpinned.state, unpinned.genesis, lambda digest: f"{digest[:4]} {digest[4:8].upper()}")
    assert (unpinned.state / "pins.json").exists()


def test_pinning_the_same_again_changes_nothing(rig: Rig) -> None:
    with rig.service() as service:
        service.sign(rig.bundle(), now=rig.world.now)
    before = (rig.state / "journal").read_bytes()
    assert "none was started" in rig.pin()
    assert (rig.state / "journal").read_bytes() == before


def test_another_deployment_is_not_pinned_over_it(rig: Rig, template: Template) -> None:
    other = World(now=rig.world.now, wallet_public_key=template.public_key)
    raw = canonical(write_struct(other.signed_policy, "signed_policy"))
    with pytest.raises((ConfigError, JournalError)):
        pin_genesis(rig.state, raw, lambda digest: digest)


def refused(rig: Rig, **overrides: Any) -> None:  # noqa: ANN401 - fields of Policy
    """Pin a genesis with some fields replaced."""
    policy = dataclasses.replace(
        rig.world.policy, header=header("policy", GENESIS_DEPLOYMENT, now=rig.world.now), **overrides
    )
    signed = rig.world.sign_policy(policy, "adam", "anna")
    pin_genesis(rig.state, canonical(write_struct(signed, "signed_policy")), lambda digest: digest)


def test_a_wallet_key_that_is_not_in_the_token_is_refused(unpinned: Rig) -> None:
    world = unpinned.world
    stranger = world.wallet_key.public_key.format(compressed=False)
    wallet = dataclasses.replace(
        world.policy.wallets[0], public_key=stranger, id=f"eip155:31337:{address_of(stranger)}"
    )
    with pytest.raises(TokenKeyError, match="0 public keys"):
        refused(unpinned, wallets=(wallet,))
    assert not (unpinned.state / "pins.json").exists()


def test_a_policy_that_does_not_name_this_signer_is_refused(unpinned: Rig) -> None:
    signer = dataclasses.replace(unpinned.world.policy.signers[0], id="hsm-2")
    wallet = dataclasses.replace(unpinned.world.policy.wallets[0], signers=("hsm-2",))
    with pytest.raises(ConfigError, match="names no signer hsm-1"):
        refused(unpinned, signers=(signer,), wallets=(wallet,))


def test_one_admin_does_not_make_a_genesis(unpinned: Rig) -> None:
    signed = unpinned.world.sign_policy(unpinned.world.policy, "adam")
    raw = canonical(write_struct(signed, "signed_policy"))
    with pytest.raises(RefusedError) as caught:
        pin_genesis(unpinned.state, raw, lambda digest: digest)
    assert caught.value.code is Refusal.SUCCESSION


def ceremony(rig: Rig, *actors: str, next_nonce: int = 5, **changes: Any) -> bytes:  # noqa: ANN401 - fields
    world = rig.world
    fields: dict[str, Any] = {
        "header": header("ceremony", world.deployment, now=world.now),
        "policy": world.policy.digest,
        "kind": CeremonyKind.JOURNAL_START,
        "signers": ("hsm-1",),
        "wallet": None,
        "epoch": 0,
        "threshold": 0,
        "lanes": (LaneStart(wallet=world.wallet, next_nonce=next_nonce),),
        "not_before": world.now,
        "reason": "the disk was lost",
        "plan": None,
        "recovery": (),
    }
    document = Ceremony(**(fields | changes))
    consents: list[SignedConsent] = [
        world.consent(document.digest, name, subject_type=SubjectType.CEREMONY) for name in actors
    ]
    return canonical(
        {
            "ceremony": document.to_json(),
            "consents": [write_struct(consent, "consent") for consent in consents],
            "policies": [],
        }
    )


def test_a_lost_journal_starts_anew_with_a_ceremony_only(rig: Rig, tmp_path: Path) -> None:
    before = rig.bundle()
    (rig.state / "journal").unlink()
    path = tmp_path / "ceremony.json"
    path.write_bytes(ceremony(rig, "adam"))
    assert command(rig.state, "recover", "--ceremony", str(path)).returncode == 78
    path.write_bytes(ceremony(rig, "adam", "anna"))
    done = command(rig.state, "recover", "--ceremony", str(path))
    assert done.returncode == 0, done.stderr
    with rig.service() as service:
        assert service.journal.next_nonce(rig.world.wallet) == 5
        with pytest.raises(RefusedError) as caught:
            service.sign(before, now=rig.world.now + 600)
        assert caught.value.code in (Refusal.BEFORE_JOURNAL, Refusal.CLOCK)
        # Whatever is asked for now meets windows that are full.
        rig.world.now += 600
        rig.nonce = 5
        with pytest.raises(RefusedError) as caught:
            service.sign(rig.bundle(), now=rig.world.now)
        assert caught.value.code is Refusal.DENIED


def test_a_ceremony_starts_one_journal_only(rig: Rig) -> None:
    raw = ceremony(rig, "adam", "anna")
    with exclusive(rig.state):
        recover(rig.state, raw)
        kept = (rig.state / "journal.before-1").read_bytes()
        assert kept.count(b"\n") == 1
        with pytest.raises(JournalError, match="already"):
            recover(rig.state, raw)
    with rig.service() as service:
        assert service.journal.start is not None
        assert service.journal.start.full


def test_the_journal_from_before_a_ceremony_does_not_come_back(rig: Rig) -> None:
    with rig.service() as service:
        service.sign(rig.bundle(), now=rig.world.now)
    with exclusive(rig.state):
        recover(rig.state, ceremony(rig, "adam", "anna"))
    (rig.state / "journal").unlink()
    (rig.state / "journal.before-1").rename(rig.state / "journal")
    with pytest.raises(JournalError, match="another ceremony"), rig.service():
        pass


@pytest.mark.parametrize("change", [{"signers": ("hsm-2",)}, {"kind": CeremonyKind.REFRESH}, {"policy": "0" * 64}])
def test_other_ceremonies_start_nothing(rig: Rig, change: dict[str, Any]) -> None:
    before = (rig.state / "journal").read_bytes()
    with pytest.raises((RefusedError, ConfigError)):
        recover(rig.state, ceremony(rig, "adam", "anna", **change))
    assert (rig.state / "journal").read_bytes() == before


def test_a_ceremony_skips_no_delay_of_the_policies_that_come_with_it(rig: Rig) -> None:
    world = rig.world
    head = header("policy", world.deployment, now=world.now, lifetime=300 * DAY)
    loose = dataclasses.replace(
        world.policy, header=head, number=2, previous=world.policy.digest, institution="New Bank"
    )
    tight = dataclasses.replace(loose, institution=world.policy.institution)
    for draft, fine in ((loose, False), (tight, True)):
        signed = world.sign_policy(draft, "adam", "anna")
        value = parse(ceremony(rig, "adam", "anna", policy=draft.digest), max_bytes=10**6)
        assert isinstance(value, dict)
        document = Ceremony.from_json(value["ceremony"])
        consents = [
            world.consent(document.digest, name, subject_type=SubjectType.CEREMONY, policy=draft.digest)
            for name in ("adam", "anna")
        ]
        raw = canonical(
            {
                "ceremony": document.to_json(),
                "consents": [write_struct(one, "consent") for one in consents],
                "policies": [write_struct(signed, "signed_policy")],
            }
        )
        with exclusive(rig.state):
            if fine:
                assert "a new journal was started" in recover(rig.state, raw)
            else:
                with pytest.raises(ConfigError, match="its delay has not passed"):
                    recover(rig.state, raw)
    with rig.service() as service:
        assert service.status(now=world.now + 600)["number"] == 2
