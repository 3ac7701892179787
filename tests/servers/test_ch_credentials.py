"""Wrong, weak and too powerful credentials, servers that are away, tables that are missing: each says what to do."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from mcp_servers.clickhouse.client import Database
from mcp_servers.clickhouse.settings import load
from mcp_servers.common.envelope import ToolFailure
from sandbox.clickhouse.asking import ask
from sandbox.clickhouse.server import EmbeddedClickHouse
from sandbox.clickhouse.users import ADMIN, READ_ONLY_PROFILE, READER, User

TIGHT = User("tight", "x", {**READ_ONLY_PROFILE, "max_result_rows": "1000"}, ("system.*",))
NARROW = User("narrow", "x", READ_ONLY_PROFILE, ("system.processes", "system.metrics", "system.query_log"))
LOOSE = User("loose", "x", {"readonly": "2"}, ("system.*",))
UNBOUND = User("unbound", "x", {"readonly": "1"}, ("system.*",))
WRITER = User("writer", "x", READ_ONLY_PROFILE, ("system.*",), grants=("GRANT SELECT, INSERT ON *.* TO writer",))


@pytest.fixture(scope="module")
def clickhouse() -> Iterator[EmbeddedClickHouse]:
    with asyncio.Runner() as runner:
        server = EmbeddedClickHouse(users=(ADMIN, READER, TIGHT, NARROW, LOOSE, UNBOUND, WRITER), query_log=False)
        runner.run(server.start())
        yield server
        runner.run(server.stop())


class TestCredentials:
    async def test_a_wrong_password(self, clickhouse: EmbeddedClickHouse) -> None:
        answer = await ask({**clickhouse.environ(), "RCA_CH_PASSWORD": "wrong"}, "get_cluster_health")
        assert answer.error["code"] == "UNAUTHORIZED"
        assert "RCA_CH_PASSWORD" in answer.error["hint"]
        assert "wrong" not in answer.text

    @pytest.mark.parametrize(("user", "right"), [(ADMIN, "ALL"), (WRITER, "INSERT")])
    async def test_one_that_may_write_is_not_used(self, clickhouse: EmbeddedClickHouse, user: User, right: str) -> None:
        for tool in ("get_cluster_health", "get_running_queries"):
            answer = await ask(clickhouse.environ(user), tool)
            assert answer.error["code"] == "FORBIDDEN"
            assert right in answer.error["message"]
        health = await ask(clickhouse.environ(user), "health")
        assert (health.data["refused"]["code"], health.data["reachable"]) == ("FORBIDDEN", True)
        assert right in health.data["can_write"]

    async def test_unless_the_operator_accepts_it_and_then_each_statement_is_read_only(
        self, clickhouse: EmbeddedClickHouse
    ) -> None:
        answer = await ask({**clickhouse.environ(ADMIN), "RCA_ALLOW_PRIVILEGED": "1"}, "health")
        assert any("can do more than read" in warning for warning in answer.data["warnings"])

    async def test_a_profile_too_tight_to_connect_is_explained(self, clickhouse: EmbeddedClickHouse) -> None:
        answer = await ask(clickhouse.environ(TIGHT), "get_cluster_health")
        assert answer.error["code"] == "TOO_LARGE"
        assert "max_result_rows" in answer.error["hint"]

    async def test_a_missing_grant_is_named(self, clickhouse: EmbeddedClickHouse) -> None:
        answer = await ask(clickhouse.environ(NARROW), "get_replication_status")
        assert answer.error["code"] == "FORBIDDEN"
        assert answer.error["missing_permission"] == "SELECT ON system.replicas"
        states = {p["tool"]: p for p in (await ask(clickhouse.environ(NARROW), "health")).data["permissions"]}
        assert states["get_running_queries"]["state"] == "ok"
        assert states["get_cluster_health"]["state"] == "partly"
        assert "SELECT ON system.disks" in states["get_cluster_health"]["missing"]
        assert states["get_replication_status"]["state"] == "forbidden"

    async def test_the_rest_of_an_answer_stands_without_a_grant(self, clickhouse: EmbeddedClickHouse) -> None:
        answer = await ask(clickhouse.environ(NARROW), "get_cluster_health")
        assert not answer.failed
        assert {p["code"] for p in answer.data["partial"]} == {"FORBIDDEN"}

    async def test_a_profile_without_limits_is_warned_of(self, clickhouse: EmbeddedClickHouse) -> None:
        answer = await ask(clickhouse.environ(UNBOUND), "health")
        assert any("max_execution_time" in warning for warning in answer.data["warnings"])

    async def test_bounds_go_along_where_the_profile_lets_them(self, clickhouse: EmbeddedClickHouse) -> None:
        running = await _while_sleeping(clickhouse, LOOSE)
        assert running["max_execution_time"] == "20"
        assert running["max_rows_to_read"] == "2000000000"
        assert running["log_comment"].startswith("rca:")
        assert (await _while_sleeping(clickhouse, ADMIN, RCA_ALLOW_PRIVILEGED="1"))["readonly"] == "1"


async def _while_sleeping(clickhouse: EmbeddedClickHouse, user: User, **more: str) -> dict[str, str]:
    """The settings under which a tool's own statement runs, as the engine shows them to that statement."""
    database = await Database.open(load({**clickhouse.environ(user), **more}))
    try:
        sql = "SELECT name, value FROM system.settings WHERE name IN ('max_execution_time', 'max_rows_to_read', 'readonly', 'log_comment')"
        rows: list[dict[str, Any]] = await database.raw(sql, "settings")
    finally:
        await database.close()
    return {row["name"]: row["value"] for row in rows}


