"""The official servers' tools as far as adapters use them: their names, argument names and shapes of answers, over real HTTP.

Written after the servers' public sources. ``asked`` remembers each call, so that a test can see how the question was spelled.
"""
# ruff: noqa: N803 (the argument names are those of the servers)

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
import yaml
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations

READS = ToolAnnotations(read_only_hint=True)
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "checkout-7d9f-abc",
        "namespace": "shop",
        "labels": {"pod-template-hash": "7d9f"},
        "ownerReferences": [{"kind": "ReplicaSet", "name": "checkout-7d9f"}],
    },
    "spec": {"nodeName": "worker-1"},
    "status": {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "False", "reason": "ContainersNotReady"}],
        "containerStatuses": [
            {
                "name": "app",
                "ready": False,
                "restartCount": 14,
                "state": {
                    "waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting failed container"}
                },
                "lastState": {
                    "terminated": {"reason": "OOMKilled", "exitCode": 137, "finishedAt": "2026-11-22T03:01:00Z"}
                },
            }
        ],
    },
}
WELL = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "cart-1", "namespace": "shop"},
    "spec": {"nodeName": "worker-1"},
    "status": {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [
            {"name": "app", "ready": True, "restartCount": 0, "state": {"running": {"startedAt": "x"}}}
        ],
    },
}
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "checkout", "namespace": "shop"},
    "spec": {"replicas": 2},
    "status": {
        "availableReplicas": 1,
        "conditions": [{"type": "Available", "status": "False", "reason": "MinimumReplicasUnavailable"}],
    },
}
TABLE = """\
NAME                READY   STATUS             RESTARTS       AGE   IP          NODE       NOMINATED NODE   READINESS GATES
checkout-7d9f-abc   0/1     CrashLoopBackOff   14 (2m ago)    1h    10.0.0.9    worker-1   <none>           <none>
cart-1              1/1     Running            0              2d    10.0.0.7    worker-1   <none>           <none>
"""
LOG = "2026-11-22T03:00:58Z INFO serving\n2026-11-22T03:00:59Z ERROR cannot allocate 4096 bytes for request 17\n"


