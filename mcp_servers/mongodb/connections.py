"""Who holds how many connections, from ``serverStatus`` taken twice and ``$currentOp`` grouped by client in the server."""

from collections.abc import Mapping
from typing import Any

from mcp_servers.common.envelope import Lean, Signal
from mcp_servers.common.signals import signal
from mcp_servers.mongodb.reading import number, rate, ratio, whole
from mcp_servers.mongodb.shapes import label

Json = dict[str, Any]
CODES = ("mongo.conn_saturated", "mongo.conn_storm", "mongo.conn_rejected", "mongo.one_client_dominates")
UNKNOWN_LIMIT = "does not report how many connections it can take"
SHOWN = 8
MOST = 300  # groups of one member; a fleet of pods is a group each
_CLIENT: Json = {"$ifNull": ["$client", "internal"]}
# Connections that the members of a set and the routers open to each other.
_INTERNAL = ("NetworkInterfaceTL", "MongoDB Internal Client", "mongo_internal")


def by_client(*, router: bool = False) -> Json:
    """The command that counts connections by client in the server. ``router``: those of the mongos itself, not those of its shards."""
    scope: Json = {"allUsers": True, "idleConnections": True, "idleSessions": False, "truncateOps": True}
    if router:
        scope["localOps"] = True
    # "10.0.0.7:4711" and "[2001:db8::7]:4711"
    brackets = {"$eq": [{"$substrBytes": [_CLIENT, 0, 1]}, "["]}
    address = {"$split": [_CLIENT, {"$cond": [brackets, "]", ":"]}]}
    group = {
        "_id": {
            "app": "$appName",
            "client": {"$arrayElemAt": [address, 0]},
            "driver": "$clientMetadata.driver.name",
        },
        "n": {"$sum": 1},
        "active": {"$sum": {"$cond": ["$active", 1, 0]}},
    }
    pipeline = [{"$currentOp": scope}, {"$group": group}, {"$sort": {"n": -1}}, {"$limit": MOST}]
    return {"aggregate": 1, "pipeline": pipeline, "cursor": {"batchSize": MOST + 1}}


class MemberConnections(Lean):
    """Counts are connections; ``created_per_s`` is measured over one second, ``created_mean_per_s`` since the start."""

    host: str
    role: str
    current: int | None = None
    available: int | None = None
    limit: int | None = None
    usage_ratio: float | None = None
    active: int | None = None
    in_use_ratio: float | None = None
    awaiting: int | None = None
    created_per_s: float | None = None
    created_mean_per_s: float | None = None
    rejected: int | None = None


class Client(Lean):
    """Connections of one application from one host, over all members that answered."""

    app_name: str
    host_group: str
    driver: str
    count: int
    active: int


def member_row(label: str, role: str, first: Json, second: Json, seconds: float) -> MemberConnections:
    """One member from two replies to ``serverStatus`` that lie ``seconds`` apart."""
    now = second.get("connections") or {}
    current, available = whole(now, "current"), whole(now, "available")
    # A server that counts neither active connections nor a limit reports 0 for the latter: that is no full server.
    limit = None if available is None or (available == 0 and "active" not in now) else (current or 0) + available
    total, uptime = number(now, "totalCreated"), number(second, "uptime")
    return MemberConnections(
        host=label,
        role=role,
        current=current,
        available=available if limit is not None else None,
        limit=limit,
        usage_ratio=ratio(current, limit),
        active=whole(now, "active"),
        in_use_ratio=ratio(number(now, "active"), current),
        awaiting=whole(now, "awaitingTopologyChanges"),
        created_per_s=rate(first, second, seconds, "connections", "totalCreated"),
        created_mean_per_s=round(total / uptime, 3) if total is not None and uptime else None,
        rejected=whole(now, "rejected"),
    )


def member_signals(
    row: MemberConnections, first: Json, second: Json, seconds: float, limits: Mapping[str, float]
) -> list[Signal]:
    found: list[Signal] = []
    subject = f"mongo/{row.host}"
    if row.usage_ratio is not None and row.usage_ratio >= limits["conn_ratio"]:
        found.append(
            signal(
                "mongo.conn_saturated",
                subject,
                f"{row.current} of {row.limit} connections are in use ({row.usage_ratio:.0%})",
                value=row.usage_ratio,
                threshold=limits["conn_ratio"],
                unit="ratio",
            )
        )
    made, usual = row.created_per_s, row.created_mean_per_s
    # the mean of a server that has just started is its start, so it needs some minutes to say anything
    settled = (number(second, "uptime") or 0) >= 300
    storm = limits["conn_created_per_s"], limits["conn_created_factor"]
    if made is not None and usual is not None and settled and made > storm[0] and made > storm[1] * usual:
        found.append(
            signal(
                "mongo.conn_storm",
                subject,
                f"{made:g} new connections a second, {usual:g} on average since the start",
                value=made,
                baseline=usual,
                threshold=storm[0],
                unit="per_s",
            )
        )
    refused = rate(first, second, seconds, "connections", "rejected")
    if refused:
        found.append(
            signal(
                "mongo.conn_rejected",
                subject,
                f"{refused:g} connections a second are rejected; {row.rejected} since the start",
                value=refused,
                unit="per_s",
                count=row.rejected,
            )
        )
    return found


def clients(groups: list[Json]) -> list[Client]:
    """The groups of all members, added up, the largest first. Threads of the server itself are left out."""
    sums: dict[tuple[str, str, str], list[int]] = {}
    for group in groups:
        who = group.get("_id") or {}
        app, host, driver = (label(who.get(k)) for k in ("app", "client", "driver"))
        if driver.startswith(_INTERNAL) or (not app and not driver and host in ("", "internal")):
            continue
        counts = sums.setdefault((app, "" if host == "internal" else host.lstrip("_["), driver), [0, 0])
        counts[0] += whole(group, "n") or 0
        counts[1] += whole(group, "active") or 0
    rows = [Client(app_name=a, host_group=h, driver=d, count=n, active=x) for (a, h, d), (n, x) in sums.items()]
    return sorted(rows, key=lambda r: (-r.count, r.app_name, r.host_group))


def dominating(rows: list[Client], subject: str, limits: Mapping[str, float]) -> list[Signal]:
    """The application that holds most connections, over all of its hosts."""
    total = sum(r.count for r in rows)
    shares: dict[str, int] = {}
    for row in rows:
        shares[row.app_name or row.driver] = shares.get(row.app_name or row.driver, 0) + row.count
    name, most = max(shares.items(), key=lambda s: s[1], default=("", 0))
    if total < limits["client_min"] or most / total < limits["client_share"]:
        return []
    share = round(most / total, 4)
    detail = f"{name or 'a client without a name'} holds {most} of {total} client connections ({share:.0%})"
    return [
        signal(
            "mongo.one_client_dominates",
            subject,
            detail,
            value=share,
            threshold=limits["client_share"],
            unit="ratio",
            count=most,
        )
    ]
