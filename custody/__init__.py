"""Wallets and signing jobs: nonce lane, signer, broadcast, confirmation, and the sweep that drives them."""
