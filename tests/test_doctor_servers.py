"""``rca doctor``: right, wrong and too powerful credentials each give a page on which the next step stands."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from bot import settings as configuration
from bot.commands import doctor, doctor_page, doctor_servers
from bot.observe.checkup import Finding
from bot.tools.evidence import Evidence
from mcp_servers.common.envelope import ErrorInfo
from mcp_servers.common.health import Health, Permission, settled
from sandbox.cluster.server import RecordedCluster
from sandbox.incidents import folder_of
from sandbox.workspace.server import APP_TOKEN, BOT_TOKEN, Workspace

TOOLS = "3 tools in this process"


def printed(*findings: Finding) -> tuple[str, int]:
    """The page as text, its lines joined where the terminal broke them, and how many things are to mend."""
    out = StringIO()
    bad = doctor_page.show(findings, Console(file=out, width=160, no_color=True))
    return " ".join(out.getvalue().split()), bad


def health(**more: Any) -> Health:
    told = {"server": "store:9000", "reachable": True, "version": "26.9", "identity": "rca_bot", "latency_ms": 3.2}
    return settled(Health.model_validate({"summary": "", **told, **more}), mend="deploy/grants.sql grants all of it")


def answered(**more: Any) -> Evidence:
    return Evidence(id="E0", step="doctor", server="store", tool="health", at=datetime.now(UTC), **more)


GOOD = [Permission(tool="get_tables", state="ok"), Permission(tool="get_parts", state="ok")]


def test_all_is_well_in_one_line_and_one_row() -> None:
    page, bad = printed(doctor_servers.page("store", TOOLS, health(permissions=GOOD, roles=["reader"])))
    assert bad == 0
    assert (
        page == "✓ Servers store store:9000, 26.9, as rca_bot (reader), 3.2 ms; 3 tools in this process "
        "ok get_parts, get_tables Everything works."
    )


def test_a_missing_right_is_named_once_with_the_tools_that_miss_it() -> None:
    rows = [
        *GOOD,
        Permission(tool="get_queries", state="forbidden", missing=["SELECT ON system.query_log"]),
        Permission(tool="get_failures", state="partly", missing=["SELECT ON system.query_log", "SHOW TABLES"]),
        Permission(tool="run_query", state="off"),
    ]
    finding = doctor_servers.page("store", TOOLS, health(permissions=rows))
    page, bad = printed(finding)
    assert (finding.health, bad) == ("warning", 0)
    assert "→ grant: SELECT ON system.query_log; SHOW TABLES forbidden get_queries: SELECT ON system.query_log" in page
    assert page.index("forbidden") < page.index("partly") < page.index("off run_query") < page.index("ok get_parts")
    assert "! deploy/grants.sql grants all of it" in page
    assert "needed by" not in page
    assert page.endswith("It works, with 1 warning, marked !.")


def test_a_credential_that_is_too_powerful_is_a_thing_to_mend_until_it_is_accepted() -> None:
    refused = ErrorInfo(code="FORBIDDEN", message="rca_bot may do more than read: INSERT", hint="use deploy/grants.sql")
    told = {"permissions": GOOD, "can_write": ["INSERT ON *.*"]}
    page, bad = printed(doctor_servers.page("store", TOOLS, health(refused=refused, **told)))
    assert bad == 1
    assert "no tool works: rca_bot may do more than read: INSERT → use deploy/grants.sql" in page
    page, bad = printed(doctor_servers.page("store", TOOLS, health(**told)))
    assert bad == 0
    assert (
        "! the credential can do more than read: INSERT ON *.*; the bot never does, but whoever stole it could" in page
    )


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            {"reachable": False, "refused": ErrorInfo(code="UNAVAILABLE", message="refused", hint="is it up?")},
            "store:9000 does not answer; no tool works: refused → is it up?",
        ),
        (
            {"refused": ErrorInfo(code="UNAUTHORIZED", message="wrong password", missing_permission="x")},
            "no tool works: wrong password → grant: x",
        ),
        (
            {"permissions": [Permission(tool="a", state="unsupported", missing=["no such table"])]},
            "none can read what it needs → check that this is the right address",
        ),
        (
            {"permissions": [Permission(tool="a", state="forbidden", missing=["SELECT ON a"])]},
            "none can read what it needs → grant: SELECT ON a",
        ),
    ],
)
def test_a_server_whose_tools_cannot_work_is_a_thing_to_mend(more: dict[str, Any], words: str) -> None:
    page, bad = printed(doctor_servers.page("store", TOOLS, health(**more)))
    assert bad == 1
    assert words in page


def test_clocks_that_differ_are_a_warning() -> None:
    finding = doctor_servers.page("store", TOOLS, health(permissions=GOOD, clock_skew_s=90))
    assert finding.health == "warning"
    assert "clock +90 s" in finding.what


def test_a_health_tool_that_fails_or_is_not_ours_still_makes_a_line() -> None:
    error = ErrorInfo(code="TIMEOUT", message="health took longer than 25 s", hint="try again")
    failed = doctor_servers.read("store", TOOLS, answered(status="error", error=error))
    assert (failed.health, failed.mend) == ("failed", "try again")
    foreign = doctor_servers.read("store", TOOLS, answered(text="all \x1b[31mgood\x1b[0m", data={"status": "green"}))
    assert (foreign.health, foreign.what) == ("ok", f"{TOOLS}; all good")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*Health.model_fields, "x"]), inner),
    max_leaves=12,
)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.sampled_from([*Health.model_fields, "x"]), JSON))
def test_whatever_a_health_tool_says_becomes_a_page(data: dict[str, Any]) -> None:
    page, _ = printed(doctor_servers.read("store", TOOLS, answered(data=data, summary="s")))
    assert "Servers store" in page


def test_a_variable_that_nothing_reads_is_told() -> None:
    known = {"RCA_K8S_NAMESPACES": "a", "RCA_HEALTH_PORT": "1", "RCA_MAX_CONCURRENCY": "2", "PATH": "/bin"}
    assert doctor.unread(known) == []
    found = doctor.unread({**known, "RCA_K8_DENY_NAMESPACES": "b", "RCA_LOGLEVEL": "INFO", "RCA_TEAM": "shop"})
    assert [(f.name, f.mend) for f in found] == [
        ("RCA_K8_DENY_NAMESPACES", "was RCA_K8S_… meant?"),
        ("RCA_LOGLEVEL", "was RCA_LOG_LEVEL meant?"),
        ("RCA_TEAM", "unset it, unless rca.yaml refers to it"),
    ]


# -- the command -----------------------------------------------------------------------------------------------------------------


class Guarded(RecordedCluster):
    """A recorded cluster whose API server answers reviews as ``allowed`` says."""

    allowed: bool | None = None

    async def _review(self, request: Any) -> Any:
        answer = await super()._review(request)
        if self.allowed is not None:
            body = json.loads(answer.text)
            answer.text = json.dumps({**body, "status": {"allowed": self.allowed}})
        return answer


@asynccontextmanager
async def doctored(tmp_path: Path, *, allowed: bool | None = None, **environ: str) -> AsyncIterator[tuple[str, int]]:
    """The page of the whole command, over a recorded cluster and the local workspace, and its exit code."""
    cluster = Guarded(folder_of("checkout-config"))
    cluster.allowed = allowed
    async with cluster, Workspace(port=0) as workspace:
        (tmp_path / "kubeconfig").write_text(json.dumps(cluster.kubeconfig()))
        found = configuration.load(
            None,
            {
                "KUBECONFIG": str(tmp_path / "kubeconfig"),
                "SLACK_API_URL": workspace.api_url,
                "SLACK_BOT_TOKEN": BOT_TOKEN,
                "SLACK_APP_TOKEN": APP_TOKEN,
                "RCA_STORE_URL": f"sqlite:///{tmp_path}/rca.sqlite",
                **environ,
            },
        )
        out = StringIO()
        code = await doctor.report(found, Console(file=out, width=160, no_color=True))
        assert cluster.writes == []
        yield " ".join(out.getvalue().split()), code


async def test_the_right_credential(tmp_path: Path) -> None:
    async with doctored(tmp_path) as (page, code):
        assert code == 0, page
        assert "✓ Slack bot token" in page
        assert "✓ Servers kubernetes http://127.0.0.1:" in page
        assert "ok find_unhealthy, get_deployment_history" in page
        assert "! Model none no model: verdicts come from rules alone" in page


async def test_a_credential_that_may_do_everything(tmp_path: Path) -> None:
    async with doctored(tmp_path, allowed=True) as (page, code):
        assert code == 1
        assert "✗ Servers kubernetes" in page
        assert "can do more than read: create pods/exec" in page
        assert "RCA_ALLOW_PRIVILEGED=1" in page
    async with doctored(tmp_path, allowed=True, RCA_ALLOW_PRIVILEGED="1") as (page, code):
        assert code == 0
        assert "! Servers kubernetes" in page


async def test_a_credential_that_may_do_nothing(tmp_path: Path) -> None:
    async with doctored(tmp_path, allowed=False) as (page, code):
        assert code == 1
        assert "none can read what it needs → grant: list" in page
        assert "forbidden get_pod_status" in page


async def test_no_credential_and_no_server(tmp_path: Path) -> None:
    async with doctored(tmp_path, RCA_K8S_KUBECONFIG=str(tmp_path / "none")) as (page, code):
        assert code == 1
        assert "no usable cluster configuration" in page
        assert "→ set KUBECONFIG or RCA_K8S_KUBECONFIG" in page
    async with doctored(tmp_path, KUBECONFIG="") as (page, code):
        assert code == 1
        assert "– Servers none no tool server is configured → set KUBECONFIG" in page


async def test_a_setting_that_cannot_be_used_names_itself(tmp_path: Path) -> None:
    async with doctored(tmp_path, RCA_K8S_NAMESPACE="shop") as (page, code):
        assert code == 1
        assert "RCA_K8S_NAMESPACE is not a setting of this server; RCA_K8S_NAMESPACES is → mend that setting" in page
