"""Spans through SigNoz's API: rates as questions for counts, own time and calls computed here from whole spans, bounded."""

import asyncio
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any, Final

from mcp_servers.signoz.flow import CALLS_OF, CERTAIN, LEAST, LEFT
from mcp_servers.signoz.reading import number
from mcp_servers.signoz.sources import Read, Row
from mcp_servers.signoz.sources.http_query import MAX_ROWS, Questions, both_of, lit, nanoseconds, spec
from mcp_servers.signoz.sources.standardised import Durations
from mcp_servers.signoz.trace import MAX_SPANS
from mcp_servers.signoz.windows import Windows

SERVICE: Final = "service.name"
ENTERED: Final = "kind_string IN ('Server', 'Consumer')"
WHOLE: Final = 5000  # spans of one window that are read as they are
SLICES: Final = 5  # ... and else so many parts of it, of at most MAX_ROWS spans each
_BACKEND_KEYS = ("db.system", "db.system.name", "messaging.system")
_FIELDS = ("trace_id", "span_id", "parent_span_id", "name", "kind_string", "duration_nano", "has_error", SERVICE)
_TRACE_FIELDS = (*_FIELDS, "status_message", "response_status_code")
_TRACE_OPTIONAL = ("db.system", "k8s.pod.name")
_DAY_S = 86_400
_SEEN = 4
_KEPT_S = 15.0  # as long as the door keeps an answer; spans that arrive late are seen after it


@dataclass(frozen=True)
class One:
    """One span; ``took`` in ns."""

    trace: str
    id: str
    parent: str
    service: str
    name: str
    kind: str
    start: int
    took: int
    error: bool


@dataclass(frozen=True)
class Sampled:
    """Spans of one window; each stands for ``factor`` of them."""

    spans: list[One] = field(default_factory=list)
    factor: float = 1.0


