"""Other kinds of transactions, and second spellings, smuggled into the JSON of an otherwise good case.

A payload is put in both places where the case holds the intent, so that nothing but the payload is wrong.
"""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

from core.documents.mandate import Budget, Leg, LegArgument, ParentOrder, Predicate, PredicateOp
from core.errors import Refusal
from demo.forgeries.case import PAYMENT
from demo.forgeries.catalogue import Attack, Op, Step, forgery, raw, sign

if TYPE_CHECKING:
    from demo.forgeries.case import Case

_CLOSED = "What may be signed is a closed list: type 2, empty access list, a recipient. No field for anything else."
_ONE_SPELLING = "Two spellings of one value would have two digests, or one digest and two meanings."


def _both(case: Case, **fields: object) -> Attack:
    """Set fields of the intent, in bundle and mandate."""
    honest = case.bundle()
    value: Any = copy.deepcopy(honest.to_json())
    value["intent"].update(fields)
    value["mandate"]["order"]["intent"].update(fields)
    return Attack(forged=raw(value), control=sign(honest))


@forgery("legacy-transaction", Refusal.MALFORMED, why=_CLOSED)
def _legacy(case: Case) -> Attack:
    return _both(case, type="0x0", gas_price="1000000000")


@forgery("type-1-transaction", Refusal.MALFORMED, why=_CLOSED)
def _type_1(case: Case) -> Attack:
    return _both(case, type="0x1", access_list=[])


@forgery("access-list", Refusal.MALFORMED, why=_CLOSED)
def _access_list(case: Case) -> Attack:
    return _both(case, access_list=[{"address": case.stranger, "storage_keys": []}])


@forgery("type-3-blob-transaction", Refusal.MALFORMED, why=_CLOSED)
def _type_3(case: Case) -> Attack:
    return _both(case, type="0x3", blob_versioned_hashes=["0x01" + "00" * 31], max_fee_per_blob_gas="1")


@forgery("type-4-delegation", Refusal.MALFORMED, why="EIP-7702 hands the whole account to a contract.")
def _type_4(case: Case) -> Attack:
    return _both(case, type="0x4", authorization_list=[{"chain_id": 0, "address": case.stranger, "nonce": 0}])


@forgery("contract-creation", Refusal.MALFORMED, why=_CLOSED)
def _creation(case: Case) -> Attack:
    return _both(case, to=None, data="0x600a600c")


@forgery("contract-creation-by-empty-recipient", Refusal.MALFORMED, why=_CLOSED)
def _creation_empty(case: Case) -> Attack:
    return _both(case, to="0x")


@forgery("bare-digest", Refusal.MALFORMED, why="Raw digests could be anything, a delegation too.")
def _digest(case: Case) -> Attack:
    return Attack(forged=raw({"digest": "0x" + "ab" * 32}), control=sign(case.bundle()))


@forgery("typed-data-message", Refusal.MALFORMED, why="An EIP-712 permit moves tokens without a transaction.")
def _typed_data(case: Case) -> Attack:
    return _both(case, typed_data={"primaryType": "Permit", "message": {"spender": case.stranger}})


@forgery("lower-case-address", Refusal.MALFORMED, why=_ONE_SPELLING)
def _lower_case(case: Case) -> Attack:
    return _both(case, to=case.listed.lower())


@forgery("amount-as-a-number", Refusal.MALFORMED, why=_ONE_SPELLING)
def _number(case: Case) -> Attack:
    return _both(case, value=PAYMENT % 2**53)


@forgery("amount-with-a-leading-zero", Refusal.MALFORMED, why=_ONE_SPELLING)
def _leading_zero(case: Case) -> Attack:
    return _both(case, value=f"0{PAYMENT}")


@forgery("negative-amount", Refusal.MALFORMED, why="It would be added back to a limit.")
def _negative(case: Case) -> Attack:
    return _both(case, value=f"-{PAYMENT}")


@forgery("amount-beyond-uint256", Refusal.MALFORMED, why="It would wrap around on the chain.")
def _beyond(case: Case) -> Attack:
    return _both(case, value=str(2**256))


@forgery("gas-as-a-float", Refusal.MALFORMED, why="Floats are refused everywhere.")
def _float(case: Case) -> Attack:
    return _both(case, gas=21_000.0)


@forgery("gas-as-true", Refusal.MALFORMED, why="In Python, true is one.")
def _true(case: Case) -> Attack:
    return _both(case, gas=True)


