"""What is installed at a signer's console and changed by no call at run time."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.errors import Refusal, RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.documents.policy import Policy
    from core.documents.roster import SignerRole


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pins:
    """Deployment (genesis digest), own name and role, and the policies that succession has led to, by digest.

    Every policy in here was checked (`core.policy_check`) and accepted (`core.succession`) by this very signer.
    """

    deployment: str
    signer: str
    role: SignerRole
    policies: Mapping[str, Policy]

    def policy(self, digest: str) -> Policy:
        """Return an accepted policy.

        Raises:
            RefusedError: `wrong_policy`.
        """
        try:
            return self.policies[digest]
        except KeyError:
            raise RefusedError(Refusal.WRONG_POLICY, "this policy was never accepted here") from None
