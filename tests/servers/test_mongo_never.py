"""What the MongoDB server never does, seen on the wire and in its answers: no command but its reads, no secret, no value of a document."""

import json
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from mongo_fixture import NOW, set_status, status
from mongo_wire import RecordedMember, Refusal, Room, seconds_apart
from pymongo import monitoring

from mcp_servers.mongodb import connections, sampling

sys.path.append(str(Path(__file__).parents[1]))
from secrets_corpus import Secret, known_secrets

Json = dict[str, Any]
# The whole of what this server may ever send. A command that is added to the server fails here until somebody has read this line.
ALLOWED = {
    "aggregate", "buildInfo", "connectionStatus", "dbStats", "find", "getLog", "getParameter", "hello", "listDatabases", "profile",
    "replSetGetConfig", "replSetGetStatus", "serverStatus",
}  # fmt: skip
# What the driver sends by itself: the first greeting, proof of who it is, goodbye.
DRIVER = {"hello", "ismaster", "saslStart", "saslContinue", "endSessions"}
STAGES = {"$currentOp", "$collStats", "$indexStats", "$group", "$limit", "$match", "$sort", "$project"}
OPERATORS = STAGES | {
    "$db", "$readPreference", "$natural", "$or", "$ne", "$exists", "$gte", "$lte", "$sum", "$cond", "$eq", "$ifNull", "$split",
    "$arrayElemAt", "$substrBytes",
}  # fmt: skip
CALLS: dict[str, Json] = {
    "get_collection_stats": {"namespace": "shop.orders"},
    "get_connection_metrics": {},
    "get_current_operations": {"min_secs": 0, "limit": 30},
    "get_database_health": {},
    "get_query_performance": {"min_ms": 0, "limit": 25},
    "get_replication_status": {"limit": 50},
    "health": {},
}
SECRETS = known_secrets()
BATCH = 16
BATCHES = [SECRETS[i : i + BATCH] for i in range(0, len(SECRETS), BATCH)]


@pytest.fixture(autouse=True, scope="module")
def _fast_and_wide() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sampling, "APART_S", 0.0)
        patch.setattr(connections, "SHOWN", BATCH)
        yield