@forgery("upper-case-calldata", Refusal.MALFORMED, why=_ONE_SPELLING)
def _upper(case: Case) -> Attack:
    return _both(case, data="0xAB")


@forgery("unknown-version", Refusal.MALFORMED, why="A version that nobody here knows may mean anything.")
def _version(case: Case) -> Attack:
    honest = case.bundle()
    value: Any = honest.to_json()
    value["header"]["version"] = 2
    return Attack(forged=raw(value), control=sign(honest))


@forgery("header-of-another-type", Refusal.MALFORMED, why="The type is part of every digest.")
def _type(case: Case) -> Attack:
    honest = case.bundle()
    value: Any = copy.deepcopy(honest.to_json())
    value["mandate"]["header"]["type"] = "cancel"
    return Attack(forged=raw(value), control=sign(honest))


@forgery("field-named-twice", Refusal.MALFORMED, why="One parser takes the first, another the last.")
def _named_twice(case: Case) -> Attack:
    honest = case.bundle()
    text = honest.to_bytes().decode()
    at = '"to":"' + case.listed + '"'
    forged = text.replace(at, at + ',"to":"' + case.stranger + '"')
    return Attack(forged=Step(op=Op.SIGN, body=forged.encode()), control=sign(honest))


@forgery("own-policy-brought-along", Refusal.MALFORMED, why="A bundle names the policy; it never brings one.")
def _own_policy(case: Case) -> Attack:
    honest = case.bundle()
    return Attack(forged=raw(honest.to_json() | {"policies": [case.policy.to_json()]}), control=sign(honest))


@forgery("hidden-letters-in-the-purpose", Refusal.MALFORMED, why="Text that reads backwards on the consent page.")
def _bidi(case: Case) -> Attack:
    honest = case.bundle()
    value: Any = copy.deepcopy(honest.to_json())
    value["mandate"]["purpose"] = "Refund \u202e000,1 DSU"
    return Attack(forged=raw(value), control=sign(honest))


@forgery("fillers-in-the-purpose", Refusal.MALFORMED, why="A letter that draws nothing.")
def _filler(case: Case) -> Attack:
    honest = case.bundle()
    value: Any = copy.deepcopy(honest.to_json())
    value["mandate"]["purpose"] = "Coll\u3164ateral"
    return Attack(forged=raw(value), control=sign(honest))


@forgery("half-a-character", Refusal.MALFORMED, why="A lone surrogate has no UTF-8.")
def _surrogate(case: Case) -> Attack:
    honest = case.bundle()
    value: Any = copy.deepcopy(honest.to_json())
    value["mandate"]["purpose"] = "\ud800"
    return Attack(forged=raw(value), control=sign(honest))


@forgery("nested-too-deep", Refusal.MALFORMED, why="A parser's stack is not the attacker's.")
def _deep(case: Case) -> Attack:
    deep: object = "x"
    for _ in range(200):
        deep = [deep]
    return Attack(forged=raw({"bundle": deep}), control=sign(case.bundle()))


@forgery("not-json-at-all", Refusal.MALFORMED, why="Python would read it, JSON does not know it.")
def _nan(case: Case) -> Attack:
    honest = case.bundle()
    text = honest.to_bytes().decode().replace('"gas":21000', '"gas":NaN')
    return Attack(forged=Step(op=Op.SIGN, body=text.encode()), control=sign(honest))


@forgery("case-inside-a-list", Refusal.MALFORMED, why="One case, one object.")
def _list(case: Case) -> Attack:
    honest = case.bundle()
    return Attack(forged=Step(op=Op.SIGN, body=json.dumps([honest.to_json()]).encode()), control=sign(honest))


@forgery("parent-order", Refusal.UNSUPPORTED, why="Its children are not checked yet, so it signs nothing.")
def _parent(case: Case) -> Attack:
    any_amount = Predicate(op=PredicateOp.LE, values=(str(PAYMENT),))
    leg = Leg(
        wallet=case.wallet,
        chain=case.chain,
        to=case.listed,
        selector=None,
        value=any_amount,
        arguments=(LegArgument(name="amount", type="uint256", predicate=any_amount),),
        gas=21_000,
        max_fee_per_gas=10**11,
    )
    native = next(asset.id for asset in case.policy.assets if "slip44" in asset.id)
    order = ParentOrder(
        kind="parent",
        budget=(Budget(asset=native, most=10**18),),
        legs=(leg,),
        floors=(),
        not_before=case.now,
        least_gap=0,
        most_children=100,
    )
    return Attack(forged=sign(case.bundle(case.mandate(order=order))), control=sign(case.bundle()))
