"""The consent host: what it serves, under which headers, and how a first policy is pinned at it."""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import re
import subprocess
import sys
import urllib.parse
from typing import TYPE_CHECKING, Any

import pytest

from consent import pin as pin_module
from consent.__main__ import main
from consent.digest import PolicyFileError, canonical, in_groups, policy_digest
from consent.pin import pin, read_genesis
from consent.release import STATIC, listing, release_hash
from consent.serve import HEADERS
from core.canonical import canonical as core_canonical
from core.schema import write_struct
from tests.consent.house import consent_host
from tests.factories.world import World
from tests.vectors.generate_consent import PATH

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.consent.house import House

_RETURN = "http://localhost:8000"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[House]:
    root = tmp_path / "root"
    root.mkdir()
    with consent_host(root, _RETURN) as house:
        yield house


def _ask(house: House, path: str, method: str = "GET") -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", urllib.parse.urlsplit(house.origin).port or 0, timeout=10)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        connection.endheaders()
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


def test_every_file_of_the_page_is_served_under_strict_headers(host: House) -> None:
    for file in STATIC.rglob("*.*"):
        answer, body = _ask(host, "/" + file.relative_to(STATIC).as_posix())
        assert (answer.status, body) == (200, file.read_bytes())
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
        assert answer.headers["Server"] == "consent"


def test_the_headers_are_these() -> None:
    """What a browser must be told here, one by one; `serve.py` and the production example both send it."""
    content = dict(part.partition(" ")[::2] for part in HEADERS["Content-Security-Policy"].split("; "))
    assert {name for name, value in content.items() if value == "'none'"} == {
        "default-src", "base-uri", "form-action", "frame-ancestors", "trusted-types",
    }  # fmt: skip
    assert {name for name, value in content.items() if value == "'self'"} == {
        "script-src", "style-src", "img-src", "connect-src",
    }  # fmt: skip
    assert content["require-trusted-types-for"] == "'script'"
    granted = dict(part.split("=") for part in HEADERS["Permissions-Policy"].split(", "))
    assert {name for name, value in granted.items() if value == "(self)"} == {
        "publickey-credentials-get", "publickey-credentials-create",
    }  # fmt: skip
    assert set(granted.values()) == {"(self)", "()"}
    assert HEADERS["Cache-Control"] == "no-store"
    assert HEADERS["X-Frame-Options"] == "DENY"
    assert HEADERS["Referrer-Policy"] == "no-referrer"
    assert HEADERS["Cross-Origin-Resource-Policy"] == "same-origin"


def test_the_production_example_sends_the_same_headers() -> None:
    example = (STATIC.parents[1] / "docs" / "deploy" / "consent-nginx.conf").read_text()
    sent = dict(re.findall(r'^    add_header (\S+) "(.*)" always;$', example, re.MULTILINE))
    assert sent.pop("Strict-Transport-Security").startswith("max-age=")
    assert sent == HEADERS
    assert not re.search(r"^ {8}.*add_header", example, re.MULTILINE), "a location's own headers would replace these"
    assert not re.search(r"proxy_pass|fastcgi|uwsgi", example)


def test_nothing_comes_from_anywhere_else() -> None:
    for file in STATIC.rglob("*.*"):
        text = file.read_text()
        addresses = text.replace("http://www.w3.org/2000/svg", "").replace("https?://", "")
        assert "http:" not in addresses, file
        assert "https:" not in addresses, file
        for risky in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "style=",
            "onclick=",
        ):
            assert risky not in text, (file, risky)


@pytest.mark.parametrize(
    "path",
    [
        "/../serve.py",
        "/js/../../serve.py",
        "/%2e%2e/serve.py",
        "/js/%2e%2e/%2e%2e/serve.py",
        "//etc/passwd",
        "/js/",
        "/js",
        "/.hidden",
        "/index.html/",
        "/serve.py",
        "/config.json/../pins.json",
        "/\\..\\serve.py",
    ],
)
def test_no_listing_and_no_traversal(host: House, path: str) -> None:
    answer, body = _ask(host, path)
    assert answer.status == 404
    assert body == b"There is no such page.\n"


def test_what_is_not_installed_is_no_content(host: House) -> None:
    assert _ask(host, "/pins.json")[0].status == 204
    answer, body = _ask(host, "/config.json")
    assert (answer.status, json.loads(body)["rp_id"]) == (200, "localhost")
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"])
def test_only_get_and_head(host: House, method: str) -> None:
    assert _ask(host, "/", method)[0].status == 501


