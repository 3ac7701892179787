"""What playbooks may ask for without naming a server: capabilities, and the adapters that make foreign tools offer them.

A capability is a question (`k8s.pod`: how is this pod?). Our own tool answers it best, because it judges and says so in signals; its
arguments and the shape of its answer are the capability's. An `Adapter` asks another server's tool the same question and puts its answer
into that shape. What an adapter cannot tell is named, so that a missing signal never reads as good health.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from mcp_servers.common.envelope import Signal
from mcp_servers.common.timerange import Range, parse_range

ANY: Final = "any"
"""The server's name in ``any.logs.patterns``: whichever offers it."""
MAX_RANGE: Final = timedelta(days=7)
WINDOW: Final = "time_range"
"""The argument that takes a window, in every capability that looks at one."""
DEFAULT_RANGE: Final = "1h"
"""What adapters look at where a playbook gives no window."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Capability:
    """One question. ``own`` is our server's tool for it ("" where only others have one); ``signals`` are patterns of the codes that a full
    answer judges, ``takes`` the arguments that every adapter understands."""

    name: str
    says: str
    own: str = ""
    signals: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()


CAPABILITIES: Final[Mapping[str, Capability]] = {
    c.name: c
    for c in (
        Capability(
            "k8s.pod",
            "one pod: state, containers, why it fails",
            "kubernetes.get_pod_status",
            ("k8s.pod.*", "svc.*", "pvc.*", "node.*"),
            ("namespace", "pod_name"),
        ),
        Capability(
            "k8s.unhealthy",
            "everything unhealthy in a namespace",
            "kubernetes.find_unhealthy",
            ("*", "!log.*", "!change.*", "!alert.*"),
            ("namespace",),
        ),
        Capability(
            "k8s.workload",
            "one workload: replicas, rollout, conditions",
            "kubernetes.get_workload_status",
            ("deploy.*", "sts.*", "ds.*", "k8s.pod.*", "hpa.*", "pdb.*", "job.*", "cron.*"),
            ("namespace", "name", "kind"),
        ),
        Capability(
            "k8s.logs",
            "what a pod's container wrote, as patterns",
            "kubernetes.get_pod_logs",
            ("log.*",),
            ("namespace", "pod_name", "container", "previous", "time_range"),
        ),
        Capability(
            "k8s.events", "events of a namespace", "kubernetes.get_events", ("k8s.*", "node.*"), ("namespace", "object")
        ),
        Capability(
            "logs.patterns",
            "a service's log lines as patterns",
            "signoz.query_logs",
            ("log.*",),
            ("service", "time_range", "severity", "contains"),
        ),
        Capability(
            "service.red",
            "rate, errors and duration of services",
            "signoz.get_service_overview",
            ("svc.*",),
            ("service", "time_range"),
        ),
        Capability(
            "traces.search",
            "traces of a service, the slow and the failed ones",
            "signoz.search_traces",
            ("trace.*", "svc.*"),
            ("service", "time_range"),
        ),
        Capability("alerts.list", "alerts that fire now", "signoz.get_alerts", ("alert.*",), ()),
        Capability("metrics.promql", "a PromQL query over a window", "", (), ("query", "time_range")),
        Capability("clickhouse.sql", "one read-only SQL statement on ClickHouse", "clickhouse.run_query", (), ("sql",)),
        Capability("mongo.logs", "the newest lines of a MongoDB server's own log", "", (), ("limit",)),
        Capability("mongo.indexes", "the indexes of a collection", "", (), ("database", "collection")),
    )
}
BY_TOOL: Final[Mapping[str, Capability]] = {c.own: c for c in CAPABILITIES.values() if c.own}


@dataclass(frozen=True)
class Times:
    """The window of ``time_range`` in every spelling that servers want. Our own tools take the text itself."""

    range: Range
    now: datetime

    @classmethod
    def of(cls, text: str, now: datetime, default: str = DEFAULT_RANGE) -> "Times":
        """Raises `mcp_servers.common.envelope.ToolFailure` for a text that is no window."""
        return cls(parse_range(text or default, now, MAX_RANGE), now)

    @property
    def start_iso(self) -> str:
        return _iso(self.range.start)

    @property
    def end_iso(self) -> str:
        return _iso(self.range.end)

    @property
    def start_ms(self) -> int:
        return int(self.range.start.timestamp() * 1_000)

    @property
    def end_ms(self) -> int:
        return int(self.range.end.timestamp() * 1_000)

    @property
    def start_ns(self) -> int:
        return self.start_ms * 1_000_000

    @property
    def end_ns(self) -> int:
        return self.end_ms * 1_000_000

    @property
    def since_seconds(self) -> int:
        """From the window's start to now: what ``--since`` means."""
        return max(1, int((self.now - self.range.start).total_seconds()))


