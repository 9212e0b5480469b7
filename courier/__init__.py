"""Carries bundles to a signer's socket and its answers back. Nobody trusts it: both ends check everything.

No Django, no database, no keys; outbound connections only.
"""
