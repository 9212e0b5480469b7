"""Writes calls.json from `core`: `python -m tests.vectors.generate_calls`.

What the consent page reads in calldata is held to these: encodings (good and damaged), opened calls, worst cases,
facts, and the sentences that this page and `python -m witness words` both say.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eth_abi.abi import encode

from core.abi import SELECTOR_BYTES, argument_types, array_of, components, decode_strict
from core.books import books_of
from core.calls import open_calls
from core.facts import derive_facts, resolve_asker
from core.keccak import keccak256
from core.names import address_from_bytes, checksum_address
from core.schema import write_struct
from tests.factories.world import NOW
from tests.vectors.call_cases import call_world, case_calls
from witness.sentence import mandate_sentence

if TYPE_CHECKING:
    from core.calls import Made
    from core.documents.mandate import Intent
    from tests.factories.world import World

PATH = Path(__file__).with_name("calls.json")
Json = dict[str, Any]


def plain(kind: str, value: object) -> object:
    """Return a decoded value as JSON that loses nothing."""
    array, inside = array_of(kind), components(kind)
    if array is not None and isinstance(value, list | tuple):
        return [plain(array[0], one) for one in value]
    if inside is not None and isinstance(value, list | tuple):
        return [plain(part, one) for part, one in zip(inside, value, strict=True)]
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if kind == "address":
        return checksum_address(str(value))
    return {"number": str(value)} if isinstance(value, int) and not isinstance(value, bool) else value


def _plain(types: tuple[str, ...], values: tuple[object, ...] | None) -> object:
    return None if values is None else [plain(kind, one) for kind, one in zip(types, values, strict=True)]


def _arguments(made: Made, data: bytes) -> object:
    if made.arguments is None or made.contract is None:
        return None
    signature = next(f.signature for f in made.contract.functions if f.selector == made.selector)
    types = argument_types(signature) or ()
    return _plain(types, decode_strict(types, data))


def _made(one: Made, data: bytes | None) -> Json:
    flow, given = one.flow, one.allowance
    return {
        "depth": one.depth,
        "to": one.to,
        "value": str(one.value),
        "selector": None if one.selector is None else "0x" + one.selector.hex(),
        "kind": one.kind.value,
        "delegate": one.delegate,
        "contract": None if one.contract is None else one.contract.label,
        "flow": None if flow is None else [flow.asset, flow.destination, str(flow.amount)],
        "allowance": None if given is None else [given.asset, given.spender, str(given.amount), given.unlimited],
        "mayAllow": one.may_allow,
        "isBatch": one.is_batch,
        "arguments": None if data is None else _arguments(one, data[SELECTOR_BYTES:]),
    }


def call_row(world: World, name: str, intent: Intent) -> Json:
    """Return what `core` makes of a transaction."""
    calls = open_calls(
        intent.chain, intent.to, intent.value, intent.data, books_of(world.policy), sender=intent.sender
    )
    mandate = world.mandate(intent)
    who = resolve_asker(mandate, world.policy)
    _, draw = derive_facts(intent, world.policy, who, order=mandate.digest, now=NOW)
    return {
        "name": name,
        "mandate": mandate.to_json(),
        "digest": mandate.digest,
        "calls": [_made(one, intent.data if one is calls.outer else None) for one in calls.made],
        "understood": calls.understood,
        "known": calls.flows is not None,
        "most": [[one.asset, str(one.amount)] for one in draw.amounts],
        "sentence": mandate_sentence(mandate, world.policy),
    }


_LEAVES = (
    "address",
    "bool",
    "uint8",
    "uint160",
    "uint256",
    "int24",
    "int256",
    "bytes4",
    "bytes32",
    "bytes",
    "string",
)


def _type(chance: random.Random, depth: int = 0) -> str:
    draw = chance.random()
    if depth < 3 and draw < 0.2:
        return f"({','.join(_type(chance, depth + 1) for _ in range(chance.randint(1, 3)))})"
    if depth < 3 and draw < 0.4:
        return f"{_type(chance, depth + 1)}[{chance.choice(('', '', '1', '3'))}]"
    return chance.choice(_LEAVES)


def _parts(kind: str) -> tuple[str, ...]:
    return argument_types(f"f{kind}") or ()


def _value(kind: str, chance: random.Random) -> object:
    if kind.endswith("]"):
        element, _, length = kind[:-1].rpartition("[")
        return [_value(element, chance) for _ in range(int(length) if length else chance.randint(0, 3))]
    if kind.startswith("("):
        return tuple(_value(part, chance) for part in _parts(kind))
    if kind.startswith(("uint", "int")):
        bits = int(kind.removeprefix("u").removeprefix("int"))
        low, high = (0, 2**bits - 1) if kind.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        return chance.choice((low, high, chance.randint(low, high)))
    simple = {
        "bool": chance.random() < 0.5,
        "address": address_from_bytes(chance.randbytes(20)),
        "string": chance.choice(("", "a", "Z\u00fcrich \u2030 \U0001d11e", "\ufeffbom", "x" * 33)),
        "bytes": chance.randbytes(chance.choice((0, 1, 31, 32, 40))),
    }
    return simple[kind] if kind in simple else chance.randbytes(int(kind.removeprefix("bytes")))


def _damaged(data: bytes, chance: random.Random) -> bytes:
    if not data:
        return b"\0"
    place = chance.randrange(len(data))
    how = chance.randrange(5)
    if how == 0:
        return data[:-1]
    if how == 1:
        return data + bytes(chance.choice((1, 32)))
    if how == 2:
        return data[:place] + bytes([data[place] ^ (1 << chance.randrange(8))]) + data[place + 1 :]
    word = place // 32 * 32
    if how == 3:
        return data[:word] + (32 * chance.randrange(9)).to_bytes(32, "big") + data[word + 32 :]
    return data[:word] + b"\xff" * 32 + data[word + 32 :]


def _encodings(chance: random.Random) -> list[Json]:
    rows = []
    for _ in range(110):
        types = tuple(_type(chance) for _ in range(chance.randint(1, 3)))
        good = encode(types, [_value(kind, chance) for kind in types])
        for data in dict.fromkeys((good, *(_damaged(good, chance) for _ in range(2)))):
            values = decode_strict(types, data)
            signature = f"f({','.join(types)})"
            rows.append({"signature": signature, "data": "0x" + data.hex(), "values": _plain(types, values)})
    return rows


_ODD_SIGNATURES = (
    "f()",
    "f(())",
    "f(uint)",
    "f(uint7)",
    "f(uint264)",
    "f(int0)",
    "f(uint08)",
    "f(bytes33)",
    "f(bytes0)",
    "f(byte)",
    "f(uint256,)",
    "f(,uint256)",
    "f(uint256[0])",
    "f(uint256[01])",
    "f(uint256[10000])",
    "f((uint256)",
    "f(uint256))",
    "f((a)(b))",
    "f(function)",
    "f(fixed128x18)",
    "f(uint256[][3][])",
    "f((address,(bool,bytes[])[2])[])",
    "1f(bool)",
    "f",
    "f(bool) ",
    "f(((((((((bool)))))))))",
    "f((((((((bool))))))))",
    "f(bool[][][][][][][][])",
    "_$9(bool)",
    "f(bool[][][][][][][][][])",
)


def generate() -> Json:
    """Return all vectors; keys are new each time, so only what is stored is compared with anything."""
    chance = random.Random(20_261_121)  # noqa: S311 - test cases, not secrets
    world = call_world(overrides={})
    rows = []
    for name, (to, value, data) in case_calls(world).items():
        rows.append(call_row(world, name, world.intent(to=to, value=value, data=data, gas=200_000)))
    return {
        "now": NOW,
        "pins": {"deployment": world.deployment, "policy": world.policy.digest},
        "policy": write_struct(world.signed_policy, "policy"),
        "keccak": [
            {"data": data.hex(), "hash": keccak256(data).hex()}
            for data in (b"", b"abc", bytes(135), bytes(136), bytes(137), b"\xff" * 300)
        ],
        "addresses": [address_from_bytes(chance.randbytes(20)) for _ in range(20)],
        "signatures": [
            {"signature": name, "types": list(types) if (types := argument_types(name)) is not None else None}
            for name in _ODD_SIGNATURES
        ],
        "encodings": _encodings(chance),
        "calls": rows,
    }


if __name__ == "__main__":
    PATH.write_text(json.dumps(generate(), indent=1, ensure_ascii=True, sort_keys=True) + "\n")