@dataclass(frozen=True)
class Ask:
    """One call as the playbook made it. ``found`` is what the adapter's preparing call gave, if it has one."""

    arguments: Mapping[str, Any]
    now: datetime
    found: Any = None

    def text(self, name: str) -> str:
        value = self.arguments.get(name)
        return "" if value is None else str(value)

    @property
    def times(self) -> Times:
        return Times.of(self.text(WINDOW), self.now)


@dataclass(frozen=True)
class Given:
    """A foreign answer in the capability's shape. ``tainted`` are the paths of text that a stranger can write."""

    summary: str
    data: Json
    signals: tuple[Signal, ...] = ()
    notes: tuple[str, ...] = ()
    tainted: tuple[str, ...] = ()


@dataclass(frozen=True)
class Adapter:
    """How one foreign tool answers one capability.

    ``needs`` are argument names that the tool must know: a tool of the same name on another product is not this one. ``asks`` gives the
    tool's arguments, one set after the other to try, none where it cannot answer this question. ``reads`` gets the structure, or the text
    where there is none; it must not raise on any content. ``judges`` are the signal codes that ``reads`` may give. ``before`` is a tool of
    the same server, with its arguments, that is asked first (its answer is ``Ask.found``), e.g. for a data source's id. ``of_now`` says
    that the answer is of the present, whatever window was asked for.
    """

    capability: str
    product: str
    tool: str
    needs: tuple[str, ...]
    asks: Callable[[Ask], tuple[Json, ...]]
    reads: Callable[[Any, Ask], Given | None]
    judges: tuple[str, ...] = ()
    before: tuple[str, Json] | None = None
    of_now: bool = False


def rows_of(data: Any, *keys: str) -> list[Json]:
    """The first list of objects in ``data``: itself, or under one of ``keys`` (dotted)."""
    candidates: list[Any] = [data]
    for key in keys:
        here: Any = data
        for part in key.split("."):
            here = here.get(part) if isinstance(here, Mapping) else None
        candidates.append(here)
    for value in candidates:
        if isinstance(value, list):
            return [row for row in value if isinstance(row, dict)]
    return []


def dig(value: Any, *path: str | int) -> Any:
    """The value at a path of keys and indexes, ``None`` where it is not there."""
    for part in path:
        if isinstance(part, int):
            value = value[part] if isinstance(value, list) and -len(value) <= part < len(value) else None
        else:
            value = value.get(part) if isinstance(value, Mapping) else None
    return value


def deep_rows(data: Any, key: str, depth: int = 8) -> list[Json]:
    """The first list of objects under ``key``, however deeply query engines wrap it."""
    level = [data]
    for _ in range(depth):
        following: list[Any] = []
        for value in level:
            if isinstance(value, Mapping):
                found = value.get(key)
                if isinstance(found, list) and all(isinstance(row, dict) for row in found):
                    return found
                following += value.values()
            elif isinstance(value, list):
                following += value[:50]
        level = following[:500]
    return []


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
