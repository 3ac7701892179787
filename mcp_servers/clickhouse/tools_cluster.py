"""`get_cluster_health`: one page on the server itself."""

from collections import defaultdict
from typing import Annotated

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.clickhouse import state_statements as s
from mcp_servers.clickhouse.context import Context
from mcp_servers.clickhouse.disks import Disk, disk_signals, disks_of
from mcp_servers.clickhouse.merging import Row
from mcp_servers.clickhouse.reading import Reading, iso, real, size_of, span_of, whole
from mcp_servers.clickhouse.texts import said
from mcp_servers.common import strict
from mcp_servers.common.envelope import Envelope, Lean, Signal, ok
from mcp_servers.common.signals import signal
from mcp_servers.common.untrusted import clean

SIGNALS = (
    "ch.restarted", "ch.memory_high", "ch.disk_full", "ch.too_many_parts", "ch.readonly_replica", "ch.repl_lag", "ch.keeper_down",
    "ch.inserts_delayed", "ch.inserts_rejected", "ch.merge_backlog", "ch.overloaded",
)  # fmt: skip
DESCRIPTION = (
    "Health of the ClickHouse server or cluster on one page: uptime, memory, load, disks, parts, replicas, Keeper, "
    "delayed inserts, errors of the last "
    "hour, unreachable hosts. Start here when ClickHouse is slow, refuses inserts or restarted."
)
FRESH_S = 3_600


class Host(Lean):
    """One node. ``metrics`` are the server's own names and units."""

    host: str
    version: str = ""
    started: str = ""
    uptime_s: int = 0
    memory_ratio: float | None = None
    metrics: dict[str, float] = Field(default_factory=dict)


class FreshError(Lean):
    """An error counter that moved within the hour; ``count`` is since the start of the server."""

    name: str
    code: int
    count: int
    last: str
    host: str = ""
    message: str = ""


class ClusterState(Lean):
    """One configured cluster."""

    cluster: str
    hosts: int
    failing: int
    failing_hosts: list[str] = Field(default_factory=list)


class ClusterHealth(Envelope):
    """The answer of `get_cluster_health`."""

    hosts: list[Host] = Field(default_factory=list)
    disks: list[Disk] = Field(default_factory=list)
    errors: list[FreshError] = Field(default_factory=list)
    clusters: list[ClusterState] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)


def tools(context: Context) -> list[Tool]:
    async def get_cluster_health() -> Annotated[CallToolResult, ClusterHealth]:
        reading = Reading(await context.database())
        servers = await reading.must(s.SERVER)
        since = int(context.clock().timestamp()) - FRESH_S
        names = {"names": list(s.METRICS)}
        now, measured, cores, limits, parts, disks, errors, clusters, warnings, replicated = await reading.all(
            (s.NOW, names), (s.MEASURED, {"names": list(s.ASYNC_METRICS)}), (s.CORES, {}), (s.LIMITS, {}), (s.PART_LIMITS, {}),
            (s.DISKS, {}),
            (s.ERRORS, {"since": since}), (s.CLUSTERS, {}), (s.WARNINGS, {}), (s.REPLICA_COUNT, {}),
        )  # fmt: skip
        answer = ClusterHealth(summary="", untrusted=["errors[].message", "warnings[]"])
        answer.hosts = [_host(row, [*now, *measured], limits) for row in servers]
        answer.disks = disks_of(disks)
        answer.errors = [_error(row) for row in errors[:12]]
        answer.clusters = [
            ClusterState(
                cluster=clean(row["cluster"], 60), hosts=whole(row["hosts"]), failing=whole(row["failing"]),
                failing_hosts=[clean(name, 100) for name in row["failing_hosts"]],
            )
            for row in clusters
        ][:10]  # fmt: skip
        answer.warnings = [said(row["message"], 241, 200) for row in warnings[:6]]
        pairs = {(row["host"], row["name"]): real(_number(row["value"])) for row in [*limits, *parts]}
        core_count = {row["host"]: whole(row["n"]) for row in cores}
        for host in answer.hosts:
            answer.signals += _judge(
                host, pairs, core_count.get(host.host, 0), bool(replicated and replicated[0]["n"]), context
            )
        answer.signals += disk_signals(answer.disks, context.settings.thresholds)
        answer.signals += [_rejected(e) for e in answer.errors if e.code == 252]
        unreachable = sorted({name for c in answer.clusters for name in c.failing_hosts})
        if unreachable:
            answer.notes.append(f"this server counts connection errors to {', '.join(unreachable[:5])}")
        versions = sorted({h.version for h in answer.hosts})
        if len(versions) > 1:
            answer.notes.append(
                f"the servers run different versions: {', '.join(f'{h.host} {h.version}' for h in answer.hosts[:6])}"
            )
        running = sum(whole(h.metrics.get("Query")) for h in answer.hosts)
        fullest_memory = max((h.memory_ratio for h in answer.hosts if h.memory_ratio is not None), default=None)
        memory = f"memory {fullest_memory:.0%}, " if fullest_memory is not None else ""
        fullest = max((d.used_ratio for d in answer.disks if d.used_ratio is not None), default=None)
        answer.summary = (
            f"{len(answer.hosts)} host{'s' if len(answer.hosts) > 1 else ''}, version {versions[-1]}, up "
            f"{span_of(min(h.uptime_s for h in answer.hosts))}; {memory}"
            f"{f'fullest disk {fullest:.0%}, ' if fullest is not None else ''}{running} queries running, "
            f"{len(errors)} kinds of error within the hour, {len(answer.signals)} signals"
        )
        reading.into(answer)
        return ok(answer)

    return [strict.tool(get_cluster_health, "get_cluster_health", DESCRIPTION, SIGNALS)]


