"""Atlas through real HTTP against a stand-in: what is asked, what is answered, what a refusal says, what never appears."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mongo_fixture import call, free_port

from mcp_servers.common.config import ConfigError
from mcp_servers.mongodb import atlas_client
from mcp_servers.mongodb.atlas_changes import change_of, indexes_of
from mcp_servers.mongodb.server import create_server
from mcp_servers.mongodb.settings import load
from sandbox.atlas.server import PROJECT, AtlasStandIn, problem

sys.path.append(str(Path(__file__).parents[1]))
from secrets_corpus import known_secrets

Json = dict[str, Any]
PRIMARY = "mongo/orders-shard-00-00.x1y2z.mongodb.net:27017"
TOOLS: dict[str, Json] = {
    "get_atlas_activity": {},
    "get_atlas_metrics": {},
    "get_connection_metrics": {},
    "get_database_health": {},
    "get_query_performance": {"min_ms": 0},
    "health": {},
}


class Stage:
    """The stand-in, and the environment that points a server at it."""

    def __init__(self, atlas: AtlasStandIn, url: str) -> None:
        self.atlas, self.url = atlas, url

    def environ(self, who: str = "reader", secret: str = "", **more: str) -> dict[str, str]:
        keys = {"RCA_ATLAS_CLIENT_ID": f"mdb_sa_{who}", "RCA_ATLAS_CLIENT_SECRET": secret or f"{who}-secret"}
        return {
            "RCA_ATLAS_BASE_URL": self.url,
            "RCA_ATLAS_PROJECT_ID": PROJECT,
            "RCA_ATLAS_CLUSTER": "orders",
            **keys,
            **more,
        }

    async def ask(self, tool: str, **arguments: Any) -> Json:
        return await call(self.environ(), tool, **arguments)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    atlas = AtlasStandIn()
    async with atlas as url:
        yield Stage(atlas, url)


def ago(minutes: float) -> str:
    return (datetime.now(UTC) - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def slow_line(minutes: float = 5, **attr: Any) -> str:
    told = {"type": "command", "ns": "shop.orders", "command": {"find": "orders", "filter": {"card": "4000-1"}}, "durationMillis": 900,
            "planSummary": "COLLSCAN", "docsExamined": 90_000, "keysExamined": 0, "nreturned": 3, "appName": "checkout"}  # fmt: skip
    return json.dumps({"t": {"$date": ago(minutes)}, "id": 51803, "msg": "Slow query", "attr": {**told, **attr}})


async def test_everything_is_a_get_and_one_post_for_the_token(stage: Stage) -> None:
    async with Client(create_server(stage.environ())) as client:
        for name, arguments in TOOLS.items():
            result = await client.call_tool(name, arguments)
            assert not result.is_error, (name, result.structured_content)
    posts = [path for method, path, _ in stage.atlas.asked if method != "GET"]
    assert posts == ["/api/oauth/token"]
    for _, path, query in stage.atlas.asked:
        if path.endswith("slowQueryLogs"):
            assert int(dict(query)["nLogs"]) <= 200
            assert "duration" in dict(query)


async def test_a_path_that_nobody_thought_of_never_leaves(stage: Stage) -> None:
    atlas = atlas_client.Atlas.open(load(stage.environ()))
    try:
        with pytest.raises(ValueError, match="not a reading path"):
            await atlas.group("/clusters/orders/restartPrimaries")
        with pytest.raises(ValueError, match="not a reading path"):
            await atlas.group("/processes/../databaseUsers")
    finally:
        await atlas.close()
    assert stage.atlas.asked == []


async def test_one_token_serves_all_and_is_renewed_before_it_ends(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.atlas.slow_token_s = 0.05
    atlas = atlas_client.Atlas.open(load(stage.environ()))
    try:
        await asyncio.gather(*(atlas.rows("/processes") for _ in range(6)))
        tokens = [p for _, p, _ in stage.atlas.asked if p.endswith("token")]
        assert len(tokens) == 1
        later = atlas_client.monotonic() + 0.81 * 3_600
        monkeypatch.setattr(atlas_client, "monotonic", lambda: later)
        await atlas.rows("/processes")
    finally:
        await atlas.close()
    assert len([p for _, p, _ in stage.atlas.asked if p.endswith("token")]) == 2


async def test_an_old_key_pair_answers_the_digest_challenge(stage: Stage) -> None:
    base = {k: v for k, v in stage.environ().items() if "CLIENT" not in k}
    pair = {"RCA_ATLAS_PUBLIC_KEY": "oldpublic", "RCA_ATLAS_PRIVATE_KEY": "old-private"}
    assert (await call({**base, **pair}, "get_atlas_metrics"))["series"]
    assert set(stage.atlas.accepted) == {"oldpublic"}
    wrong = await call({**base, **pair, "RCA_ATLAS_PRIVATE_KEY": "not-it-77"}, "get_atlas_metrics")
    assert wrong["error"]["code"] == "UNAUTHORIZED"
    assert "RCA_ATLAS_PRIVATE_KEY" in wrong["error"]["hint"]
    assert "not-it-77" not in json.dumps(wrong)


async def test_credentials_right_wrong_weak_and_too_powerful(stage: Stage) -> None:
    right = await stage.ask("health")
    assert "refused" not in right
    assert {p["state"] for p in right["permissions"]} <= {"ok", "off"}
    wrong = await call(stage.environ(secret="wr0ng-77"), "get_atlas_metrics")
    assert wrong["error"]["code"] == "UNAUTHORIZED"
    assert "wr0ng-77" not in json.dumps(wrong)
    weak = await call(stage.environ("weak"), "health")
    rows = {p["tool"]: p for p in weak["permissions"]}
    assert rows["get_query_performance"]["state"] == "forbidden"
    assert any("Project Observability Viewer" in w or "missing" in w for w in weak["warnings"])
    owner = await call(stage.environ("owner"), "get_atlas_metrics")
    assert owner["error"]["code"] == "FORBIDDEN"
    assert "Project Read Only" in owner["error"]["hint"]
    assert (await call(stage.environ("owner"), "health"))["can_write"] == ["Atlas role GROUP_OWNER"]
    assert (await call(stage.environ("owner", RCA_ALLOW_PRIVILEGED="1"), "get_atlas_metrics"))["series"]


@pytest.mark.parametrize(
    ("status", "code", "word", "headers", "says"),
    [
        (403, "IP_ADDRESS_NOT_ON_ACCESS_LIST", "FORBIDDEN", {}, "203.0.113.7"),
        (403, "USER_UNAUTHORIZED", "FORBIDDEN", {}, "Project Read Only"),
        (429, "RATE_LIMITED", "RATE_LIMITED", {"Retry-After": "30"}, "later"),
        (400, "CANNOT_USE_FLEX_CLUSTER", "UNSUPPORTED", {}, "Flex"),
        (503, "UNEXPECTED_ERROR", "UNAVAILABLE", {}, "RCA_ATLAS_BASE_URL"),
    ],
)
async def test_a_refusal_says_what_to_do(
    stage: Stage, status: int, code: str, word: str, headers: dict[str, str], says: str
) -> None:
    detail = "IP address 203.0.113.7 is not allowed; token=Zq81kd93md02ls"
    body = json.loads(problem(status, code, detail).body)  # type: ignore[arg-type]
    stage.atlas.faults["/processes"] = (status, body, headers)
    told = await stage.ask("get_atlas_metrics")
    assert told["error"]["code"] == word
    assert says in told["error"]["hint"]
    assert "Zq81kd93md02ls" not in json.dumps(told)
    if status == 429:
        assert told["error"]["retry_after_s"] == 30


async def test_an_answer_that_is_too_large_or_no_json_is_refused(stage: Stage) -> None:
    stage.atlas.faults["/processes"] = (200, b" " * 70_000, {})
    small = await call(stage.environ(RCA_MAX_UPSTREAM_BYTES="65536"), "get_atlas_metrics")
    assert small["error"]["code"] == "TOO_LARGE"
    stage.atlas.faults["/processes"] = (200, b"<html>", {})
    assert (await stage.ask("get_atlas_metrics"))["error"]["code"] == "UPSTREAM"


async def test_metrics_come_in_thirty_points_and_what_is_unknown_is_named(stage: Stage) -> None:
    stage.atlas.metrics["CONNECTIONS"] = [10.0, 20.0]
    told = await stage.ask("get_atlas_metrics", metrics=["CONNECTIONS", "NOT_A_METRIC", "DISK_PARTITION_IOPS_TOTAL"])
    rows = {(s["metric"], s["host"]): s for s in told["series"]}
    assert len(rows) == 4
    line = rows["CONNECTIONS", PRIMARY.removeprefix("mongo/")]
    assert (line["first"], line["last"], len(line["values"])) == (10.0, 20.0, 30)
    assert any("does not know NOT_A_METRIC" in n for n in told["notes"])
    iops = rows["DISK_PARTITION_IOPS_TOTAL", PRIMARY.removeprefix("mongo/")]
    assert iops["unit"] == "per_s"


async def test_atlas_alone_gives_the_page_and_its_judgement(stage: Stage) -> None:
    stage.atlas.metrics |= {
        "DISK_PARTITION_SPACE_PERCENT_FREE": [4.0],
        "CACHE_FILL_RATIO": [97.0],
        "OPLOG_SLAVE_LAG_MASTER_TIME": [45.0],
    }
    stage.atlas.alerts = [{"eventTypeName": "OUTSIDE_METRIC_THRESHOLD", "status": "OPEN", "clusterName": "orders", "created": ago(9),
                           "metricName": "DISK_PARTITION_SPACE_USED_DATA", "currentValue": {"number": 96.0, "units": "RAW"}}]  # fmt: skip
    told = await stage.ask("get_database_health")
    found = {(s["code"], s["subject"]) for s in told["signals"]}
    assert ("mongo.disk_full", PRIMARY) in found
    assert ("mongo.cache_pressure", PRIMARY) in found
    assert ("mongo.repl_lag", PRIMARY.replace("00-00", "00-01")) in found
    assert told["atlas"]["tier"] == "M30"
    assert told["atlas"]["open_alerts"] == ["OUTSIDE_METRIC_THRESHOLD DISK_PARTITION_SPACE_USED_DATA"]
    assert any("RCA_MONGO_URI is not set" in n for n in told["notes"])


async def test_atlas_answers_while_no_member_can_be_reached(stage: Stage) -> None:
    away = stage.environ(RCA_MONGO_URI=f"mongodb://127.0.0.1:{free_port()}/", RCA_MONGO_TIMEOUT_S="1")
    told = await call(away, "get_database_health")
    assert {m["role"] for m in told["members"]} == {"primary", "secondary"}
    assert [p["part"] for p in told["partial"]] == ["members"]
    assert any("no member could be reached" in n for n in told["notes"])


async def test_connections_that_only_grow_while_the_work_does_not_are_told(stage: Stage) -> None:
    stage.atlas.metrics["CONNECTIONS"] = [40.0 + 3 * i for i in range(60)]
    told = await stage.ask("get_connection_metrics")
    assert any("may not give its connections back" in n for n in told["notes"])
    assert [(s["code"], s["baseline"], s["value"]) for s in told["signals"]] == [("mongo.conn_leak", 40.0, 217.0)] * 2
    stage.atlas.metrics["CONNECTIONS"] = [40.0 + 3 * i - 60 * (i == 40) for i in range(60)]
    assert "signals" not in await stage.ask("get_connection_metrics", time_range="58m"), "they were given back once"
    stage.atlas.metrics["CONNECTIONS"] = [40.0 + 3 * i for i in range(60)]
    stage.atlas.metrics["OPCOUNTER_QUERY"] = [100.0 + 8 * i for i in range(60)]
    busier = await stage.ask("get_connection_metrics", time_range="59m")
    assert not any("may not give" in n for n in busier["notes"])


async def test_slow_queries_of_atlas_are_shapes_with_the_same_judgement(stage: Stage) -> None:
    stage.atlas.slow = [slow_line(4), slow_line(3, planSummary="IXSCAN { card: 1 }"), slow_line(500)]
    told = await stage.ask("get_query_performance")
    assert told["groups"][0]["shape"] == "{card: ?}"
    assert told["groups"][0]["count"] == 2
    assert "mongo.plan_change" in {s["code"] for s in told["signals"]}
    assert "4000-1" not in json.dumps(told)


async def test_activity_is_changes_alerts_and_advice(stage: Stage) -> None:
    stage.atlas.events = [
        {
            "eventTypeName": "CLUSTER_INSTANCE_SIZE_CHANGED",
            "created": ago(3),
            "clusterName": "orders",
            "username": "jo@shop.example",
        },
        {"eventTypeName": "PRIMARY_ELECTED", "created": ago(400), "clusterName": "orders"},
        {"eventTypeName": "CLUSTER_UPDATE_COMPLETED", "created": ago(1), "clusterName": "ledger"},
        {"eventTypeName": "USER_LOGIN", "created": ago(1)},
    ]
    shape = {"id": "s1", "avgMs": 812.0, "count": 40, "operations": [{"raw": "{card: '4000-1'}"}]}
    index = {
        "id": "i1",
        "impact": ["s1"],
        "namespace": "shop.orders",
        "weight": 9.5,
        "index": [{"card": 1}, {"at": -1}],
    }
    stage.atlas.advice = {"suggestedIndexes": [index], "shapes": [shape]}
    told = await stage.ask("get_atlas_activity")
    assert [c["kind"] for c in told["changes"]] == ["scale", "restart"]
    assert told["signals"][0]["code"] == "change.before_onset"
    assert told["suggested_indexes"][0] == {
        "ns": "shop.orders",
        "index": "{card: 1, at: -1}",
        "impact": 9.5,
        "avg_ms": 812.0,
        "count": 40,
    }
    assert told["blind_spots"]
    assert "jo@shop" not in json.dumps(told)
    early = await stage.ask("get_atlas_activity", onset=ago(395))
    assert [c["kind"] for c in early["changes"]] == ["restart", "scale"]
    assert [(s["code"], s["since"]) for s in early["signals"]] == [("change.before_onset", early["changes"][0]["at"])]
    assert early["changes"][1]["note"] == "reaction: it followed the onset"
    assert (await stage.ask("get_atlas_activity", onset="yesterday"))["error"]["code"] == "VALIDATION"
    stage.atlas.events = []
    assert (await stage.ask("get_atlas_activity", limit=14))["signals"][0]["code"] == "change.none_found"


async def test_no_planted_secret_comes_out_of_any_tool(stage: Stage) -> None:
    planted = known_secrets()
    assert len(planted) >= 60
    stage.atlas.slow = [
        slow_line(
            2 + i / 60,
            appName=s.line,
            ns="shop.orders",
            command={"find": "orders", "filter": {s.line: s.line}, "comment": s.line},
        )
        for i, s in enumerate(planted)
    ]
    stage.atlas.events = [
        {
            "eventTypeName": "CLUSTER_UPDATE_STARTED",
            "created": ago(2 + i),
            "clusterName": "orders",
            "hostname": s.line,
            "raw": s.line,
            "username": s.line,
        }
        for i, s in enumerate(planted)
    ]
    stage.atlas.alerts = [
        {
            "eventTypeName": "HOST_DOWN",
            "status": "OPEN",
            "clusterName": "orders",
            "hostnameAndPort": s.line,
            "created": ago(2),
            "metricName": s.line,
        }
        for s in planted
    ]
    async with Client(create_server(stage.environ(RCA_MAX_RESULT_BYTES="24000"))) as client:
        for name, arguments in TOOLS.items():
            more = {"limit": 25} if name in ("get_query_performance", "get_atlas_activity") else {}
            told = json.dumps((await client.call_tool(name, {**arguments, **more})).structured_content)
            assert [s.kind for s in planted if s.core in told] == [], name


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"eventTypeName": 7, "created": ago(1)},
        {"eventTypeName": "<!channel>", "created": ago(1)},
        {"eventTypeName": "CLUSTER_UPDATED", "created": "x"},
    ],
)
def test_what_is_no_event_is_no_change(event: Json) -> None:
    assert change_of(event, "orders", datetime.now(UTC)) is None


def test_advice_of_any_shape_can_be_read() -> None:
    assert indexes_of({"suggestedIndexes": [7, {"index": "x", "impact": None}], "shapes": {}})[0].index == "{}"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"RCA_ATLAS_PROJECT_ID": "shop"}, "24 characters"),
        ({"RCA_ATLAS_CLIENT_SECRET": ""}, "two halves"),
        ({"RCA_ATLAS_BASE_URL": "http://atlas.example"}, "https"),
        ({"RCA_ATLAS_CLUSTR": "x"}, "RCA_ATLAS_CLUSTER is"),
        ({"RCA_ATLAS_CLUSTER": "a/../b"}, "name"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(changes: dict[str, str], says: str) -> None:
    base = {"RCA_ATLAS_PROJECT_ID": PROJECT, "RCA_ATLAS_CLIENT_ID": "mdb_sa_x", "RCA_ATLAS_CLIENT_SECRET": "s"}
    with pytest.raises(ConfigError, match=says):
        load({**base, **changes})
