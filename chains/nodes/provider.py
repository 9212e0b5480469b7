"""web3's bare provider, imported by whoever asks a node, when it asks: web3 takes longer to load than all our code.

Processes that serve import it at their start: what it does to the whole process is undone before there is any input.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from web3 import HTTPProvider

_RECURSION = 1_000
"""The interpreter's own default. Not what it was before the import: somebody else may have loaded web3 already."""
# One of web3's dependencies raises the interpreter's recursion limit to 100,000 (measured). Deeply nested input to
# any parser of this process would then overflow the C stack instead of raising RecursionError.
sys.setrecursionlimit(_RECURSION)

if TYPE_CHECKING:
    import requests

    from chains.nodes.endpoint import Endpoint


def open_provider(*, endpoint: Endpoint, session: requests.Session) -> HTTPProvider:
    """Return a provider for one endpoint: bare, so no middleware resolves names or changes gas behind our back."""
    return HTTPProvider(
        endpoint.url,
        request_kwargs={"timeout": endpoint.timeout_seconds, "allow_redirects": False},
        session=session,
        exception_retry_configuration=None,
    )
