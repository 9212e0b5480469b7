"""HSM keys that are made together with a clone in a second token: no token ever holds one that leaves it."""