def test_head_has_no_body(host: House) -> None:
    answer, body = _ask(host, "/", "HEAD")
    assert (answer.status, body) == (200, b"")


def test_the_release_hash_is_that_of_sha256sum() -> None:
    lines = listing().splitlines()
    assert lines == [
        f"{hashlib.sha256((STATIC / line[68:]).read_bytes()).hexdigest()}  ./{line[68:]}" for line in lines
    ]
    assert len(lines) == sum(1 for path in STATIC.rglob("*") if path.is_file())
    assert release_hash() == release_hash()


def test_the_second_implementation_agrees_with_core() -> None:
    vectors = json.loads(PATH.read_text())
    assert policy_digest(vectors["policy"]["policy"]) == vectors["pins"]["policy"]
    for vector in (*vectors["canonical"], *({"value": row["document"]} for row in vectors["documents"])):
        assert canonical(vector["value"]) == core_canonical(vector["value"])


def test_consent_imports_the_standard_library_only() -> None:
    code = (
        "import sys; before = set(sys.modules); import consent.__main__; "
        "print(sorted({name.split('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['consent']"


@pytest.fixture
def policy_file(tmp_path: Path) -> tuple[Path, World]:
    world = World()
    path = tmp_path / "genesis.json"
    path.write_text(json.dumps(write_struct(world.signed_policy, "policy"), indent=2))
    return path, world


def test_pinning_shows_the_digest_and_takes_its_first_digits(policy_file: tuple[Path, World], tmp_path: Path) -> None:
    path, world = policy_file
    said: list[str] = []
    root = tmp_path / "host"
    digest = pin(root, path, expect=None, ask=lambda _: world.policy.digest[:8].upper(), say=said.append)
    assert digest == world.policy.digest
    assert in_groups(digest)[:39] in said[0]
    assert json.loads((root / "pins.json").read_text()) == {"deployment": digest, "policy": digest}
    assert policy_digest(json.loads((root / "policy.json").read_text())) == digest
    assert sorted(entry.name for entry in root.iterdir()) == ["pins.json", "policy.json"], "no temporary file is left"
    assert pin(root, path, expect=digest, ask=input, say=said.append) == digest, (
        "pinning the same again changes nothing"
    )


def test_wrong_digits_pin_nothing(policy_file: tuple[Path, World], tmp_path: Path) -> None:
    root = tmp_path / "host"
    with pytest.raises(PolicyFileError, match="do not match"):
        pin(root, policy_file[0], expect=None, ask=lambda _: "00000000", say=lambda _: None)
    with pytest.raises(PolicyFileError, match="not the digest that was expected"):
        pin(root, policy_file[0], expect="ab" * 32, ask=input, say=lambda _: None)
    assert not root.exists()


def test_another_policy_is_not_pinned_over_the_first(policy_file: tuple[Path, World], tmp_path: Path) -> None:
    path, world = policy_file
    pin(tmp_path, path, expect=world.policy.digest, ask=input, say=lambda _: None)
    other = World()
    path.write_text(json.dumps(other.policy.to_json()))
    with pytest.raises(PolicyFileError, match="another policy is pinned"):
        pin(tmp_path, path, expect=other.policy.digest, ask=input, say=lambda _: None)
    assert world.policy.digest in (tmp_path / "pins.json").read_text()


def _successor(policy: dict[str, Any], digest: str, deployment: str, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    head = {**policy["header"], "deployment": deployment}
    return {**policy, "header": head, "number": policy["number"] + 1, "previous": digest, **changes}


def _advance(root: Path, path: Path, policy: dict[str, Any]) -> str:
    path.write_text(json.dumps(policy))
    return pin(root, path, expect=policy_digest(policy), ask=input, say=lambda _: None)


def test_pins_advance_to_what_follows_and_keep_the_chain(policy_file: tuple[Path, World], tmp_path: Path) -> None:
    path, world = policy_file
    root, first = tmp_path / "host", world.policy.to_json()
    genesis = _advance(root, path, first)
    second = _successor(first, genesis, genesis, institution="Two")
    said: list[str] = []
    path.write_text(json.dumps({"policy": second, "consents": []}))
    digest = pin(root, path, expect=None, ask=lambda _: policy_digest(second)[:8], say=said.append)
    assert f"Policy 2, which follows {genesis[:4]} {genesis[4:8]}" in said[0]
    third = _successor(second, digest, genesis, institution="Three")
    newest = _advance(root, path, third)
    assert json.loads((root / "pins.json").read_text()) == {"deployment": genesis, "policy": newest}
    earlier = json.loads((root / "earlier.json").read_text())["policies"]
    assert [one["number"] for one in earlier] == [2, 1]
    assert _advance(root, path, third) == newest, "pinning the same again changes nothing"
    assert json.loads((root / "earlier.json").read_text())["policies"] == earlier


@pytest.mark.parametrize("stopped_after", ["earlier.json", "policy.json"])
def test_advancing_that_was_interrupted_is_finished(
    policy_file: tuple[Path, World], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped_after: str
) -> None:
    path, world = policy_file
    root, first = tmp_path / "host", world.policy.to_json()
    genesis = _advance(root, path, first)
    second = _successor(first, genesis, genesis)
    write = pin_module._write  # noqa: SLF001 - the step that is interrupted

    def stops(place: Path, data: bytes) -> None:
        write(place, data)
        if place.name == stopped_after:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(pin_module, "_write", stops)
        with pytest.raises(KeyboardInterrupt):
            _advance(root, path, second)
    assert json.loads((root / "pins.json").read_text())["policy"] == genesis
    digest = _advance(root, path, second)
    assert json.loads((root / "pins.json").read_text())["policy"] == digest
    assert [one["number"] for one in json.loads((root / "earlier.json").read_text())["policies"]] == [1]


@pytest.mark.parametrize(
    "change",
    [
        {"number": 3},
        {"number": True},
        {"number": "2"},
        {"previous": "ab" * 32},
        {"previous": None},
        {"profile": "production"},
        {"header": {"type": "policy", "deployment": "ab" * 32}},
    ],
    ids=str,
)
def test_what_does_not_follow_is_not_pinned(
    policy_file: tuple[Path, World], tmp_path: Path, change: dict[str, Any]
) -> None:
    path, world = policy_file
    root, first = tmp_path / "host", world.policy.to_json()
    genesis = _advance(root, path, first)
    with pytest.raises(PolicyFileError):
        _advance(root, path, _successor(first, genesis, genesis) | change)
    assert json.loads((root / "pins.json").read_text())["policy"] == genesis
    assert not (root / "earlier.json").exists()


def test_a_policy_file_that_was_exchanged_is_not_built_upon(policy_file: tuple[Path, World], tmp_path: Path) -> None:
    path, world = policy_file
    root, first = tmp_path / "host", world.policy.to_json()
    genesis = _advance(root, path, first)
    (root / "policy.json").write_text(json.dumps({**first, "institution": "Mallory Bank"}))
    with pytest.raises(PolicyFileError, match="do not belong together"):
        _advance(root, path, _successor(first, genesis, genesis))


def _changed(policy: dict[str, Any], **changes: Any) -> bytes:  # noqa: ANN401 - JSON
    return json.dumps({**policy, **changes}).encode()


def test_only_a_first_policy_is_pinned(policy_file: tuple[Path, World]) -> None:
    path, world = policy_file
    policy = world.policy.to_json()
    bad = [
        b"not json",
        b"[]",
        b'{"header": 1}',
        b'{"a": 1, "a": 2}',
        b'{"a": 1.5}',
        b'{"a": 123456789012345678}',
        b"\xff",
        _changed(policy, number=2),
        _changed(policy, previous="ab" * 32),
        _changed(policy, header={"type": "policy", "deployment": "ab" * 32}),
        json.dumps(world.mandate().to_json()).encode(),
    ]
    for raw in bad:
        path.write_bytes(raw)
        with pytest.raises(PolicyFileError):
            read_genesis(path)


def test_the_command_line(
    policy_file: tuple[Path, World],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, world = policy_file
    root = ["--root", str(tmp_path / "host")]
    assert main(["pin", *root, "--expect", world.policy.digest, str(path)]) == 0
    assert world.policy.digest[:4] in capsys.readouterr().out
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert main(["pin", *root, str(path)]) == 2
    assert "not confirmed" in capsys.readouterr().err
    assert main(["pin", *root, str(tmp_path / "missing.json")]) == 2
    assert main(["release"]) == 0
    assert release_hash() in capsys.readouterr().out
    assert main(root) == 2
    assert "no config.json" in capsys.readouterr().err
