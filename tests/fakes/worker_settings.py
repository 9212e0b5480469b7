"""Settings of worker processes that tests start and kill: the real ones, on the test's database and sockets."""

from __future__ import annotations

import json
import os

from config.settings import *  # noqa: F403
from config.settings import DATABASES

_GIVEN = json.loads(os.environ["COUNTERSIGN_TEST_WORKER"])

# Requests are other tests' subject.
globals()["COUNTERSIGN_SWEEPS"] = ("custody.sweep.sweep_once",)
DATABASES["default"]["NAME"] = _GIVEN["database"]
COUNTERSIGN_SIGNER_SOCKETS = _GIVEN["sockets"]
COUNTERSIGN_SIGNER_TIMEOUT_SECONDS = 5.0
COUNTERSIGN_FAILPOINTS_ENABLED = True
COUNTERSIGN_POLL_SECONDS = 0.05
COUNTERSIGN_RESEND_SECONDS = 0.5
COUNTERSIGN_NODE_TIMEOUT_SECONDS = 1.0
COUNTERSIGN_LEASE_SECONDS = 1.0
