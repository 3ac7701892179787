"""`get_storage_health`: parts, merges, mutations, detached parts, disks and the queue to other shards."""

from typing import Annotated

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.clickhouse import state_statements as s
from mcp_servers.clickhouse.context import Context
from mcp_servers.clickhouse.disks import Disk, disk_signals, disks_of
from mcp_servers.clickhouse.merging import Row
from mcp_servers.clickhouse.reading import (
    OPTIONAL_DATABASE,
    Reading,
    hosts_of,
    iso,
    number_of,
    real,
    size_of,
    span_of,
    whole,
)
from mcp_servers.clickhouse.texts import said, shape
from mcp_servers.common import strict
from mcp_servers.common.envelope import Envelope, Lean, Page, Signal, ok
from mcp_servers.common.signals import signal
from mcp_servers.common.untrusted import clean

SIGNALS = (
    "ch.too_many_parts",
    "ch.mutation_stuck",
    "ch.merge_slow",
    "ch.detached_broken",
    "ch.disk_full",
    "ch.dist_backlog",
)
DESCRIPTION = (
    "Storage trouble of the ClickHouse server or one database: partitions with many parts, running merges, "
    "unfinished mutations with their error, detached "
    "parts, disks, rows waiting for other shards. Use it when inserts are slow or refused, or a disk fills."
)
_MANY = 20  # mutations, detached parts and queues that are shown
_BROKEN = ("broken", "unexpected", "noquorum", "covered-by-broken")


class Parts(Lean):
    """One partition with many parts, on the server that has most of them. ``to_delay_ratio`` is the count against the count at which
    inserts are slowed; ``hosts`` are all servers with so many, where there are several.
    """

    table: str
    partition: str
    parts: int
    rows: int = 0
    bytes: int = 0
    to_delay_ratio: float | None = None
    newest: str = ""
    host: str = ""
    hosts: list[str] = Field(default_factory=list)


class Mutation(Lean):
    """One unfinished mutation."""

    table: str
    id: str
    what: str
    since: str = ""
    age_s: int = 0
    parts_to_do: int = 0
    killed: bool = False
    failed_at: str = ""
    fail_reason: str = ""
    host: str = ""
    hosts: list[str] = Field(default_factory=list)


class Merge(Lean):
    """One running merge."""

    table: str
    elapsed_s: float
    done_ratio: float = 0
    parts: int = 0
    bytes: int = 0
    memory_bytes: int = 0
    mutation: bool = False
    host: str = ""


class Detached(Lean):
    """Detached parts of one table for one reason."""

    table: str
    reason: str
    count: int
    host: str = ""


class Waiting(Lean):
    """What a Distributed table has not sent yet."""

    table: str
    files: int
    bytes: int = 0
    errors: int = 0
    broken_files: int = 0
    blocked: bool = False
    message: str = ""
    host: str = ""


class StorageHealth(Envelope):
    """The answer of `get_storage_health`."""

    parts: list[Parts] = Field(default_factory=list)
    mutations: list[Mutation] = Field(default_factory=list)
    merges: list[Merge] = Field(default_factory=list)
    detached: list[Detached] = Field(default_factory=list)
    waiting: list[Waiting] = Field(default_factory=list)
    disks: list[Disk] = Field(default_factory=list)


def tools(context: Context) -> list[Tool]:
    async def get_storage_health(
        database: Annotated[str, Field(pattern=OPTIONAL_DATABASE, description="empty: all databases")] = "",
        min_parts: Annotated[int, Field(ge=1, le=100_000)] = 150,
        limit: Annotated[int, Field(ge=1, le=20)] = 10,
    ) -> Annotated[CallToolResult, StorageHealth]:
        reading, within = Reading(await context.database()), {"database": database}
        parts, mutations, merges, detached, disks, queue, limits, counted = await reading.all(
            (s.PARTS, {**within, "min_parts": min_parts, "limit": reading.share(limit + 1)}), (s.MUTATIONS, within), (s.MERGES, within),
            (s.DETACHED, within),
            (s.DISKS, {}), (s.QUEUE, within), (s.PART_LIMITS, {}), (s.PARTS_MAX, within),
        )  # fmt: skip
        delay_at = {clean(r["host"], 100): _number(r["value"]) for r in limits if r["name"] == "parts_to_delay_insert"}
        now = context.clock().timestamp()
        answer = StorageHealth(
            summary="",
            parts=[_parts(row, delay_at.get(clean(row["host"], 100), 0)) for row in parts[:limit]],
            mutations=[_mutation(row, now) for row in mutations[:_MANY]],
            merges=[_merge(row) for row in merges[:limit]],
            detached=[
                Detached(
                    table=_table(row),
                    reason=clean(row["why"], 60) or "by hand",
                    count=whole(row["n"]),
                    host=clean(row["host"], 100),
                )
                for row in detached[:_MANY]
            ],
            waiting=[_waiting(row) for row in queue[:_MANY]],
            disks=disks_of(disks),
            untrusted=["mutations[].what", "mutations[].fail_reason", "waiting[].message"],
        )
        if len(parts) > limit:
            answer.truncated, answer.page = True, Page(returned=limit, total=len(parts), total_is_lower_bound=True)
        answer.signals = [*_judge(answer, context, delay_at), *disk_signals(answer.disks, context.settings.thresholds)]
        await _sum_up(answer, reading, counted, min_parts, database)
        reading.into(answer)
        return ok(answer)

    return [strict.tool(get_storage_health, "get_storage_health", DESCRIPTION, SIGNALS)]


