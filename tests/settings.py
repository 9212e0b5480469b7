"""The settings under test: the real ones, in a folder and a database of their own."""

from __future__ import annotations

from tests import environment

environment.prepare()

from config.settings import *  # noqa: E402, F403 - the environment has to be there first
from config.settings import DATABASES  # noqa: E402 - as above

# A test kills processes and never the machine: what is committed need not be on the disk.
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    _OPTIONS = DATABASES["default"]["OPTIONS"]
    _OPTIONS["init_command"] = _OPTIONS["init_command"].replace("synchronous=FULL", "synchronous=OFF")

# Tests that sign in to the admin by password do so often; this hash costs nothing.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
