"""Storms: which running investigation an alert is part of. A pure decision from what both are about; the history calls it at the door.

The first alert leads. Another one joins it because it is the same alert, is about the same workload, service or node, because the leader's
playbook says that its trouble drags such alerts along, because the same rule fires beside it, or because so many investigations began
within a minute that one more would help nobody. The reason is written down in words: nothing is folded silently. Relations that only
suggest one cause are `loose`: when the leader's verdict does not speak of what such an alert is about, it gets an investigation after all.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, field_validator

from bot.alerts.fingerprint import stem
from bot.alerts.model import Alert
from bot.patterns import Patterns

BESIDE_S: Final = 120.0
"""How long after a leader's newest alert another one may join it for a loose reason, or at all once it has its verdict."""
CROWD_S: Final = 60.0
CROWD_NAMESPACE: Final = 4
CROWD_CLUSTER: Final = 8
"""So many leaders within `CROWD_S` in one namespace, in one cluster: from then on what comes there joins one of them."""
MAX_OTHERS: Final = 20

Same = Literal["node", "namespace", "cluster"]


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Place(Frozen):
    """What an alert is about, as far as it says so. ``name`` is the workload's or service's, without what a new pod changes."""

    cluster: str = ""
    namespace: str = ""
    name: str = ""
    node: str = ""
    rule: str = ""

    @property
    def is_node(self) -> bool:
        """Whether it is about a node itself, not about something that runs there."""
        return bool(self.node) and not self.name

    @property
    def said(self) -> str:
        """For people: ``checkout in shop``, ``node worker-7``; "" when it names nothing."""
        if self.name:
            return f"{self.name} in {self.namespace}" if self.namespace else self.name
        return f"node {self.node}" if self.node else self.namespace


