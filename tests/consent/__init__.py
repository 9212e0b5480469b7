"""The consent page in a real Chromium."""
