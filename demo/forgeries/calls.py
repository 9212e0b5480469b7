"""Transactions that policy must not let pass even when everybody signed them: bad calls, bad destinations, limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.calldata import encode_transfer
from core.documents.mandate import Asker, AskerKind
from core.errors import Refusal
from demo.forgeries.case import GWEI, PAYMENT
from demo.forgeries.catalogue import Attack, Setting, forgery, sign

if TYPE_CHECKING:
    from core.documents.bundle import Bundle
    from core.documents.mandate import Intent
    from demo.forgeries.case import Case

ETHER = 10**18
DAY = 86_400
_ALL_SIGNED = "Everybody signed it. The policy still decides, in the signer."


def _denied(case: Case, intent: Intent) -> Attack:
    return Attack(forged=sign(case.bundle(case.mandate(intent))), control=sign(case.bundle()))


def _call(case: Case, data: bytes, **changes: Any) -> Intent:  # noqa: ANN401 - Intent's fields
    return case.intent(**({"to": case.token, "value": 0, "data": data, "gas": 90_000} | changes))


@forgery("destination-off-the-whitelist", Refusal.DENIED, why=_ALL_SIGNED)
def _stranger(case: Case) -> Attack:
    return _denied(case, case.intent(to=case.stranger))


@forgery("destination-still-cooling-down", Refusal.DENIED, why="A new entry waits, so that somebody can notice it.")
def _cooling(case: Case) -> Attack:
    return _denied(case, case.intent(to=case.cooling))


@forgery("token-to-a-stranger", Refusal.DENIED, why="The beneficiary of a transfer is in its calldata, not in `to`.")
def _token_stranger(case: Case) -> Attack:
    return _denied(case, _call(case, encode_transfer(case.stranger, 1)))


@forgery("dirty-address-padding", Refusal.DENIED, why="Two contracts could read two addresses: not understood.")
def _dirty(case: Case) -> Attack:
    data = bytearray(encode_transfer(case.listed, 1))
    data[4] = 1
    return _denied(case, _call(case, bytes(data)))


@forgery("calldata-with-a-tail", Refusal.DENIED, why="Bytes that no decoder reads are bytes that somebody else may.")
def _tail(case: Case) -> Attack:
    return _denied(case, _call(case, encode_transfer(case.listed, 1) + bytes(32)))


@forgery("calldata-cut-short", Refusal.DENIED, why="Missing bytes read as zero on the chain: not understood.")
def _short(case: Case) -> Attack:
    return _denied(case, _call(case, encode_transfer(case.listed, 256)[:-1]))


@forgery("ether-sent-along-with-a-token", Refusal.DENIED, why="A second payment hidden behind the first.")
def _along(case: Case) -> Attack:
    return _denied(case, _call(case, encode_transfer(case.listed, 1), value=PAYMENT))


@forgery("approve-instead-of-transfer", Refusal.DENIED, why="An allowance is a payment that happens later.")
def _approve(case: Case) -> Attack:
    return _denied(case, _call(case, bytes.fromhex("095ea7b3") + encode_transfer(case.listed, 2**255)[4:]))


@forgery("a-selector-alone", Refusal.DENIED, why="Four bytes and nothing to decode.")
def _selector(case: Case) -> Attack:
    return _denied(case, _call(case, bytes.fromhex("a9059cbb")))


@forgery("three-bytes-of-data", Refusal.DENIED, why="Less than a selector still runs a fallback function.")
def _fallback(case: Case) -> Attack:
    return _denied(case, _call(case, b"\1\2\3"))


@forgery(
    "a-contract-that-only-looks-like-a-token", Refusal.DENIED, why="`transfer` of an unknown contract is any call."
)
def _look_alike(case: Case) -> Attack:
    return _denied(case, _call(case, encode_transfer(case.listed, 1), to=case.stranger))


@forgery("more-than-one-payment-may-be", Refusal.DENIED, why="The limit for each transaction counts its own amount.")
def _too_much(case: Case) -> Attack:
    return _denied(case, case.intent(value=20 * ETHER))


@forgery("gas-that-eats-the-wallet", Refusal.DENIED, why="Gas times fee cap counts, as a payment to the miner.")
def _gas(case: Case) -> Attack:
    return _denied(case, case.intent(gas=30_000_000, max_fee_per_gas=1_000 * GWEI))


@forgery("amount-near-the-end-of-uint256", Refusal.DENIED, why="Sums do not wrap around.")
def _wrap(case: Case) -> Attack:
    return _denied(case, case.intent(value=2**256 - 1, max_fee_per_gas=2**256 - 1))


def _token(case: Case, amount: int, place: int, *, later: int = 0) -> Bundle:
    """Make a payment of whole tokens (one dollar each) that every approver signed, `place` nonces ahead."""
    case = case.at(later)
    mandate = case.mandate(case.token_intent(amount * 10**6))
    chief = case.consent(mandate.digest, case.cast.chief)
    consents = (case.ask(mandate), *case.approvals(mandate), chief)
    return case.bundle(mandate, attempt=case.attempt(case.nonce + place), consents=consents)


@forgery("two-cases-race-for-one-limit", Refusal.DENIED, why="Each fitted when it was approved.", lasting=True)
def _raced(case: Case) -> Attack:
    first, second = _token(case, 60_000, 0), _token(case, 60_000, 1)
    return Attack(before=(sign(first),), forged=sign(second), control=sign(_token(case, 40_000, 1)))


@forgery("sliced-under-the-limit", Refusal.DENIED, why="Windows add slices up; each alone is small.", lasting=True)
def _sliced(case: Case) -> Attack:
    slices = tuple(sign(_token(case, 9_900, place)) for place in range(10))
    return Attack(before=slices, forged=sign(_token(case, 1_001, 10)), control=sign(_token(case, 1_000, 10)))


@forgery("at-the-edge-of-the-window", Refusal.DENIED, why="A draw still counts when it is exactly a window old.")
def _edge(case: Case) -> Attack:
    return Attack(
        before=(sign(_token(case, 60_000, 0)),),
        forged=sign(_token(case, 60_000, 1, later=DAY), later=DAY),
        control=sign(_token(case, 60_000, 1, later=DAY + 1), later=DAY + 1),
    )


@forgery("one-unit-over-the-limit", Refusal.DENIED, why="At most means at most.", lasting=True)
def _one_over(case: Case) -> Attack:
    mandate = case.mandate(case.token_intent(100_000 * 10**6 + 1))
    chief = case.consent(mandate.digest, case.cast.chief)
    over = case.bundle(mandate, consents=(case.ask(mandate), *case.approvals(mandate), chief))
    return Attack(forged=sign(over), control=sign(_token(case, 100_000, 0)))


@forgery("price-that-has-expired", Refusal.DENIED, why="An amount without a live price counts as above every limit.")
def _price(case: Case) -> Attack:
    much_later = 40 * DAY
    later = case.at(much_later)
    return Attack(forged=sign(later.bundle(), later=much_later), control=sign(case.bundle()), apart=True)


@forgery(
    "client-asks-what-its-owner-may-not",
    Refusal.DENIED,
    why="What a client asks for counts for its responsible persons, and theirs for it.",
    setting=Setting.PER_INITIATOR,
)
def _through_client(case: Case) -> Attack:
    """Split one person's limit between the person and a client that the person answers for."""
    owner = case.cast.initiator
    first = case.bundle(case.mandate(case.intent(value=6 * PAYMENT)))
    client = Asker(kind=AskerKind.CLIENT, id=case.cast.client)
    second, third = (
        case.bundle(case.mandate(case.intent(value=n * PAYMENT), asker=client), attempt=case.attempt(case.nonce + 1))
        for n in (5, 4)
    )
    if owner not in next(c for c in case.policy.clients if c.id == client.id).responsible:
        msg = "this setting makes the initiator responsible for the client"
        raise ValueError(msg)
    return Attack(before=(sign(first),), forged=sign(second), control=sign(third))


@forgery(
    "token-limit-dodged-by-a-call-nobody-understands",
    Refusal.DENIED,
    why="A contract may read what our decoder refuses; such a call counts as above every limit of a token.",
    setting=Setting.OPEN_CALLS,
)
def _dodged(case: Case) -> Attack:
    data = encode_transfer(case.listed, 10**15) + bytes(32)
    return Attack(forged=sign(case.bundle(case.mandate(_call(case, data)))), control=sign(case.bundle()))
