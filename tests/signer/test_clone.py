"""A key that is made together with its clone: the whole ceremony with real tokens, and what passes for none."""

from __future__ import annotations

import dataclasses
import json
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass
from pkcs11 import exceptions as ck

from core.documents.consent import Decision
from core.documents.control import CeremonyKind
from core.documents.roster import Profile
from core.errors import CoreError, RefusedError
from core.evm import address_of
from core.records import CeremonyStep
from core.schema import read_struct
from signer.clones.kept import CloneFile, label_of
from signer.console import in_groups
from signer.errors import BackupError, ConfigError, SignerError, TokenKeyError
from signer.failpoints import CLONE_NAMES, ENVIRONMENT, arm
from signer.token_keys import find_key
from tests.factories.ceremonies import recovery_key, signed
from tests.signer.clone_rig import CloneHouse, killed

if TYPE_CHECKING:
    from collections.abc import Callable

    from pkcs11 import Object, Session

    from tests.signer.clone_rig import Made, Second
    from tests.signer.rig import Template


def attributes(session: Session, public_key: bytes) -> dict[str, bool]:
    key = find_key(session, public_key, cloned=True)
    names = ("SENSITIVE", "EXTRACTABLE", "NEVER_EXTRACTABLE", "LOCAL", "ALWAYS_SENSITIVE", "MODIFIABLE", "SIGN")
    return {name: bool(key[Attribute[name]]) for name in names}


def objects(session: Session) -> list[Object]:
    kinds = (ObjectClass.PRIVATE_KEY, ObjectClass.PUBLIC_KEY, ObjectClass.SECRET_KEY)
    return [found for kind in kinds for found in list(session.get_objects({Attribute.CLASS: kind}))]


LOCKED = {"SENSITIVE": True, "EXTRACTABLE": False, "NEVER_EXTRACTABLE": False, "MODIFIABLE": False, "SIGN": True}


def test_the_whole_ceremony_leaves_two_tokens_with_one_key_that_leaves_neither(house: CloneHouse) -> None:
    given = house.order()
    with house.rig.hsm() as hsm:
        before = hsm.run(lambda session: len(objects(session)))
    clone = house.make(given)
    with house.rig.hsm() as hsm:
        known = hsm.run(lambda session: attributes(session, clone.public_key))
        assert known == LOCKED | {"LOCAL": True, "ALWAYS_SENSITIVE": True}
        # Two objects more, the pair: neither the AES key nor the transport key's public half stayed.
        assert hsm.run(lambda session: len(objects(session))) == before + 2
    taken = house.take(clone, given)
    assert taken["clone"] == clone.digest
    with house.second.hsm() as hsm:
        known = hsm.run(lambda session: attributes(session, clone.public_key))
        assert known == LOCKED | {"LOCAL": False, "ALWAYS_SENSITIVE": False}
        assert hsm.run(lambda session: len(objects(session))) == 2, "the pair: the transport key is gone"
    with house.rig.service() as service:
        journal = service.journal
        step = journal.ceremonies.done(clone.ceremony)[CeremonyStep.BACKED_UP]
        assert step.evidence == clone.digest


def test_a_key_that_was_locked_in_is_wrapped_and_copied_by_nobody(made: Made) -> None:
    def reopened(key: Any) -> None:  # noqa: ANN401 - a key object, whose operations the stubs do not know
        key[Attribute.EXTRACTABLE] = True

    def tried(session: Session) -> int:
        key: Any = find_key(session, made.clone.public_key, cloned=True)
        aes: Any = session.generate_key(KeyType.AES, 256, store=False, capabilities=MechanismFlag.WRAP)
        attempts: list[Callable[[], object]] = [
            lambda: aes.wrap_key(key, mechanism=Mechanism.AES_KEY_WRAP_PAD),
            lambda: key.copy({Attribute.EXTRACTABLE: True}),
            lambda: reopened(key),
            lambda: key[Attribute.VALUE],
        ]
        for attempt in attempts:
            with pytest.raises(ck.PKCS11Error):
                attempt()
        return len(attempts)

    made.house.take(made.clone, made.given)
    with made.house.rig.hsm() as hsm:
        assert hsm.run(tried) == 4
    with made.house.second.hsm() as hsm:
        assert hsm.run(tried) == 4


def test_asked_again_it_hands_out_the_same_and_makes_nothing(made: Made) -> None:
    assert made.house.make(made.given) == made.clone
    with made.house.rig.hsm() as hsm:
        assert hsm.run(lambda session: len(objects(session))) == 4