def _number(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return 0.0


def _host(server: Row, metrics: list[Row], limits: list[Row]) -> Host:
    name = server["host"]
    mine: dict[str, float] = defaultdict(float)
    for row in metrics:
        if row["host"] == name:
            mine[str(row["metric"])] = real(row["value"])
    limit = next(
        (_number(r["value"]) for r in limits if r["host"] == name and r["name"] == "max_server_memory_usage"), 0.0
    )
    bound = min(
        (v for v in (limit, mine.get("CGroupMemoryTotal", 0), mine.get("OSMemoryTotal", 0)) if 0 < v < 2**60),
        default=0.0,
    )
    used = max(mine.get("MemoryTracking", 0), 0)
    uptime = whole(server["uptime_s"])
    return Host(
        host=clean(name, 100),
        version=clean(server["version"], 40),
        uptime_s=uptime,
        started=iso(whole(server["at"]) - uptime),
        memory_ratio=real(used / bound) if bound and used else None,
        metrics=dict(sorted(mine.items())),
    )


def _error(row: Row) -> FreshError:
    code = whole(row["code"])
    return FreshError(
        name=clean(row["name"], 60),
        code=code,
        count=whole(row.get("value")),
        last=iso(row["last"]),
        host=clean(row["host"], 100),
        message=said(row.get("message"), code, 160),
    )


def _rejected(error: FreshError) -> Signal:
    return signal(
        "ch.inserts_rejected",
        f"ch/{error.host}",
        f"inserts were refused for too many parts, last at {error.last}: {error.message}",
    )


def _judge(
    host: Host, limits: dict[tuple[str, str], float], cores: int, replicated: bool, context: Context
) -> list[Signal]:
    t, m, subject = context.settings.thresholds, host.metrics, f"ch/{host.host}"
    found: list[Signal] = []

    def tell(code: str, detail: str, value: float, threshold: float, unit: str = "", **more: object) -> None:
        found.append(signal(code, subject, detail, value=value, threshold=threshold, unit=unit, **more))

    if host.uptime_s < t["restarted_s"]:
        tell(
            "ch.restarted",
            f"the server started {span_of(host.uptime_s)} ago",
            host.uptime_s,
            t["restarted_s"],
            "s",
            since=host.started,
        )
    if host.memory_ratio is not None and host.memory_ratio >= t["memory_ratio"]:
        tell(
            "ch.memory_high",
            f"the server tracks {size_of(m['MemoryTracking'])}, {host.memory_ratio:.0%} of its limit",
            host.memory_ratio,
            t["memory_ratio"],
            "ratio",
        )
    delay_at = limits.get((host.host, "parts_to_delay_insert"), 0)
    worst = m.get("MaxPartCountForPartition", 0)
    if delay_at and worst >= t["parts_ratio"] * delay_at:
        tell(
            "ch.too_many_parts",
            f"a partition has {worst:.0f} parts; inserts are slowed from {delay_at:.0f}",
            worst,
            delay_at,
            "parts",
        )
    if m.get("ReadonlyReplica", 0) > 0:
        tell(
            "ch.readonly_replica",
            f"{m['ReadonlyReplica']:.0f} replicated tables take no writes",
            m["ReadonlyReplica"],
            0,
        )
    if m.get("ReplicasMaxAbsoluteDelay", 0) > t["replica_delay_s"]:
        delay = m["ReplicasMaxAbsoluteDelay"]
        tell(
            "ch.repl_lag",
            f"the slowest replica is {span_of(delay)} behind",
            delay,
            t["replica_delay_s"],
            "s",
            reason="delay",
        )
    if replicated and "ZooKeeperSession" in m and m["ZooKeeperSession"] < 1:
        tell("ch.keeper_down", "there are replicated tables and no session with Keeper", 0, 1)
    if m.get("DelayedInserts", 0) > 0:
        tell(
            "ch.inserts_delayed",
            f"{m['DelayedInserts']:.0f} inserts are being slowed for too many parts",
            m["DelayedInserts"],
            0,
        )
    pool, busy = m.get("BackgroundMergesAndMutationsPoolSize", 0), m.get("BackgroundMergesAndMutationsPoolTask", 0)
    if pool and busy / pool >= t["merge_pool_ratio"]:
        tell(
            "ch.merge_backlog",
            f"{busy:.0f} of {pool:.0f} merge slots are busy",
            busy / pool,
            t["merge_pool_ratio"],
            "ratio",
        )
    load = m.get("LoadAverage1", 0)
    if cores and load / cores >= t["load_per_core"]:
        tell("ch.overloaded", f"load {load:.1f} on {cores} cores", load / cores, t["load_per_core"], "", reason="cpu")
    slots = limits.get((host.host, "max_concurrent_queries"), 0)
    if slots and m.get("Query", 0) / slots >= t["query_slots_ratio"]:
        tell(
            "ch.overloaded",
            f"{m['Query']:.0f} of {slots:.0f} query slots are taken",
            m["Query"] / slots,
            t["query_slots_ratio"],
            "ratio",
            reason="query_slots",
        )
    return found
