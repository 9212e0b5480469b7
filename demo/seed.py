"""Fills an empty database with the demonstration's accounts, chain, node, assets and wallets.

Run by itself under the web tier's user: `python -m demo.seed --people FILE --node URL`.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
from pathlib import Path
from typing import Any

import django


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _people(people: list[dict[str, Any]]) -> None:
    from approvals.access import access_sync, policy_in_force  # noqa: PLC0415 - Django is set up by then
    from approvals.models import User  # noqa: PLC0415 - Django is set up by then
    from approvals.services import key_store  # noqa: PLC0415 - as above
    from approvals.software_keys import demo_keys_write  # noqa: PLC0415 - as above
    from approvals.webauthn import NewKey  # noqa: PLC0415 - as above
    from core.documents.roster import DEMO_AAGUID  # noqa: PLC0415 - as above

    keys: dict[str, dict[str, object]] = {}
    for person in people:
        user = User.objects.create_user(
            person["id"],
            display_name=person["name"],
            desk=person["desk"],
            site=person["site"],
        )
        credential = _decode(person["credential_id"])
        data = DEMO_AAGUID + len(credential).to_bytes(2, "big") + credential + _decode(person["cose"])
        new = NewKey(
            credential_id=person["credential_id"],
            credential_data=base64.urlsafe_b64encode(data).rstrip(b"=").decode(),
            aaguid=DEMO_AAGUID.hex(),
            sign_count=0,
        )
        key_store(user=user, key=new, name="Demo key", actor="system:demo", software=True)
        keys[person["id"]] = {"credential_id": person["credential_id"], "jwk": person["jwk"]}
    demo_keys_write(keys)
    policy = policy_in_force()
    if policy is not None:
        access_sync(policy=policy)


def _market(node_url: str) -> None:
    from chains.services import asset_create, chain_create, node_create  # noqa: PLC0415 - as above
    from custody.services import wallet_create  # noqa: PLC0415 - as above
    from policies.selectors import policy_active  # noqa: PLC0415 - as above

    policy = policy_active()
    if policy is None:
        raise SystemExit("no policy is in force: run genesis first")
    actor = "system:demo"
    for chain in sorted({wallet.chain for wallet in policy.wallets}):
        chain_create(actor=actor, caip2=chain, name="Demo chain", native_symbol="ETH", confirmation_depth=2)
        node_create(actor=actor, chain=chain, label="anvil", url=node_url)
    for asset in policy.assets:
        asset_create(actor=actor, caip19=asset.id, symbol=asset.symbol, name=asset.name, decimals=asset.decimals)
    for wallet in policy.wallets:
        wallet_create(
            actor=actor,
            caip10=wallet.id,
            label=wallet.label,
            kind=wallet.kind,
            public_key=wallet.public_key,
            signers=wallet.signers,
            threshold=wallet.threshold,
        )


def main() -> None:
    """Fill the database that the environment names, in one transaction."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=Path, required=True)
    parser.add_argument("--node", required=True)
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from django.db import transaction  # noqa: PLC0415 - as above

    with transaction.atomic():
        _people(json.loads(options.people.read_text(encoding="utf-8")))
        _market(options.node)


if __name__ == "__main__":
    main()
