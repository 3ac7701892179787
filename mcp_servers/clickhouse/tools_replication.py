"""`get_replication_status`: replicas that are read-only, behind, or miss others, and what their queues wait for."""

from typing import Annotated

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.clickhouse import state_statements as s
from mcp_servers.clickhouse.context import Context
from mcp_servers.clickhouse.merging import Row
from mcp_servers.clickhouse.reading import Reading, iso, number_of, span_of, whole
from mcp_servers.clickhouse.texts import said
from mcp_servers.common import strict
from mcp_servers.common.envelope import Envelope, Lean, Page, Signal, ok
from mcp_servers.common.signals import signal
from mcp_servers.common.untrusted import clean

SIGNALS = ("ch.readonly_replica", "ch.repl_lag", "ch.keeper_down")
DESCRIPTION = (
    "Replicated tables in trouble: read-only replicas, delay, long queues, missing replicas, expired Keeper "
    "sessions, and the queue entries that fail or wait, "
    "with their errors. An empty answer means that every replicated table in sight is in step."
)
STUCK_TRIES = 10


class Replica(Lean):
    """One replica of one table that is in trouble."""

    table: str
    host: str = ""
    readonly: bool = False
    session_expired: bool = False
    delay_s: int = 0
    queue: int = 0
    inserts_in_queue: int = 0
    merges_in_queue: int = 0
    replicas: int = 0
    replicas_active: int = 0
    oldest: str = ""
    message: str = ""


class QueueEntry(Lean):
    """Entries of one kind in one table's queue that fail or have waited for more than ten minutes."""

    table: str
    kind: str
    count: int
    tries: int = 0
    oldest: str = ""
    message: str = ""
    host: str = ""


class ReplicationStatus(Envelope):
    """The answer of `get_replication_status`. ``replicated_tables`` and their replicas on the servers that answered count what was
    looked at.
    """

    replicated_tables: int = 0
    replicas_seen: int = 0
    replicas: list[Replica] = Field(default_factory=list)
    queue: list[QueueEntry] = Field(default_factory=list)


def tools(context: Context) -> list[Tool]:
    async def get_replication_status(
        limit: Annotated[int, Field(ge=1, le=30)] = 15,
    ) -> Annotated[CallToolResult, ReplicationStatus]:
        reading, t = Reading(await context.database()), context.settings.thresholds
        bounds = {"max_delay": int(t["replica_delay_s"]), "max_queue": int(t["replica_queue"])}
        rows = await reading.must(s.REPLICAS, bounds)
        counted, queue = await reading.all((s.REPLICA_COUNT, {}), (s.REPLICATION_QUEUE, {}))
        answer = ReplicationStatus(
            summary="",
            replicated_tables=whole(counted[0]["tables"]) if counted else 0,
            replicas_seen=whole(counted[0]["n"]) if counted else 0,
            replicas=[_replica(row) for row in rows[:limit]],
            queue=[_entry(row) for row in queue[:limit]],
            untrusted=["replicas[].message", "queue[].message"],
        )
        if len(rows) > limit:
            answer.truncated, answer.page = True, Page(returned=limit, total=len(rows), total_is_lower_bound=True)
        answer.signals = [
            *_judge(answer.replicas, t["replica_delay_s"], t["replica_queue"]),
            *_judge_queue(answer.queue),
        ]
        readonly = sum(bool(r["is_readonly"]) for r in rows)
        behind = max((whole(r["absolute_delay"]) for r in rows), default=0)
        if answer.replicas or answer.queue:
            answer.summary = (
                f"{len(rows)} of {answer.replicas_seen} replicas of {answer.replicated_tables} tables in trouble: "
                f"{readonly} read-only, the slowest {span_of(behind)} behind; "
                f"{sum(q.count for q in answer.queue)} queue entries fail or wait"
            )
        elif answer.replicated_tables:
            answer.summary = f"all {number_of(answer.replicated_tables)} replicated tables are in step"
        else:
            answer.summary = "no replicated table is in sight"
            answer.notes.append(
                "there are none, or the user lacks SHOW TABLES on them, which hides rows without an error"
            )
        reading.into(answer)
        return ok(answer)

    return [strict.tool(get_replication_status, "get_replication_status", DESCRIPTION, SIGNALS)]


def _replica(row: Row) -> Replica:
    return Replica(
        table=clean(f"{row['database']}.{row['table']}", 200),
        host=clean(row["host"], 100),
        readonly=bool(row["is_readonly"]),
        session_expired=bool(row["is_session_expired"]),
        delay_s=whole(row["absolute_delay"]),
        queue=whole(row["queue_size"]),
        inserts_in_queue=whole(row.get("inserts_in_queue")),
        merges_in_queue=whole(row.get("merges_in_queue")),
        replicas=whole(row["total_replicas"]),
        replicas_active=whole(row["active_replicas"]),
        oldest=iso(row.get("oldest")),
        message=said(row.get("keeper_message") or row.get("queue_message"), 999, 200),
    )


def _entry(row: Row) -> QueueEntry:
    return QueueEntry(
        table=clean(f"{row['database']}.{row['table']}", 200),
        kind=clean(row["type"], 40),
        count=whole(row["n"]),
        tries=whole(row["max_tries"]),
        oldest=iso(row.get("oldest")),
        message=said(row.get("message") or row.get("postponed"), 999, 200),
        host=clean(row["host"], 100),
    )


def _judge(replicas: list[Replica], max_delay: float, max_queue: float) -> list[Signal]:
    found: list[Signal] = []
    for r in replicas:
        subject = f"ch/{r.host}/{r.table}"
        if r.session_expired:
            found.append(
                signal(
                    "ch.keeper_down",
                    subject,
                    f"the Keeper session of {r.table} has expired{f': {r.message}' if r.message else ''}",
                )
            )
        if r.readonly:
            found.append(
                signal(
                    "ch.readonly_replica", subject, f"{r.table} takes no writes{f': {r.message}' if r.message else ''}"
                )
            )
        if r.delay_s > max_delay:
            detail = f"{r.table} is {span_of(r.delay_s)} behind, {r.queue} entries in its queue"
            found.append(
                signal("ch.repl_lag", subject, detail, reason="delay", value=r.delay_s, threshold=max_delay, unit="s")
            )
        elif r.queue > max_queue:
            detail = f"{r.table} has {r.queue} entries in its queue"
            found.append(
                signal(
                    "ch.repl_lag",
                    subject,
                    detail,
                    reason="queue",
                    value=r.queue,
                    threshold=max_queue,
                    unit="entries",
                    since=r.oldest or None,
                )
            )
        if r.replicas_active < r.replicas:
            detail = f"{r.replicas_active} of {r.replicas} replicas of {r.table} are active"
            found.append(
                signal(
                    "ch.repl_lag",
                    subject,
                    detail,
                    reason="replicas_missing",
                    value=r.replicas_active,
                    threshold=r.replicas,
                    unit="replicas",
                )
            )
    return found


def _judge_queue(queue: list[QueueEntry]) -> list[Signal]:
    found: list[Signal] = []
    for e in queue:
        if e.tries >= STUCK_TRIES:
            detail = (
                f"{e.count} {e.kind} of {e.table} fail after {e.tries} tries{f': {e.message}' if e.message else ''}"
            )
            found.append(
                signal(
                    "ch.repl_lag",
                    f"ch/{e.host}/{e.table}",
                    detail,
                    reason="stuck",
                    value=e.tries,
                    threshold=STUCK_TRIES,
                    count=e.count,
                    since=e.oldest or None,
                )
            )
    return found