class TestAbsence:
    async def test_a_server_that_is_away(self, unused_tcp_port: int) -> None:
        answer = await ask({"RCA_CH_URL": f"http://127.0.0.1:{unused_tcp_port}"}, "get_cluster_health")
        assert (answer.error["code"], answer.error["retryable"]) == ("UNAVAILABLE", True)
        assert "RCA_CH_URL" in answer.error["hint"]

    async def test_no_server_at_all(self) -> None:
        answer = await ask({}, "get_cluster_health")
        assert answer.error["code"] == "UNAVAILABLE"
        assert "RCA_CH_URL" in answer.error["hint"]

    async def test_one_node_of_two_is_away(self, clickhouse: EmbeddedClickHouse, unused_tcp_port: int) -> None:
        environ = {**clickhouse.environ(), "RCA_CH_HOSTS": f"http://127.0.0.1:{unused_tcp_port}"}
        answer = await ask(environ, "get_running_queries")
        assert not answer.failed
        assert [p["part"] for p in answer.data["partial"]] == [f"node 127.0.0.1:{unused_tcp_port}"]

    async def test_a_cluster_is_asked_on_all_replicas(self, clickhouse: EmbeddedClickHouse) -> None:
        answer = await ask({**clickhouse.environ(), "RCA_CH_CLUSTER": "cluster"}, "get_cluster_health")
        assert not answer.failed
        assert len(answer.data["hosts"]) == 1

    @pytest.mark.parametrize("tool", ["get_slow_queries", "get_failed_queries", "get_schema_changes"])
    async def test_without_a_query_log_the_tool_says_so(self, clickhouse: EmbeddedClickHouse, tool: str) -> None:
        answer = await ask(clickhouse.environ(), tool)
        assert answer.error["code"] == "UNSUPPORTED"
        assert "query logging is off" in answer.error["message"]

    async def test_a_build_without_asynchronous_metrics_still_answers(self, clickhouse: EmbeddedClickHouse) -> None:
        answer = await ask(clickhouse.environ(), "get_cluster_health")
        assert not answer.failed
        assert "system.asynchronous_metrics" in " ".join(answer.data["notes"])

    async def test_too_slow_a_server_is_a_timeout(self, clickhouse: EmbeddedClickHouse) -> None:
        environ = {**clickhouse.environ(LOOSE), "RCA_CH_TIMEOUT_S": "1"}
        database = await Database.open(load(environ))
        with pytest.raises(ToolFailure, match="TIMEOUT"):
            await database.raw("SELECT sleepEachRow(0.4) FROM system.numbers LIMIT 20", "a slow question")
        await database.close()
