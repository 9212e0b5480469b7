"""The rules that all sides must agree on byte for byte.

Pure: no Django, no I/O, no clock, no randomness. `now` is always a parameter (Unix seconds, UTC), amounts are
integers in base units, and whatever is unknown, missing, stale or in error means no.
"""
