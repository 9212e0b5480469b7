"""A policy's lists as dictionaries, made once for each policy: addresses, wallets, contracts, assets."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.documents.policy import Policy
    from core.documents.roster import AddressEntry, ContractEntry, Wallet

_ENDS = 4
_MOST_BOOKS = 16
_BOOKS: dict[str, Books] = {}


class Books:
    """What a policy knows, by name."""

    def __init__(self, policy: Policy) -> None:
        """Read all lists once."""
        self.wallets: dict[str, Wallet] = {wallet.id: wallet for wallet in policy.wallets}
        self.assets = {asset.id for asset in policy.assets}
        self.addresses: dict[tuple[str, str], AddressEntry] = {}
        for entry in policy.addresses:
            self.addresses.setdefault((entry.chain, entry.address), entry)
        self._contracts: dict[tuple[str, str], list[ContractEntry]] = {}
        for contract in policy.contracts:
            self._contracts.setdefault((contract.chain, contract.address), []).append(contract)
        self._own: dict[str, set[str]] = {}
        for wallet in policy.wallets:
            self._own.setdefault(wallet.chain, set()).add(wallet.address)
        self._known = {e.address for e in policy.addresses} | {w.address for w in policy.wallets}
        self._ends = {_ends(address) for address in self._known}

    def own(self, chain: str) -> set[str]:
        """Return the addresses of the institution's wallets on a chain."""
        return self._own.get(chain, set())

    def contract(self, chain: str, address: str) -> ContractEntry | None:
        """Return the entry of a contract; None also where two entries contradict each other."""
        entries = self._contracts.get((chain, address), [])
        return entries[0] if len(entries) == 1 else None

    def names_contract(self, chain: str, address: str) -> bool:
        """Whether a contract is registered at an address, once or more often."""
        return (chain, address) in self._contracts

    def is_lookalike(self, address: str) -> bool:
        """Whether an address is nobody's that is known, but shares its first and last four digits with one."""
        return address not in self._known and _ends(address) in self._ends


def _ends(address: str) -> tuple[str, str]:
    digits = address[2:].lower()
    return digits[:_ENDS], digits[-_ENDS:]


def books_of(policy: Policy) -> Books:
    """Return a policy's books, kept for each digest."""
    known = _BOOKS.get(policy.digest)
    if known is not None:
        return known
    if len(_BOOKS) >= _MOST_BOOKS:
        _BOOKS.clear()
    return _BOOKS.setdefault(policy.digest, Books(policy))
