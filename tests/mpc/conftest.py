"""Groups of parties that made their key together, once for the session: making one takes seconds."""

from __future__ import annotations

import pytest

from mpc import Share
from tests.mpc.rig import generating, new_shares

Shares = dict[int, Share]


@pytest.fixture(scope="session")
def two_of_three() -> Shares:
    return new_shares(generating(2, 3))


@pytest.fixture(scope="session")
def three_of_five() -> Shares:
    return new_shares(generating(3, 5))


@pytest.fixture(scope="session")
def two_of_two() -> Shares:
    return new_shares(generating(2, 2))
