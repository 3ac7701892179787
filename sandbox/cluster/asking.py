"""Ask the Kubernetes server about a recording the way an MCP client does."""

import functools
import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mcp.server.mcpserver import MCPServer

from mcp_servers.kubernetes.server import create_server
from sandbox import asking
from sandbox.cluster.server import RecordedCluster


@dataclass(frozen=True)
class Answer(asking.Answer):
    """What came back, and what it took: ``requests`` to the API server, ``writes`` that it refused."""

    requests: list[str] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)


@functools.cache
def _server(environ: tuple[tuple[str, str], ...]) -> tuple[MCPServer[Any], Path]:
    """One server a process and environment: building its schemas is slow, and it reads its kubeconfig anew for every session."""
    config = Path(tempfile.mkdtemp(prefix="rca-ask-")) / "kubeconfig.json"
    return create_server({"RCA_CACHE_S": "0", **dict(environ), "RCA_K8S_KUBECONFIG": str(config)}), config


async def ask(
    folder: Path, tool: str, environ: dict[str, str] | None = None, *, session: bool = False, **arguments: Any
) -> Answer:
    """One call of one tool on one recording. Calls of one process must not overlap.

    ``session`` as in `sandbox.asking`.
    """
    async with RecordedCluster(folder) as cluster:
        server, config = _server(tuple(sorted((environ or {}).items())))
        config.write_text(json.dumps(cluster.kubeconfig()))
        got = await asking.ask_server(server, tool, arguments, session=session)
        return Answer(got.data, got.text, got.failed, cluster.requests, cluster.writes)
