"""Deployments that are not a plain replica set, and both back ends at once: what is asked of whom, and how the answers come together."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from mongo_fixture import call, free_port, status
from mongo_wire import Deployment, RecordedMember, Refusal

from mcp_servers.mongodb import client, connections, sampling
from mcp_servers.mongodb.client import Deployment as Clients
from mcp_servers.mongodb.settings import load
from sandbox.atlas.server import PROJECT, AtlasStandIn

Json = dict[str, Any]
TIERED = Refusal(8000, "(Unauthorized) not allowed in this atlas tier: command x is not allowed in this atlas tier")


@pytest.fixture(autouse=True)
def _samples_close_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "APART_S", 0.01)


def environ(deployment: Deployment, **more: str) -> dict[str, str]:
    return {"RCA_MONGO_URI": deployment.uri, "RCA_MONGO_TIMEOUT_S": "1", **more}


# -- routers, free tiers, large fleets --------------------------------------------------------------------------------------------


async def test_a_router_tells_of_itself_and_is_not_asked_what_it_does_not_have() -> None:
    async with Deployment("mongos") as sharded:
        router = sharded.first
        router.replies |= {
            "clients": [{"_id": {"app": "checkout", "client": "10.0.0.1", "driver": "nodejs"}, "n": 30, "active": 2}],
            "profile": Refusal(59, "no such command"),
            "dbStats": {"db": "admin"},
        }
        held = await call(environ(sharded), "get_connection_metrics")
        assert held["members"][0]["role"] == "mongos"
        assert [c["app_name"] for c in held["by_client"]] == ["checkout"]
        health = await call(environ(sharded), "get_database_health")
        assert health["topology"] == "sharded cluster"
        slow = await call(environ(sharded), "get_query_performance")
        assert slow["sources"] == [f"log of {router.label}"]
        row = {
            "type": "op",
            "host": "shard-a-1:27018",
            "opid": "a:77",
            "client": "10.0.0.1:5",
            "microsecs_running": 9_000_000,
        }
        router.replies["$currentOp"] = [row]
        running = await call(environ(sharded), "get_current_operations")
        assert [(o["host"], o["opid"]) for o in running["operations"]] == [("shard-a-1:27018", "a:77")]
        told = await call(environ(sharded), "get_replication_status")
        assert told["error"]["code"] == "UNSUPPORTED"
        assert "a shard's members" in told["error"]["hint"]
    asked = {next(iter(body)) for _, body in router.asked}
    assert not asked & {"profile", "find", "replSetGetStatus", "dbStats"}
    clients = [body for _, body in router.asked if "pipeline" in body and "$group" in body["pipeline"][1]]
    assert clients
    assert all(body["pipeline"][0]["$currentOp"]["localOps"] is True for body in clients)


async def test_a_standalone_has_no_replication_and_says_so() -> None:
    async with Deployment("standalone") as alone:
        told = await call(environ(alone), "get_replication_status")
        assert told["error"]["code"] == "UNSUPPORTED"
        health = await call(environ(alone), "get_database_health")
    assert (health["topology"], "set" in health) == ("standalone", False)


async def test_a_free_tier_answers_with_what_it_has_and_names_the_rest() -> None:
    async with Deployment() as shared:
        for member in shared.members:
            member.replies["serverStatus"] = {
                "version": "8.0.4",
                "uptime": 900_000.0,
                "connections": {"current": 9, "available": 491},
            }
            for name in ("clients", "$currentOp", "getParameter", "getLog", "replSetGetStatus", "dbStats", "profile"):
                member.replies[name] = TIERED
        held = await call(environ(shared), "get_connection_metrics")
        assert held["members"][0]["current"] == 9
        assert {p["code"] for p in held["partial"]} == {"UNSUPPORTED"}
        assert all("not offered by this Atlas tier" in p["message"] for p in held["partial"])
        health = await call(environ(shared), "get_database_health")
        assert "signals" not in health
        assert any(
            "does not report: latencies, tickets, cache, queues, oplog window, disk" in n for n in health["notes"]
        )
        running = await call(environ(shared), "get_current_operations")
        assert [p["code"] for p in running["partial"]] == ["UNSUPPORTED"] * 3
        slow = await call(environ(shared), "get_query_performance")
        assert any("slow operations are unknown" in n for n in slow["notes"])


async def test_a_fleet_is_counted_in_full_or_it_is_said_that_it_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def group(n: int, host: str = "") -> Json:
        address = host or f"10.0.{n // 250}.{n % 250}"
        return {"_id": {"app": "checkout", "client": address, "driver": "nodejs"}, "n": 2, "active": 0}

    async with Deployment("primary") as one:
        one.first.replies["clients"] = [group(n) for n in range(120)] + [group(0, "[2001:db8::7")]
        whole = await call(environ(one), "get_connection_metrics")
        assert whole["client_total"] == 242
        assert not any("largest groups" in n for n in whole["notes"])
        assert [s["value"] for s in whole["signals"]] == [1.0]
        monkeypatch.setattr(connections, "MOST", 121)
        cut = await call(environ(one), "get_connection_metrics")
        assert any("only the 121 largest groups of clients were counted" in n for n in cut["notes"])
    assert connections.clients([group(0, "[2001:db8::7")])[0].host_group == "2001:db8::7"


async def test_members_are_asked_up_to_the_limit_and_each_once() -> None:
    async with Deployment("primary", "secondary", "arbiter", "secondary") as four:
        whole = await call(environ(four), "get_database_health")
        assert len(whole["members"]) == 3
        assert not any(next(iter(body)) == "serverStatus" for _, body in four.members[2].asked), (
            "an arbiter holds no data"
        )
        some = await call(environ(four, RCA_MONGO_MAX_MEMBERS="2"), "get_database_health")
        assert len(some["members"]) == 2
        assert any("2 more members are not asked" in n for n in some["notes"])
        direct = await call(environ(four, RCA_MONGO_DIRECT="1"), "get_database_health")
        assert [m["host"] for m in direct["members"]] == [four.first.label]


async def test_a_member_that_lost_its_role_between_greeting_and_question_is_only_a_gap() -> None:
    async with Deployment() as three:
        three.members[1].replies["serverStatus"] = Refusal(11_600, "interrupted at shutdown")
        told = await call(environ(three), "get_database_health")
    assert len(told["members"]) == 2
    assert [(p["part"], p["code"]) for p in told["partial"]] == [(f"status of {three.members[1].label}", "UNAVAILABLE")]


async def test_clients_that_nobody_asks_are_closed_and_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "IDLE_S", 0.15)
    async with Deployment() as three:
        clients = Clients(load(environ(three)), [three.first.label])
        try:
            assert len((await clients.look()).members) == 3
            assert all(m.connections for m in three.members)
            async with asyncio.timeout(5):
                while any(m.connections for m in three.members):
                    await asyncio.sleep(0.02)
            again = await clients.look()
            assert len(again.members) == 3
            assert await again.members[0].ask({"buildInfo": 1})
        finally:
            await clients.close()


# -- both back ends ---------------------------------------------------------------------------------------------------------------


class Both:
    """A recorded set, and Atlas' view of the same members."""

    def __init__(self, deployment: Deployment, atlas: AtlasStandIn, url: str) -> None:
        self.deployment, self.atlas, self.url = deployment, atlas, url
        self.now = datetime.now(UTC)

    async def ask(self, tool: str, **arguments: Any) -> Json:
        keys = {"RCA_ATLAS_CLIENT_ID": "mdb_sa_reader", "RCA_ATLAS_CLIENT_SECRET": "reader-secret"}
        place = {"RCA_ATLAS_BASE_URL": self.url, "RCA_ATLAS_PROJECT_ID": PROJECT}
        return await call(environ(self.deployment, **keys, **place), tool, **arguments)


