"""Requests from intent to confirmation: the only place that sees all stages."""
