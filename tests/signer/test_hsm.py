"""The token against the real SoftHSM, and against a library that behaves like a real, locking one."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING, Any

import pkcs11
import pytest
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, TokenFlag
from pkcs11 import exceptions as ck

from core.evm import finish_signature
from signer import hsm as hsm_module
from signer.config import TokenConfig, load_config
from signer.errors import ConfigError, HsmError, HsmUnavailableError, PinError, TokenKeyError
from signer.hsm import Hsm
from signer.token_keys import SECP256K1, check_private_key, find_key, generate_key, list_points

if TYPE_CHECKING:
    from pathlib import Path

    from tests.signer.rig import Rig, Template


def test_it_signs_32_bytes_for_the_pinned_key(unpinned: Rig, template: Template) -> None:
    with unpinned.hsm() as hsm:
        for _ in range(20):
            digest = secrets.token_bytes(32)
            done = finish_signature(digest, hsm.sign(template.public_key, digest), template.public_key)
            assert done.y_parity in (0, 1)


@pytest.mark.parametrize("length", [0, 1, 31, 33, 64])
def test_it_refuses_digests_of_another_length(unpinned: Rig, template: Template, length: int) -> None:
    with unpinned.hsm() as hsm, pytest.raises(HsmError, match="32 bytes"):
        hsm.sign(template.public_key, bytes(length))


def test_the_key_cannot_leave(unpinned: Rig, template: Template) -> None:
    with unpinned.hsm() as hsm:
        key = hsm.run(lambda session: find_key(session, template.public_key))
        check_private_key(key, cloned=False)
        with pytest.raises(HsmError, match="AttributeSensitive"):
            hsm.run(lambda _: key[Attribute.VALUE])
        with pytest.raises(HsmError):
            hsm.run(lambda _: make_extractable(key))


def test_an_unknown_key_is_a_typed_error(unpinned: Rig) -> None:
    with unpinned.hsm() as hsm, pytest.raises(TokenKeyError, match="0 public keys"):
        hsm.check_key(b"\x04" + GENERATOR)


def make_extractable(key: Any) -> None:  # noqa: ANN401 - a key object
    key[Attribute.EXTRACTABLE] = True


GENERATOR = bytes.fromhex(
    "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
    "483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8"
)


@pytest.mark.parametrize(
    ("template_change", "named"),
    [
        ({Attribute.EXTRACTABLE: True}, "NEVER_EXTRACTABLE"),
        ({Attribute.SENSITIVE: False}, "SENSITIVE"),
        ({Attribute.DERIVE: True}, "DERIVE"),
        ({Attribute.ALLOWED_MECHANISMS: [Mechanism.ECDSA, Mechanism.ECDSA_SHA256]}, "other mechanisms"),
    ],
)
def test_a_key_with_other_attributes_is_not_used(
    unpinned: Rig, template_change: dict[Attribute, object], named: str
) -> None:
    good = {
        Attribute.SENSITIVE: True,
        Attribute.EXTRACTABLE: False,
        Attribute.DERIVE: False,
        Attribute.ALLOWED_MECHANISMS: [Mechanism.ECDSA],
    }

    def make(session: Any) -> bytes:  # noqa: ANN401 - a session
        domain = session.create_domain_parameters(KeyType.EC, {Attribute.EC_PARAMS: SECP256K1}, local=True)
        public, _ = domain.generate_keypair(
            store=True,
            id=secrets.token_bytes(16),
            capabilities=MechanismFlag.SIGN | MechanismFlag.VERIFY,
            private_template=good | template_change,
        )
        return bytes(public[Attribute.EC_POINT])[2:]

    with unpinned.hsm() as hsm:
        public_key = hsm.run(make)
        with pytest.raises(TokenKeyError, match=named):
            hsm.check_key(public_key)


def test_two_keys_under_one_id_are_ambiguous(unpinned: Rig, template: Template) -> None:
    def twin(session: Any) -> None:  # noqa: ANN401 - a session
        key_id = bytes(find_key(session, template.public_key)[Attribute.ID])
        domain = session.create_domain_parameters(KeyType.EC, {Attribute.EC_PARAMS: SECP256K1}, local=True)
        domain.generate_keypair(store=True, id=key_id, capabilities=MechanismFlag.SIGN)

    with unpinned.hsm() as hsm:
        hsm.run(twin)
        with pytest.raises(TokenKeyError, match="2 private keys"):
            hsm.check_key(template.public_key)


def test_generated_keys_are_listed(unpinned: Rig, template: Template) -> None:
    with unpinned.hsm() as hsm:
        made = hsm.run(lambda session: generate_key(session, "second"))
        assert set(hsm.run(list_points)) == {template.public_key, made.public_key}


def test_a_removed_token_is_unavailable_and_comes_back(
    unpinned: Rig, template: Template, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hsm_module, "PAUSE_SECONDS", 0.0)
    tokens, away = unpinned.state / "tokens", unpinned.state / "away"
    with unpinned.hsm() as hsm:
        hsm.check_key(template.public_key)
        tokens.rename(away)
        tokens.mkdir()
        with pytest.raises(HsmUnavailableError):
            hsm.sign(template.public_key, bytes(32))
        tokens.rmdir()
        away.rename(tokens)
        assert len(hsm.sign(template.public_key, bytes(32))) == 64


def test_after_a_failed_rebuild_the_token_is_left_alone(unpinned: Rig, template: Template) -> None:
    tokens, away = unpinned.state / "tokens", unpinned.state / "away"
    with unpinned.hsm() as hsm:
        hsm.check_key(template.public_key)
        tokens.rename(away)
        tokens.mkdir()
        with pytest.raises(HsmUnavailableError):
            hsm.sign(template.public_key, bytes(32))
        tokens.rmdir()
        away.rename(tokens)
        with pytest.raises(HsmUnavailableError, match="left alone"):
            hsm.sign(template.public_key, bytes(32))


def test_a_stale_session_is_opened_again_once(unpinned: Rig, template: Template) -> None:
    with unpinned.hsm() as hsm:
        hsm.check_key(template.public_key)
        first = hsm.generation
        # Somebody logs the whole process out, as closing another PIN session does.
        hsm.run(lambda session: session.close())
        assert len(hsm.sign(template.public_key, bytes(32))) == 64
        assert hsm.generation == first + 1


def test_a_wrong_pin_is_tried_once(unpinned: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    (unpinned.state / "hsm-pin").chmod(0o600)
    (unpinned.state / "hsm-pin").write_text("not-the-pin")
    tried = 0
    real = hsm_module.Hsm._login  # noqa: SLF001 - counted, not changed

    def counted(self: Hsm, token: Any) -> Any:  # noqa: ANN401 - a token and its session
        nonlocal tried
        tried += 1
        return real(self, token)

    monkeypatch.setattr(hsm_module.Hsm, "_login", counted)
    with unpinned.hsm() as hsm:
        with pytest.raises(PinError) as caught:
            hsm.run(lambda session: session)
        for _ in range(5):
            with pytest.raises(PinError):
                hsm.run(lambda session: session)
        assert tried == 1
        assert "not-the-pin" not in str(caught.value)
        assert caught.value.__cause__ is None


class LockingToken:
    """A token that counts wrong PINs as a real one does."""

    label, model, manufacturer_id = "real", "model", "maker"
    serial, hardware_version, firmware_version = b"0001", (1, 0), (1, 0)

    def __init__(self, flags: TokenFlag) -> None:
        self.flags = flags
        self.logins = 0

    def open(self, **_: object) -> object:
        self.logins += 1
        raise ck.PinIncorrect


class LockingLibrary:
    """A module with one such token."""

    manufacturer_id, library_description, initialized = "maker", "module", False

    def __init__(self, token: LockingToken) -> None:
        self.token = token

    def get_token(self, **_: object) -> LockingToken:
        return self.token


@pytest.mark.parametrize(
    "flag",
    [
        TokenFlag.USER_PIN_COUNT_LOW,
        TokenFlag.USER_PIN_FINAL_TRY,
        TokenFlag.USER_PIN_LOCKED,
        TokenFlag.USER_PIN_TO_BE_CHANGED,
    ],
)
def test_a_token_that_warns_about_its_pin_is_not_logged_in_to(
    flag: TokenFlag, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = LockingToken(TokenFlag.LOGIN_REQUIRED | flag)
    monkeypatch.setattr(pkcs11, "lib", lambda _: LockingLibrary(token))
    config = TokenConfig(module="real.so", label="real", pin_file=tmp_path / "pin", softhsm_conf=None)
    hsm = Hsm(config, lambda: "secret-pin")
    for _ in range(3):
        with pytest.raises(PinError):
            hsm.run(lambda session: session)
    assert token.logins == 0


def test_a_locking_token_loses_one_try_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = LockingToken(TokenFlag.LOGIN_REQUIRED)
    monkeypatch.setattr(pkcs11, "lib", lambda _: LockingLibrary(token))
    config = TokenConfig(module="real.so", label="real", pin_file=tmp_path / "pin", softhsm_conf=None)
    hsm = Hsm(config, lambda: "secret-pin")
    for _ in range(3):
        with pytest.raises(PinError):
            hsm.run(lambda session: session)
    assert token.logins == 1


def test_a_missing_module_is_a_setting(unpinned: Rig) -> None:
    config = load_config(unpinned.state).token
    hsm = Hsm(
        TokenConfig(
            module="/nowhere/module.so",
            label=config.label,
            pin_file=config.pin_file,
            softhsm_conf=config.softhsm_conf,
        ),
        lambda: "x",
    )
    with pytest.raises((ConfigError, HsmUnavailableError)):
        hsm.run(lambda session: session)


def test_a_forked_child_does_not_sign(unpinned: Rig, template: Template, monkeypatch: pytest.MonkeyPatch) -> None:
    with unpinned.hsm() as hsm:
        hsm.check_key(template.public_key)
        parent = os.getpid()
        monkeypatch.setattr(os, "getpid", lambda: parent + 1)
        with pytest.raises(HsmError, match="forked"):
            hsm.sign(template.public_key, bytes(32))
