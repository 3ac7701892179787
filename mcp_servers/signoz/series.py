"""Lines of numbers over time: what they look like, when they changed, and what a histogram's buckets say.

Pure functions over points, so that every source of metrics is judged alike. A point is (epoch seconds of its slot's start, value).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf, isfinite
from statistics import fmean, median
from typing import Literal

Point = tuple[int, float]
Shape = Literal["flat", "up", "down", "spike", "dip", "step_up", "step_down", "gone", "new"]
STEP_REMOVES = 0.5  # share of the variance that one step must explain
STEP_NOISE = 3.0  # times the noise (median absolute deviation) that the two sides must lie apart
MOVED = 0.05  # share of the level below which no movement is worth a word
SPIKE_NOISE, SPIKE_RATIO, SPIKE_SHARE = 6.0, 0.5, 0.2
LAST_RATIO = 2.0  # times the level that one value at the end must lie away
TREND_FIT, TREND_RATIO = 0.6, 0.2


@dataclass(frozen=True)
class Line:
    """One series: its labels and its points in order of time; ``NaN`` and infinities are left out when it is made with `line`."""

    labels: dict[str, str]
    points: tuple[Point, ...] = ()


@dataclass(frozen=True)
class Judged:
    """A series in both windows. ``change_ratio`` is (average - baseline) / |baseline|; ``None`` where there is nothing to compare."""

    line: Line
    current: tuple[Point, ...] = field(repr=False)
    average: float | None
    baseline: float | None
    change_ratio: float | None
    shape: Shape
    changed_at: int | None


def line(labels: dict[str, str], points: Sequence[tuple[float, float]]) -> Line:
    """A `Line` of the finite points, sorted."""
    return Line(labels, tuple(sorted((int(at), float(value)) for at, value in points if isfinite(value))))


def judge(one: Line, base: tuple[int, int], current: tuple[int, int], joined: bool) -> Judged:
    """Compare the half-open windows. ``joined``: the baseline runs up to the current window, so that both are read as one line."""
    before = [p for p in one.points if base[0] <= p[0] < base[1]]
    now = [p for p in one.points if current[0] <= p[0] < current[1]]
    average = fmean(v for _, v in now) if now else None
    baseline = fmean(v for _, v in before) if before else None
    ratio = (average - baseline) / abs(baseline) if average is not None and baseline else None
    shape: Shape
    at: int | None = None
    if base[1] > base[0] and now and not before:
        shape, at = "new", now[0][0]
    elif before and not now:
        shape, at = "gone", before[-1][0]
    else:
        whole = [p for p in one.points if base[0] <= p[0] < current[1]]
        shape, at = shape_of(whole if joined else now)
    return Judged(one, tuple(now), average, baseline, ratio, shape, at)


def split(values: Sequence[float]) -> tuple[int, float]:
    """The two-segment least-squares split: index where the second segment begins, and the squares that remain.

    Both segments hold two values at least, because one value at the end may be a spike; (0, squares of the whole) for fewer than four.
    """
    n = len(values)
    level = median(values) if values else 0.0  # sums of squares around zero lose digits for large, steady levels
    near = [v - level for v in values]
    total, squares = sum(near), sum(v * v for v in near)
    best, left = (0, max(0.0, squares - total * total / n) if n else 0.0), 0.0
    for k in range(1, n - 1):
        left += near[k - 1]
        if k < 2:
            continue
        remains = max(0.0, squares - left * left / k - (total - left) ** 2 / (n - k))
        if remains < best[1]:
            best = (k, remains)
    return best


def noise(values: Sequence[float]) -> float:
    """The median absolute deviation; 0 for fewer than two values."""
    if len(values) < 2:
        return 0.0
    middle = median(values)
    return median(abs(v - middle) for v in values)


def shape_of(points: Sequence[Point]) -> tuple[Shape, int | None]:
    """What the line looks like and when it changed (epoch seconds): a step, a spike or dip that passed, a trend, else flat.

    The last value alone counts as a step when it lies very far out: nothing shows that it is over.
    """
    values = [v for _, v in points]
    if len(values) < 3:
        return "flat", None
    level = max(abs(max(values)), abs(min(values)))
    mean = fmean(values)
    whole = sum((v - mean) ** 2 for v in values)
    if max(values) - min(values) <= MOVED * level or whole == 0:
        return "flat", None
    k, remains = split(values)
    fit = _line_remains(values)
    passed = _passing(values)
    if passed is not None:
        return ("spike" if values[passed] > median(values) else "dip"), points[passed][0]
    if k and remains <= (1 - STEP_REMOVES) * whole and remains <= fit:
        low, high = fmean(values[:k]), fmean(values[k:])
        rest = [v - low for v in values[:k]] + [v - high for v in values[k:]]
        if abs(high - low) > max(STEP_NOISE * noise(rest), MOVED * level):
            return ("step_up" if high > low else "step_down"), points[k][0]
    middle, far = median(values[:-1]), SPIKE_NOISE * noise(values[:-1])
    if len(values) >= 4 and abs(values[-1] - middle) > max(far, LAST_RATIO * abs(middle)):
        return ("step_up" if values[-1] > middle else "step_down"), points[-1][0]
    if len(values) >= 4 and fit <= (1 - TREND_FIT) * whole:
        rise = _slope(values) * (len(values) - 1)
        if abs(rise) >= TREND_RATIO * level:
            return ("up" if rise > 0 else "down"), None
    return "flat", None


def _passing(values: Sequence[float]) -> int | None:
    """The extreme of a short excursion that is over: few values far out, neither the first nor the last
    among them: what lies before or after the line is not known."""
    middle, spread = median(values), noise(values)
    far = max(SPIKE_NOISE * spread, SPIKE_RATIO * abs(middle))
    out = [i for i, v in enumerate(values) if abs(v - middle) > far]
    if not out or far == 0 or out[0] == 0 or out[-1] == len(values) - 1 or len(out) > max(1, SPIKE_SHARE * len(values)):
        return None
    return max(out, key=lambda i: (abs(values[i] - middle), -i))


def _slope(values: Sequence[float]) -> float:
    n, mid = len(values), (len(values) - 1) / 2
    mean = fmean(values)
    return sum((i - mid) * (v - mean) for i, v in enumerate(values)) / sum((i - mid) ** 2 for i in range(n))


def _line_remains(values: Sequence[float]) -> float:
    """The squares that remain around the straight line of best fit."""
    mid, mean, slope = (len(values) - 1) / 2, fmean(values), _slope(values)
    return sum((v - mean - slope * (i - mid)) ** 2 for i, v in enumerate(values))


def increases(readings: Sequence[Point]) -> tuple[Point, ...]:
    """What a counter grew by between readings, at the later one's time. A reading below the last means that it began again at zero."""
    return tuple((at, value - last if value >= last else value) for (_, last), (at, value) in pairwise(readings))