@pytest.fixture
async def both() -> AsyncIterator[Both]:
    async with Deployment("primary", "secondary") as deployment:
        atlas = AtlasStandIn(hosts=[m.label for m in deployment.members])
        async with atlas as url:
            yield Both(deployment, atlas, url)


def without_storage(member: RecordedMember) -> None:
    """A tier whose ``serverStatus`` has no storage sections and that refuses the rest."""
    calm = status()
    member.replies["serverStatus"] = {k: calm[k] for k in ("version", "uptime", "connections", "opLatencies")}
    member.replies["dbStats"] = TIERED


async def test_atlas_completes_what_members_do_not_report_and_judges_just_that(both: Both) -> None:
    both.deployment.everywhere(without_storage)
    both.atlas.metrics |= {
        "CACHE_FILL_RATIO": [97.0],
        "DISK_PARTITION_SPACE_PERCENT_FREE": [4.0],
        "GLOBAL_LOCK_CURRENT_QUEUE_TOTAL": [60.0],
        "TICKETS_AVAILABLE_READS": [0.0],
        "OPLOG_MASTER_TIME": [7_200.0],
    }
    told = await both.ask("get_database_health")
    row = told["members"][0]
    assert row["host"] == both.deployment.first.label
    assert (row["cache_used_ratio"], row["disk_used_ratio"], row["queued"], row["disk_iops"]) == (0.97, 0.96, 60, 1.0)
    assert "unreported" not in row
    primary = {s["code"] for s in told["signals"] if s["subject"].endswith(both.deployment.first.label)}
    assert primary == {
        f"mongo.{c}" for c in ("cache_pressure", "disk_full", "queue", "tickets_exhausted", "oplog_short")
    }


