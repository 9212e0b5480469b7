"""The settings under test: the real ones, in a folder and a database of their own."""

from __future__ import annotations

from tests import environment

environment.prepare()

from config.settings import *  # noqa: E402, F403 - the environment has to be there first

# Tests that sign in to the admin by password do so often; this hash costs nothing.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