class Kin(Frozen):
    """Alerts that a leader's trouble drags along: those whose name fits one of ``names`` and that share ``same`` with it."""

    same: Same
    names: tuple[str, ...]

    @field_validator("names")
    @classmethod
    def _usable(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        _patterns(names)  # raises PatternError, which is a ValueError
        return names

    def knows(self, rule: str) -> bool:
        return bool(rule) and _patterns(self.names).matches(rule)


@lru_cache(maxsize=512)
def _patterns(names: tuple[str, ...]) -> Patterns:
    return Patterns.compile(names)


class Joining(Frozen):
    """What the history keeps of each message to decide about later ones.

    ``others`` are the places of the other alerts in the same message, ``kin`` comes from the playbook that was chosen for the first.
    """

    place: Place = Place()
    others: tuple[Place, ...] = ()
    kin: tuple[Kin, ...] = ()

    @property
    def places(self) -> tuple[Place, ...]:
        """Everything that it names, each once."""
        return tuple(dict.fromkeys((self.place, *self.others)))


@dataclass(frozen=True)
class Lead:
    """An investigation that others may join. ``at`` and ``last_at`` (its newest alert) are epoch seconds; ``over``: it has its verdict."""

    id: str
    fingerprint: str
    joining: Joining
    at: float
    last_at: float
    joined: int = 0
    over: bool = False


@dataclass(frozen=True)
class Fold:
    """``into`` is the leader's id, ``because`` the reason in words."""

    into: str
    because: str
    loose: bool = False


def joining_of(alerts: Sequence[Alert], kin: Iterable[Kin] = ()) -> Joining:
    """Of the alerts of one message, the leading one first."""
    mine, *others = (place_of(a) for a in alerts)
    kept = [p for p in dict.fromkeys(others) if p != mine and (p.name or p.node)]
    return Joining(place=mine, others=tuple(kept[:MAX_OTHERS]), kin=tuple(kin))


def place_of(alert: Alert) -> Place:
    """From named labels only, as the alert itself has them."""
    name = alert.workload.rpartition("/")[2] or (stem(alert.pod) if alert.pod else "") or alert.service
    return Place(
        cluster=alert.cluster[:120],
        namespace=alert.namespace[:120],
        name=name[:253],
        node=alert.node[:253],
        rule=alert.name[:200],
    )


def fold(joining: Joining, fingerprint: str, leads: Sequence[Lead], now: float) -> Fold | None:
    """The leader that an alert joins, the closest relation first, then the oldest; ``None``: it leads itself."""
    best: tuple[int, float, str] | None = None
    found: Fold | None = None
    crowd = _Crowd(leads, now)
    for lead in leads:
        relation = next(iter(_relations(joining.place, fingerprint, lead, crowd, now)), None)
        if relation is None:
            continue
        rank, because, loose = relation
        key = (rank, lead.at, lead.id)
        if best is None or key < best:
            # A message that speaks of other places, too, is not explained by what explains one of them.
            more = any(p.name != lead.joining.place.name for p in joining.others)
            best, found = key, Fold(lead.id, because, loose or more)
    return found


class _Crowd:
    """How many leaders began within the last minute, by where."""

    def __init__(self, leads: Iterable[Lead], now: float) -> None:
        self.spaces: dict[tuple[str, str], int] = {}
        self.clusters: dict[str, int] = {}
        for lead in leads:
            if now - lead.at <= CROWD_S:
                place = lead.joining.place
                space = (place.cluster, place.namespace)
                self.spaces[space] = self.spaces.get(space, 0) + 1
                self.clusters[place.cluster] = self.clusters.get(place.cluster, 0) + 1


def _relations(mine: Place, fingerprint: str, lead: Lead, crowd: _Crowd, now: float) -> Iterable[tuple[int, str, bool]]:
    """(rank, reason, loose) of what relates them, the closest first."""
    theirs = lead.joining.place
    if not _may_agree(mine.cluster, theirs.cluster):
        return
    lately = now - lead.last_at <= BESIDE_S
    if not lead.over or (lead.joined and lately):  # it has its verdict, and its alerts keep coming
        if fingerprint and fingerprint == lead.fingerprint:
            yield 0, "the same alert", False
        if _same_name(mine, theirs):
            yield 1, f"also about {theirs.said}", mine.namespace != theirs.namespace
        if mine.node and mine.node == theirs.node and theirs.is_node:
            yield 2, f"same node {mine.node}", False
    if not lead.over:
        if other := next((p for p in lead.joining.others if _same_name(mine, p)), None):
            yield 3, f"also about {other.said}", True
        for kin in lead.joining.kin:
            if _shares(kin.same, mine, theirs) and kin.knows(mine.rule):
                yield 4, f"same {kin.same}, which {theirs.rule} drags along", True
        if lately and mine.rule and mine.rule == theirs.rule and _beside(mine, theirs):
            yield 5, f"{mine.rule} fires beside it", True
    if not lately:
        return
    space = (mine.cluster, mine.namespace)
    if mine.namespace and space == (theirs.cluster, theirs.namespace) and crowd.spaces.get(space, 0) >= CROWD_NAMESPACE:
        yield 6, f"a storm in {mine.namespace}", True
    if mine.cluster == theirs.cluster and crowd.clusters.get(mine.cluster, 0) >= CROWD_CLUSTER:
        yield 7, f"a storm in {mine.cluster}" if mine.cluster else "a storm of alerts", True


def _same_name(one: Place, other: Place) -> bool:
    return bool(one.name) and one.name == other.name and _may_agree(one.namespace, other.namespace)


def _may_agree(one: str, other: str) -> bool:
    return one == other or not one or not other


def _shares(same: Same, mine: Place, theirs: Place) -> bool:
    if same == "node":
        return bool(mine.node) and mine.node == theirs.node
    if same == "namespace":
        return bool(mine.namespace) and mine.namespace == theirs.namespace
    return True  # clusters that disagree were left out before


def _beside(mine: Place, theirs: Place) -> bool:
    """In one namespace, or nodes of one cluster."""
    if mine.is_node and theirs.is_node:
        return True
    return bool(mine.namespace) and mine.namespace == theirs.namespace