class Official:
    """One server with the tools of all products; a hub's ``allow`` says which product it is taken for."""

    def __init__(self, pods: list[dict[str, Any]] | None = None) -> None:
        self.pods = [POD, WELL] if pods is None else pods
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.url = ""

    def last(self, tool: str) -> dict[str, Any]:
        return next(arguments for name, arguments in reversed(self.asked) if name == tool)

    def server(self) -> MCPServer:
        made = MCPServer("official")

        def note(tool: str, **arguments: Any) -> None:
            self.asked.append((tool, {k: v for k, v in arguments.items() if v is not None}))

        def one(kind: str, name: str) -> dict[str, Any]:
            for each in [*self.pods, DEPLOYMENT]:
                if each["kind"].lower() == kind.lower() and each["metadata"]["name"] == name:
                    return each
            raise ToolError(f'{kind.lower()}s "{name}" not found')

        @made.tool(annotations=READS)
        def pods_get(name: str, namespace: str | None = None) -> str:
            note("pods_get", name=name, namespace=namespace)
            return yaml.safe_dump(one("Pod", name), sort_keys=True)

        @made.tool(annotations=READS)
        def pods_list_in_namespace(namespace: str, labelSelector: str | None = None) -> str:
            note("pods_list_in_namespace", namespace=namespace)
            return yaml.safe_dump(self.pods, sort_keys=True)

        @made.tool(annotations=READS)
        def pods_log(
            name: str,
            namespace: str | None = None,
            container: str | None = None,
            tail: int = 100,
            previous: bool | None = None,
        ) -> str:
            note("pods_log", name=name, namespace=namespace, tail=tail, previous=previous)
            return LOG

        @made.tool(annotations=READS)
        def resources_get(apiVersion: str, kind: str, name: str, namespace: str | None = None) -> str:
            note("resources_get", kind=kind, name=name)
            return yaml.safe_dump(one(kind, name), sort_keys=True)

        @made.tool(annotations=READS)
        def events_list(namespace: str | None = None) -> str:
            rows = [
                {
                    "InvolvedObject": {"Kind": "Pod", "Name": "checkout-7d9f-abc", "apiVersion": "v1"},
                    "Message": "Back-off restarting failed container",
                    "Namespace": "shop",
                    "Reason": "BackOff",
                    "Timestamp": "2026-11-22 03:02:00 +0000 UTC",
                    "Type": "Warning",
                },
                {
                    "InvolvedObject": {"Kind": "Pod", "Name": "cart-1"},
                    "Message": "Pulled",
                    "Reason": "Pulled",
                    "Type": "Normal",
                },
            ]
            return "# The following events (YAML format) were found:\n" + yaml.safe_dump(rows)

        @made.tool(annotations=READS)
        def kubectl_get(
            resourceType: str,
            name: str | None = None,
            namespace: str | None = None,
            output: str = "json",
        ) -> str:
            note("kubectl_get", resourceType=resourceType, name=name, namespace=namespace, output=output)
            return json.dumps(one(resourceType, name)) if name else TABLE

        @made.tool(annotations=READS)
        def kubectl_logs(
            resourceType: str,
            name: str,
            namespace: str,
            tail: int = 10,
            previous: bool = False,
            container: str | None = None,
        ) -> str:
            note("kubectl_logs", resourceType=resourceType, name=name, tail=tail)
            return json.dumps({"name": name, "logs": LOG})

        @made.tool(annotations=READS)
        def signoz_search_logs(
            service: str | None = None,
            severity: str | None = None,
            searchText: str | None = None,
            start: str | None = None,
            end: str | None = None,
            limit: str = "100",
        ) -> str:
            note(
                "signoz_search_logs",
                service=service,
                severity=severity,
                searchText=searchText,
                start=start,
                end=end,
                limit=limit,
            )
            rows = [
                {
                    "timestamp": "2026-11-22T03:00:59Z",
                    "data": {"body": f"payment {n} refused by bank", "severity_text": "ERROR"},
                }
                for n in range(3)
            ]
            return json.dumps(
                {"status": "success", "data": {"type": "raw", "data": {"results": [{"queryName": "A", "rows": rows}]}}}
            )

        @made.tool(annotations=READS)
        def signoz_list_services(
            timeRange: str | None = None, start: str | None = None, end: str | None = None, limit: str = "50"
        ) -> str:
            note("signoz_list_services", start=start, end=end)
            rows = [
                {"serviceName": "cart", "numCalls": 1000, "numErrors": 0, "callRate": 3.3, "p99": 12_000_000},
                {"serviceName": "payments", "numCalls": 200, "numErrors": 50, "callRate": 0.7, "p99": 900_000_000},
            ]
            return json.dumps({"data": rows, "pagination": {"total": 2, "hasMore": False}})

        @made.tool(annotations=READS)
        def list_datasources(type: str | None = None) -> str:
            note("list_datasources", type=type)
            rows = [
                {"id": 1, "uid": "prom-1", "name": "Prometheus", "type": "prometheus", "isDefault": True},
                {"id": 2, "uid": "loki-1", "name": "Loki", "type": "loki", "isDefault": False},
            ]
            return json.dumps([r for r in rows if not type or type in str(r["type"])])

        @made.tool(annotations=READS)
        def query_loki_logs(
            datasourceUid: str,
            logql: str,
            startRfc3339: str | None = None,
            endRfc3339: str | None = None,
            limit: int = 10,
        ) -> str:
            note("query_loki_logs", datasourceUid=datasourceUid, logql=logql, startRfc3339=startRfc3339, limit=limit)
            rows = [
                {"timestamp": "1", "line": f"payment {n} refused by bank", "labels": {"detected_level": "error"}}
                for n in range(3)
            ]
            return json.dumps(rows)

        @made.tool(annotations=READS)
        def query_prometheus(
            datasourceUid: str,
            expr: str,
            startRfc3339: str,
            endRfc3339: str | None = None,
            stepSeconds: int = 0,
            queryType: str = "range",
        ) -> str:
            note("query_prometheus", datasourceUid=datasourceUid, expr=expr, stepSeconds=stepSeconds)
            return json.dumps([{"metric": {"pod": "checkout-1"}, "values": [[1, "0.5"], [2, "0.97"], [3, "NaN"]]}])

        @made.tool(annotations=READS)
        def run_query(query: str) -> str:
            note("run_query", query=query)
            return json.dumps({"columns": ["level", "n"], "rows": [["ERROR", 7], ["INFO", 90]]})

        @made.tool(name="mongodb-logs", annotations=READS)
        def mongodb_logs(type: str = "global", limit: int = 50) -> str:
            note("mongodb-logs", type=type, limit=limit)
            line = {
                "t": {"$date": "2026-11-22T03:00:00Z"},
                "s": "E",
                "c": "NETWORK",
                "msg": "Connection ended, error: too many open files",
            }
            marked = "<untrusted-user-data-1>\n" + "\n".join([json.dumps(line)] * 2) + "\n</untrusted-user-data-1>"
            return "Found: 2 messages\n" + marked

        return made

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Official"]:
        """On a free port of the loopback, in this event loop."""
        app = self.server().streamable_http_app()
        web = uvicorn.Server(
            uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", timeout_graceful_shutdown=1)
        )
        task = asyncio.create_task(web.serve())
        while not web.started:
            await asyncio.sleep(0.005)
        self.url = f"http://127.0.0.1:{web.servers[0].sockets[0].getsockname()[1]}/mcp"
        try:
            yield self
        finally:
            web.should_exit = True
            await task
