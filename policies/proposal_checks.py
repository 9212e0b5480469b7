"""What has to be true of a draft before it can be proposed: each check with its answer, all of them at once."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

from core.canonical import tagged_digest
from core.documents.base import check_lifetime
from core.documents.policy import Evidence, EvidenceKind
from core.errors import CoreError, RefusedError
from core.schema import write_struct
from custody.policies import FRAME_BYTES
from policies.drafts import draft_read
from policies.models import PolicyReport, PolicyVersion, ReportState, VersionStatus
from policies.selectors import policy_active, version_policy

if TYPE_CHECKING:
    from core.documents.policy import Policy
    from policies.models import PolicyDraft

PROPOSAL_SECONDS = 7 * 86_400
"""How long a proposal waits for its quorum."""
_CONSENTS_BYTES = 192 * 1024
"""Room that is left for consents in what is handed to a signer."""
_SHOWN_PROBLEMS = 5
REPORT_TAG = "report"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProposalCheck:
    """One check. `name` is for machines; `passed` None: it cannot be said before the others hold."""

    name: str
    title: str
    passed: bool | None
    words: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProposalReading:
    """All checks of a draft; `policy` with its evidence put in, exactly if every one passed."""

    checks: tuple[ProposalCheck, ...]
    policy: Policy | None

    @property
    def failed(self) -> tuple[ProposalCheck, ...]:
        """Return what stands in the way."""
        return tuple(check for check in self.checks if not check.passed)


def _document(policy: Policy | None, problems: tuple[str, ...]) -> ProposalCheck:
    shown = "; ".join(problems[:_SHOWN_PROBLEMS])
    more = f" … and {len(problems) - _SHOWN_PROBLEMS} more" if len(problems) > _SHOWN_PROBLEMS else ""
    passed = policy is not None and not problems
    words = "Every row is in order, and it follows the active version." if passed else shown + more
    return ProposalCheck(name="document", title="The document", passed=passed, words=words)


def _lifetime(policy: Policy, now: int) -> ProposalCheck:
    title = "Its lifetime"
    try:
        check_lifetime(policy, now=now)
    except RefusedError as error:
        return ProposalCheck(name="lifetime", title=title, passed=False, words=f"Signers would say: {error.message}.")
    least = now + PROPOSAL_SECONDS + policy.controls.succession_delay
    if policy.header.expires <= least:
        words = "It would expire before people have signed it and its delay has passed: give it a later end."
        return ProposalCheck(name="lifetime", title=title, passed=False, words=words)
    return ProposalCheck(name="lifetime", title=title, passed=True, words="It is valid now and long enough.")


def _size(policy: Policy) -> ProposalCheck:
    # As the courier writes it: what is not ASCII takes more bytes there than in the document.
    size = len(json.dumps(write_struct(policy, "policy"), separators=(",", ":")).encode("ascii"))
    most = FRAME_BYTES - _CONSENTS_BYTES
    passed = size <= most
    words = f"{size:,} bytes; signers read at most {most:,} besides the consents."
    return ProposalCheck(name="size", title="Its size", passed=passed, words=words)


def _is_whole(report: PolicyReport) -> bool:
    """Whether nothing narrowed down what the report looked at: a replay of one quiet day shows nothing."""
    options = json.loads(report.options)
    return isinstance(options, dict) and not any(options.get(name) for name in ("since", "until"))


def report_latest(*, draft: PolicyDraft, kind: EvidenceKind, content: str) -> PolicyReport | None:
    """Return the newest finished report of a kind about exactly this content and all of history, or None."""
    done = PolicyReport.objects.filter(draft=draft, kind=kind.value, content=content, state=ReportState.DONE.value)
    return next((report for report in done.order_by("-pk") if _is_whole(report)), None)


def _says_so(kind: EvidenceKind, body: str, content: str) -> bool:
    """Whether the report itself says that it passes, and about this content: people sign it, and not its row."""
    said = json.loads(body)
    if not isinstance(said, dict) or said.get("content") != content:
        return False
    return said.get("passed") is True if kind is EvidenceKind.PROOF else said.get("unreadable") == 0


def _report(draft: PolicyDraft, kind: EvidenceKind, content: str) -> tuple[ProposalCheck, Evidence | None]:
    title = {EvidenceKind.REPLAY: "Replay of history", EvidenceKind.PROOF: "Proof of properties"}[kind]

    def say(words: str, *, passed: bool = False) -> ProposalCheck:
        return ProposalCheck(name=kind.value, title=title, passed=passed, words=words)

    report = report_latest(draft=draft, kind=kind, content=content)
    if report is None:
        return say(
            "There is no finished report about the draft as it is now, over all of history. Ask for one."
        ), None
    if tagged_digest(REPORT_TAG, report.body.encode()) != report.digest:
        return say("The stored report is not what its digest names: somebody changed it."), None
    if not report.passed or not _says_so(kind, report.body, content):
        return say("The newest report about it says that it does not pass."), None
    return say(f"Passed; report {report.digest[:16]}…", passed=True), Evidence(kind=kind, digest=report.digest)


def _alone(policy: Policy) -> ProposalCheck:
    title = "No other proposal"

    def say(words: str, *, passed: bool) -> ProposalCheck:
        return ProposalCheck(name="alone", title=title, passed=passed, words=words)

    others = PolicyVersion.objects.filter(previous__digest=policy.previous)
    proposed = others.filter(status=VersionStatus.PROPOSED.value).first()
    if proposed is not None:
        return say(f"Proposal {proposed.digest[:16]}… waits for its quorum: one at a time.", passed=False)
    waiting = others.filter(status=VersionStatus.SIGNED.value).first()
    if waiting is None:
        return say("None is open.", passed=True)
    if policy.header.created <= version_policy(version=waiting).header.created:
        words = (
            f"Policy {waiting.digest[:16]}… is signed and waits; only what was drafted later can replace it: renew."
        )
        return say(words, passed=False)
    return say(f"Once signed, it takes the place of {waiting.digest[:16]}…, which is signed and waits.", passed=True)


def _new(policy: Policy) -> ProposalCheck:
    title = "Not proposed before"
    before = PolicyVersion.objects.filter(digest=policy.digest).first()
    if before is None:
        return ProposalCheck(name="new", title=title, passed=True, words="Nothing is stored under its digest.")
    ended = f": {before.ended_why}" if before.ended_why else ""
    words = (
        f"Exactly this document is stored already ({before.status}{ended})."
        " What was signed about it still stands: renew the draft, and have it checked again."
    )
    return ProposalCheck(name="new", title=title, passed=False, words=words)


def proposal_read(*, draft: PolicyDraft, now: int) -> ProposalReading:
    """Check a draft for being proposed. Reads only.

    Args:
        draft: The draft as it is stored.
        now: Unix seconds.
    """
    active = policy_active()
    if active is None:
        none = ProposalCheck(name="active", title="An active version", passed=False, words="No policy is in force.")
        return ProposalReading(checks=(none,), policy=None)
    reading = draft_read(text=draft.body, active=active)
    document = _document(reading.policy, reading.problems)
    if reading.policy is None or not document.passed:
        return ProposalReading(checks=(document,), policy=None)
    policy = reading.policy
    try:
        content = policy.content_digest
    except CoreError as error:
        return ProposalReading(checks=(dataclasses.replace(document, passed=False, words=str(error)),), policy=None)
    replay, replay_evidence = _report(draft, EvidenceKind.REPLAY, content)
    proof, proof_evidence = _report(draft, EvidenceKind.PROOF, content)
    evidence = tuple(row for row in (replay_evidence, proof_evidence) if row is not None)
    frozen = dataclasses.replace(policy, evidence=evidence)
    checks = (document, _lifetime(policy, now), _size(frozen), replay, proof, _alone(policy), _new(frozen))
    return ProposalReading(checks=checks, policy=frozen if all(check.passed for check in checks) else None)