def quantile(buckets: Sequence[tuple[float, float]], q: float) -> float | None:
    """The ``q`` quantile (0..1) of cumulative (upper bound, count) buckets, linear inside one; ``None`` when nothing was counted.

    Counts that fall with the bound (a scrape in between) are levelled. The last finite bound answers for what lies beyond it.
    """
    rising: list[tuple[float, float]] = []
    most = 0.0
    for bound, count in sorted(buckets):
        most = max(most, count)
        rising.append((bound, most))
    if not rising or most <= 0:
        return None
    finite = [bound for bound, _ in rising if isfinite(bound)]
    rank, below, under = q * most, 0.0, None
    for bound, count in rising:
        if count >= rank and count > below:
            if bound == inf:
                return finite[-1] if finite else None
            start = under if under is not None else min(0.0, bound)
            return start + (bound - start) * max(0.0, rank - below) / (count - below)
        below, under = count, bound if isfinite(bound) else under
    return finite[-1] if finite else None


def thinned(points: Sequence[Point], start: int, step: int, most: int) -> list[float | None]:
    """At most ``most`` values from ``start``, ``step`` seconds apart; ``None`` where there is no point; without a tail of them."""
    found = dict(points)
    values = [found.get(start + i * step) for i in range(most)]
    while values and values[-1] is None:
        values.pop()
    return [None if v is None else significant(v) for v in values]


def significant(value: float, digits: int = 4) -> float:
    """Rounded to significant digits: 0.00012 stays something, 481136640 does not bring noise."""
    return float(f"{value:.{digits}g}")
