"""Fakes that behave: they speak the real protocol and misbehave only as told."""
