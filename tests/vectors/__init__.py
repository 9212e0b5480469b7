"""Test vectors that parts share which share no code, and what generates them."""
