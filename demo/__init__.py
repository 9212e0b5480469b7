"""Starts the processes of a demonstration and tells its story. Nothing of the product imports it."""