class Watching(monitoring.CommandListener):
    """Keeps what leaves, as the driver sends it."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Json]] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self.sent.append((event.command_name, dict(event.command)))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None: ...

    def failed(self, event: monitoring.CommandFailedEvent) -> None: ...


watching = Watching()


@pytest.fixture(scope="module")
def shared() -> Iterator[Room]:
    with pytest.MonkeyPatch.context() as patch:
        # every client made from here on reports to the listener, the server's own included
        patch.setattr(monitoring, "_LISTENERS", monitoring._Listeners([watching], [], [], [], []))
        with Room(RCA_MAX_RESULT_BYTES="24000") as room:
            yield room


@pytest.fixture
def room(shared: Room) -> Room:
    shared.deployment.calm()
    watching.sent.clear()
    return shared


def keys(value: Any) -> set[str]:
    if isinstance(value, dict):
        return {str(k) for k in value} | {k for inner in value.values() for k in keys(inner)}
    return {k for inner in value for k in keys(inner)} if isinstance(value, list) else set()


def profiled(member: RecordedMember) -> None:
    member.replies |= {
        "profile": {"was": 1, "slowms": 100},
        "find": [{"ts": NOW, "ns": "shop.orders", "op": "query", "millis": 120, "command": {"find": "orders"}}],
        "$collStats": [{"count": 3}],
        "$indexStats": [{"name": "_id_", "key": {"_id": 1}, "accesses": {"ops": 1, "since": NOW}}],
    }


def test_only_reads_leave_whatever_tool_is_called(room: Room) -> None:
    room.deployment.everywhere(profiled)
    for tool, arguments in CALLS.items():
        assert "error" not in room.ask(tool, **arguments), tool
        assert "error" not in room.ask(
            tool, **{**arguments, **({"namespace": "shop.orders"} if "min_" in str(arguments) else {})}
        )
    names = {name for name, _ in watching.sent}
    assert names - DRIVER == ALLOWED - DRIVER
    for name, body in watching.sent:
        if name in DRIVER - {"hello"}:
            continue
        dollars = {k for k in keys(body) if k.startswith("$")}
        assert dollars <= OPERATORS, (name, dollars - OPERATORS)
        assert 0 < body["maxTimeMS"] <= 8_000, name
        if name == "aggregate":
            assert {next(iter(stage)) for stage in body["pipeline"]} <= STAGES
            assert next(iter(body["pipeline"][0])) in ("$currentOp", "$collStats", "$indexStats")
            assert any("$limit" in stage for stage in body["pipeline"])
        if name == "find":
            assert (body["find"], body["singleBatch"]) == ("system.profile", True)
            assert 0 < body["limit"] <= 1_000
        if name == "profile":
            assert body["profile"] == -1
            assert "slowms" not in body
        if name == "getLog":
            assert body["getLog"] == "global"
    # what arrived is what the driver said it sends
    arrived = {next(iter(body)) for m in room.deployment.members for _, body in m.asked}
    assert arrived == names - DRIVER


def slow_line(n: int, text: str) -> str:
    attr = {
        "type": "command",
        "ns": f"shop.orders_{n}",
        "appName": text,
        "command": {"find": "orders", "filter": {text: text, "card": text}, "comment": text, "sort": {text: 1}},
        "planSummary": f"IXSCAN {{ {text}: 1 }}",
        "durationMillis": 300,
        "remote": text,
        "errMsg": text,
        "planCacheShapeHash": text,
    }
    return json.dumps(
        {"t": {"$date": (NOW - timedelta(minutes=5)).isoformat()}, "id": 51_803, "msg": "Slow query", "attr": attr}
    )


def plant(member: RecordedMember, lines: list[str]) -> None:
    """Every place where a client, a user or an operator can write words."""
    running = [
        {"type": "op", "active": True, "opid": n, "op": "query", "microsecs_running": 9_000_000, "client": f"10.0.0.{n}:1", "appName": t,
         "ns": f"shop.{t}", "desc": t, "command": {"find": "o", "filter": {t: t}, "comment": t}, "planSummary": t,
         "clientMetadata": {"application": {"name": t}, "driver": {"name": t}}, "effectiveUsers": [{"user": t}], "msg": t}
        for n, t in enumerate(lines)
    ]  # fmt: skip
    indexes = [{"name": t, "key": {t: 1}, "accesses": {"ops": 0, "since": NOW - timedelta(days=30)}, "spec": {"partialFilterExpression": {t: t}}} for t in lines]  # fmt: skip
    seen = set_status()
    seen["members"] += [
        {
            **seen["members"][1],
            "name": f"x{n}:1",
            "lastHeartbeatMessage": t,
            "infoMessage": t,
            "syncSourceHost": t,
            "stateStr": t,
        }
        for n, t in enumerate(lines)
    ]
    seen["electionCandidateMetrics"]["lastElectionReason"] = lines[0]
    stats = {"count": 3, "storageStats": {"size": 9, "indexSizes": dict.fromkeys(lines, 7), "indexBuilds": lines}}
    told = status(version=lines[0], host=lines[0], storageEngine={"name": lines[0]})
    member.replies |= {
        "serverStatus": seconds_apart(told, told),
        "replSetGetStatus": seen,
        "replSetGetConfig": {"config": {"members": [{"host": "m2:27017", "tags": {t: t for t in lines}}]}},
        "buildInfo": {"version": lines[0]},
        "getParameter": {"featureCompatibilityVersion": {"version": lines[0]}},
        "connectionStatus": {"authInfo": {"authenticatedUsers": [{"user": lines[0], "db": "admin"}], "authenticatedUserRoles": [{"role": t, "db": "admin"} for t in lines]}},
        "clients": [{"_id": {"app": t, "client": t, "driver": t}, "n": 30, "active": 1} for t in lines],
        "$currentOp": running,
        "$collStats": [stats],
        "$indexStats": indexes,
        "listDatabases": {"databases": [{"name": t, "sizeOnDisk": 9} for t in [*lines[:5], "shop"]]},
        "getLog": {"log": [*(slow_line(n, t) for n, t in enumerate(lines)), *lines]},
    }  # fmt: skip


@pytest.mark.parametrize("number", range(len(BATCHES)))
def test_no_planted_secret_comes_out_of_any_tool(room: Room, number: int) -> None:
    batch = BATCHES[number]
    lines = [s.line for s in batch]
    for member in room.deployment.members[:2]:
        plant(member, lines)
    third = room.deployment.members[2]
    profile = [{"ts": NOW - timedelta(minutes=5), "ns": f"shop.o{n}", "op": t, "millis": 300, "appName": t, "planSummary": t, "queryHash": t,
                "command": {"aggregate": "o", "pipeline": [{"$match": {t: t}}, {"$group": {"_id": t}}]}} for n, t in enumerate(lines)]  # fmt: skip
    third.replies |= {"profile": {"was": 2}, "find": profile}
    shown: dict[str, Json] = {}
    for tool, arguments in CALLS.items():
        answer = shown[tool] = room.ask(tool, **arguments)
        assert "error" not in answer, tool
        assert leaked(answer, batch) == [], tool
    # the planted text did come so far: what is missing above was taken out, not left out
    assert len(shown["get_connection_metrics"]["by_client"]) > 1
    assert len(shown["get_query_performance"]["groups"]) > 1
    assert len(shown["get_current_operations"]["operations"]) > 1
    assert len(shown["get_replication_status"]["set"]["members"]) > 1
    assert len(shown["get_collection_stats"]["members"][0]["indexes"]) > 1
    assert len(shown["health"]["roles"]) > 1


def leaked(answer: Json, batch: list[Secret]) -> list[str]:
    text = json.dumps(answer, ensure_ascii=False)
    return [s.kind for s in batch if s.core in text]


@pytest.mark.parametrize("code", [13, 20, 59, 8000, 99_999])
def test_what_the_server_quotes_in_a_refusal_is_not_repeated(room: Room, code: int) -> None:
    told = "\n".join(s.line for s in SECRETS)
    for name in ("serverStatus", "replSetGetStatus", "getLog", "clients", "$currentOp", "$collStats", "listDatabases"):
        room.deployment.everywhere(lambda m, name=name: m.replies.update({name: Refusal(code, told)}))  # type: ignore[misc]
    for tool, arguments in CALLS.items():
        answer = room.ask(tool, **arguments)
        assert "error" in answer or "partial" in answer or "permissions" in answer, tool
        assert leaked(answer, SECRETS) == [], tool
