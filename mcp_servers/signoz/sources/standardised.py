"""The comparison of operations with themselves (`windows_compare`) over durations that were read span by span."""

from collections import defaultdict
from collections.abc import Hashable
from math import log, sqrt
from statistics import fmean, variance
from typing import Final

LEAST: Final = 3  # spans that an operation must have on either side
_CLOCK_NS: Final = 1e5  # below a tenth of a millisecond, differences are the clock's
_SPREAD: Final = 0.1  # a few equal durations do not prove that all are


class Durations:
    """Durations (ns) by operation, now and before."""

    def __init__(self) -> None:
        self._of: dict[Hashable, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))

    def add(self, operation: Hashable, took_ns: float, *, current: bool) -> None:
        self._of[operation][0 if current else 1].append(took_ns)

    def row(self, prefix: str = "") -> dict[str, float]:
        """``observed, expected`` (ms a span), ``known`` and ``z`` as `windows_compare.standard` reads them."""
        known = [(now, before) for now, before in self._of.values() if min(len(now), len(before)) >= LEAST]
        n = sum(len(now) for now, _ in known)
        beyond = scatter = observed = expected = 0.0
        for now, before in known:
            count = len(now)
            a, b = ([log(max(0.0, v) + _CLOCK_NS) for v in side] for side in (now, before))
            beyond += count * (fmean(a) - fmean(b))
            scatter += count**2 * (max(_SPREAD, variance(a)) / count + max(_SPREAD, variance(b)) / len(before))
            observed += sum(now)
            expected += fmean(before) * count
        told = {"observed": observed / max(1, n) / 1e6, "expected": expected / max(1, n) / 1e6, "known": float(n)}
        return {f"{prefix}{k}": v for k, v in (told | {"z": beyond / sqrt(max(1e-9, scatter))}).items()}
