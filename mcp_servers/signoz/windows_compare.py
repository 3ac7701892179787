"""How both windows are compared, the same for services, their own time and the calls between them.

What is called changes with the hour, and a slow operation that is called more often is no slowness. So each operation is compared with
itself: the current mix of operations at the earlier means is what would be *expected*, and only what lies beyond it counts. How surely it
does is measured on the logarithms of the durations, because durations are skewed and one slow call in ten proves nothing.
"""

from dataclasses import dataclass
from math import erfc, exp, lgamma, log, sqrt
from typing import Any, Final

from mcp_servers.common.envelope import Signal
from mcp_servers.common.fitting import MAX_SIGNALS
from mcp_servers.signoz.reading import number
from mcp_servers.signoz.sql import IS_BASE, IS_CURRENT

ERRORS_MIN: Final = 5
ERROR_RATIO: Final = 0.02
ERROR_TIMES: Final = 2.0
TIMES: Final = 1.5
SURE: Final = 4.0  # standard errors; with fifty services and three figures each, four leave less than one false word in a hundred answers
CALLS_MIN: Final = 10
TAIL_CALLS: Final = 300  # a 99th percentile of fewer calls is one or two calls
CHANCE: Final = 0.05  # that events fall into the current window for no reason: what is likelier is no news
_EXACT: Final = 1000  # events; of more the normal curve tells as much

# Inside a subquery that groups by operation: how many spans either side has, the mean, and the spread of the logarithms. A spread has a
# floor: a few equal durations do not prove that all are.
SIDES: Final = f"countIf({IS_CURRENT}) AS n, countIf({IS_BASE}) AS bn"
_KNOWN = "n >= 3 AND bn >= 3"


def standard_sql(prefix: str = "") -> str:
    """Over that subquery, with `moments` of the same ``prefix``: both means of the operations that both sides know, in ms a span
    (``observed, expected``), their number (``known``), and how surely they differ (``z``)."""
    p = prefix
    return f"""sumIf({p}m * n, {_KNOWN}) / greatest(1, sumIf(n, {_KNOWN})) / 1e6 AS {p}observed,
 sumIf({p}bm * n, {_KNOWN}) / greatest(1, sumIf(n, {_KNOWN})) / 1e6 AS {p}expected, sumIf(n, {_KNOWN}) AS {p}known,
 sumIf(n * ({p}l - {p}bl), {_KNOWN}) / sqrt(greatest(1e-9, sumIf(n * n * ({p}v / n + {p}bv / bn), {_KNOWN}))) AS {p}z"""


def moments(took: str, prefix: str = "") -> str:
    """SQL of the mean (``m``), the mean logarithm (``l``) and its variance (``v``) of ``took`` ns on either side (``b``: baseline)."""
    log = f"log(greatest(0, {took}) + 1e5)"  # a tenth of a millisecond: below it, differences are the clock's
    parts = []
    for mark, side in ((prefix, IS_CURRENT), (f"{prefix}b", IS_BASE)):
        parts.append(
            f"ifNotFinite(avgIf({took}, {side}), 0) AS {mark}m, ifNotFinite(avgIf({log}, {side}), 0) AS {mark}l"
        )
        parts.append(f"greatest(0.1, ifNotFinite(varSampIf({log}, {side}), 0)) AS {mark}v")
    return ", ".join(parts)


@dataclass(frozen=True)
class Standard:
    """``observed`` and ``expected`` in ms a span of the operations that both windows know; ``z`` in standard errors.

    ``known`` is ``None`` where the source gives no such comparison; then the plain means stand, and `sure` asks for more calls instead.
    """

    observed: float = 0
    expected: float = 0
    z: float = 0
    known: float | None = None

    @property
    def slower(self) -> float:
        return self.observed - self.expected


def standard(row: dict[str, Any], prefix: str = "") -> Standard:
    """Out of a row of a statement that holds `standard_sql` with the same ``prefix``."""
    if f"{prefix}z" not in row:
        return Standard()
    return Standard(*(number(row[f"{prefix}{key}"]) for key in ("observed", "expected", "z", "known")))


def worse_errors(errors: float, calls: float, base_errors: float, base_calls: float, compared: bool) -> bool:
    """Enough failures, a share that matters, twice the earlier one and more than chance gives; without a baseline half of all must fail."""
    share = errors / calls if calls else 0.0
    before = base_errors / base_calls if base_calls else 0.0
    if errors < ERRORS_MIN or share < ERROR_RATIO:
        return False
    if not compared:
        return share >= 0.5
    if share < ERROR_TIMES * before:
        return False
    return not base_calls or by_chance(errors, base_errors, calls / (calls + base_calls)) < CHANCE


def slower(  # noqa: PLR0917 (two numbers of each)
    now: float, before: float, least_ms: float, one: Standard, calls: float, base_calls: float
) -> bool:
    """Half as long again, by ``least_ms`` at least, and surely so: by the standardised comparison, or by many calls without one."""
    if min(calls, base_calls) < CALLS_MIN or now < TIMES * before or now - before < least_ms:
        return False
    return one.z >= SURE if one.known is not None else min(calls, base_calls) >= 3 * CALLS_MIN


def more_or_less(count: float, base_count: float, share: float) -> bool:
    """Whether a count differs surely from ``base_count`` times ``share`` (the windows' lengths): both scatter as counts do."""
    expected = base_count * share
    return abs(count - expected) >= SURE * sqrt(count + expected * share)


def by_chance(count: float, base_count: float, share: float) -> float:
    """How likely ``count`` or more of all these events fall into the current window by chance, when ``share`` (0..1) of the occasions do.

    Both windows' events scatter, and few events prove little: five now and one before is one chance in nine where the windows are equal.
    """
    n, k = round(count + base_count), round(count)
    if k <= 0 or share >= 1:
        return 1.0
    if share <= 0:
        return 0.0
    if n > _EXACT:
        return erfc((k - 0.5 - n * share) / sqrt(2 * n * share * (1 - share))) / 2
    whole = lgamma(n + 1)
    return min(
        1.0,
        sum(
            exp(whole - lgamma(i + 1) - lgamma(n - i + 1) + i * log(share) + (n - i) * log(1 - share))
            for i in range(k, n + 1)
        ),
    )


def keep(found: list[tuple[float, Signal]], notes: list[str]) -> list[Signal]:
    """The most that an answer may hold: by severity, then by how much of the trouble each explains (the number beside it).

    The door in front of the tools cuts too, but it knows no weights and would keep what comes first in the alphabet.
    """
    rank = {"critical": 0, "warning": 1, "info": 2}
    ordered = sorted(found, key=lambda f: (rank[f[1].severity], -f[0], f[1].code, f[1].subject))
    if len(ordered) > MAX_SIGNALS:
        notes.insert(0, f"{len(ordered) - MAX_SIGNALS} more signals, which explain less, are left out")
    return [signal for _, signal in ordered[:MAX_SIGNALS]]
