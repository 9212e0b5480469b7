"""What the overview shows, by what somebody may see: read-only, and never more rows than fit a page."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING

from approvals.models import SecurityKey, User
from core.canonical import parse
from core.documents.roster import SignerRole
from core.errors import EncodingError
from core.lifecycle import FINAL, State
from oms.holds import is_held
from oms.models import SignerSighting, TransactionRequest
from oms.presenters import summary_list
from oms.selectors import requests_of, requests_visible, requests_waiting
from oms.signer_watch import SILENT_AFTER
from policies.models import LimitCounter, PolicyHandover, Reservation, ReservationState
from policies.selectors import draft_list, policy_active, reservation_total, version_active
from policies.words import amount_words, duration_words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core.documents.policy import Limit, Policy
    from oms.presenters import Summary
    from policies.models import PolicyDraft, PolicyVersion

ROWS = 6
DAYS = 14
EXPIRES_SOON = dt.timedelta(hours=1)
LATELY = dt.timedelta(days=7)
KEYS_WANTED = 2
_DAY = 86_400
_PERCENT = 100
_COUNTERS = 200
_NEXT: dict[State, str] = {
    State.REQUESTED: "Policy is deciding. Nothing is asked of you.",
    State.PENDING: "People consent or reject. You can withdraw it until it is signed.",
    State.APPROVED: "It is simulated again and then handed to the signer, by itself.",
    State.SIGNING: "The signer checks the whole case for itself, then signs or refuses.",
    State.LIVE: "Signed bytes exist. Nodes have them, or will; a block decides.",
    State.CONFIRMING: "It stands in a block, and waits for the blocks above it.",
    State.DENIED: "The decision says which rule. Ask for something else, or have the policy changed.",
    State.REJECTED: "Read the reason. If it is answered, ask anew.",
    State.EXPIRED: "Ask anew: nobody decided in time.",
    State.BLOCKED: "Read why; then ask anew.",
    State.REFUSED: "An officer looks into it: a signer does not refuse for nothing.",
    State.FAILED: "It was mined and reverted. Fees are spent, the rest is where it was.",
    State.SUPERSEDED: "Call an officer: another transaction took its nonce.",
}


HELD = "People consent or reject. Once it is approved it is held until an operator releases it."


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mine:
    """A request of one's own: where it stands, why, and what happens next."""

    row: Summary
    why: str
    following: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class LimitUse:
    """How much of a limit is used in one scope. `percent` is rounded up and may exceed 100."""

    label: str
    scope: str
    used: str
    most: str
    window: str
    percent: int

    @property
    def tone(self) -> str:
        """How near it is to its end."""
        return "bad" if self.percent >= 90 else "warn" if self.percent >= 70 else "good"  # noqa: PLR2004 - of 100

    @property
    def shown(self) -> int:
        """The percentage that a bar of 100 can show."""
        return min(self.percent, _PERCENT)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SignerHealth:
    """A signer as it was last heard of."""

    signer: str
    place: str
    sighting: SignerSighting | None
    tone: str
    words: str


def mine(*, user: User) -> list[Mine]:
    """Return somebody's newest requests, the open ones first."""
    final = [state.value for state in FINAL]
    own = requests_of(user=user)
    rows = [*own.exclude(state__in=final)[:ROWS], *own.filter(state__in=final)[:ROWS]][:ROWS]
    return [
        Mine(
            row=row,
            why=row.request.sub_status,
            following=HELD if is_held(request=row.request) else _NEXT.get(State(row.request.state), ""),
        )
        for row in summary_list(requests=rows)
    ]


def waiting(*, user: User) -> list[TransactionRequest]:
    """Return what waits for somebody's consent, the first to expire first."""
    return requests_waiting(user=user)


def expiring(*, user: User, now: dt.datetime) -> list[Summary]:
    """Return pending requests that end soon, for whomever they wait."""
    soon = requests_visible(user=user).filter(state=State.PENDING, expires_at__lte=now + EXPIRES_SOON)
    return summary_list(requests=soon.order_by("expires_at")[:ROWS])