WRONG_ORDERS: list[tuple[dict[str, Any], tuple[str, ...], str]] = [
    ({}, ("adam",), "quorum"),
    ({}, ("rita", "ravi"), "quorum"),
    ({"recovery": (recovery_key("hsm-1", 1, host="host-1"),)}, (), "ceremony"),
    ({"recovery": (recovery_key("hsm-1", 1, administrator="olga"),)}, (), "ceremony"),
    ({"recovery": (recovery_key("hsm-9", 1),)}, (), "ceremony"),
    ({"recovery": ()}, (), "ceremony"),
    ({"signers": ("hsm-1", "log-1")}, (), "ceremony"),
    ({"signers": ("log-1",)}, (), "wrong_signer"),
    ({"threshold": 2}, (), "ceremony"),
    ({"epoch": 1}, (), "ceremony"),
    ({"plan": "ab" * 32}, (), "ceremony"),
    ({"not_before": 1}, (), "ceremony"),
    ({"kind": CeremonyKind.DRILL, "recovery": ()}, (), "unknown_wallet"),
]


@pytest.mark.parametrize(("changes", "names", "code"), WRONG_ORDERS)
def test_no_other_ceremony_makes_a_clone(
    house: CloneHouse, changes: dict[str, Any], names: tuple[str, ...], code: str
) -> None:
    fields = {"recovery": (recovery_key("hsm-1", 1),)} | changes
    kind = fields.pop("kind", CeremonyKind.CLONE)
    given = house.order(kind, *names, **fields)
    with pytest.raises(RefusedError) as caught:
        house.make(given)
    assert caught.value.code.value == code
    assert not (house.rig.state / "clones").exists()


def test_late_rejected_foreign_and_altered_ceremonies_make_nothing(house: CloneHouse) -> None:
    given = house.order()
    no = signed(house.world, given.document, "rita", decision=Decision.REJECT).consents
    rejected = dataclasses.replace(given, consents=(*given.consents, *no))
    header = given.document.header
    past = dataclasses.replace(header, created=header.created - 7200, expires=header.created - 3600)
    late = signed(house.world, dataclasses.replace(given.document, header=past))
    elsewhere = dataclasses.replace(header, deployment="ab" * 32)
    foreign = signed(house.world, dataclasses.replace(given.document, header=elsewhere))
    key = dataclasses.replace(recovery_key("hsm-1", 1), public_key=b"another")
    altered = dataclasses.replace(given, document=dataclasses.replace(given.document, recovery=(key,)))
    for one in (rejected, late, foreign, altered):
        with pytest.raises(CoreError):
            house.make(one)
    unusable = house.order(recovery=(key,))
    with pytest.raises(BackupError):
        house.make(unusable)
    with house.rig.hsm() as hsm:
        assert hsm.run(lambda session: len(objects(session))) == 2, "the first wallet's pair, and nothing of these"


def said(digest: str) -> Callable[[str], str]:
    return lambda _: digest


def _changed(clone: CloneFile, **changes: Any) -> CloneFile:  # noqa: ANN401 - its fields
    return dataclasses.replace(clone, **changes)


def test_damaged_and_foreign_files_are_not_taken_and_the_right_one_still_is(made: Made) -> None:
    house, clone, given = made.house, made.clone, made.given
    other_given = house.order()
    other = house.make(other_given)
    flipped = bytes([clone.wrapped[0] ^ 1]) + clone.wrapped[1:]
    bent = bytes([clone.wrapped_key[0] ^ 1]) + clone.wrapped_key[1:]
    bad: list[CloneFile] = [
        _changed(clone, wrapped=flipped),
        _changed(clone, wrapped_key=bent),
        _changed(clone, wrapped=clone.wrapped[:-8]),
        _changed(clone, wrapped=b""),
        _changed(clone, wrapped_key=b""),
        _changed(clone, wrapped=other.wrapped),
        _changed(clone, wrapped_key=other.wrapped_key),
        _changed(clone, wrapped=other.wrapped, wrapped_key=other.wrapped_key),
        _changed(clone, public_key=other.public_key),
        _changed(clone, transport="cd" * 32),
        _changed(clone, ceremony=other.ceremony),
        _changed(clone, deployment="cd" * 32),
        _changed(clone, signer="log-1"),
        other,
    ]
    for one in bad:
        with pytest.raises((SignerError, CoreError)):
            house.take(one, given)
    raw = json.dumps(clone.json).encode()
    for text in (raw[:-9], b"", b"[]", raw.replace(b'"kind"', b'"kinds"'), raw + raw, b"\xff" * 100):
        with pytest.raises((SignerError, CoreError)):
            house.take(text, given)
    for digest in ("", "ab" * 32, clone.digest[:15], other.digest):
        with pytest.raises(ConfigError):
            house.take(clone, given, said(digest))
    with house.second.hsm() as hsm:
        assert hsm.run(lambda session: len(objects(session))) == 2, "the transport key's halves"
    # All that failed cost nothing: the right file is taken, by its first sixteen digits.
    assert house.take(clone, given, lambda digest: digest[:16])["clone"] == clone.digest


