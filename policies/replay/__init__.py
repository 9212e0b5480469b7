"""Replay: all recorded decisions decided again under a draft, beside the active policy."""
