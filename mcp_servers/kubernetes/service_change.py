"""The newest change of what stands behind a Service, for an answer that is about its health now."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from mcp_servers.common.change import Change
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.change_config import Settings, config_maps
from mcp_servers.kubernetes.change_scope import Scope
from mcp_servers.kubernetes.change_workloads import Workloads, rollouts
from mcp_servers.kubernetes.podtemplate_diff import Mark, config_sources

Json = dict[str, Any]
WINDOW = timedelta(hours=24)


def newest_change(past: Workloads, configs: Sequence[Json], mark: Mark, now: datetime) -> Change | None:
    """The newest rollout of ``past``'s workloads, or write to a ConfigMap that they use, within 24 h; `get_recent_changes` tells more."""
    refs = {o.ref_of(w) for w in past.items}
    used = {
        o.ref(kind, o.namespace(w), name)
        for w in past.items
        for kind, name in config_sources(o.branch(w, "spec", "template"))
    }
    scope = Scope(now - WINDOW, now, now, mark, targets=frozenset(refs), configs=frozenset(used))
    mine = [c for c in configs if o.ref_of(c) in used]
    found = [*rollouts(past, scope), *config_maps(mine, Settings(), scope)]
    return max(found, key=lambda c: (c.at, c.score), default=None)