def refused(*, user: User, now: dt.datetime) -> list[Summary]:
    """Return what signers refused lately."""
    lately = requests_visible(user=user).filter(state=State.REFUSED, moved_at__gte=now - LATELY)
    return summary_list(requests=lately.order_by("-moved_at")[:ROWS])


def _scope_words(policy: Policy, key: str) -> str:
    """Say what is counted apart, wallets by their labels."""
    try:
        parts = parse(key.encode())
    except EncodingError:
        return "a scope that cannot be read"
    if not isinstance(parts, dict) or not parts:
        return "all together"
    labels = {wallet.id: wallet.label for wallet in policy.wallets}
    return ", ".join(f"{name} {labels.get(str(value), str(value))}" for name, value in parts.items())


def _use(policy: Policy, limit: Limit, counter: LimitCounter, now: int) -> LimitUse:
    start = None if limit.window is None else now - limit.window
    used = reservation_total(
        limit_id=counter.limit_id,
        scope_key=counter.scope_key,
        measure=counter.measure,
        asset=counter.asset,
        start=start,
    )
    return LimitUse(
        label=limit.label,
        scope=_scope_words(policy, counter.scope_key),
        used=amount_words(policy, limit.measure, limit.asset, used),
        most=amount_words(policy, limit.measure, limit.asset, limit.most),
        window="for ever" if limit.window is None else f"within {duration_words(limit.window)}",
        percent=-(-used * _PERCENT // limit.most) if limit.most else _PERCENT,
    )


def _uses(policy: Policy, now: dt.datetime) -> list[tuple[LimitUse, Limit, LimitCounter]]:
    """Return each counter of a limit that lasts longer than one transaction, the fullest first."""
    limits = {(one.id, str(one.measure), one.asset or ""): one for one in policy.limits if one.window != 0}
    counters = LimitCounter.objects.filter(limit_id__in=[one.id for one in limits.values()])
    uses = [
        (_use(policy, limits[name], counter, int(now.timestamp())), limits[name], counter)
        for counter in counters[:_COUNTERS]
        if (name := (counter.limit_id, counter.measure, counter.asset)) in limits
    ]
    return sorted(uses, key=lambda one: -one[0].percent)


def limit_uses(*, now: dt.datetime) -> list[LimitUse]:
    """Return how far the limits of the policy in force are used, the fullest first.

    Args:
        now: The current time. What counts for each transaction alone is never "used" and not listed.
    """
    policy = policy_active()
    return [] if policy is None else [use for use, _, _ in _uses(policy, now)[:ROWS]]


def signer_healths(*, now: dt.datetime) -> list[SignerHealth]:
    """Return the policy's signers of money, and what is known of each. The log's signer has alarms of its own."""
    policy = policy_active()
    if policy is None:
        return []
    seen = {row.signer: row for row in SignerSighting.objects.all()}
    return [
        SignerHealth(
            signer=entry.id, place=f"{entry.role.value} · {entry.site}", sighting=row, tone=tone, words=words
        )
        for entry in policy.signers
        if entry.role is not SignerRole.LOG
        for row in (seen.get(entry.id),)
        for tone, words in (_health(row, policy, now),)
    ]


def _health(row: SignerSighting | None, policy: Policy, now: dt.datetime) -> tuple[str, str]:
    if row is None:
        return "", "not asked yet"
    if row.seen_at is None or now - row.seen_at > SILENT_AFTER:
        return "bad", "⚠ silent"
    if row.halted:
        return "bad", "⚠ halted"
    if row.number is None or row.number < policy.number:
        return "warn", "⚠ an older policy"
    # As of when it was seen: leases are short, and it asks for the next one by itself.
    if row.leases_live < row.leases_needed:
        return "warn", "⚠ no lease at present"
    return "good", "✓ well"


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdminView:
    """What whoever keeps the policy has to know."""

    version: PolicyVersion | None
    policy: Policy | None
    drafts: list[PolicyDraft]
    draft_count: int
    few_consent_keys: tuple[str, ...]
    few_sign_in_keys: tuple[str, ...]
    behind: tuple[PolicyHandover, ...]


def _few_sign_in_keys(policy: Policy) -> tuple[str, ...]:
    people = [person.id for person in policy.people]
    keys = SecurityKey.objects.filter(confirmed=True, locked=False, user__person_id__in=people)
    held = Counter(keys.values_list("user__person_id", flat=True))
    return tuple(person for person in people if held[person] < KEYS_WANTED)


def admin_view() -> AdminView:
    """Return what the policy's keepers see."""
    policy = policy_active()
    behind = PolicyHandover.objects.select_related("version").exclude(state="accepted").order_by("-version__number")
    drafts = draft_list()
    return AdminView(
        version=version_active(),
        policy=policy,
        drafts=list(drafts[:ROWS]),
        draft_count=drafts.count(),
        few_consent_keys=()
        if policy is None
        else tuple(person.id for person in policy.people if len(person.keys) < KEYS_WANTED),
        few_sign_in_keys=() if policy is None else _few_sign_in_keys(policy),
        behind=tuple(behind[:ROWS]),
    )


def _days(now: dt.datetime) -> list[dt.date]:
    today = now.astimezone(dt.UTC).date()
    return [today - dt.timedelta(days=back) for back in range(DAYS - 1, -1, -1)]


def volume_chart(*, user: User, now: dt.datetime) -> dict[str, object]:
    """Return requests for each of the last 14 days (UTC): asked, and of those confirmed and stopped."""
    days = _days(now)
    since = dt.datetime.combine(days[0], dt.time(), tzinfo=dt.UTC)
    rows = requests_visible(user=user).filter(created_at__gte=since).values_list("created_at", "state")
    stopped = {State.DENIED, State.REJECTED, State.REFUSED, State.BLOCKED, State.EXPIRED, State.WITHDRAWN}
    asked, done, over = Counter[dt.date](), Counter[dt.date](), Counter[dt.date]()
    for at, state in rows.iterator():
        day = at.astimezone(dt.UTC).date()
        asked[day] += 1
        done[day] += state == State.CONFIRMED
        over[day] += State(state) in stopped
    return _chart(days, "requests", {"Asked": asked, "Confirmed": done, "Denied, rejected or refused": over})


def limit_chart(*, now: dt.datetime) -> dict[str, object] | None:
    """Return what was drawn each day from the fullest daily limit, as percent of it; None while none was used."""
    policy = policy_active()
    daily = [] if policy is None else [one for one in _uses(policy, now) if one[1].window == _DAY and one[1].most]
    if not daily:
        return None
    use, limit, counter = daily[0]
    days, drawn = _days(now), Counter[dt.date]()
    kept = Reservation.objects.filter(counter=counter, time__gte=int(now.timestamp()) - DAYS * _DAY)
    for at, amount in kept.exclude(state=ReservationState.RELEASED.value).values_list("time", "amount").iterator():
        drawn[dt.datetime.fromtimestamp(at, tz=dt.UTC).date()] += amount
    percents = Counter({day: min(-(-amount * _PERCENT // limit.most), 999) for day, amount in drawn.items()})
    return {**_chart(days, "%", {"Drawn": percents}), "title": f"{use.label}, {use.scope}"}


def _chart(days: Iterable[dt.date], unit: str, series: dict[str, Counter[dt.date]]) -> dict[str, object]:
    listed = list(days)
    midnight = [int(dt.datetime.combine(day, dt.time(), tzinfo=dt.UTC).timestamp()) for day in listed]
    return {
        "unit": unit,
        "days": [day.isoformat() for day in listed],
        "times": midnight,
        "series": [
            {"label": name, "values": [int(counts[day]) for day in listed]} for name, counts in series.items()
        ],
        "rows": [(day.isoformat(), [int(counts[day]) for counts in series.values()]) for day in listed],
        "none": not any(sum(counts.values()) for counts in series.values()),
    }
