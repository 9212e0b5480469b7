"""Settings of report processes that tests start: the real ones, on the test's database."""

from __future__ import annotations

import os

from config.settings import *  # noqa: F403
from config.settings import DATABASES

DATABASES["default"]["NAME"] = os.environ["COUNTERSIGN_TEST_REPORT_DATABASE"]
