"""Codecs: exactly one spelling of each value, and read∘write changes nothing."""

from __future__ import annotations

import base64
import binascii
import copy
import dataclasses
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.documents.bundle import CaseFile
from core.documents.control import CONTROL_ORDER, HaltOrder, ResumeOrder, VetoOrder
from core.documents.mandate import Intent, Mandate
from core.errors import CoreError, DocumentError
from core.schema import (
    UINT256_MAX,
    Amount,
    Base64Url,
    Boolean,
    Choice,
    Constant,
    HexData,
    Integer,
    Items,
    Maybe,
    Text,
    read_struct,
    write_struct,
)
from tests.soak import bounded
from tests.vectors import generate, specimens

if TYPE_CHECKING:
    from core.documents.base import Document
    from core.schema import Codec


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


AMOUNT, INTEGER = Amount(), Integer(least=-5, most=5)

GOOD: list[tuple[Codec, object, object]] = [
    (AMOUNT, "0", 0),
    (AMOUNT, str(UINT256_MAX), UINT256_MAX),
    (INTEGER, -5, -5),
    (INTEGER, 5, 5),
    (Boolean(), True, True),
    (HexData(most=2), "0x", b""),
    (HexData(most=2), "0x0aff", b"\x0a\xff"),
    (HexData(most=2, exact=True), "0x0aff", b"\x0a\xff"),
    (Base64Url(most=3), "_-8", b"\xff\xef"),
    (Choice(Colour), "red", Colour.RED),
    (Maybe(AMOUNT), None, None),
    (Maybe(AMOUNT), "7", 7),
    (Items(AMOUNT, most=2), ["1", "2"], (1, 2)),
    (Items(AMOUNT, most=2), [], ()),
    (Constant("x"), "x", "x"),
    (Text(most=3), "aé担", "aé担"),
    (Text(most=3, pattern=r"[a-z]+"), "abc", "abc"),
    (Text(most=3, least=0), "", ""),
]


@pytest.mark.parametrize(("codec", "json_value", "value"), GOOD)
def test_a_codec_reads_and_writes_back_the_same_spelling(codec: Codec, json_value: object, value: object) -> None:
    assert codec.read(json_value, "x") == value
    assert type(codec.read(json_value, "x")) is type(value)
    assert codec.write(value, "x") == json_value


BAD: list[tuple[Codec, list[object]]] = [
    (
        AMOUNT,
        ["", "00", "01", "+1", "-1", "-0", " 1", "1 ", "1.0", "1e3", "0x1", "\u0661", "1_000", 1, True, None, ["1"]],
    ),
    (AMOUNT, [str(UINT256_MAX + 1), "9" * 78, "1" + "0" * 5000, "1\n"]),
    (INTEGER, [True, False, "1", 1.0, -6, 6, None, [1]]),
    (Boolean(), [0, 1, "true", None]),
    (HexData(most=2), ["", "0X", "0x0", "0x0A", "0x000000", "0x0g", "0a", "0x0a\n", None, 0, b"\x0a"]),
    (HexData(most=2, exact=True), ["0x", "0x0a", "0x0a0a0a"]),
    # Two spellings of one byte, padding, the standard alphabet, blanks, impossible lengths.
    (Base64Url(most=3), ["_-9", "AB", "AA==", "+/8", "A A", "A", "AAAAA", "", "AA\n", None, 1]),
    (Choice(Colour), ["RED", "green", "", None, 1, ["red"]]),
    (Maybe(AMOUNT), ["", 0, False, []]),
    (Items(AMOUNT, most=2), [("1",), ["1", "2", "3"], "12", {"0": "1"}, None, [1]]),
    (Items(AMOUNT, most=2, least=1), [[]]),
    (Constant("x"), ["X", "", None, True]),
    (Text(most=3), ["", "abcd", None, 1, b"a"]),
    (Text(most=3, pattern=r"[a-z]+"), ["aB", "a\n", "é", "\uff41"]),
]


@pytest.mark.parametrize(("codec", "values"), BAD)
def test_a_codec_refuses_every_second_spelling(codec: Codec, values: list[object]) -> None:
    for value in values:
        with pytest.raises(DocumentError, match="somewhere"):
            codec.read(value, "somewhere")


@pytest.mark.parametrize(
    "text",
    [
        "a\u0301",  # NFD: é in two characters
        "\u212b",  # ångström sign, NFC is Å
        "a\u202eb",  # right-to-left override
        "a\u2066b",  # isolate
        "a\u200bb",  # zero width space
        "a\u00adb",  # soft hyphen
        "\ufeffa",
        "a\u2028b",
        "a\nb",
        "a\x7fb",
        "a\ud800",
        "a\ue000",  # private use
        "a\U0003fffe",  # unassigned
        "a\u3164",  # Hangul filler
        "a\uffa0",
        "a\u115fb",
        "a\u2800",  # empty braille pattern
        "a\u034fb",  # grapheme joiner
        "a\ufe0f",  # variation selector
        "a\U000e0101",
        "a\u180eb",
    ],
)
def test_text_that_looks_like_another_is_refused(text: str) -> None:
    with pytest.raises(DocumentError):
        Text().read(text, "label")


@pytest.mark.parametrize(
    ("codec", "value"),
    [
        (AMOUNT, -1),
        (AMOUNT, UINT256_MAX + 1),
        (AMOUNT, True),
        (AMOUNT, "1"),
        (INTEGER, 6),
        (HexData(most=1), b"ab"),
        (HexData(most=1), "0x00"),
        (Base64Url(most=1), b""),
        (Items(AMOUNT, most=2), [1]),
        (Items(AMOUNT, most=2), (1, 2, 3)),
        (Choice(Colour), "green"),
        (Text(most=3), "abcd"),
    ],
)
def test_what_could_not_be_read_back_is_not_written(codec: Codec, value: object) -> None:
    with pytest.raises(DocumentError):
        codec.write(value, "x")