def test_a_second_take_elsewhere_or_of_another_file_finds_no_transport_key(made: Made) -> None:
    house, clone, given = made.house, made.clone, made.given
    evidence = house.take(clone, given)
    # Asked again it says the same: it holds the clone.
    assert house.take(clone, given) == evidence
    mixed = _changed(clone, wrapped=bytes(len(clone.wrapped)))
    with pytest.raises(BackupError, match="another clone was taken"):
        house.take(mixed, given)
    # Without the key in the token, the file opens nowhere any more.
    with house.second.hsm() as hsm:
        hsm.destroy_key(clone.public_key)
    with pytest.raises(TokenKeyError):
        house.take(clone, given)
    house.transport()
    with pytest.raises(BackupError, match="another token's transport key"):
        house.take(clone, given)


def test_the_second_token_obeys_its_own_genesis(made: Made, template: Template, second: Second) -> None:
    elsewhere = CloneHouse(template, second, made.house.folder / "elsewhere")
    elsewhere.transport()
    with pytest.raises((ConfigError, CoreError)):
        elsewhere.take(made.clone, made.given)
    one = signed(made.house.world, made.given.document, "adam")
    with pytest.raises(RefusedError):
        made.house.take(made.clone, one)


def test_the_signer_does_not_start_beside_a_key_that_can_leave(house: CloneHouse) -> None:
    def plant(session: Session) -> None:
        session.generate_key(KeyType.AES, 256, store=True, label="planted", template={Attribute.EXTRACTABLE: True})

    with house.rig.hsm() as hsm:
        hsm.run(plant)
    with pytest.raises(TokenKeyError, match="can leave it"), house.rig.service():
        pass
    with pytest.raises(TokenKeyError, match="can leave it"):
        house.make(house.order())


MAKING = (
    *("signer.clone_made", "signer.clone_wrapped", "signer.clone_written", "signer.clone_locked"),
    *("signer.clone_kept", "signer.before_step"),
)


def test_killed_anywhere_while_a_key_is_made_the_next_run_makes_another(
    house: CloneHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = house.order()
    for point in MAKING:
        with monkeypatch.context() as armed:
            armed.setenv(ENVIRONMENT, point)
            assert killed(lambda: house.make(given)), point
        with house.rig.hsm() as hsm:
            hsm.check_closed()
        # It serves meanwhile: what was left is no wallet of anybody.
        with house.rig.service():
            pass
    clone = house.make(given)
    with house.rig.hsm() as hsm:
        assert hsm.run(lambda session: len(objects(session))) == 4, "the first wallet's pair, and one more"
        hsm.check_key(clone.public_key, cloned=True)
    assert house.take(clone, given)["clone"] == clone.digest


def test_killed_anywhere_while_a_clone_is_taken_the_next_run_goes_on(made: Made) -> None:
    house, clone = made.house, made.clone
    for point in CLONE_NAMES:
        assert killed(partial(house.take, clone, made.given, at=arm(Profile.DEMO, point))), point
    assert house.take(clone, made.given)["clone"] == clone.digest
    with house.second.hsm() as hsm:
        assert hsm.run(lambda session: len(objects(session))) == 2
        hsm.check_key(clone.public_key, cloned=True)


def test_both_consoles_as_people_use_them(house: CloneHouse) -> None:
    house.transport()
    printed = house.second.command("key")
    assert printed.returncode == 0, printed.stderr
    assert json.loads(printed.stdout)["public_key"] == "0x" + house.transport().hex()
    given = house.order()
    file, taken = house.folder / "clone.json", house.folder / "taken.json"
    done = house.make_command(given, file)
    assert done.returncode == 0, done.stderr
    clone = read_struct(CloneFile, json.loads(file.read_text()), "clone")
    assert in_groups(clone.digest) in done.stdout
    assert json.loads(done.stdout.splitlines()[0])["address"] == address_of(clone.public_key)
    arguments = ("--clone", file, "--ceremony", house.file(given), "--out", taken)
    # Without a terminal nobody has compared anything.
    assert house.second.command("take", *arguments).returncode == 78
    done = house.second.command("take", *arguments, "--expect", clone.digest)
    assert done.returncode == 0, done.stderr
    assert json.loads(taken.read_text())["clone"] == clone.digest
    assert house.second.command("take", *arguments, "--expect", clone.digest).returncode == 78, "there is an answer"


def test_half_of_a_pair_that_a_stopped_run_left_is_cleared_away(made: Made) -> None:
    house, clone = made.house, made.clone

    def plant(session: Session) -> None:
        domain = session.create_domain_parameters(
            KeyType.EC, {Attribute.EC_PARAMS: bytes.fromhex("06052b8104000a")}, local=True
        )
        public, _ = domain.generate_keypair(store=True, id=b"x", label=label_of(clone.ceremony))
        public.destroy()

    with house.second.hsm() as hsm:
        hsm.run(plant)
    house.take(clone, made.given)
    with house.second.hsm() as hsm:
        assert hsm.run(lambda session: len(objects(session))) == 2
