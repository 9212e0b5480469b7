"""Servers that the demo and the tests share: each a context manager, on a socket or a free port of its own."""
