"""Strict JSON in, RFC 8785 bytes out."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.canonical import MAX_DEPTH, MAX_SAFE_INTEGER, canonical, parse, tagged_digest
from core.errors import CoreError, EncodingError
from tests.soak import bounded

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=20,
)


@bounded(200)
@given(VALUES)
def test_what_was_written_reads_back_and_writes_the_same_bytes(value: object) -> None:
    written = canonical(value)
    assert parse(written) == value
    assert canonical(parse(written)) == written


@bounded(100)
@given(VALUES)
def test_loose_spelling_of_the_same_value_has_the_same_canonical_bytes(value: object) -> None:
    assert canonical(parse(json.dumps(value, indent=3).encode())) == canonical(value)


# RFC 8785, section 3.2.3: property names sorted by UTF-16 code units (the published example).
SORTED = ["\r", "1", "\x80", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


def test_rfc_8785_published_sorting() -> None:
    written = canonical(dict.fromkeys(reversed(SORTED), 0)).decode()
    assert list(json.loads(written)) == SORTED


def test_rfc_8785_published_literals_and_strings() -> None:
    # Section 3.2.2, the example without its floats: escapes, control characters, literals.
    value = {"string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/", "literals": [None, True, False]}
    assert canonical(value) == (
        b'{"literals":[null,true,false],"string":"\xe2\x82\xac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":1,"a":1}',
        b'{"a":{"b":1,"b":2}}',
        b'{"a":1,"\\u0061":2}',
        b"1.0",
        b"1e3",
        b"1E400",
        b"-0.0",
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"9007199254740992",
        b"-9007199254740992",
        b"1" + b"0" * 5000,
        b"",
        b"{",
        b"[1,]",
        b"'a'",
        b'"\x00"',
        b"01",
        b'\xff"',
        b"\xef\xbb\xbf{}",
        b"{} {}",
        b"[" * 100_000,
        b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
    ],
)
def test_what_two_parsers_could_read_differently_is_refused(text: bytes) -> None:
    with pytest.raises(EncodingError):
        parse(text)


def test_the_edges_of_what_is_allowed_are_read() -> None:
    assert parse(str(MAX_SAFE_INTEGER).encode()) == MAX_SAFE_INTEGER
    assert parse(str(-MAX_SAFE_INTEGER).encode()) == -MAX_SAFE_INTEGER
    parse(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'["[\\"",', b"]")])
@pytest.mark.parametrize("leaf", [b"1", b'"]"', b"null"])
def test_what_is_read_is_no_deeper_than_what_is_written(opening: bytes, closing: bytes, leaf: bytes) -> None:
    most = MAX_DEPTH - 1
    canonical(parse(opening * most + leaf + closing * most))
    with pytest.raises(EncodingError, match="nested"):
        parse(opening * MAX_DEPTH + leaf + closing * MAX_DEPTH)


LOOSE = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@bounded(200)
@given(LOOSE)
def test_what_is_read_can_be_written(value: object) -> None:
    try:
        read = parse(json.dumps(value).encode())
    except EncodingError:
        return
    canonical(read)


def test_a_text_that_is_too_long_is_not_looked_at() -> None:
    assert parse(b'"ab"', max_bytes=4) == "ab"
    with pytest.raises(EncodingError, match="longer"):
        parse(b'"ab"', max_bytes=3)


@pytest.mark.parametrize("value", ["\ud800", {"\udfff": 1}, 1.5, 2**53, {1: "a"}, b"a", (1, 2), object()])
def test_what_has_no_canonical_form_is_not_written(value: object) -> None:
    with pytest.raises(EncodingError):
        canonical(value)


JSON_LIKE = st.text(alphabet='{}[]",:0123456789.eE-+truefalsn\\u ').map(str.encode)


@bounded(300)
@given(st.binary(max_size=80) | JSON_LIKE)
def test_any_bytes_end_as_a_value_or_an_error_of_ours(raw: bytes) -> None:
    try:
        value = parse(raw)
    except CoreError:
        return
    canonical(value)


def test_a_digest_is_sha_256_over_tag_and_bytes() -> None:
    assert tagged_digest("mandate", b"{}") == hashlib.sha256(b"countersign/v1/mandate\0{}").hexdigest()


def test_one_text_has_another_digest_under_another_tag() -> None:
    assert tagged_digest("mandate", b"{}") != tagged_digest("cancel", b"{}")
    # The NUL keeps a tag from running into the bytes.
    assert tagged_digest("a", b"b{}") != tagged_digest("ab", b"{}")
