"""Where a proposal stands: seats, steps and signers' answers, as pages show them. Reads only."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from typing import TYPE_CHECKING

from approvals.selectors import consent_documents, consent_list_for_subject
from core.consents import Subject, approvers, check_consent
from core.documents.consent import Decision, SubjectType
from core.errors import RefusedError
from core.quorum import describe, open_seats
from policies.models import (
    OPEN_STATUSES,
    HandoverState,
    PolicyHandover,
    PolicyReport,
    PolicyVersion,
    VersionStatus,
)
from policies.selectors import version_active, version_policy

if TYPE_CHECKING:
    from approvals.models import ConsentRecord
    from core.consents import Voice
    from core.documents.policy import Policy
    from core.documents.roster import Role


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProposalSeats:
    """Who has to sign a proposal, who did, and what is open."""

    words: str
    signed_by: tuple[str, ...]
    open_roles: tuple[Role, ...]
    open_sites: int

    @property
    def role_words(self) -> tuple[str, ...]:
        """Return the open seats' roles as people say them."""
        return tuple(str(role).replace("_", " ") for role in self.open_roles)

    @property
    def filled(self) -> bool:
        """Whether nobody is missing."""
        return not self.open_roles and not self.open_sites


def proposal_seats(*, version: PolicyVersion, current: Policy, now: int) -> ProposalSeats:
    """Return the seats of a proposal as its recorded consents fill them, by the policy in force.

    Args:
        version: The proposal.
        current: The policy in force, whose quorum and roster count.
        now: Unix seconds; a consent that has expired fills nothing.
    """
    quorum = current.controls.succession
    subject = Subject(
        type=SubjectType.POLICY, digest=version.digest, policy=current.digest, deployment=current.deployment
    )
    voices: list[Voice] = []
    for signed in consent_documents(subject=version.digest):
        if signed.statement.decision is not Decision.APPROVE:
            continue
        try:
            voices.append(check_consent(signed, subject, current, now=now))
        except RefusedError:
            continue
    seated = approvers(voices, barred=frozenset())
    missing = open_seats(quorum, seated)
    return ProposalSeats(
        words=describe(quorum),
        signed_by=tuple(dict.fromkeys(one.person.id for one in seated)),
        open_roles=missing.roles,
        open_sites=missing.sites,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProposalStep:
    """One step of the way. `state` is done, now, next or ended."""

    title: str
    state: str
    words: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProposalView:
    """All that pages show of a proposal. `effective_at`: the latest of the signers' answers; None without any."""

    version: PolicyVersion
    steps: tuple[ProposalStep, ...]
    seats: ProposalSeats | None
    consents: list[ConsentRecord]
    handovers: list[PolicyHandover]
    effective_at: dt.datetime | None
    digest_groups: str

    @property
    def open(self) -> bool:
        """Whether it may still come into force."""
        return self.version.status in OPEN_STATUSES


def handover_list(*, version: PolicyVersion) -> list[PolicyHandover]:
    """Return where each signer stands with a version."""
    return list(PolicyHandover.objects.filter(version=version).order_by("signer"))


def effective_latest(*, handovers: list[PolicyHandover]) -> dt.datetime | None:
    """Return the latest time at which a signer that took the version brings it into force, or None."""
    return max((row.effective_at for row in handovers if row.effective_at is not None), default=None)


def _when(at: dt.datetime | None) -> str:
    return "" if at is None else at.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _steps(
    version: PolicyVersion, seats: ProposalSeats | None, handovers: list[PolicyHandover], at: dt.datetime | None
) -> tuple[ProposalStep, ...]:
    status = VersionStatus(version.status)
    by = "signed elsewhere" if version.proposed_by is None else f"by {version.proposed_by.person_id}"
    taken = sum(row.state == HandoverState.ACCEPTED for row in handovers)
    missing = "" if seats is None or seats.filled else f"needs {seats.words}"
    words = (
        f"{by}, {_when(version.stored_at)}",
        _when(version.signed_at) or missing,
        f"{taken} of {len(handovers)} signers have taken it" if handovers else "",
        _when(version.activated_at) or (f"not before {_when(at)}" if at is not None else ""),
    )
    reached = {
        VersionStatus.PROPOSED: 1,
        VersionStatus.SIGNED: 3 if taken and taken == len(handovers) else 2,
        VersionStatus.ACTIVE: 4,
        VersionStatus.RETIRED: 4,
        VersionStatus.ENDED: 1 if version.signed_at is None else 2,
    }[status]
    titles = ("Proposed", "Signed by its quorum", "With the signers", "In force")
    steps = [
        ProposalStep(
            title=title,
            state="done" if place < reached else "now" if place == reached and status in OPEN_STATUSES else "next",
            words=said,
        )
        for place, (title, said) in enumerate(zip(titles, words, strict=True))
    ]
    if status is VersionStatus.ENDED:
        ended = ProposalStep(title="Ended", state="ended", words=f"{version.ended_why}, {_when(version.ended_at)}")
        return (*steps[:reached], ended)
    return tuple(steps)


def proposal_view(*, version: PolicyVersion, now: int) -> ProposalView:
    """Gather what pages show of a proposal. `now` in Unix seconds."""
    seats = None
    active = version_active()
    if version.status == VersionStatus.PROPOSED and active is not None and version.previous_id == active.pk:
        seats = proposal_seats(version=version, current=version_policy(version=active), now=now)
    handovers = handover_list(version=version)
    at = effective_latest(handovers=handovers)
    return ProposalView(
        version=version,
        steps=_steps(version, seats, handovers, at),
        seats=seats,
        consents=consent_list_for_subject(subject=version.digest),
        handovers=handovers,
        effective_at=at,
        digest_groups=" ".join(version.digest[i : i + 4] for i in range(0, len(version.digest), 4)),
    )


def proposal_find(*, digest: str) -> PolicyVersion | None:
    """Return a version that follows another by its digest, or None."""
    found = PolicyVersion.objects.select_related("proposed_by", "draft", "previous")
    return found.filter(digest=digest, previous__isnull=False).first()


def proposal_open() -> PolicyVersion | None:
    """Return the proposal that may still come into force, or None."""
    found = PolicyVersion.objects.select_related("proposed_by", "draft", "previous")
    return found.filter(status__in=OPEN_STATUSES).order_by("-pk").first()


def proposals_waiting(*, person: str, now: int) -> list[PolicyVersion]:
    """Return the open proposals that a person could sign: on the active roster, of use, and not yet heard."""
    active, version = version_active(), proposal_open()
    if (
        active is None
        or version is None
        or version.status != VersionStatus.PROPOSED
        or version.previous_id != active.pk
    ):
        return []
    current = version_policy(version=active)
    entry = next((one for one in current.people if one.id == person), None)
    wanted = {seat.role for seat in current.controls.succession.seats}
    heard = {row.actor for row in consent_list_for_subject(subject=version.digest)}
    late = version.expires_at is None or now >= int(version.expires_at.timestamp())
    if entry is None or late or person in heard or wanted.isdisjoint(entry.roles):
        return []
    return [version]


def signer_behind(*, signer: str, digest: str, now: dt.datetime) -> str:
    """Say why a signer does not decide under a version yet; empty when it does, as far as this server knows.

    Args:
        signer: The signer's roster id.
        digest: The version's digest.
        now: The current time.
    """
    row = PolicyHandover.objects.select_related("version").filter(version__digest=digest, signer=signer).first()
    if row is None:
        return ""
    what = f"policy {row.version.number}"
    if row.state != HandoverState.ACCEPTED:
        return f"signer {signer} has not taken {what} yet ({row.error_code or row.state})"
    if row.effective_at is None or row.effective_at > now:
        return f"signer {signer} brings {what} into force at {row.effective_at:%Y-%m-%d %H:%M:%S} UTC"
    return ""


_LINK_BYTES = 1_250_000
"""What the consent page takes in its address, before base64: the policy and as many of its reports as fit."""


def proposal_reports(*, version: PolicyVersion) -> list[dict[str, str]]:
    """Return the reports that a version names, for the consent page; one that does not fit is left out.

    The page recomputes each digest and shows what it does not get as missing.
    """
    policy = version_policy(version=version)
    room = _LINK_BYTES - len(version.document.encode())
    offered = []
    for row in policy.evidence:
        report = PolicyReport.objects.filter(kind=row.kind.value, digest=row.digest).order_by("-pk").first()
        if report is None:
            continue
        # A report is JSON inside of JSON: its quotes are escaped.
        size = len(json.dumps(report.body, ensure_ascii=False).encode())
        if size <= room:
            offered.append({"kind": row.kind.value, "body": report.body})
            room -= size
    return offered
