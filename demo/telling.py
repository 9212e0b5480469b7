"""What the demonstration prints."""

from __future__ import annotations

import time


class Teller:
    """Prints steps with the time that has passed."""

    def __init__(self) -> None:
        """Start the clock."""
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    def chapter(self, title: str) -> None:
        """Begin a chapter."""
        print(f"\n=== {title}", flush=True)

    def step(self, text: str) -> None:
        """Say one thing."""
        print(f"[{self.seconds:6.1f} s] {text}", flush=True)
