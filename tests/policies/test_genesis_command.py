"""`manage.py genesis` from the demo's description to the file that the pins are installed from."""

from __future__ import annotations

import io
import json
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from coincurve import PrivateKey
from django.core.management import CommandError, call_command

from core.canonical import parse
from core.documents.base import GENESIS_DEPLOYMENT
from core.documents.consent import Consent, Decision, SubjectType
from core.documents.policy import Measure, Policy, SignedPolicy
from core.documents.roster import SignerRole
from core.evm import address_of
from core.facts import REGISTRY
from core.policy_check import validate
from core.schema import read_struct, write_struct
from core.succession import check_genesis
from demo.softkey import SoftKey
from policies.genesis import description_parse, enrolments_read, genesis_compile, wallet_key_read
from policies.models import PolicyVersion
from policies.selectors import policy_active
from tests.factories.description import ATTESTER_KEY, DEMO, LOG_KEY, PARTY_KEYS, SETS, WITNESS_KEY, demo_text
from tests.factories.world import TOKEN_CONTRACT, header

if TYPE_CHECKING:
    from collections.abc import Callable

SET = [word for name, value in SETS.items() for word in ("--set", f"{name}={value}")]


class Files:
    """The files that the command is given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        table = tomllib.loads(DEMO.read_text())
        self.keys = {person["id"]: SoftKey.generate() for person in table["people"]}
        self.enrolments = [str(self._enrolment(name, key)) for name, key in self.keys.items()]
        self.wallets = [self._wallet_key(wallet["label"]) for wallet in table["wallets"]]
        self.policy = str(folder / "policy.json")
        self.signed = str(folder / "signed.json")

    def write(self, name: str, value: object) -> str:
        path = self.folder / name
        path.write_text(json.dumps(value))
        return str(path)

    def _wallet_key(self, label: str) -> str:
        public_key = PrivateKey().public_key.format(compressed=False)
        value = {"public_key": "0x" + public_key.hex(), "address": address_of(public_key)}
        return self.write(f"wallet-{label.lower()}.json", value)

    def _enrolment(self, name: str, key: SoftKey) -> str:
        entry = write_struct(key.entry, "key")
        # One flat, the others as the enrol page writes them.
        flat = {"person": name, **entry}
        return self.write(f"{name}.json", flat if name == "tom" else {"person": name, "name": name, "key": entry})

    def compile(self, *extra: str) -> str:
        out = io.StringIO()
        call_command(
            "genesis", "compile", "--description", str(DEMO), "--enrolment", *self.enrolments, "--wallet-key",
            *self.wallets, *SET, "--out", self.policy, *extra, stdout=out, stderr=io.StringIO(),
        )  # fmt: skip
        return out.getvalue()

    def sign(self, *names: str) -> list[str]:
        policy = Policy.from_bytes(Path(self.policy).read_bytes())
        paths = []
        for name in names:
            statement = Consent(
                header=header("consent", GENESIS_DEPLOYMENT, now=int(time.time())),
                subject_type=SubjectType.POLICY,
                subject=policy.digest,
                policy=policy.digest,
                decision=Decision.APPROVE,
                actor=name,
                reason="",
            )
            signed = self.keys[name].consent(statement, origin=policy.consent.origin, rp_id=policy.consent.rp_id)
            paths.append(self.write(f"consent-{name}.json", write_struct(signed, "consent")))
        return paths

    def sign_import(self, consents: list[str], *extra: str) -> str:
        out = io.StringIO()
        call_command(
            "genesis", "sign-import", "--policy", self.policy, "--consents", *consents, "--out", self.signed, *extra,
            stdout=out,
        )  # fmt: skip
        return out.getvalue()


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.mark.django_db
def test_it_goes_from_description_to_pins(files: Files) -> None:
    printed = files.compile()
    policy = Policy.from_bytes(Path(files.policy).read_bytes())
    groups = " ".join(policy.digest[i : i + 4] for i in range(0, 64, 4))
    assert groups in printed
    assert validate(policy) == []
    printed = files.sign_import(files.sign("adam", "anna"), "--digest", groups)
    assert groups in printed
    assert policy_active() == policy
    exported = files.folder / "export.json"
    call_command("genesis", "export", "--out", str(exported), stdout=io.StringIO())
    assert exported.read_bytes() == Path(files.signed).read_bytes()
    signed = read_struct(SignedPolicy, parse(exported.read_bytes()), "signed")
    check_genesis(signed, policy.digest, now=int(time.time()))
    # The same once more is nothing new; another one is refused.
    files.sign_import(files.sign("adam", "anna"))
    assert PolicyVersion.objects.count() == 1
    files.compile()
    with pytest.raises(CommandError, match="another first policy"):
        files.sign_import(files.sign("adam", "anna"))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("names", "extra", "problem"),
    [
        (("adam",), (), "succession: a policy takes 2 policy admin"),
        (("adam", "tessa"), (), "succession"),
        (("adam", "adam"), (), "succession"),
        (("adam", "anna"), ("--digest", "ab" * 32), "wrong_policy"),
    ],
)
def test_it_stores_nothing_that_is_not_signed(
    files: Files, names: tuple[str, ...], extra: tuple[str, ...], problem: str
) -> None:
    files.compile()
    with pytest.raises(CommandError, match=problem):
        files.sign_import(files.sign(*names), *extra)
    assert not PolicyVersion.objects.exists()
    assert not Path(files.signed).exists()
    with pytest.raises(CommandError, match="no policy is stored"):
        call_command("genesis", "export", "--out", files.signed)


def test_compiling_needs_no_database(files: Files) -> None:
    files.compile()
    policy = Policy.from_bytes(Path(files.policy).read_bytes())
    limits = {limit.id: limit for limit in policy.limits}
    assert (limits["eth-each"].most, limits["eth-each"].window) == (20 * 10**18, 0)
    assert (limits["usd-day"].most, limits["usd-day"].measure) == (100_000 * 10**8, Measure.USD)
    assert limits["fees-day"].most == 5 * 10**17
    assert policy.assets[1].id.endswith(TOKEN_CONTRACT)
    small = next(rule for rule in policy.grants if rule.id == "listed-small")
    assert small.when.parts[2].values == (str(1_000 * 10**8),)
    newcomer = next(entry for entry in policy.addresses if entry.id == "newcomer")
    assert newcomer.usable_from == policy.header.created + 86_400
    assert {s.id: (s.role, s.public_key) for s in policy.signers} == {
        "hsm-1": (SignerRole.HSM, None),
        "log-1": (SignerRole.LOG, LOG_KEY),
        **{f"party-{place}": (SignerRole.PARTY, key) for place, key in enumerate(PARTY_KEYS, start=1)},
    }
    (witness,) = policy.witnesses
    assert (witness.id, witness.public_key, policy.witness_threshold) == ("witness-1", WITNESS_KEY, 1)
    (attester,) = policy.attesters
    assert (attester.id, attester.public_key, policy.attester_threshold) == ("attester-1", ATTESTER_KEY, 1)
    guard = next(rule for rule in policy.guards if rule.id == "cooling-down")
    assert newcomer.address in guard.when.parts[0].values
    assert "web.simulation" in REGISTRY


def test_a_wallet_key_goes_to_the_wallet_that_it_names(files: Files) -> None:
    """Files without a label are handed out in order; one with a label is nobody else's."""
    first, *others = files.wallets
    labelled = {**json.loads(Path(first).read_text()), "label": "Drill"}
    Path(first).write_text(json.dumps(labelled))
    files.compile()
    wallets = {w.label: w.address for w in Policy.from_bytes(Path(files.policy).read_bytes()).wallets}
    rest = [json.loads(Path(path).read_text())["address"] for path in others]
    assert wallets == {"Drill": labelled["address"], **dict(zip(("Treasury", "Warm", "Anchor"), rest, strict=True))}


