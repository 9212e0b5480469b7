"""The institutions that the catalogue's settings name: the standard one, and one thing changed for each other."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from coincurve import PrivateKey

from core.documents.policy import Condition, ConditionOp, Dimension, Effect, Measure, Rule
from core.documents.roster import Role
from core.evm import address_of
from demo.forgeries import Setting
from demo.forgeries.attested import SLIPPAGE_MOST, attester_keys
from demo.forgeries.attested import THRESHOLD as ATTESTERS_NEEDED
from demo.forgeries.case import PAYMENT
from demo.forgeries.holders import THRESHOLD, recovery_keys
from demo.forgeries.keepers import watched
from tests.factories.world import CHAIN, DAY, NATIVE, NOW, TOKEN, World, compare, limit, seats

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.documents.policy import Policy


def adapt(world: World, **changes: Any) -> World:  # noqa: ANN401 - Policy's fields
    """Give a world another first policy, signed by its admins, and a journal that starts under it."""
    world.policy = dataclasses.replace(world.policy, **changes)
    world.deployment = world.policy.digest
    world.signed_policy = world.sign_policy(world.policy, "adam", "anna")
    world.pins = dataclasses.replace(
        world.pins, deployment=world.deployment, policies={world.policy.digest: world.policy}
    )
    world.journal = world.make_journal()
    return world


def two_wallets(policy: Policy, public_key: bytes = b"") -> dict[str, Any]:
    """Give the same signer a second wallet."""
    public_key = public_key or PrivateKey().public_key.format(compressed=False)
    second = dataclasses.replace(
        policy.wallets[0], id=f"{CHAIN}:{address_of(public_key)}", label="Treasury Cold", public_key=public_key
    )
    return {"wallets": (*policy.wallets, second)}


def _trading_officer(policy: Policy) -> dict[str, Any]:
    """Make the initiator a risk officer as well."""
    roles = {"tessa": (Role.TRADER, Role.RISK_OFFICER)}
    return {"people": tuple(dataclasses.replace(p, roles=roles.get(p.id, p.roles)) for p in policy.people)}


def _open_calls(policy: Policy) -> dict[str, Any]:
    """Let calls of the token pass that are not understood, and limit the token by its units."""
    calls = Rule(
        id="token-calls",
        label="Calls of the token",
        order=20_000,
        when=compare("call.kind", ConditionOp.EQ, "unknown"),
        effect=Effect.ALLOW,
        quorum=seats((Role.RISK_OFFICER, 2)),
    )
    tokens = limit("token-day", Measure.ASSET, 10**12, window=DAY, asset=TOKEN, order=9)
    native = next(one for one in policy.limits if one.id == "native-day")
    return {"guards": (), "escalations": (), "grants": (*policy.grants, calls), "limits": (native, tokens)}


def _per_initiator(policy: Policy) -> dict[str, Any]:
    """Make the initiator answer for the client, and count by initiator."""
    own = dataclasses.replace(
        limit("own-day", Measure.ASSET, 10 * PAYMENT + 2 * 21_000 * 100 * 10**9, window=DAY, asset=NATIVE, order=9),
        per=(Dimension.INITIATOR,),
    )
    clients = tuple(dataclasses.replace(c, responsible=("tessa",)) for c in policy.clients)
    return {"limits": (*policy.limits, own), "clients": clients}


def _two_sites(policy: Policy) -> dict[str, Any]:
    """Make a second officer at the first one's site, and ask for two sites."""
    roles = {"tom": (Role.RISK_OFFICER,)}
    people = tuple(dataclasses.replace(p, roles=roles.get(p.id, p.roles)) for p in policy.people)
    grants = tuple(dataclasses.replace(rule, quorum=seats((Role.RISK_OFFICER, 2), sites=2)) for rule in policy.grants)
    return {"people": people, "grants": grants}


def _recoverable(policy: Policy) -> dict[str, Any]:
    """Name offline recovery keys, and have one person more for each seat, so that anybody can be removed."""
    spare = {
        "clara": Role.RISK_OFFICER,
        "tom": Role.CRO,
        "olga": Role.POLICY_ADMIN,
        "tessa": Role.SECURITY_COMMITTEE,
    }
    people = tuple(
        dataclasses.replace(p, roles=(*p.roles, spare[p.id])) if p.id in spare else p for p in policy.people
    )
    return {"people": people, "recovery": recovery_keys(), "recovery_threshold": THRESHOLD}


def _attested(policy: Policy) -> dict[str, Any]:
    """Name attesters, and sign only what they saw succeed within the slippage bound."""
    fails = Condition(
        op=ConditionOp.NOT, field=None, values=(), parts=(compare("simulation.success", ConditionOp.EQ, "true"),)
    )
    far = compare("price.deviation_bps", ConditionOp.GE, str(SLIPPAGE_MOST + 1))
    guards = tuple(
        Rule(id=name, label=name, order=order, when=when, effect=Effect.BLOCK, quorum=None)
        for order, (name, when) in enumerate((("fails", fails), ("slips", far)), start=30_000)
    )
    return {
        "attesters": attester_keys(),
        "attester_threshold": ATTESTERS_NEEDED,
        "guards": (*policy.guards, *guards),
    }


_CHANGES: dict[Setting, Callable[[Policy], dict[str, Any]]] = {
    Setting.STANDARD: lambda _: {},
    Setting.TWO_WALLETS: two_wallets,
    Setting.TRADING_OFFICER: _trading_officer,
    Setting.OPEN_CALLS: _open_calls,
    Setting.PER_INITIATOR: _per_initiator,
    Setting.TWO_SITES: _two_sites,
    Setting.RECOVERABLE: _recoverable,
    Setting.ATTESTED: _attested,
    Setting.WITNESSED: lambda policy: watched(policy.signers),
}


def institution(setting: Setting, *, now: int = NOW, wallet_public_key: bytes = b"", second: bytes = b"") -> World:
    """Return a fresh institution; `second` is the public key of a second wallet, where the setting has one."""
    world = World(now=now, wallet_public_key=wallet_public_key)
    changes = two_wallets(world.policy, second) if setting is Setting.TWO_WALLETS else _CHANGES[setting](world.policy)
    return adapt(world, **changes) if changes else world
