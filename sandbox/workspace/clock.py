"""Time and identity in the workspace: message timestamps that only grow, and ids that repeat with the seed."""

import base64
import hashlib
import time


class Clock:
    """``now()`` is wall-clock seconds. ``ts()`` never returns the same value twice and never goes back."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._last_us = 0
        self._made = 0

    def now(self) -> float:
        return time.time()

    def ts(self) -> str:
        """A message timestamp such as ``1763800000.000100``: unique in the workspace, and so a message's name."""
        self._last_us = max(self._last_us + 1, int(self.now() * 1_000_000))
        return f"{self._last_us // 1_000_000}.{self._last_us % 1_000_000:06d}"

    def id(self, prefix: str, length: int = 10) -> str:
        """A new id such as ``F0…``: upper-case letters and digits; the n-th id of a seed is always the same."""
        self._made += 1
        digest = hashlib.sha256(f"{self._seed}:{prefix}:{self._made}".encode()).digest()
        return f"{prefix}0{base64.b32encode(digest).decode()[: length - 1]}"
