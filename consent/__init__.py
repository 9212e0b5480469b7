"""The consent origin: a static page that shows what will be signed and asks the security key.

Imports nothing of ours and nothing but the standard library: it shares only test vectors with the rest.
"""
