"""What the tools cost: tokens of every definition, tokens and milliseconds of answers, over sample calls on the sandbox's backends.

``python -m bench tool_answers`` holds the limits; ``python -m bench.tool_answers`` prints docs/servers/tools.md. A recorded cluster,
SigNoz's store and ClickHouse on the embedded engine, a MongoDB wire server; every call goes through the hub, as a step's does.
"""

import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from bench.figure import Figure
from bot.commands.tools import offered, purpose, row
from bot.observe import logs
from bot.settings import ServerSettings
from bot.tools.hub import Hub
from bot.tools.size import definition_tokens, tokens
from mcp_servers.common.envelope import compact
from sandbox.cluster.server import RecordedCluster
from sandbox.incidents import folder_of

DEFINITIONS, MEDIAN_ANSWER, CAP_BYTES = 10_000, 1_500, 12_000
ROUNDS = 3
ROOT = Path(__file__).parents[1]
WINDOW = {"time_range": "30m"}  # generated telemetry is loaded so that it ends now
POD = "$pod"  # filled from what find_unhealthy names
TRACE = "$trace"
METRIC = "$metric"
Sample = tuple[str, dict[str, Any]]
KUBERNETES: tuple[Sample, ...] = (
    ("find_unhealthy", {}),
    ("find_unhealthy", {"namespace": "shop"}),
    ("get_recent_changes", {"namespace": "shop"}),
    ("get_recent_changes", {"namespace": "shop", "target": "checkout"}),
    ("get_events", {"namespace": "shop"}),
    ("get_deployment_history", {"deployment_name": "checkout", "namespace": "shop"}),
    ("get_pod_status", {"namespace": "shop", "pod_name": POD}),
    ("get_pod_logs", {"namespace": "shop", "pod_name": POD}),
    ("get_pod_logs", {"namespace": "shop", "pod_name": POD, "previous": True}),
    ("get_node_health", {}),
    ("get_node_health", {"node": "worker-01"}),
    ("resolve_target", {"query": "checkout is failing in shop"}),
    ("get_service_health", {"service_name": "checkout", "namespace": "shop"}),
    ("get_service_health", {"service_name": "frontend", "namespace": "shop"}),
    ("get_workload_status", {"name": "checkout", "namespace": "shop"}),
    ("get_resource_usage", {"namespace": "shop"}),
    ("health", {}),
)
SIGNOZ: tuple[Sample, ...] = (
    ("get_service_overview", WINDOW),
    ("get_service_overview", {**WINDOW, "service": "payments"}),
    ("get_service_dependencies", WINDOW),
    ("get_service_dependencies", {**WINDOW, "service": "orders"}),
    ("query_logs", WINDOW),
    ("query_logs", {**WINDOW, "service": "payments"}),
    ("get_exceptions", WINDOW),
    ("get_request_gaps", WINDOW),
    ("search_traces", WINDOW),
    ("query_traces", {"trace_id": TRACE}),
    ("query_metrics", {**WINDOW, "metric_name": METRIC}),
    ("get_service_resources", {**WINDOW, "service": "payments"}),
    ("find_fields", {"signal": "logs", **WINDOW}),
    ("find_fields", {"signal": "metrics", **WINDOW}),
    ("get_alerts", {}),
    ("health", {}),
)
CLICKHOUSE: tuple[Sample, ...] = (
    ("get_cluster_health", {}),
    ("get_failed_queries", {}),
    ("get_schema_changes", {}),
    ("get_slow_queries", {}),
    ("get_replication_status", {}),
    ("get_running_queries", {}),
    ("get_storage_health", {}),
    ("get_table_info", {"table": "signoz_logs.logs_v2"}),
    ("get_table_info", {"table": "signoz_traces.signoz_index_v3"}),
    ("health", {}),
)
MONGODB: tuple[Sample, ...] = (
    ("get_database_health", {}),
    ("get_connection_metrics", {}),
    ("get_current_operations", {}),
    ("get_query_performance", {}),
    ("get_replication_status", {}),
    ("get_collection_stats", {"namespace": "shop.orders"}),
    ("health", {}),
)


