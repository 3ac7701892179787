"""`find_unhealthy` over 5,000 pods, against parsing the same bytes: triage must cost little more than reading.

The pods come from a recorded API server on loopback, in pages of 500 as the server asks for them. Memory is what Python allocates at its
peak (tracemalloc), beyond what was allocated before the call; the API server runs in a process of its own and does not count.
"""

import asyncio
import json
import multiprocessing
import statistics
import tempfile
import time
import tracemalloc
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from aiohttp import web

from bench.figure import Figure
from mcp_servers.kubernetes.server import create_server
from sandbox.cluster import sketch

PODS = 5_000
PAGE = 500
RUNS = 5
Json = dict[str, Any]


def pod(number: int) -> Json:
    """A pod as a cluster shows it, about 3.7 KB: two containers with probes, environment, mounts; every 500th crashes."""
    name, workload = f"orders-{number % 250}-7d9f8c6b5-{number:05d}", f"orders-{number % 250}"
    http = {"httpGet": {"path": "/healthz", "port": "http", "scheme": "HTTP"}, "timeoutSeconds": 1, "periodSeconds": 10}
    mounts = [
        {"name": "kube-api-access", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": True}
    ]
    containers = [
        {
            "name": called,
            "image": f"registry.example.com/shop/{workload}/{called}:2.{number % 40}.1",
            "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
            "env": [{"name": f"SETTING_{i}", "value": f"value-{i}-of-{workload}"} for i in range(5)],
            "resources": {"limits": {"cpu": "500m", "memory": "512Mi"}, "requests": {"cpu": "100m", "memory": "256Mi"}},
            "volumeMounts": mounts,
            "livenessProbe": http,
            "readinessProbe": http,
            "imagePullPolicy": "IfNotPresent",
            "terminationMessagePath": "/dev/termination-log",
        }
        for called in ("app", "proxy")
    ]
    template = {
        "metadata": {"labels": {"app": workload, "pod-template-hash": "7d9f8c6b5"}},
        "spec": {"containers": containers},
    }
    sick = "CrashLoopBackOff" if number % 500 == 0 else ""
    item = sketch.pod(
        name,
        template,
        sketch.owner("ReplicaSet", f"{workload}-7d9f8c6b5"),
        waiting=sick,
        restarts=7 if sick else 0,
        node=f"worker-{number % 100}",
    )
    first = item["status"]["containerStatuses"][0]
    first |= {
        "imageID": f"registry.example.com/shop/app@sha256:{number:064d}",
        "containerID": f"containerd://{number:064d}",
        "started": not sick,
    }
    item["status"]["containerStatuses"].append(
        {**first, "name": "proxy", "state": {"running": {"startedAt": sketch.at(900)}}, "ready": True}
    )
    item["spec"]["tolerations"] = [
        {"key": f"node.kubernetes.io/{why}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
        for why in ("not-ready", "unreachable")
    ]
    item["spec"] |= {
        "restartPolicy": "Always",
        "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler",
        "serviceAccountName": workload,
    }
    return item


def pages(items: list[Json]) -> list[bytes]:
    """The list as the API server sends it: pages with a continue token, items without their kind."""
    found = []
    for start in range(0, len(items), PAGE):
        rows = [{k: v for k, v in i.items() if k not in ("kind", "apiVersion")} for i in items[start : start + PAGE]]
        meta: Json = {"resourceVersion": "1"}
        if start + PAGE < len(items):
            meta["continue"] = str(start // PAGE + 1)
        found.append(
            json.dumps(
                {"kind": "PodList", "apiVersion": "v1", "metadata": meta, "items": rows}, separators=(",", ":")
            ).encode()
        )
    return found


def serve(pipe: Connection) -> None:
    """An API server that holds the pods and nothing else, in a process of its own."""
    asyncio.run(_serve(pipe))


async def _serve(pipe: Connection) -> None:
    held = pages([pod(n) for n in range(PODS)])

    async def answer(request: web.Request) -> web.Response:
        if request.method == "POST":
            return web.json_response({"status": {"allowed": False}}, status=201)
        if request.path.endswith("/pods"):
            body = (
                held[int(request.query.get("continue") or 0)] if "kube-system" not in request.path else b'{"items":[]}'
            )
            return web.Response(body=body, content_type="application/json")
        return web.json_response({"kind": "List", "metadata": {}, "items": []})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    pipe.send(runner.addresses[0][1])
    await asyncio.to_thread(pipe.recv)
    await runner.cleanup()


async def measure() -> list[Figure]:
    body = pages([pod(n) for n in range(PODS)])
    size = sum(map(len, body))
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    try:
        return await _measured(await asyncio.to_thread(ours.recv), body, size)
    finally:
        ours.send("stop")
        server.join(10)


async def _measured(port: int, body: list[bytes], size: int) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "kubeconfig")
        cluster = {"name": "b", "cluster": {"server": f"http://127.0.0.1:{port}"}}
        context = {"name": "b", "context": {"cluster": "b", "user": "b"}}
        config.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "b",
                    "clusters": [cluster],
                    "contexts": [context],
                    "users": [{"name": "b", "user": {"token": "t"}}],
                }
            )
        )
        bot = create_server({"KUBECONFIG": str(config), "RCA_CACHE_S": "0"})
        assert bot.settings.lifespan is not None
        async with bot.settings.lifespan(bot):
            first = await bot.call_tool("find_unhealthy", {})
            rows = first.structured_content["rows"]  # type: ignore[union-attr]
            checked = first.structured_content["checked"]  # type: ignore[union-attr]
            if checked["Pod"] != PODS or sum(r["affected"] for r in rows) != PODS // 500:
                raise RuntimeError(f"the triage did not see all: {checked}, {len(rows)} rows")
            pairs = [(await _took(bot), _parsed(body)) for _ in range(RUNS)]
            ratio = statistics.median(a / b for a, b in pairs)
            tracemalloc.start()
            try:
                before = tracemalloc.get_traced_memory()[0]
                await bot.call_tool("find_unhealthy", {})
                peak = tracemalloc.get_traced_memory()[1] - before
            finally:
                tracemalloc.stop()
    took, parse = (statistics.median(p[i] for p in pairs) for i in (0, 1))
    detail = f"{PODS} pods, {size / 1e6:.1f} MB; medians {took:.2f} s and {parse:.2f} s"
    return [
        Figure("find_unhealthy over json.loads of the same bytes", ratio, 3.0, detail=detail),
        Figure(
            "find_unhealthy, peak memory over the body", peak / size, 4.0, detail=f"{peak / 1e6:.0f} MB (tracemalloc)"
        ),
    ]


async def _took(bot: Any) -> float:
    start = time.perf_counter()
    await bot.call_tool("find_unhealthy", {})
    return time.perf_counter() - start


def _parsed(body: list[bytes]) -> float:
    start = time.perf_counter()
    for page in body:
        json.loads(page)
    return time.perf_counter() - start
