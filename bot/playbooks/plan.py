"""Which step waits for which: inferred from what their expressions refer to, so that everything else runs in parallel.

A reference to a step's answer is a hard edge: without the answer the step cannot run. A reference to ``.ok``, ``.status`` or ``.error``, or
one that an expression can do without (``| default(...)``, an optional argument), only orders. ``needs`` is a hard edge said in words.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from bot.playbooks.expressions import Arguments, Condition, Reference
from bot.playbooks.model import Playbook, Step
from bot.playbooks.problem import did_you_mean


class PlanError(Exception):
    """Steps that cannot be ordered; ``step`` is where to look, ``field`` what in it."""

    def __init__(self, message: str, step: str = "", field: str = "") -> None:
        self.step = step
        self.field = field
        super().__init__(message)


@dataclass(frozen=True, order=True)
class Edge:
    """``after`` waits for ``before``; with ``data`` it cannot run unless ``before`` succeeded."""

    before: str
    after: str
    data: bool = True


@dataclass(frozen=True)
class Plan:
    """The steps in an order in which they may run, the edges between them, and their arguments, compiled."""

    steps: tuple[str, ...]
    edges: tuple[Edge, ...]
    arguments: Mapping[str, Arguments] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, playbook: Playbook) -> "Plan":
        """The plan of a playbook. Raises `PlanError` on an unknown step or a circle, `ExpressionError` on a broken expression."""
        known = [step.id for step in playbook.steps]
        hard: dict[tuple[str, str], bool] = {}
        for step in playbook.steps:
            named = [("needs", Reference(name)) for name in step.needs]
            for where, reference in [*named, *references(step)]:
                if reference.step not in known:
                    close = did_you_mean(reference.step, known, f"; known: {', '.join(known)}")
                    raise PlanError(
                        f"step {step.id!r} refers to step {reference.step!r}, which is not there{close}", step.id, where
                    )
                key = (reference.step, step.id)
                hard[key] = hard.get(key, False) or (reference.data and not reference.soft)
        edges = tuple(sorted(Edge(before, after, data) for (before, after), data in hard.items()))
        arguments = {s.id: Arguments(s.args, optional=s.optional_args) for s in playbook.steps}
        return cls(_ordered(known, edges), edges, arguments)

    def waits_for(self, step: str) -> tuple[str, ...]:
        """The steps that must have settled, well or badly, before ``step`` may start."""
        return self._before.get(step, ())

    def needs_data_of(self, step: str) -> tuple[str, ...]:
        """The steps without whose success ``step`` cannot run."""
        return self._needed.get(step, ())

    @cached_property
    def _before(self) -> dict[str, tuple[str, ...]]:
        return {step: tuple(e.before for e in self.edges if e.after == step) for step in self.steps}

    @cached_property
    def _needed(self) -> dict[str, tuple[str, ...]]:
        return {step: tuple(e.before for e in self.edges if e.after == step and e.data) for step in self.steps}


class Plans:
    """The plans of the playbooks in use, each worked out once. A playbook that was loaded anew is another object and gets a new plan."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[Playbook, Plan]] = {}

    def of(self, playbook: Playbook) -> Plan:
        """Raises as `Plan.of`."""
        known = self._made.get(playbook.id)
        if known is None or known[0] is not playbook:
            known = self._made[playbook.id] = playbook, Plan.of(playbook)
        return known[1]


def references(step: Step) -> Iterator[tuple[str, Reference]]:
    """What a step's expressions refer to, with the field that does. Raises `ExpressionError` on an expression that is none."""
    if step.when:
        yield from (("when", r) for r in Condition(step.when).references)
    if step.for_each:
        yield from (("for_each", r) for r in Condition(step.for_each).references)
    for name, value in step.args.items():
        for reference in Arguments({name: value}).references:
            soft = reference.soft or name in step.optional_args
            yield f"args.{name}", Reference(reference.step, reference.data, soft)


def _ordered(known: list[str], edges: tuple[Edge, ...]) -> tuple[str, ...]:
    waiting = {step: {e.before for e in edges if e.after == step} for step in known}
    order: list[str] = []
    while waiting:
        free = [step for step in known if step in waiting and not waiting[step] - set(order)]
        if not free:
            circle = _circle(waiting)
            raise PlanError(
                f"the steps wait for each other: {' -> '.join(circle)}; remove one of these references", circle[0]
            )
        order.extend(free)
        for step in free:
            del waiting[step]
    return tuple(order)


def _circle(waiting: Mapping[str, set[str]]) -> list[str]:
    """One circle among steps that all wait, as names with the first repeated at the end."""
    path = [next(iter(waiting))]
    while True:
        following = min(b for b in waiting[path[-1]] if b in waiting)
        if following in path:
            return [*path[path.index(following) :], following]
        path.append(following)