async def _sum_up(answer: StorageHealth, reading: Reading, counted: list[Row], min_parts: int, database: str) -> None:
    tables, parts = (whole(counted[0]["tables"]), whole(counted[0]["parts"])) if counted else (0, 0)
    fullest = answer.disks[0].used_ratio if answer.disks else None
    answer.summary = (
        f"{len(answer.parts)} partitions with {min_parts} parts or more, {len(answer.mutations)} unfinished "
        f"mutations, {len(answer.merges)} merges, "
        f"{sum(w.files for w in answer.waiting)} files for other shards{f', fullest disk {fullest:.0%}' if fullest is not None else ''}; "
        f"{number_of(parts)} parts in {tables} tables"
    )
    if not tables and s.PARTS_MAX.name not in reading.missing:
        where = f"database {database}" if database else "any database"
        answer.notes.append(
            f"no part of {where} is in sight: the database is empty or misspelt, or the user lacks SHOW TABLES, "
            "which hides rows without an error"
        )


def _table(row: Row) -> str:
    return clean(f"{row['database']}.{row['table']}", 200)


def _number(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return 0.0


def _parts(row: Row, delay_at: float) -> Parts:
    count = whole(row["active_parts"])
    return Parts(
        table=_table(row), partition=clean(row["partition_id"], 80), parts=count, rows=whole(row.get("n_rows")),
        bytes=whole(row.get("bytes")),
        to_delay_ratio=real(count / delay_at) if delay_at else None, newest=iso(row.get("newest")), host=clean(row["host"], 100),
        hosts=hosts_of(row),
    )  # fmt: skip


def _mutation(row: Row, now: float) -> Mutation:
    created = whole(row["created"])
    return Mutation(
        table=_table(row), id=clean(row["mutation_id"], 60), what=shape(row.get("command_text"), 160), since=iso(created),
        age_s=max(0, int(now) - created), parts_to_do=whole(row.get("parts_to_do")), killed=bool(row.get("is_killed")),
        failed_at=iso(row.get("failed_at")), fail_reason=said(row.get("reason"), 0, 200), host=clean(row["host"], 100),
        hosts=hosts_of(row),
    )  # fmt: skip


def _merge(row: Row) -> Merge:
    return Merge(
        table=_table(row), elapsed_s=real(row["elapsed_s"], 1), done_ratio=real(row["done"]), parts=whole(row.get("num_parts")),
        bytes=whole(row.get("bytes")),
        memory_bytes=whole(row.get("memory")), mutation=bool(row.get("is_mutation")), host=clean(row["host"], 100),
    )  # fmt: skip


def _waiting(row: Row) -> Waiting:
    return Waiting(
        table=_table(row), files=whole(row["data_files"]), bytes=whole(row.get("data_compressed_bytes")), errors=whole(row["error_count"]),
        broken_files=whole(row.get("broken_data_files")), blocked=bool(row.get("is_blocked")), message=said(row.get("message"), 210, 200),
        host=clean(row["host"], 100),
    )  # fmt: skip


def _judge(answer: StorageHealth, context: Context, delay_at: dict[str, float]) -> list[Signal]:
    t, found = context.settings.thresholds, list[Signal]()
    for p in answer.parts:
        if p.to_delay_ratio is not None and p.to_delay_ratio >= t["parts_ratio"]:
            slowed = delay_at[p.host]
            detail = f"partition {p.partition} of {p.table} has {p.parts} parts; inserts are slowed from {slowed:.0f}"
            found.append(
                signal(
                    "ch.too_many_parts",
                    f"ch/{p.host}/{p.table}",
                    detail,
                    value=p.parts,
                    threshold=slowed,
                    unit="parts",
                )
            )
    for m in answer.mutations:
        subject = f"ch/{m.host}/{m.table}"
        if m.fail_reason:
            detail = f"mutation {m.id} fails since {m.failed_at or m.since}: {m.fail_reason}"
            found.append(
                signal(
                    "ch.mutation_stuck",
                    subject,
                    detail,
                    reason="failing",
                    value=m.parts_to_do,
                    unit="parts",
                    since=m.since or None,
                )
            )
        elif m.age_s >= t["mutation_s"] and not m.killed:
            detail = f"mutation {m.id} has been running for {span_of(m.age_s)}, {m.parts_to_do} parts to do"
            found.append(
                signal(
                    "ch.mutation_stuck",
                    subject,
                    detail,
                    reason="slow",
                    value=m.age_s,
                    threshold=t["mutation_s"],
                    unit="s",
                    since=m.since or None,
                )
            )
    for g in answer.merges:
        if g.elapsed_s >= t["merge_s"]:
            detail = (
                f"a merge of {g.parts} parts, {size_of(g.bytes)}, has been running for {span_of(g.elapsed_s)} "
                f"and is {g.done_ratio:.0%} done"
            )
            found.append(
                signal(
                    "ch.merge_slow",
                    f"ch/{g.host}/{g.table}",
                    detail,
                    value=g.elapsed_s,
                    threshold=t["merge_s"],
                    unit="s",
                )
            )
    for d in answer.detached:
        if d.reason.startswith(_BROKEN):
            found.append(
                signal(
                    "ch.detached_broken",
                    f"ch/{d.host}/{d.table}",
                    f"{d.count} parts of {d.table} were detached as {d.reason}",
                    count=d.count,
                )
            )
    for w in answer.waiting:
        reason = "broken" if w.broken_files else "blocked" if w.blocked or w.errors else "waiting"
        if reason != "waiting" or w.files >= t["dist_files"]:
            detail = (
                f"{w.table} has {w.files} files, {size_of(w.bytes)}, to send{f'; {w.message}' if w.message else ''}"
            )
            found.append(
                signal(
                    "ch.dist_backlog",
                    f"ch/{w.host}/{w.table}",
                    detail,
                    reason=reason,
                    value=w.files,
                    threshold=t["dist_files"],
                    unit="files",
                )
            )
    return found