@dataclass(frozen=True)
class Measured:
    """Answers of one tool: their sizes in tokens and bytes, and their times in ms. ``refused`` are the codes of calls that gave none."""

    tokens: tuple[int, ...] = ()
    size: tuple[int, ...] = ()
    ms: tuple[float, ...] = ()
    refused: tuple[str, ...] = ()


@asynccontextmanager
async def hub() -> AsyncIterator[Hub]:
    """All four servers, in process and without caches, over the sandbox's backends."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rca-bench-")))
        cluster = RecordedCluster(folder_of("checkout-config"))
        await cluster.start()
        stack.push_async_callback(cluster.stop)
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(json.dumps(cluster.kubeconfig()), encoding="utf-8")
        url = await _telemetry(stack)
        at = urlsplit(url)
        clickhouse = {
            "RCA_CH_URL": f"http://{at.hostname}:{at.port}",
            "RCA_CH_USER": at.username or "",
            "RCA_CH_PASSWORD": unquote(at.password or ""),
        }
        port = await _mongo(stack, folder)
        mongo = {"RCA_MONGO_URI": f"mongodb://127.0.0.1:{port}/?directConnection=true", "RCA_ALLOW_PRIVILEGED": "1"}
        plain = {"RCA_CACHE_S": "0"}
        found = Hub(
            [
                ServerSettings(name="kubernetes", env={"KUBECONFIG": str(kubeconfig), **plain}, cache_s=0),
                ServerSettings(name="signoz", env={"RCA_SIGNOZ_CLICKHOUSE_URL": url, **plain}, cache_s=0),
                ServerSettings(name="clickhouse", env={**clickhouse, **plain}, cache_s=0),
                ServerSettings(name="mongodb", env={**mongo, **plain}, cache_s=0),
            ]
        )
        await found.start()
        stack.push_async_callback(found.stop)
        if not await found.wait_ready(30):
            raise RuntimeError("; ".join(f"{h.name}: {h.reason}" for h in found.health() if not h.ok))
        yield found


async def _telemetry(stack: AsyncExitStack) -> str:
    words = [sys.executable, "-m", "sandbox.telemetry", "error-burst", "--port", "0", "--until-stdin-ends"]
    process = await asyncio.create_subprocess_exec(
        *words, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    stack.push_async_callback(process.wait)
    stack.callback(process.kill)
    return (await asyncio.wait_for(process.stdout.readline(), 60)).decode().strip()


async def _mongo(stack: AsyncExitStack, folder: Path) -> int:
    """A wire server with one collection and a profile of it. It needs a moment until it answers."""
    from pymongo import MongoClient
    from pymongo.errors import PyMongoError

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = int(sock.getsockname()[1])
    program = Path(sys.executable).with_name("secantusd-py")
    process = subprocess.Popen(
        [str(program), "--port", str(port), "--storage-path", str(folder / "mongo")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env={**os.environ, "HOME": str(folder)},
    )
    stack.callback(process.wait, 10)
    stack.callback(process.kill)

    def fill() -> None:
        until = time.monotonic() + 20
        while True:
            try:
                with MongoClient("127.0.0.1", port, directConnection=True, serverSelectionTimeoutMS=500) as client:
                    shop = client["shop"]
                    shop["orders"].insert_many([{"u": i, "status": "open", "v": i % 7} for i in range(300)])
                    shop["orders"].create_index("u")
                    shop.command("profile", 2)
                    for n in range(20):
                        list(shop["orders"].find({"v": {"$gt": n % 7}}).sort("v", -1))
                    return
            except PyMongoError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)

    await asyncio.to_thread(fill)
    return port


def _first(data: Any, *names: str) -> str:
    """The first text under one of ``names``, anywhere in ``data``; a list gives its first."""
    if isinstance(data, dict):
        for name in names:
            value = data.get(name)
            value = value[0] if isinstance(value, list) and value else value
            if isinstance(value, str) and value:
                return value
    inner = data.values() if isinstance(data, dict) else data if isinstance(data, list) else ()
    return next((found for part in inner if (found := _first(part, *names))), "")


async def measured(found: Hub) -> dict[str, Measured]:
    """Full tool name -> what its sample calls gave."""
    changes = await found.call("kubernetes.find_unhealthy", {"namespace": "shop"}, id="E0", step="bench")
    pod = next((s.subject.rpartition("/")[2] for s in changes.signals if s.subject.startswith("Pod/")), "redis-0")
    traces = await found.call("signoz.search_traces", WINDOW, id="E0", step="bench")
    known = {POD: pod, TRACE: _first(traces.data, "trace_id", "trace_ids", "traces")}
    metrics = await found.call("signoz.find_fields", {"signal": "metrics", **WINDOW}, id="E0", step="bench")
    known[METRIC] = _first(metrics.data, "name", "metric")
    results: dict[str, Measured] = {}
    for server, samples in (
        ("kubernetes", KUBERNETES),
        ("signoz", SIGNOZ),
        ("clickhouse", CLICKHOUSE),
        ("mongodb", MONGODB),
    ):
        for tool, given in samples:
            name = f"{server}.{tool}"
            arguments = {
                key: known.get(value, value) if isinstance(value, str) else value for key, value in given.items()
            }
            one = results.get(name, Measured())
            times: list[float] = []
            for _ in range(ROUNDS):
                evidence = await found.call(name, arguments, id="E1", step="bench")
                times.append(evidence.duration_ms)
            if evidence.error is not None:
                results[name] = Measured(one.tokens, one.size, one.ms, (*one.refused, evidence.error.code))
                continue
            text = compact(evidence.data)
            results[name] = Measured(
                (*one.tokens, tokens(text)),
                (*one.size, len(text.encode())),
                (*one.ms, statistics.median(times)),
                one.refused,
            )
    return results


async def measure() -> list[Figure]:
    async with hub() as found:
        rows = [row(info) for info in found.inventory().values()]
        results = await measured(found)
    sizes = sorted(n for one in results.values() for n in one.tokens)
    largest = max((size, name) for name, one in results.items() for size in one.size)
    missing = [name for name, one in results.items() if not one.tokens]
    return [
        Figure(
            "tokens of all tools' definitions",
            sum(r.tokens for r in offered(rows)),
            DEFINITIONS,
            detail=f"{len(offered(rows))} tools that a model may be offered",
        ),
        Figure(
            "tokens of an answer, median of the sample calls",
            statistics.median(sizes),
            MEDIAN_ANSWER,
            detail=f"{len(sizes)} answers, the largest {sizes[-1]}; without an answer here: {', '.join(missing) or 'none'}",
        ),
        Figure("bytes of the largest answer", largest[0], CAP_BYTES, "B", detail=largest[1]),
    ]


async def page() -> str:
    """docs/servers/tools.md."""
    async with hub() as found:
        infos = found.inventory()
        results = await measured(found)
    lines = [
        "# The tools and what they cost",
        "",
        "Made by `python -m bench.tool_answers > docs/servers/tools.md`. Tokens are counted as `bot/tools/size.py` says, within",
        "about a tenth of what a model's own tokenizer counts. Answers are those of sample calls on the sandbox's backends; ms is",
        "the time in hub, server and backend together, on the machine that made this page. A dash stands where the sandbox's",
        "backend has nothing to answer with.",
        "`rca tools` prints the list for your own configuration, foreign servers included.",
        "",
        "| tool | what it is for | tokens of the definition | tokens of an answer | ms |",
        "|---|---|---:|---:|---:|",
    ]
    for name, info in infos.items():
        one = results.get(name, Measured())
        answer = f"{statistics.median(one.tokens):.0f}" if one.tokens else "–"
        ms = f"{statistics.median(one.ms):.0f}" if one.ms else "–"
        what = purpose(info.description).replace("|", "\\|")
        lines.append(f"| `{name}` | {what} | {definition_tokens(info)} | {answer} | {ms} |")
    called = offered([row(info) for info in infos.values()])
    everything = [n for one in results.values() for n in one.tokens]
    lines += [
        "",
        f"Together: {len(called)} tools that a model may be offered, {sum(r.tokens for r in called):,} tokens of definitions (limit "
        f"{DEFINITIONS:,}); "
        f"the median answer has {statistics.median(everything):.0f} tokens (limit {MEDIAN_ANSWER:,}), the largest {max(everything):,}. "
        f"No answer exceeds {CAP_BYTES:,} bytes unless `RCA_MAX_RESULT_BYTES` says otherwise.",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    logs.configure("ERROR")
    print(asyncio.run(page()))
