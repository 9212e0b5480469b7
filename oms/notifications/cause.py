"""What one person can be told of one thing. It holds no amount, no address, no reason and no link."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oms.models import NoticeKind

SOON = dt.timedelta(hours=1)
"""How long before its end a case is about to expire."""
BACK = dt.timedelta(days=1)
"""For how long somebody is told of what has happened."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cause:
    """One thing to tell one person. `cause`: what it is about; nobody is told the same twice."""

    kind: NoticeKind
    cause: str
    title: str
    text: str
