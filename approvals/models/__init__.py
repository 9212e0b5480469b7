"""Tables of this app, one module for each subject."""

from __future__ import annotations

from approvals.models.consent_record import ConsentRecord
from approvals.models.enrolment import EnrolmentCase, EnrolmentStatus, KeyConfirmation
from approvals.models.security_key import EnrolmentTicket, SecurityKey
from approvals.models.session import PersonSession, SignInCounter, UsedChallenge
from approvals.models.users import User

__all__ = [
    "ConsentRecord",
    "EnrolmentCase",
    "EnrolmentStatus",
    "EnrolmentTicket",
    "KeyConfirmation",
    "PersonSession",
    "SecurityKey",
    "SignInCounter",
    "UsedChallenge",
    "User",
]
