"""Around what changes are looked for, and how near an object is to it."""

from dataclasses import dataclass, field
from datetime import datetime

from mcp_servers.kubernetes.change_model import Relation
from mcp_servers.kubernetes.podtemplate_diff import Mark


@dataclass(frozen=True)
class Scope:
    """``targets`` are workload refs that the question is about (empty: the whole namespace, every object in it counts alike).

    ``configs`` are the names of the ConfigMaps that their pod templates refer to, ``services`` the names of Services that select them,
    ``nodes`` the nodes that they run on.
    """

    start: datetime
    end: datetime
    onset: datetime
    mark: Mark
    targets: frozenset[str] = frozenset()
    configs: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()
    nodes: frozenset[str] = field(default_factory=frozenset)

    def holds(self, at: datetime | None) -> bool:
        return at is not None and self.start <= at <= self.end

    def relation(self, ref: str) -> Relation:
        """How near the object ``ref`` is."""
        kind, _, rest = ref.partition("/")
        name = rest.rpartition("/")[2]
        if ref in self.targets:
            return "self"
        if kind == "ConfigMap" and name in self.configs:
            return "config_of"
        if kind == "Service" and name in self.services:
            return "self"
        if kind == "Node":
            return "same_node" if name in self.nodes else "cluster"
        return "same_namespace"