class HttpSpans:
    """The span reads of `Source`."""

    ask: Questions

    def __init__(self) -> None:
        self._reading: dict[Windows, tuple[float, asyncio.Task[tuple[Sampled, Sampled]]]] = {}

    async def span_count(self, both: Windows) -> int:
        rows = await self.ask.scalar(
            min(both.base_from, both.cur_from), both.cur_to, spec("traces", aggregations=("count()",))
        )
        return int(sum(number(r.get("a0")) for r in rows))

    async def _twice(self, both: Windows, one: dict[str, Any]) -> tuple[list[Row], list[Row]]:
        """The same question for the current window and for the baseline."""
        asks = [self.ask.scalar(both.cur_from, both.cur_to, one)]
        asks += [self.ask.scalar(both.base_from, both.base_to, one)] if both.compared else []
        told = await self.ask.gathered(*asks)
        return told[0], told[1] if len(told) > 1 else []

    async def _compared(
        self, both: Windows, one: dict[str, Any], keys: tuple[str, ...], cells: tuple[str, ...]
    ) -> list[Row]:
        """Rows by ``keys``, whose aggregations ``a0, a1, ...`` become ``cells`` and, of the baseline, ``base_<cell>``."""
        found: dict[tuple[str, ...], Row] = {}
        for rows, prefix in zip(await self._twice(both, one), ("", "base_"), strict=True):
            for row in rows:
                key = tuple(str(row.get(k, "")) for k in keys)
                made = found.setdefault(key, dict.fromkeys([p + c for p in ("", "base_") for c in cells], 0.0))
                for i, cell in enumerate(cells):
                    made[prefix + cell] = number(row.get(f"a{i}")) / (1e6 if cell in ("p99", "mean") else 1)
        named = [
            {"service" if k == SERVICE else k: v for k, v in zip(keys, key, strict=True)} | row
            for key, row in found.items()
        ]
        return sorted(named, key=lambda r: (-r["calls"] - r["base_calls"], r["service"], str(r.get("name", ""))))

    async def service_rates(self, both: Windows, service: str) -> Read:
        one = spec(
            "traces",
            where=both_of(ENTERED, _of(service)),
            aggregations=("count()", "countIf(has_error = true)", "p99(duration_nano)", "avg(duration_nano)"),
            group=(SERVICE,),
            order=(("count()", "desc"),),
        )
        rows = await self._compared(both, one, (SERVICE,), ("calls", "errors", "p99", "mean"))
        now, before = await self._sampled(both)
        took: dict[str, Durations] = defaultdict(Durations)
        traces: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        for window, current in ((now, True), (before, False)):
            for span in window.spans:
                if span.kind in ("Server", "Consumer"):
                    took[span.service].add(span.name, span.took, current=current)
                    if not current:
                        traces[span.service][span.name].add(span.trace)
        for row in rows:
            most = max((len(ids) for ids in traces[row["service"]].values()), default=0)
            row["base_traces"] = most * before.factor
        return Read([row | took[row["service"]].row() for row in rows])

    async def operations(self, both: Windows, service: str) -> Read:
        one = spec(
            "traces",
            where=both_of(ENTERED, _of(service)),
            aggregations=("count()", "countIf(has_error = true)", "p99(duration_nano)"),
            group=(SERVICE, "name"),
            order=(("count()", "desc"),),
        )
        return Read(await self._compared(both, one, (SERVICE, "name"), ("calls", "errors", "p99")))

    async def versions(self, both: Windows, service: str) -> Read:
        async def run(keys: list[str]) -> tuple[list[Row], list[Row]]:
            one = spec(
                "traces",
                where=_of(service),
                aggregations=("count()", "min(timestamp)"),
                group=(SERVICE, *keys),
                order=(("count()", "desc"),),
            )
            return await self._twice(both, one)

        now, before = await self.ask.optional("traces", ("service.version",), run)
        found: dict[tuple[str, str], Row] = {}
        for rows, cell in ((before, "base_n"), (now, "n")):
            for row in rows:
                key = (str(row.get(SERVICE, "")), str(row.get("service.version", "")))
                one = found.setdefault(key, {"service": key[0], "version": key[1], "first": 0, "n": 0.0, "base_n": 0.0})
                one[cell] += number(row.get("a0"))
                first = nanoseconds(row.get("a1")) // 10**9
                one["first"] = min(filter(None, (one["first"], first)), default=0)
        known = self.ask.known("traces", ("service.version",))
        notes = () if known else ("no span bears a service.version",)
        return Read(sorted(found.values(), key=lambda r: (r["service"], r["first"], r["version"])), notes)

    async def backends(self, both: Windows, service: str) -> Read:
        rows: list[Row] = []
        for i, key in enumerate(_BACKEND_KEYS):

            async def run(known: list[str], key: str = key, before: tuple[str, ...] = _BACKEND_KEYS[:i]) -> list[Row]:
                if key not in known:
                    return []
                where = both_of(
                    "kind_string IN ('Client', 'Producer')",
                    f"{key} EXISTS",
                    *(f"{k} NOT EXISTS" for k in before if k in known),
                    _of(service),
                )
                aggregations = ("count()", "countIf(has_error = true)", "avg(duration_nano)")
                one = spec(
                    "traces", where=where, aggregations=aggregations, group=(SERVICE, key), order=(("count()", "desc"),)
                )
                told = await self._compared(both, one, (SERVICE, key), ("calls", "errors", "mean"))
                return [
                    {"source": r.pop("service"), "target": r.pop(key), **r, "gap": 0, "base_gap": 0}
                    for r in told
                    if r[key]
                ]

            rows += await self.ask.optional("traces", _BACKEND_KEYS[: i + 1], run)
        return Read(sorted(rows, key=lambda r: (-r["calls"] - r["base_calls"], r["source"], r["target"]))[:100])

    async def _sampled(self, both: Windows) -> tuple[Sampled, Sampled]:
        """Spans of the current window and of the baseline, read once for all that ask at the same time."""
        now = time.monotonic()
        known, task = self._reading.get(both, (0.0, None))
        failed = task is not None and task.done() and (task.cancelled() or task.exception() is not None)
        if task is None or failed or (task.done() and now - known > _KEPT_S):
            while len(self._reading) >= _SEEN:
                self._reading.pop(next(iter(self._reading)))
            task = asyncio.create_task(self._read_both(both), name="read spans of both windows")
            self._reading[both] = now, task
        return await asyncio.shield(task)

    async def _read_both(self, both: Windows) -> tuple[Sampled, Sampled]:
        asks = [self._window(both.cur_from, both.cur_to)]
        asks += [self._window(both.base_from, both.base_to)] if both.compared else []
        told = await self.ask.gathered(*asks)
        return told[0], told[1] if len(told) > 1 else Sampled()

    async def _window(self, start: int, end: int) -> Sampled:
        counted = await self.ask.scalar(start, end, spec("traces", aggregations=("count()",)))
        total = sum(number(r.get("a0")) for r in counted)
        if total <= WHOLE:
            return Sampled(await self._spans(start, end, WHOLE))
        length = (end - start) / SLICES
        parts = await self.ask.gathered(
            *(self._spans(start + i * length, start + (i + 1) * length, MAX_ROWS) for i in range(SLICES))
        )
        # What began before the oldest span of a part has lost some of it, and what ended after its end lost the rest.
        spans: list[One] = []
        for i, part in enumerate(parts):
            roots = {s.trace for s in part if not s.parent and s.start + s.took <= (start + (i + 1) * length) * 1e9}
            spans += [s for s in part if s.trace in roots]
        return Sampled(spans, total / len(spans) if spans else 1.0)

    async def _spans(self, start: float, end: float, limit: int) -> list[One]:
        one = spec("traces", fields=_FIELDS, limit=limit, order=(("timestamp", "desc"),))
        return [
            One(
                str(row.get("trace_id", "")),
                str(row.get("span_id", "")),
                str(row.get("parent_span_id") or ""),
                str(row.get(SERVICE) or ""),
                str(row.get("name", "")),
                str(row.get("kind_string", "")),
                nanoseconds(row.get("timestamp")),
                int(number(row.get("duration_nano"))),
                _true(row.get("has_error")),
            )
            for row in await self.ask.rows(start, end, one)
        ]

    @staticmethod
    def _notes(now: Sampled, before: Sampled) -> tuple[str, ...]:
        if now.factor <= 1 and before.factor <= 1:
            return ()
        read = len(now.spans) + len(before.spans)
        return (f"calls and own time are estimated from {read:,} spans: the API gives no sums over traces",)

    async def own_time(self, both: Windows, service: str, sample: int) -> Read:
        del service
        now, before = await self._sampled(both)
        found: dict[str, Row] = {}
        worked: dict[str, Durations] = defaultdict(Durations)
        answering = _answered(before.spans)
        for window, prefix in ((now, ""), (before, "base_")):
            below, failed = _children(window.spans)
            answered = {(s.trace, s.parent) for s in window.spans if s.kind in ("Server", "Consumer")}
            for span in window.spans:
                one = found.setdefault(
                    span.service,
                    {"service": span.service}
                    | dict.fromkeys(("calls", "base_calls", "self_ms", "base_self_ms", "origins", "base_origins"), 0.0),
                )
                key = (span.trace, span.id)
                one[f"{prefix}calls"] += span.kind in ("Server", "Consumer")
                own = 0 if span.kind in ("Client", "Producer") else max(0, span.took - below.get(key, 0))
                one[f"{prefix}self_ms"] += own / 1e6
                worked[span.service].add(span.name, own, current=not prefix)
                unheard = span.kind == "Client" and key not in answered and (span.service, span.name) in answering
                one[f"{prefix}origins"] += (span.error and not failed.get(key) and not unheard) * window.factor / sample
        return Read([found[s] | worked[s].row() for s in sorted(found)], self._notes(now, before))

    async def calls(self, both: Windows, service: str, sample: int) -> Read:
        del sample
        now, before = await self._sampled(both)
        found: dict[tuple[str, str], dict[str, float]] = defaultdict(lambda: defaultdict(float))
        whole: dict[tuple[str, str], Durations] = defaultdict(Durations)
        way: dict[tuple[str, str], Durations] = defaultdict(Durations)
        for window, prefix in ((now, ""), (before, "base_")):
            for child, parent in _pairs(window.spans):
                if child.service == parent.service or service not in ("", child.service, parent.service):
                    continue
                ends, operation = (parent.service, child.service), (parent.name, child.name)
                one = found[ends]
                lost = max(0, parent.took - child.took) if parent.kind == "Client" else 0
                whole[ends].add(operation, child.took + lost, current=not prefix)
                way[ends].add(operation, lost, current=not prefix)
                bad = child.error or (parent.error and parent.kind in ("Client", "Producer"))
                one[f"{prefix}n"] += 1
                one[f"{prefix}calls"] += window.factor
                one[f"{prefix}errors"] += bad * window.factor
                one[f"{prefix}mean"] += child.took / 1e6
                one[f"{prefix}gap"] += lost / 1e6
        rows = [_edge(ends, one) | whole[ends].row() | way[ends].row("g") for ends, one in found.items()]
        rows.sort(key=lambda r: (-r["calls"] - r["base_calls"], r["source"], r["target"]))
        return Read(rows[:400], self._notes(now, before))

    async def unanswered(self, both: Windows, service: str, sample: int) -> Read:
        del sample
        found: dict[tuple[str, str, str], dict[str, float]] = defaultdict(lambda: {"n": 0.0, "base_n": 0.0})
        for window, key in zip(await self._sampled(both), ("n", "base_n"), strict=True):
            answers = {(s.trace, s.parent): s.service for s in window.spans if s.kind in ("Server", "Consumer")}
            for span in window.spans:
                target = answers.get((span.trace, span.id), "")
                if span.kind == "Client" and (service in ("", span.service) or target in ("", service)):
                    found[span.service, span.name, target][key] += 1
        rows: list[Row] = [
            {"source": source, "called": called, "address": "", "target": target, **counts}
            for (source, called, target), counts in sorted(found.items())
        ]
        return Read(rows)

    async def doings(self, both: Windows, service: str, sample: int) -> Read:
        del sample
        found: dict[tuple[str, str, str], Counter[tuple[str, bool]]] = defaultdict(Counter)
        for window, current in zip(await self._sampled(both), (True, False), strict=True):
            known = {(s.trace, s.id): s for s in window.spans}
            did: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
            _, failed = _children(window.spans)
            for span in window.spans:
                told = span.name if span.kind in ("Client", "Producer") else f"{span.service}: {span.name}"
                did[span.trace, span.parent][told] += 1
            for key, span in known.items():
                if span.kind in ("Client", "Producer") or span.error or failed.get(key) or key not in did:
                    continue
                above = known.get((span.trace, span.parent))
                parent = above.name if above is not None and above.service == span.service else ""
                counts = found[span.service, span.name, parent]
                counts["", current] += 1
                for told, times in did[key].items():
                    for i in range(1, min(times, 4) + 1):
                        counts[told if i == 1 else f"{told} ({i})", current] += 1
        rows: list[Row] = []
        for (of, name, parent), counts in sorted(found.items()):
            total, base_total = counts["", True], counts["", False]
            for told in sorted({told for told, _ in counts if told}):
                n, base_n = counts[told, True], counts[told, False]
                rare = (
                    base_n >= CERTAIN * base_total and n <= LEFT * total * base_n / base_total if base_total else False
                )
                if rare and min(total, base_total) >= LEAST and service in ("", of):
                    row = {"service": of, "name": name, "parent": parent, "from": CALLS_OF, "to": told}
                    rows.append(row | {"n": n, "base_n": base_n, "total": total, "base_total": base_total})
        return Read(rows)

    async def paths(self, both: Windows, service: str, sample: int) -> Read:
        del sample
        now, before = await self._sampled(both)
        below: dict[tuple[str, str, str, str], dict[str, float]] = defaultdict(
            lambda: {"below": 0.0, "base_below": 0.0}
        )
        calls: dict[tuple[str, str], dict[str, float]] = defaultdict(lambda: {"calls": 0.0, "base_calls": 0.0})
        for window, prefix in ((now, ""), (before, "base_")):
            for span in window.spans:
                calls[(span.service, span.name)][f"{prefix}calls"] += 1
            for child, parent in _pairs(window.spans):
                if parent.kind != "Client":
                    below[(parent.service, parent.name, child.service, child.name)][f"{prefix}below"] += 1
        found: list[tuple[float, Row]] = []
        for (of, name, to_service, to_name), counted in below.items():
            whole = calls[(of, name)]
            if (service and of != service) or min(whole["calls"], whole["base_calls"]) < 8:
                continue
            a, b = counted["below"] / whole["calls"], counted["base_below"] / whole["base_calls"]
            if a <= 0.7 * b or a >= 2 * b:
                row = {"service": of, "name": name, "to_service": to_service, "to_name": to_name, **counted, **whole}
                found.append((abs(a - b), row))
        found.sort(key=lambda f: (-f[0], f[1]["service"], f[1]["name"], f[1]["to_name"]))
        return Read([row for _, row in found[:60]])

    async def trace_spans(self, trace_id: str, now_s: int) -> Read:
        async def run(keys: list[str]) -> list[Row]:
            found: list[Row] = []
            # A day first: SigNoz narrows a question for one trace by itself only in newer versions.
            for days in (1, 15):
                one = spec(
                    "traces",
                    where=f"trace_id = {lit(trace_id)}",
                    fields=(*_TRACE_FIELDS, *keys),
                    limit=MAX_SPANS,
                    order=(("has_error", "desc"), ("duration_nano", "desc")),
                )
                found = await self.ask.rows(now_s - days * _DAY_S, now_s + 3600, one)
                if found:
                    break
            return found

        made = [
            {
                "span_id": str(row.get("span_id", "")),
                "parent_span_id": str(row.get("parent_span_id") or ""),
                "service": str(row.get(SERVICE) or ""),
                "name": str(row.get("name", "")),
                "kind_string": str(row.get("kind_string", "")),
                "start": nanoseconds(row.get("timestamp")),
                "duration_nano": int(number(row.get("duration_nano"))),
                "has_error": _true(row.get("has_error")),
                "status": str(row.get("status_message") or "")[:300],
                "http": str(row.get("response_status_code") or ""),
                "db": str(row.get("db.system") or ""),
                "pod": str(row.get("k8s.pod.name") or ""),
            }
            for row in await self.ask.optional("traces", _TRACE_OPTIONAL, run)
        ]
        return Read(sorted(made, key=lambda r: (not r["has_error"], -r["duration_nano"], r["span_id"])))


