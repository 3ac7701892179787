"""Atlas' events and alerts: what changed (in the shape that all servers use for changes), its alerts, its advice.

Of an event only closed words are used: its type, the cluster, the host. Its free text, users and addresses stay out, because a project's
members can write them.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mcp_servers.common.change import Change, ChangeKind, Relation, change
from mcp_servers.common.envelope import Lean
from mcp_servers.common.untrusted import clean
from mcp_servers.mongodb.atlas_series import when
from mcp_servers.mongodb.reading import iso, number, whole
from mcp_servers.mongodb.shapes import field, label, order

Json = dict[str, Any]
_TYPE = re.compile(r"[A-Z][A-Z0-9_]{2,80}")
# Pattern of an event's type -> kind; the first that fits. Reads, logins and Atlas' own alert bookkeeping are no changes.
_WORDS: tuple[tuple[str, ChangeKind], ...] = (
    (r"AUTO_?SCALING|AUTO_SCALE|AUTOSCALE", "autoscale"),
    (r"ALERT_CONFIG", "alert_rule"),
    (r"INDEX", "db_ddl"),
    (r"VERSION|UPGRADE|MAINTENANCE|FCV", "node_upgraded"),
    (r"PRIMARY_ELECTED|RESTART|FAILOVER|HOST_(NOW|DOWN|UP)|HOST_RECOVER|RESYNC|ROLLBACK|STEP_?DOWN", "restart"),
    (r"NETWORK_PERMISSION|IP_ACCESS|WHITELIST|ACCESS_LIST|PEER|PRIVATE_ENDPOINT|PRIVATE_LINK", "network_policy"),
    (
        r"DB_USER|DATABASE_USER|API_KEY|SERVICE_ACCOUNT|SECRET|CERT|ENCRYPTION_KEY|PASSWORD|ROLE|LDAP|X509",
        "secret_meta",
    ),
    (r"INSTANCE_SIZE|CLUSTER_TIER|DISK_SIZE|RESIZE|SCAL", "scale"),
    (r"CLUSTER_CREATED|NODE_ADDED|HOST_ADDED|SHARD_ADDED", "node_added"),
    (r"CLUSTER_DELETED|CLUSTER_PAUSED|PAUSE|NODE_REMOVED|HOST_REMOVED|SHARD_REMOVED", "node_removed"),
    (r"CLUSTER_(UPDATE|RESUM|CONFIG|READY)|PROCESS_ARGS|PROJECT_SETTINGS|AUDIT_?LOG_CONFIG|CONFIG", "db_config"),
)
_KINDS = tuple((re.compile(pattern), kind) for pattern, kind in _WORDS)
_NO_CHANGE = re.compile(
    r"LOGIN|_VIEWED|_READ$|DOWNLOAD|INVITE|JOINED|^ALERT_(ACK|UNACK)|BILLING|CREDIT|INVOICE|SUBMITTED$"
)


class AtlasAlert(Lean):
    """``value`` is the one that raised it, in ``unit`` (Atlas' word)."""

    type: str
    status: str
    cluster: str = ""
    host: str = ""
    metric: str = ""
    value: float | None = None
    unit: str = ""
    since: str = ""
    resolved: str = ""


class SuggestedIndex(Lean):
    """An index that Atlas advises. ``impact`` is Atlas' own weight; the mean time and count are of the shapes it would help."""

    ns: str
    index: str
    impact: float | None = None
    avg_ms: float | None = None
    count: int | None = None


def change_of(event: Json, cluster: str, onset: datetime) -> Change | None:
    """An event as a `Change`; ``None`` for what changes nothing, for other clusters', and for what is not an event at all."""
    name, at = event.get("eventTypeName"), when(event.get("created"))
    if not isinstance(name, str) or not _TYPE.fullmatch(name) or at is None or _NO_CHANGE.search(name):
        return None
    kind = next((k for pattern, k in _KINDS if pattern.search(name)), None)
    of = label(event.get("clusterName") or event.get("targetClusterName"), 64)
    if kind is None or (cluster and of and of != cluster):
        return None
    host = label(event.get("hostname") or event.get("userAlias"), 200)
    relation: Relation = "self" if (of and of == cluster) or host else "cluster" if cluster else "self"
    if kind in ("network_policy", "secret_meta", "db_config"):
        relation = "self"  # of the whole project, and so of every cluster in it
    who = "a member of the project" if event.get("userId") or event.get("username") else ""
    return change(
        kind,
        f"mongo/{host or of or cluster or 'project'}",
        at,
        "exact",
        onset=onset,
        relation=relation,
        what=name.lower().replace("_", " "),
        actor=who or ("an API key" if event.get("apiKeyId") or event.get("publicKey") else "Atlas"),
        sources=["atlas events"],
    )


def changes_of(events: list[Json], cluster: str, onset: datetime) -> list[Change]:
    """The changes among ``events``, the most suspicious first; equal ones of a minute count once."""
    found: dict[tuple[str, str, str], Change] = {}
    for event in events:
        one = change_of(event, cluster, onset)
        if one is not None:
            found.setdefault((one.target, one.what, one.at[:16]), one)
    newest = sorted(found.values(), key=lambda c: (c.at, c.target, c.what), reverse=True)
    return sorted(newest, key=lambda c: -c.score)


def alert_of(row: Json, cluster: str) -> AtlasAlert | None:
    name, of = row.get("eventTypeName"), label(row.get("clusterName"), 64)
    if not isinstance(name, str) or not _TYPE.fullmatch(name) or (cluster and of and of != cluster):
        return None
    metric, units = row.get("metricName"), None
    current = row.get("currentValue")
    if isinstance(current, Mapping):
        units = current.get("units")
    return AtlasAlert(
        type=name,
        status=_word(row.get("status")),
        cluster=of,
        host=label(row.get("hostnameAndPort"), 200),
        metric=_word(metric),
        value=number(row, "currentValue", "number"),
        unit=_word(units),
        since=iso(when(row.get("created"))),
        resolved=iso(when(row.get("resolved"))),
    )


def _word(value: Any) -> str:
    return value if isinstance(value, str) and _TYPE.fullmatch(value) else ""


def indexes_of(reply: Json, limit: int = 5) -> list[SuggestedIndex]:
    """Atlas' advice, the weightiest first; the sample operations, which hold literals, are never looked at."""
    shapes = {str(s.get("id")): s for s in _rows(reply, "shapes")}
    told = []
    for row in _rows(reply, "suggestedIndexes"):
        helped = [shapes[str(i)] for i in _list(row.get("impact")) if str(i) in shapes]
        parts = [p for p in _list(row.get("index")) if isinstance(p, Mapping) and len(p) == 1]
        key = "{" + ", ".join(order(p)[1:-1] for p in parts[:12]) + "}"
        counts = [c for s in helped if (c := whole(s, "count")) is not None]
        times = [t for s in helped if (t := number(s, "avgMs")) is not None]
        told.append(
            SuggestedIndex(
                ns=".".join(
                    field(p) if i else label(p, 64)
                    for i, p in enumerate(clean(row.get("namespace"), 160).split(".", 1))
                ),
                index=key,
                impact=number(row, "weight"),
                avg_ms=round(max(times), 1) if times else None,
                count=sum(counts) if counts else None,
            )
        )
    return sorted(told, key=lambda i: (-(i.impact or 0), i.ns, i.index))[:limit]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _rows(reply: Json, name: str) -> list[Json]:
    return [row for row in _list(reply.get(name)) if isinstance(row, dict)]
