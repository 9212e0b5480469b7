"""A share is backed up, drilled and restored as people do it: page, consents, file, the page's own commands, page."""

from __future__ import annotations

import hashlib
import json
import shlex
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from approvals.models import User
from audit.models import AuditEntry
from core.canonical import canonical
from core.ceremony_lifecycle import CeremonyState
from core.documents.consent import SubjectType
from core.schema import write_struct
from custody.ceremony_orders import rows_wake
from custody.models import KeyCeremony
from tests.factories.ceremonies import QUORUM, transport_key
from tests.oms.conftest import as_json
from tests.party.recovery_rig import key_at, order_file
from tests.party.rig import serving
from tests.party.test_ceremony_run import ready, swept
from tests.party.test_restore import Return, lose_disk
from tests.sign_in import signed_in
from tests.signer.rig import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from django.test import Client

    from core.documents.control import RecoveryKey
    from tests.party.recovery_rig import Site
    from tests.party.rig import Group, Process

FIRST = "party-1"
Given = dict[str, str]


class Walk:
    """People at pages and consoles, about the first party of a wallet."""

    def __init__(self, group: Group, site: Site, folder: Path) -> None:
        self.group, self.site, self.folder = group, site, folder
        self.made = KeyCeremony()

    def person(self, name: str) -> Client:
        """Return somebody's browser."""
        return signed_in(User.objects.get(person_id=name))

    def page(self) -> str:
        """Return what the ceremony's page says to its operator."""
        text: str = self.person("olga").get(reverse("oms:ceremony", args=[self.made.digest])).content.decode()
        return text

    def order(self, kind: str, keys: tuple[RecoveryKey, ...] = ()) -> Path:
        """Draft on the page, have two people consent, and take the file from the page."""
        typed: dict[str, Any] = {"kind": kind, "wallet": self.group.wallet.id, "signers": [FIRST], "epoch": 0}
        typed |= {"reason": f"{kind} of the first party", "hours": 4}
        if keys:
            typed["recovery"] = "\n".join(json.dumps(write_struct(key, "key")) for key in keys)
        answer = self.person("olga").post(reverse("oms:ceremony_new"), typed)
        assert answer.status_code == 302, answer.content.decode()[-2000:]
        self.made = KeyCeremony.objects.get(kind=kind)
        world = self.group.world
        world.now = int(time.time())
        for name in QUORUM:
            consent = as_json(world.consent(self.made.digest, name, subject_type=SubjectType.CEREMONY))
            said = self.person(name).post(
                reverse("oms:ceremony_consent", args=[self.made.digest]),
                data=b'{"consent":' + consent + b"}",
                content_type="application/json",
            )
            assert said.status_code == 200, said.content
        taken = self.person("olga").get(reverse("oms:ceremony_file", args=[self.made.digest]))
        file = self.folder / taken["Content-Disposition"].partition('filename="')[2].rstrip('"')
        file.write_bytes(taken.content)
        return file

    def commands(self) -> list[str]:
        """Return the commands that the page shows."""
        answer = self.person("olga").get(reverse("oms:ceremony", args=[self.made.digest]))
        return [one.text for one in answer.context["commands"]]

    def exports_the_same(self, command: str, file: Path) -> None:
        """Run the page's first command, which writes the very file that the page handed out."""
        interpreter, program, name, *words = shlex.split(command)
        assert (interpreter, program) == ("python", "manage.py")
        kept = file.read_bytes()
        file.unlink()
        call_command(name, *(str(file) if word == file.name else word for word in words))
        assert json.loads(file.read_bytes()) == json.loads(kept)

    def run(self, command: str, given: Given, *more: str) -> str:
        """Type a command of the page, with what its capital words stand for; return what it printed."""
        interpreter, *words = shlex.split(command)
        assert interpreter == "python"
        typed = []
        for word in words:
            name, joined, value = word.partition("=")
            typed.append(f"{name}={given[name]}" if joined and value == "SOCKET" else given.get(word, word))
        done = subprocess.run(
            [sys.executable, *typed, *more],
            cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, check=False, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, (command, done.stderr)
        return done.stdout

    def finished(self) -> None:
        """Have custody look again; the page shows that it is done, and the transcript's chain holds and is logged."""
        rows_wake(signer=FIRST, now=timezone.now())
        swept(self.made, CeremonyState.DONE)
        assert "✓ done" in self.page()
        answer = self.person("olga").get(reverse("oms:ceremony_transcript", args=[self.made.digest]))
        told = json.loads(answer.content)
        before = ""
        for line in told["lines"]:
            names = ("at", "before", "good", "what", "who", "words")
            fields = {name: line[name] for name in names}
            fields |= {"ceremony": self.made.digest, "said": line["said_digest"]}
            assert (line["before"], line["digest"]) == (before, hashlib.sha256(canonical(fields)).hexdigest())
            before = line["digest"]
        logged = AuditEntry.objects.filter(tag__startswith="custody:ceremony:", subject=self.made.digest)
        known = {json.loads(entry.payload).get("transcript") for entry in logged}
        ordered = [line for line in told["lines"] if line["what"] in {"draft", "fill", "take", "finish"}]
        assert all(line["digest"] in known for line in ordered)
        assert {line["what"] for line in told["lines"]} >= {"draft", "hear", "fill", "take", "finish"}


def sockets(parties: dict[str, Process]) -> Given:
    return {name: party.path for name, party in parties.items()}


@pytest.mark.timeout(600)
@pytest.mark.django_db(transaction=True)
def test_backed_up_drilled_lost_and_restored(unlimited: Group, site: Site, base: Path, settings: Any) -> None:  # noqa: ANN401 - pytest-django's wrapper
    group, carried = unlimited, base / "carried"
    carried.mkdir()
    site.pin(group)
    walk = Walk(group, site, carried)
    with ExitStack() as stack:
        others = stack.enter_context(group.up(*group.names[1:]))
        with group.up(FIRST) as first:
            ready(group, {**first, **others}, settings)
            backup = _backed_up(walk, first)
            _drilled(walk, first, backup)
        _restored(walk, backup)


def _backed_up(walk: Walk, first: dict[str, Process]) -> Path:
    file = walk.order("backup", (key_at(walk.site, FIRST),))
    export, carry = walk.commands()
    walk.exports_the_same(export, file)
    swept(walk.made, CeremonyState.RUNNING)
    given = sockets(first) | {file.name: str(file), "FOLDER": str(walk.folder)}
    assert f"{FIRST} did it: backup" in walk.run(carry, given)
    walk.finished()
    (backup,) = walk.folder.glob("*.backup")
    return backup


def _drilled(walk: Walk, first: dict[str, Process], backup: Path) -> None:
    file = walk.order("drill")
    export, at_site, carry = walk.commands()
    walk.exports_the_same(export, file)
    proof = walk.folder / "proof.json"
    given = {"SITE": str(walk.site.state), "BACKUP": str(backup), "PROOF": str(proof), file.name: str(file)}
    # Both operators type their halves at a terminal; here each brings its medium.
    assert "drill: written to" in walk.run(at_site, given, *walk.site.both)
    assert "took the drill" in walk.run(carry, given | sockets(first))
    walk.finished()


def _restored(walk: Walk, backup: Path) -> None:
    group = walk.group
    back = Return(group, walk.site, backup)
    lose_disk(group)
    file = walk.order("restore", (transport_key(group.world, FIRST, back.public_key),))
    export, at_site, at_party = walk.commands()
    walk.exports_the_same(export, file)
    given = {
        "SITE": str(walk.site.state),
        "BACKUP": str(backup),
        "RELEASE": str(walk.folder / "released.json"),
        "STATE": str(group.state(FIRST)),
        "GENESIS": str(group.base / "genesis.json"),
        "START": str(order_file(walk.folder / "start.json", back.start)),
        file.name: str(file),
    }
    assert "release: written to" in walk.run(at_site, given, *walk.site.both)
    walk.run(at_party, given, "--expect", group.world.deployment)
    with serving(group.state(FIRST), "serve"):
        walk.finished()
