"""The immutable log: the bottom Django app, written by everyone."""