async def test_what_a_member_says_of_itself_outweighs_atlas(both: Both) -> None:
    both.atlas.metrics |= {"CACHE_FILL_RATIO": [97.0], "GLOBAL_LOCK_CURRENT_QUEUE_TOTAL": [60.0]}
    told = await both.ask("get_database_health")
    assert told["members"][0]["cache_used_ratio"] == 0.6
    assert "signals" not in told


async def test_a_member_that_is_away_is_shown_as_atlas_measured_it(both: Both) -> None:
    both.atlas.metrics["DISK_PARTITION_SPACE_PERCENT_FREE"] = [0.5]
    gone = both.deployment.members[1]
    await gone.stop()
    told = await both.ask("get_database_health")
    assert [m["host"] for m in told["members"]] == [both.deployment.first.label, gone.label]
    assert ("mongo.disk_full", f"mongo/{gone.label}") in {(s["code"], s["subject"]) for s in told["signals"]}
    assert f"{gone.label}: did not answer, so this is what Atlas measured" in told["notes"]
    assert [p["part"] for p in told["partial"]] == [f"member {gone.label}"]


async def test_members_that_atlas_knows_under_other_names_are_not_shown_twice(both: Both) -> None:
    both.atlas.hosts = [f"elsewhere.example:{free_port()}"]
    told = await both.ask("get_database_health")
    assert [m["host"] for m in told["members"]] == [m.label for m in both.deployment.members]
    assert any("under other names (elsewhere.example" in n for n in told["notes"])


def slow_line(minutes: float, now: datetime, **attr: Any) -> str:
    stated = {"type": "command", "ns": "shop.orders", "appName": "checkout", "command": {"find": "orders", "filter": {"customer": "c-1"}},
              "planSummary": "IXSCAN { customer: 1 }", "docsExamined": 4, "nreturned": 4, "durationMillis": 300}  # fmt: skip
    at = (now - timedelta(minutes=minutes)).isoformat(timespec="milliseconds")
    return json.dumps({"t": {"$date": at}, "id": 51_803, "msg": "Slow query", "attr": {**stated, **attr}})


async def test_an_operation_in_both_logs_counts_once_and_atlas_remembers_further(both: Both) -> None:
    lines = [slow_line(50, both.now), *(slow_line(9 - n / 10, both.now) for n in range(14))]
    both.deployment.everywhere(lambda m: m.replies.update(getLog={"log": []}))
    both.deployment.first.replies["getLog"] = {"log": lines[9:]}
    alone = await call(environ(both.deployment), "get_query_performance")
    assert (alone["total"], "signals" in alone) == (6, False)
    both.atlas.slow = lines
    told = await both.ask("get_query_performance")
    assert (told["total"], told["groups"][0]["count"]) == (15, 15)
    assert len(told["sources"]) == 4
    # the members' ring is too short to see a rise; Atlas holds the whole window
    assert [s["code"] for s in told["signals"]] == ["mongo.slow_spike"]


async def test_atlas_away_costs_nothing_of_what_members_say(both: Both) -> None:
    both.atlas.faults["/groups"] = (503, {"error": 503}, {})
    for tool in ("get_database_health", "get_connection_metrics", "get_query_performance"):
        told = await both.ask(tool)
        assert "error" not in told, tool
        assert any(p["part"].startswith("Atlas") and p["code"] == "UNAVAILABLE" for p in told["partial"]), tool
    assert len((await both.ask("get_connection_metrics"))["members"]) == 2


async def test_health_speaks_of_both(both: Both) -> None:
    told = await both.ask("health")
    states = {p["tool"]: p["state"] for p in told["permissions"]}
    assert (states["get_connection_metrics"], states["get_atlas_metrics"]) == ("ok", "ok")
    assert "refused" not in told
