"""Backups of shares: sealed to a recovery key that two operators open together, drilled, released, destroyed."""
