"""One trace as a tree: own time, the critical path, where the failure began, what repeats."""

# ruff: noqa: S608, E501 (statements are constants over constants; values travel as typed parameters)

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from mcp_servers.signoz.client import Query, Row
from mcp_servers.signoz.reading import number
from mcp_servers.signoz.sql import SERVICE_OF_SPAN, SPANS_TABLE

MAX_SPANS = 1900
REPEATED = 10
FIND = Query(
    "trace times",
    "SELECT toUnixTimestamp(min(start)) AS first, toUnixTimestamp(max(end)) AS last, sum(num_spans) AS spans "
    "FROM signoz_traces.distributed_trace_summary WHERE trace_id = {trace_id:String}",
)
SPANS_OF = Query(
    "trace spans",
    f"""SELECT span_id, parent_span_id, {SERVICE_OF_SPAN} AS service, name, kind_string, toUnixTimestamp64Nano(timestamp) AS start, duration_nano,
 has_error, substring(status_message, 1, 300) AS status, response_status_code AS http, attributes_string['db.system'] AS db,
 resources_string['k8s.pod.name'] AS pod FROM {SPANS_TABLE} WHERE ts_bucket_start BETWEEN {{from_s:UInt64}} - 1800 AND {{to_s:UInt64}}
 AND trace_id = {{trace_id:String}} ORDER BY has_error DESC, duration_nano DESC LIMIT {MAX_SPANS}""",
)


@dataclass
class Span:
    """Times in ns since 1970; ``own`` is the duration without the union of the children."""

    id: str
    parent: str
    service: str
    name: str
    kind: str
    start: int
    end: int
    error: bool
    row: Row
    own: int = 0
    children: list["Span"] = field(default_factory=list)


@dataclass
class Tree:
    """``roots`` have no parent here; ``orphans`` counts those whose parent is named but missing."""

    spans: list[Span]
    roots: list[Span]
    orphans: int

    @property
    def start(self) -> int:
        return min(s.start for s in self.spans)

    @property
    def end(self) -> int:
        return max(s.end for s in self.spans)


def build(rows: list[Row]) -> Tree:
    """A tree of at least one row; a loop of parents is cut where it would close."""
    spans = {}
    for row in rows:
        start = int(number(row["start"]))
        spans[str(row["span_id"])] = Span(
            str(row["span_id"]),
            str(row["parent_span_id"]),
            str(row["service"]),
            str(row["name"]),
            str(row["kind_string"]),
            start,
            start + int(number(row["duration_nano"])),
            bool(row["has_error"]),
            row,
        )
    roots, orphans = [], 0
    for span in spans.values():
        parent = spans.get(span.parent)
        if parent is None or _below(spans, span):
            roots.append(span)
            orphans += bool(span.parent) and parent is None
        else:
            parent.children.append(span)
    for span in spans.values():
        span.own = _own(span)
    roots.sort(key=lambda s: (bool(s.parent), s.start, s.start - s.end))
    return Tree(list(spans.values()), roots, orphans)


def _below(spans: dict[str, Span], span: Span) -> bool:
    """Whether ``span`` is its own ancestor and the smallest of the loop, which is where the loop is cut."""
    seen = [span.id]
    at = spans.get(span.parent)
    while at is not None and at.id not in seen:
        seen.append(at.id)
        at = spans.get(at.parent)
    return at is span and span.id == min(seen)


def _own(span: Span) -> int:
    covered, until = 0, span.start
    for child in sorted(span.children, key=lambda c: c.start):
        start, end = max(child.start, until), min(child.end, span.end)
        if end > start:
            covered += end - start
            until = end
    return max(0, span.end - span.start - covered)


def critical_path(tree: Tree) -> list[Span]:
    """From the root down, each time the child that ended last: what the whole waited for."""
    path: list[Span] = []
    at: Span | None = tree.roots[0] if tree.roots else None
    while at is not None:
        path.append(at)
        at = max(at.children, key=lambda c: (c.end, c.id), default=None)
    return path


def origins(tree: Tree) -> list[Span]:
    """Failing spans without a failing child: where the failure began; the earliest first."""
    return sorted(
        (s for s in tree.spans if s.error and not any(c.error for c in s.children)), key=lambda s: (s.start, s.id)
    )


def repeated(tree: Tree) -> list[tuple[Span, str, str, int, int]]:
    """(parent, service, name, times, ns in sum) of operations that repeat under one parent."""
    found = []
    for span in tree.spans:
        groups: dict[tuple[str, str], list[Span]] = defaultdict(list)
        for child in span.children:
            groups[(child.service, child.name)].append(child)
        found += [
            (span, k[0], k[1], len(v), sum(c.end - c.start for c in v)) for k, v in groups.items() if len(v) >= REPEATED
        ]
    return sorted(found, key=lambda f: -f[4])


def costs(tree: Tree) -> list[tuple[str, int, int, int]]:
    """(service, spans, errors, own ns), the costliest first."""
    count: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    own: Counter[str] = Counter()
    for span in tree.spans:
        count[span.service] += 1
        errors[span.service] += span.error
        own[span.service] += span.own
    return sorted(((s, count[s], errors[s], own[s]) for s in count), key=lambda c: (-c[3], c[0]))
