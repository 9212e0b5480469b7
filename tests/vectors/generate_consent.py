"""Writes consent.json from `core`: `python -m tests.vectors.generate_consent`.

The consent page shares no code with the rest. It is held to these documents, digests, sentences and refusals.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.canonical import canonical
from core.documents.consent import SubjectType
from core.documents.control import Cancel, Ceremony, CeremonyKind, Halt, LaneStart, Resume
from core.schema import write_struct
from tests.factories.world import (
    CHAIN,
    COOLING,
    DAY,
    ETHER,
    LISTED,
    NOW,
    ORIGIN,
    STRANGER,
    TOKEN,
    World,
    header,
)

if TYPE_CHECKING:
    from core.documents.base import Document
    from core.documents.mandate import Intent, Mandate, Movement

PATH = Path(__file__).with_name("consent.json")
Json = dict[str, Any]


def _document(document: Document) -> Json:
    return {
        "name": f"{document.TYPE} {document.header.id[:6]}",
        "type": document.TYPE,
        "document": document.to_json(),
        "canonical": document.to_bytes().hex(),
        "digest": document.digest,
    }


def _request(name: str, document: Json, actor: str, decision: str, **more: Any) -> Json:  # noqa: ANN401 - JSON
    return {"name": name, "type": document["header"]["type"], "document": document, "actor": actor} | {
        "decision": decision,
        "now": NOW,
        **more,
    }


def controls(world: World) -> list[Document]:
    """Return one of each control document."""
    head, policy = world.deployment, world.policy.digest
    lane = LaneStart(wallet=world.wallet, next_nonce=7)
    return [
        Cancel(
            header=header("cancel", head, now=world.now),
            policy=policy,
            intent=world.intent().digest,
            wallet=world.wallet,
            max_fee_per_gas=200 * 10**9,
            max_priority_fee_per_gas=3 * 10**9,
            reason="stuck",
        ),
        Halt(header=header("halt", head, now=world.now), policy=policy, signers=(), reason="Drill, 14:00"),
        Resume(
            header=header("resume", head, now=world.now),
            policy=policy,
            halt="ab" * 32,
            signers=("hsm-1",),
            reason="Drill over",
        ),
        Ceremony(
            header=header("ceremony", head, now=world.now),
            policy=policy,
            kind=CeremonyKind.JOURNAL_START,
            signers=("hsm-1",),
            wallet=world.wallet,
            epoch=1,
            threshold=1,
            lanes=(lane,),
            not_before=world.now,
            reason="Disk replaced",
            plan=None,
            recovery=(),
        ),
    ]


_KINDS = {
    CeremonyKind.KEY_GENERATION: "Generate a new wallet key on",
    CeremonyKind.REFRESH: "Refresh the key shares of",
    CeremonyKind.RESTORE: "Restore key shares to",
    CeremonyKind.BAN: "Ban for ever from signing:",
    CeremonyKind.BACKUP: "Wrap to recovery keys the keys or shares of",
    CeremonyKind.DRILL: "Prove by a drill that the backups open, of",
    CeremonyKind.DEGRADED: "Sign without the other parties of the wallet, under divided limits, by",
    CeremonyKind.DESTROY: "Destroy for ever the keys or shares of",
    CeremonyKind.CLONE: "Make a new key with a clone in a second token, on",
}
_WARNED = (CeremonyKind.BAN, CeremonyKind.DEGRADED, CeremonyKind.DESTROY, CeremonyKind.RESTORE)


def _ceremonies(world: World) -> list[Json]:
    """One of every kind: the page says what each does, whether or not a signer would take it."""
    rows = []
    for kind, words in _KINDS.items():
        new = kind in (CeremonyKind.KEY_GENERATION, CeremonyKind.CLONE)
        document = Ceremony(
            header=header("ceremony", world.deployment, now=world.now),
            policy=world.policy.digest,
            kind=kind,
            signers=("hsm-1",),
            wallet=None if new else world.wallet,
            epoch=0,
            threshold=1,
            lanes=(),
            not_before=0,
            reason="Every quarter",
            plan="9a" * 32 if new else None,
            recovery=(),
        )
        sentence = f"{words} hsm-1" if new else f"{words} hsm-1, wallet Treasury Hot"
        warnings = [kind.value] if kind in _WARNED else []
        more = {"sentence": sentence, "blocks": [], "warnings": warnings}
        rows.append(_request(f"ceremony: {kind}", document.to_json(), "adam", "review", **more))
    return rows


def _row(
    name: str,
    mandate: Mandate,
    said: str,
    *,
    actor: str = "rita",
    decision: str = "review",
    blocks: tuple[str, ...] = (),
    warnings: tuple[str, ...] = (),
) -> Json:
    """Make a request that is shown; `said` is what the sentence says between its verb and the asker."""
    asker = {"tessa": "Tessa", "bot-1": "Rebalancer"}[mandate.asker.id]
    sentence = f"{said} — asked by {asker}"
    more = {"sentence": sentence, "blocks": list(blocks), "warnings": list(warnings)}
    return _request(name, mandate.to_json(), actor, decision, **more)


def _shown(world: World) -> list[Json]:
    """Requests that may be shown, each with its sentence and what the page has to say about it."""
    native, by_client = world.mandate(), world.mandate(asker="bot-1")
    one = "Transfer 1.00 ETH from Treasury Hot to Binance"
    approve = bytes.fromhex("095ea7b3") + bytes(64)
    call = world.token_intent(0, data=approve, movements=())
    return [
        _row("native", native, one),
        _row("ask", native, one, actor="tessa", decision="ask"),
        _row("asker approves", native, one, actor="tessa", decision="approve", blocks=("initiator",)),
        _row("API client", by_client, one, actor="ravi"),
        _row("at one nonce only", world.mandate(nonce=12), f"{one}, at nonce 12 only"),
        _row("at the first nonce only", world.mandate(nonce=0), f"{one}, at nonce 0 only"),
        _row("its responsible person", by_client, one, blocks=("initiator",)),
        _row(
            "token",
            world.mandate(world.token_intent(250_000 * 10**6)),
            "Transfer 250,000.00 USDC from Treasury Hot to Binance",
            decision="approve",
        ),
        _row(
            "smallest unit",
            world.mandate(world.token_intent(1)),
            "Transfer 0.000001 USDC from Treasury Hot to Binance",
            decision="approve",
        ),
        _row(
            "not listed",
            world.mandate(world.intent(to=STRANGER)),
            f"Transfer 1.00 ETH from Treasury Hot to unlisted address {STRANGER}",
            warnings=("destination_unlisted",),
        ),
        _row(
            "cooling down",
            world.mandate(world.intent(to=COOLING, value=15 * ETHER // 10)),
            "Transfer 1.50 ETH from Treasury Hot to Fresh",
            warnings=("destination_cooling",),
        ),
        _row(
            "unknown call",
            world.mandate(call),
            "Unknown call of USD Coin from Treasury Hot",
            blocks=("unknown_call",),
        ),
    ]


def _dirty_calls(world: World) -> list[Json]:
    """Calldata that a lenient decoder would take for a transfer."""
    clean = world.token_intent(5).data
    dirty = {
        "dirty padding": clean[:4] + b"\x01" + clean[5:],
        "trailing byte": clean + b"\0",
        "truncated": clean[:-1],
        "two words more": clean + bytes(64),
        "transferFrom": bytes.fromhex("23b872dd") + clean[4:],
        "selector alone": clean[:4],
        "three bytes": clean[:3],
    }
    intents: dict[str, Intent] = {
        name: world.token_intent(5, data=data, movements=()) for name, data in dirty.items()
    }
    intents["value along with a transfer"] = world.token_intent(5, value=1, movements=())
    sentence = "Unknown call of USD Coin from Treasury Hot — asked by Tessa"
    return [
        _request(
            name,
            world.mandate(intent).to_json(),
            "rita",
            "review",
            sentence=sentence,
            blocks=["unknown_call"],
            warnings=[],
        )
        for name, intent in intents.items()
    ]


def _refused(world: World) -> list[Json]:
    """Requests that end in a typed refusal, with nothing to sign."""
    good, intent, token = world.mandate(), world.intent(), world.token_intent(5)
    movement = token.movements[0]
    other = World()

    def mandate(name: str, document: Mandate, code: str, actor: str = "rita", decision: str = "review") -> Json:
        return _request(name, document.to_json(), actor, decision, refusal=code)

    def moved(**changes: Any) -> Mandate:  # noqa: ANN401 - fields of Movement
        return world.mandate(dataclasses.replace(token, movements=(dataclasses.replace(movement, **changes),)))

    two: tuple[Movement, ...] = (movement, movement)
    stale = header("mandate", world.deployment, now=NOW - DAY)
    future = header("mandate", world.deployment, now=NOW + DAY)
    old_intent = world.intent(header=header("intent", world.deployment, now=NOW - DAY))
    foreign_intent = world.intent(header=header("intent", other.deployment))
    return [
        mandate("other deployment", world.mandate(header=header("mandate", other.deployment)), "wrong_deployment"),
        mandate("other deployment inside", world.mandate(foreign_intent), "wrong_deployment"),
        mandate("other policy", world.mandate(policy=other.policy.digest), "wrong_policy"),
        mandate("expired", world.mandate(header=stale), "expired"),
        mandate("expired inside", world.mandate(old_intent), "expired"),
        mandate("from the future", world.mandate(header=future), "not_yet_valid"),
        mandate("unknown wallet", world.mandate(intent=_rehomed(intent, other)), "unknown_wallet"),
        mandate("unknown asker", world.mandate(asker="mallory"), "unknown_person"),
        mandate("unknown actor", good, "unknown_person", actor="mallory"),
        mandate("somebody else asks", good, "no_asker", actor="tom", decision="ask"),
        mandate("movement of another amount", moved(most=6, least=5), "movements"),
        mandate("movement to another address", moved(destination=STRANGER), "movements"),
        mandate("movement of another asset", moved(asset=f"{CHAIN}/slip44:60"), "movements"),
        mandate("movement from elsewhere", moved(source=STRANGER), "movements"),
        mandate("no movement", world.mandate(dataclasses.replace(token, movements=())), "movements"),
        mandate("movement twice", world.mandate(dataclasses.replace(token, movements=two)), "movements"),
        mandate(
            "movement claimed for an unknown call",
            world.mandate(world.token_intent(5, data=b"\x01\x02\x03\x04", movements=(movement,))),
            "movements",
        ),
    ]


def _rehomed(intent: Intent, other: World) -> Intent:
    address = other.wallet.rpartition(":")[2]
    movements = tuple(dataclasses.replace(movement, source=address) for movement in intent.movements)
    return dataclasses.replace(intent, wallet=other.wallet, movements=movements)


def _malformed(world: World) -> list[Json]:
    """Documents that no strict reader takes; each differs from a good one in one place."""
    changes: dict[str, Json] = {
        "unknown field": {"extra": 1},
        "missing field": {"purpose": None, "-": "purpose"},
        "bidi override": {"purpose": "pay \u202e1 ETH"},
        "zero width space": {"purpose": "pay\u200b"},
        "not normalised": {"purpose": "Zu\u0308rich"},
        "too long": {"purpose": "x" * 281},
        "number for text": {"purpose": 7},
        "short digest": {"policy": "ab"},
        "upper-case digest": {"policy": "AB" * 32},
        "version 2": {"header.version": 2},
        "never valid": {"header.expires": NOW - DAY},
        "amount as a number": {"order.intent.value": 1},
        "amount with a leading zero": {"order.intent.value": "01"},
        "amount beyond 2^256": {"order.intent.value": str(2**256)},
        "negative amount": {"order.intent.value": "-1"},
        "upper-case calldata": {"order.intent.data": "0xA9059CBB"},
        "half a byte": {"order.intent.data": "0xa"},
        "too little gas": {"order.intent.gas": 20_999},
        "gas as a boolean": {"order.intent.gas": True},
        "tip above the cap": {"order.intent.max_priority_fee_per_gas": str(10**15)},
        "chain and wallet disagree": {"order.intent.chain": "eip155:1"},
        "no address": {"order.intent.to": "0x1234"},
        "address without its checksum": {"order.intent.to": LISTED.lower(), "order.intent.movements": []},
        "unknown kind of order": {"order.kind": "swap"},
        "nonce as text": {"nonce": "12"},
        "nonce below zero": {"nonce": -1},
        "nonce beyond safe integers": {"nonce": 2**53},
        "nonce as a boolean": {"nonce": True},
        "another header type": {"header.type": "policy"},
    }
    rows = []
    for name, change in changes.items():
        document = world.mandate().to_json()
        for path, value in change.items():
            *outer, last = path.split(".")
            place: Any = document
            for step in outer:
                place = place[step]
            if path == "-":
                del document[value]
            else:
                place[last] = value
        rows.append(_request(name, document, "rita", "review", refusal="malformed") | {"type": "mandate"})
    return rows


def generate() -> Json:
    """Return all vectors; ids and keys are new each time, so only what is stored is compared with anything."""
    world = World()
    orders = controls(world)
    sentences = {
        SubjectType.CANCEL: "Cancel a transaction from Treasury Hot: a transfer of 0 to itself replaces it",
        SubjectType.HALT: "Halt: all signers sign nothing from now on",
        SubjectType.RESUME: "Resume: hsm-1 may sign again",
        SubjectType.CEREMONY: "Start the journal anew on hsm-1",
    }
    warned = {Cancel.TYPE: ["replacement"], Ceremony.TYPE: ["journal_start"]}
    parts: list[Document] = [world.policy, world.intent(), world.mandate(), *orders]
    consents = [
        world.statement(world.mandate().digest, "rita"),
        world.statement("cd" * 32, "ravi", reason="Zürich ‰ 𝄞"),
    ]
    values: list[object] = [
        {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\u0080": 6, "\u00f6": 7, '"\\\b\f': 8},
        [2**53 - 1, -(2**53) + 1, 0, True, None, "\u2028/\u007f"],
    ]
    return {
        "now": NOW,
        "origin": ORIGIN,
        "pins": {"deployment": world.deployment, "policy": world.policy.digest},
        "policy": write_struct(world.signed_policy, "policy"),
        "token": TOKEN,
        "canonical": [{"value": value, "canonical": canonical(value).hex()} for value in values],
        "documents": [_document(document) for document in (*parts, *consents)],
        "shown": [
            *_shown(world),
            *_dirty_calls(world),
            *_ceremonies(world),
            *(
                _request(
                    control.TYPE,
                    control.to_json(),
                    "adam",
                    "review",
                    sentence=sentences[SubjectType(control.TYPE)],
                    blocks=[],
                    warnings=warned.get(control.TYPE, []),
                )
                for control in orders
            ),
        ],
        "refused": [*_refused(world), *_malformed(world)],
    }


if __name__ == "__main__":
    PATH.write_text(json.dumps(generate(), indent=1, ensure_ascii=True, sort_keys=True) + "\n")