def broken(text: str, before: str, after: str) -> str:
    assert before in text
    return text.replace(before, after, 1)


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ('roles = ["trader"]', 'roles = ["traitor"]', "people[0] (tessa).roles: traitor"),
        ('desk = "desk-b"', 'desk = "Desk B"', "people[1] (tom).desk: not in the expected form"),
        ("most = 50\n", "most = 0\n", "limit eth-day: must be greater than 0"),
        ("most = 50\n", "most = 0.1234567890123456789\n", "limits[1] (eth-day).most: 0.1234567890123456789 has more"),
        ("most = 50\n", "most = -1\n", "limits[1] (eth-day).most: '-1' is not a number"),
        ("most = 50\n", "mots = 50\n", "limits[1] (eth-day).most: a number expected"),
        ('window = "24h"', 'window = "a day"', "limits[1] (eth-day).window: a duration expected"),
        ('per = ["initiator"]', 'per = ["person"]', "limits[4] (trader-day).per: 'person' is none of"),
        ('asset = "ETH"\nwindow', 'asset = "DOGE"\nwindow', "limits[0] (eth-each).asset: unknown asset DOGE"),
        (
            '"usd", "le", "1000 USD"',
            '"usd", "le", "1000 EUR"',
            "grants[0] (listed-small).when: usd is counted in USD",
        ),
        ('"usd", "le", "1000 USD"', '"usd", "under", "1"', "grants[0] (listed-small).when: 'under' is none of"),
        ('["call.kind", "eq", "unknown"]', '["call", "eq", "x"]', "guard unknown-call: unknown field 'call'"),
        ("{ risk_officer = 1 }", "{ boss = 1 }", "grants[0] (listed-small).quorum: 'boss' is none of"),
        ("{ policy_admin = 2 }", "{ policy_admin = 1 }", "quorum succession: at least 2 people"),
        ("{ policy_admin = 2 }", "{ policy_admin = 3 }", "quorum succession: 3 policy_admin needed"),
        ("17dc79C8", "17dc79c8", "addresses[0] (exchange).address: the checksum does not fit"),
        ('id = "tom"', 'id = "tessa"', "enrolment of tom: the description names no such person"),
        ('institution = "Example Bank"', 'institute = "x"', "description.institution: a text expected"),
        ('valid = "365d"', 'valid = "365d"\nnote = "x"', "description: no such field: note"),
        ("[controls]", "[control]", "controls.succession: seats expected"),
        ("[[escalations]]", "[[escalation]]", "escalation: no such section"),
        ('cool_down = "24h"', 'cool_down = "91d"', "address newcomer: expires before it becomes usable"),
        ('signers = ["hsm-1"]', 'signers = ["hsm-2"]', "wallet Treasury: hsm-2 is not a signer"),
        ("decimals = 18", "decimals = 18.0", "assets[0] (ETH).decimals: a whole number expected"),
        ('profile = "demo"', 'profile = "production"', "consent origin: production takes https only"),
    ],
)
def test_it_names_the_row_that_has_to_be_mended(files: Files, before: str, after: str, problem: str) -> None:
    description = files.folder / "broken.toml"
    description.write_text(broken(DEMO.read_text(), before, after))
    with pytest.raises(CommandError) as refused:
        files.compile("--description", str(description))
    assert problem in str(refused.value)
    assert not Path(files.policy).exists()