def _of(service: str) -> str:
    return f"{SERVICE} = {lit(service)}" if service else ""


def _true(cell: Any) -> bool:
    return cell is True or str(cell).lower() in ("true", "1")


def _children(spans: list[One]) -> tuple[dict[tuple[str, str], int], dict[tuple[str, str], int]]:
    """By (trace, parent): the ns of its children in sum, and how many of them failed."""
    took: dict[tuple[str, str], int] = defaultdict(int)
    failed: dict[tuple[str, str], int] = defaultdict(int)
    for span in spans:
        if span.parent:
            took[(span.trace, span.parent)] += span.took
            failed[(span.trace, span.parent)] += span.error
    return took, failed


def _answered(spans: list[One]) -> set[tuple[str, str]]:
    """(service, name) of calls of which at least half have the span of the service that answered."""
    answers = {(s.trace, s.parent) for s in spans if s.kind in ("Server", "Consumer")}
    calls: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for span in spans:
        if span.kind == "Client":
            calls[span.service, span.name].append((span.trace, span.id) in answers)
    return {key for key, heard in calls.items() if 2 * sum(heard) >= len(heard)}


def _pairs(spans: list[One]) -> list[tuple[One, One]]:
    """(child, parent) of every span whose parent is there."""
    known = {(s.trace, s.id): s for s in spans}
    return [(s, known[(s.trace, s.parent)]) for s in spans if s.parent and (s.trace, s.parent) in known]


def _edge(ends: tuple[str, str], one: dict[str, float]) -> Row:
    row: Row = {"source": ends[0], "target": ends[1]}
    for prefix in ("", "base_"):
        n = one[f"{prefix}n"]
        row |= {f"{prefix}{k}": one[f"{prefix}{k}"] for k in ("calls", "errors")}
        row |= {f"{prefix}{k}": one[f"{prefix}{k}"] / n if n else 0.0 for k in ("mean", "gap")}
    return row
