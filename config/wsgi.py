"""The web tier, as a WSGI server loads it."""

from __future__ import annotations

import os
from importlib import import_module

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

application = get_wsgi_application()

# Once there is an application: what asks nodes is loaded before the first request, and not while it waits.
import_module("chains.nodes.provider")