def test_it_lists_all_problems_at_once(files: Files) -> None:
    text = broken(broken(DEMO.read_text(), "most = 50\n", "most = 'x'\n"), 'roles = ["trader"]', 'roles = ["x"]')
    description = files.folder / "broken.toml"
    description.write_text(text)
    with pytest.raises(CommandError) as refused:
        files.compile("--description", str(description))
    assert "people[0]" in str(refused.value)
    assert "limits[1]" in str(refused.value)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--set", 'token="; x'), "only letters, digits"),
        (("--set", "tokens=0x1"), "no such placeholder"),
        (("--set", "token"), "NAME=VALUE expected"),
        (("--description", "/nowhere.toml"), "No such file"),
    ],
)
def test_it_refuses_odd_arguments(files: Files, arguments: tuple[str, ...], problem: str) -> None:
    with pytest.raises(CommandError, match=problem):
        files.compile(*arguments)


def test_an_open_placeholder_is_named(files: Files) -> None:
    with pytest.raises(CommandError, match="--set token="):
        call_command("genesis", "compile", "--description", str(DEMO), "--out", files.policy)


def _keys_left_out(files: Files) -> None:
    files.enrolments.remove(str(files.folder / "anna.json"))


def _stranger_wallet(files: Files) -> None:
    files.wallets[0] = files.write("wallet.json", {"public_key": "0x" + "04" * 65, "address": "0x" + "00" * 20})


def _other_address(files: Files) -> None:
    value = json.loads(Path(files.wallets[0]).read_text())
    files.wallets[0] = files.write("wallet.json", {**value, "address": TOKEN_CONTRACT})


def _no_enrolment(files: Files) -> None:
    Path(files.enrolments[0]).write_text('{"name": "nobody"}')


def _bad_key(files: Files) -> None:
    value = json.loads(Path(files.enrolments[0]).read_text())
    value["key"]["aaguid"] = "nonsense"
    Path(files.enrolments[0]).write_text(json.dumps(value))


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (_keys_left_out, "quorum succession: 2 policy_admin needed, 1 on the roster hold a key"),
        (_stranger_wallet, "wallet.json: no uncompressed secp256k1 public key"),
        (_other_address, "wallet.json: the address is not the public key's"),
        (_no_enrolment, "tessa.json: an object with 'person' and 'key' expected"),
        (_bad_key, "tessa.json \\(tessa\\).key.aaguid"),
    ],
)
def test_it_names_the_file_that_cannot_be_used(files: Files, spoil: Callable[[Files], None], problem: str) -> None:
    spoil(files)
    with pytest.raises(CommandError, match=problem):
        files.compile()


def test_json_descriptions_say_the_same(files: Files) -> None:
    """The same description as JSON compiles to the same policy."""
    table = tomllib.loads(demo_text())
    enrolments = [e for path in files.enrolments for e in enrolments_read(raw=Path(path).read_bytes(), at=path)]
    wallet_keys = [wallet_key_read(raw=Path(path).read_bytes(), at=path) for path in files.wallets]

    def compiled(text: str, *, json_text: bool) -> Policy:
        return genesis_compile(
            description=description_parse(text=text, json_text=json_text, replacements={}),
            enrolments=enrolments,
            wallet_keys=wallet_keys,
            document_id="ab" * 16,
            now=1_800_000_000,
        ).policy

    assert compiled(json.dumps(table), json_text=True) == compiled(demo_text(), json_text=False)
