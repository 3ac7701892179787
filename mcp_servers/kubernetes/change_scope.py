"""Around what changes are looked for, and how near an object is to it."""

from dataclasses import dataclass, field
from datetime import datetime

from mcp_servers.common.change import Relation
from mcp_servers.kubernetes.podtemplate_diff import Mark


@dataclass(frozen=True)
class Scope:
    """``targets`` are workload refs that the question is about (empty: the whole namespace, every object in it counts alike).

    ``own`` are refs of objects that decide about the targets: Services and policies that select them, routes that lead to them.
    ``dependencies`` are refs of what the targets call. ``configs`` are ConfigMap and Secret refs in their pod templates, ``nodes`` the
    nodes that they run on, ``deliverers`` what delivers them (``Application/shop``). ``namespace`` is theirs, "" for the whole cluster.
    """

    start: datetime
    end: datetime
    onset: datetime
    mark: Mark
    namespace: str = ""
    targets: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()
    dependencies: frozenset[str] = frozenset()
    configs: frozenset[str] = frozenset()
    deliverers: frozenset[str] = frozenset()
    nodes: frozenset[str] = field(default_factory=frozenset)

    def holds(self, at: datetime | None) -> bool:
        return at is not None and self.start <= at <= self.end

    def relation(self, ref: str) -> Relation:
        """How near the object ``ref`` is."""
        kind, _, rest = ref.partition("/")
        space, _, name = rest.rpartition("/")
        if ref in self.targets or ref in self.own:
            return "self"
        if ref in self.configs:
            return "config_of"
        if ref in self.dependencies:
            return "dependency"
        if kind == "Node":
            return "same_node" if name in self.nodes else "cluster"
        return "same_namespace" if not self.namespace or space == self.namespace else "cluster"