@bounded(150)
@given(st.binary(max_size=40))
def test_bytes_have_one_base64url_and_one_hex(raw: bytes) -> None:
    text = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    if raw:
        assert Base64Url(most=40).read(text, "x") == raw
    assert HexData(most=40).read("0x" + raw.hex(), "x") == raw


@bounded(300)
@given(
    st.text(alphabet="ABQgwx_-9=+", max_size=14)
    | st.binary(max_size=10).map(base64.urlsafe_b64encode).map(bytes.decode)
)
def test_base64url_is_read_where_its_bytes_are_written_so_again(text: str) -> None:
    codec = Base64Url(most=40, least=0)
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        raw = None
    if raw is not None and base64.urlsafe_b64encode(raw).rstrip(b"=").decode() == text:
        assert codec.read(text, "x") == raw
        return
    with pytest.raises(DocumentError):
        codec.read(text, "x")


@pytest.mark.parametrize("name", generate.documents())
def test_every_document_reads_what_it_writes(name: str) -> None:
    document = generate.documents()[name]
    again = type(document).from_bytes(document.to_bytes())
    assert again == document
    assert again.digest == document.digest
    assert again.to_bytes() == document.to_bytes()


def test_a_case_file_reads_what_it_writes() -> None:
    case = specimens.case_file()
    assert read_struct(CaseFile, write_struct(case, "case"), "case") == case


def test_control_orders_read_what_they_write() -> None:
    consents = specimens.signed_consents()
    for order in (
        HaltOrder(kind="halt", document=specimens.halt(), consents=consents),
        ResumeOrder(kind="resume", document=specimens.resume(), consents=consents),
        VetoOrder(kind="veto", consents=consents),
    ):
        assert CONTROL_ORDER.read(CONTROL_ORDER.write(order, "order"), "order") == order


def _places(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every object of a JSON value."""
    found = [path] if isinstance(value, dict) else []
    children: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        found += _places(child, (*path, key))
    return found


def _at(value: Any, path: tuple[str | int, ...]) -> Any:  # noqa: ANN401 - a place in a JSON value
    for step in path:
        value = value[step]
    return value


@pytest.mark.parametrize("name", generate.documents())
def test_no_object_of_any_document_takes_one_field_more_or_less(name: str) -> None:
    document = generate.documents()[name]
    whole = document.to_json()
    for place in _places(whole):
        more = copy.deepcopy(whole)
        _at(more, place)["extra"] = None
        with pytest.raises(DocumentError, match="extra"):
            type(document).from_json(more)
        less = copy.deepcopy(whole)
        missing = min(_at(less, place))
        del _at(less, place)[missing]
        with pytest.raises(DocumentError, match=missing):
            type(document).from_json(less)


HOSTILE: list[object] = [
    None, True, False, 0, 1, -1, 2**53 - 1, "", "0", "x", "\ud800", "0x", "\x00", [], {}, [[]], {"": ""}, "A" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("name", ["mandate", "mandate-parent", "consent-approve", "cancel", "ceremony", "policy"])
def test_a_hostile_value_anywhere_ends_as_our_own_error_or_as_the_same_text(name: str) -> None:
    document = generate.documents()[name]
    whole = document.to_json()
    for place in _places(whole):
        for key in _at(whole, place):
            for value in HOSTILE:
                hostile = copy.deepcopy(whole)
                _at(hostile, place)[key] = value
                _reads_to_itself_or_refuses(document, hostile)


def _reads_to_itself_or_refuses(document: Document, hostile: dict[str, object]) -> None:
    try:
        read = type(document).from_json(hostile)
    except CoreError:
        return
    assert read.to_json() == hostile
    assert read.digest


def test_error_messages_carry_no_hostile_characters() -> None:
    with pytest.raises(DocumentError) as caught:
        Intent.from_json({"\ud800\u202e\nFAKE LINE": 1})
    assert str(caught.value).isascii()
    assert "\n" not in str(caught.value)


def test_a_header_of_another_type_is_refused() -> None:
    value: Any = specimens.mandate().to_json()
    value["header"]["type"] = "cancel"
    with pytest.raises(DocumentError, match="cancel"):
        Mandate.from_json(value)


@pytest.mark.parametrize("lifetime", [0, -1])
def test_a_document_that_was_never_valid_is_refused(lifetime: int) -> None:
    value: Any = specimens.mandate().to_json()
    value["header"]["expires"] = value["header"]["created"] + lifetime
    with pytest.raises(DocumentError, match="later"):
        Mandate.from_json(value)


@pytest.mark.parametrize(("field", "value"), [("chain", "eip155:1"), ("max_priority_fee_per_gas", str(10**12))])
def test_an_intent_that_contradicts_itself_is_refused(field: str, value: str) -> None:
    with pytest.raises(DocumentError):
        Intent.from_json(specimens.intent().to_json() | {field: value})


def test_a_movement_with_bounds_that_nothing_satisfies_is_refused() -> None:
    value: Any = specimens.intent().to_json()
    value["movements"][0]["least"] = "1000001"
    with pytest.raises(DocumentError, match="least"):
        Intent.from_json(value)


def test_documents_cannot_be_changed_after_they_were_digested() -> None:
    document = specimens.mandate()
    with pytest.raises(dataclasses.FrozenInstanceError):
        document.purpose = "other"  # type: ignore[misc]
    assert dataclasses.replace(document, purpose="other").digest != document.digest
