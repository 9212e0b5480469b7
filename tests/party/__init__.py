"""Parties of a threshold wallet: real processes, real tokens, a relay that nobody trusts."""
