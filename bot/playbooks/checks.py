"""What a single playbook can get wrong beyond its shape: patterns, expressions, names that do not exist, circles.

Everything here is found at load, in one pass, so that a broken playbook is reported whole and never surprises an investigation.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from bot.patterns import PatternError, Patterns
from bot.playbooks.context import RESERVED
from bot.playbooks.errors import ExpressionError
from bot.playbooks.expressions import Arguments, Condition, Extraction, Template
from bot.playbooks.model import Clause, FindingRule, Fragment, Playbook, Step
from bot.playbooks.plan import Plan, PlanError
from bot.playbooks.problem import did_you_mean
from bot.playbooks.yamlfile import Path

MAX_STEPS = 40
MAX_FINDINGS = 200
MAX_TESTS = 60
Trouble = tuple[Path, str]

_EARLY = frozenset({"alert", "playbook"})
_STEP = frozenset({"alert", "vars", "steps", "playbook"})
_LATE = _STEP | {"findings"}
_SHARED = frozenset({"alert", "vars", "findings", "playbook"})


def check(playbook: Playbook) -> list[Trouble]:
    """Everything wrong with ``playbook``, as (path in the file, what and how to mend)."""
    found = list(_check(playbook))
    if not any(path[:1] == ("steps",) for path, _ in found):
        try:
            Plan.of(playbook)
        except PlanError as problem:
            index = next((i for i, s in enumerate(playbook.steps) if s.id == problem.step), 0)
            found.append((("steps", index, *(p for p in problem.field.split(".") if p)), str(problem)))
    return found


def check_fragment(fragment: Fragment) -> list[Trouble]:
    """Everything wrong with a shared file, taken by itself."""
    return list(_fragment(fragment))


def _fragment(fragment: Fragment) -> Iterator[Trouble]:
    roots = _LATE if fragment.steps else _SHARED
    ids = [step.id for step in fragment.steps]
    for name, text in fragment.vars.items():
        yield from _try(("vars", name), Template, text, _EARLY)
    yield from _steps(fragment.steps)
    yield from _findings(fragment.findings, ids, roots)
    yield from _ruled_out(fragment.ruled_out, ids)
    for i, text in enumerate(fragment.next_steps):
        yield from _expression(("next_steps", i), text, roots, ids, Template)
    if len(fragment.tests) > MAX_TESTS:
        yield ("tests",), f"{len(fragment.tests)} entries; at most {MAX_TESTS}"


def _check(playbook: Playbook) -> Iterator[Trouble]:
    for field, limit in (("steps", MAX_STEPS), ("findings", MAX_FINDINGS), ("tests", MAX_TESTS)):
        if len(getattr(playbook, field)) > limit:
            yield (field,), f"{len(getattr(playbook, field))} entries; at most {limit}"
    for field in ("match", "exclude"):
        for i, clause in enumerate(getattr(playbook, field)):
            yield from _clause((field, i), clause)
    for name, text in playbook.vars.items():
        yield from _try(("vars", name), Template, text, _EARLY)
    ids = [step.id for step in playbook.steps]
    if not ids:
        yield ("steps",), "a playbook needs at least one step"
    yield from _steps(playbook.steps)
    yield from _findings(playbook.findings, ids, _LATE)
    yield from _report(playbook, ids)
    yield from _agent(playbook, ids)


def _steps(steps: Sequence[Step]) -> Iterator[Trouble]:
    ids = [step.id for step in steps]
    for i, step in enumerate(steps):
        if step.id in ids[:i]:
            yield ("steps", i, "id"), f"the step id {step.id!r} stands twice"
        yield from _step(("steps", i), step, ids)


def _ruled_out(labels: Mapping[str, str], ids: Sequence[str]) -> Iterator[Trouble]:
    for label, text in labels.items():
        yield from _try(("ruled_out", label), Template, label, _STEP)
        yield from _expression(("ruled_out", label), text, _STEP, ids)


def _report(playbook: Playbook, ids: Sequence[str]) -> Iterator[Trouble]:
    if playbook.affected:
        yield from _expression(("affected",), playbook.affected, _LATE, ids, Template)
    yield from _ruled_out(playbook.ruled_out, ids)
    for i, text in enumerate(playbook.next_steps):
        yield from _expression(("next_steps", i), text, _LATE, ids, Template)
    for i, mention in enumerate(playbook.notify.mentions):
        if mention.when:
            yield from _expression(("notify", "mentions", i, "when"), mention.when, _LATE, ids)


def _agent(playbook: Playbook, ids: Sequence[str]) -> Iterator[Trouble]:
    if playbook.agent is None:
        return
    for field in ("skip_when", "escalate_when"):
        if text := getattr(playbook.agent, field):
            yield from _expression(("agent", field), text, _LATE, ids)
    if playbook.agent.prompt:
        yield from _expression(("agent", "prompt"), playbook.agent.prompt, _LATE, ids, _statements)
    yield from _patterns(("agent", "tools"), playbook.agent.tools)


def _statements(text: str, roots: frozenset[str]) -> Template:
    return Template(text, roots, statements=True)


def _clause(path: Path, clause: Clause) -> Iterator[Trouble]:
    if clause == Clause():
        yield (
            path,
            "an empty clause would match every alert; name something, or use `default: true` for the general playbook",
        )
    for field in ("name", "source", "severity"):
        yield from _patterns((*path, field), getattr(clause, field))
    for field in ("text", "expr"):
        yield from _patterns((*path, field), getattr(clause, field), search=True)
    for label, patterns in clause.labels.items():
        yield from _patterns((*path, "labels", label), patterns)
        if not patterns:
            yield (*path, "labels", label), "no pattern; write '*' for any value"
    if clause.where:
        yield from _try((*path, "where"), Condition, clause.where, frozenset({"alert"}))


def _patterns(path: Path, texts: Sequence[str], search: bool = False) -> Iterator[Trouble]:
    try:
        Patterns.compile(texts, search)
    except PatternError as problem:
        yield path, str(problem)


def _step(path: Path, step: Step, ids: Sequence[str]) -> Iterator[Trouble]:
    roots = _STEP | {"item"} if step.for_each else _STEP
    for field in ("when", "for_each"):
        if getattr(step, field):
            yield from _expression((*path, field), getattr(step, field), _STEP, ids)
    for name, value in step.args.items():
        try:
            Arguments({name: value}, roots=roots)
        except ExpressionError as problem:
            yield (*path, "args", name), str(problem)
    for name in step.optional_args:
        if name not in step.args:
            yield (*path, "optional_args"), f"{name!r} is not among args{did_you_mean(name, step.args)}"
    if step.note:
        yield from _expression((*path, "note"), step.note, _STEP, ids, Template)
    for name, source in step.extract.items():
        if name in RESERVED:
            yield (*path, "extract", name), f"{name!r} is a name that every step has; choose another"
        yield from _try((*path, "extract", name), Extraction, source)


def _findings(rules: Sequence[FindingRule], ids: Sequence[str], roots: frozenset[str]) -> Iterator[Trouble]:
    seen: set[str] = set()
    for i, rule in enumerate(rules):
        path: Path = ("findings", i)
        if rule.id in seen:
            yield (*path, "id"), f"the finding id {rule.id!r} stands twice"
        seen.add(rule.id)
        if not rule.on and not rule.when:
            yield path, "needs `on` (signals) or `when` (an expression)"
        if rule.reason and not rule.on:
            yield (*path, "reason"), "narrows signals, so it needs `on`"
        yield from _patterns((*path, "on"), rule.on)
        yield from _patterns((*path, "reason"), rule.reason)
        for name in rule.steps:
            if name not in ids:
                yield (*path, "steps"), f"there is no step {name!r}{did_you_mean(name, ids)}"
        seen_by = roots | {"signal"} if rule.on else roots
        if rule.when:
            yield from _expression((*path, "when"), rule.when, seen_by, ids)
        for field in ("title", "why", "object"):
            if getattr(rule, field):
                yield from _expression((*path, field), getattr(rule, field), seen_by, ids, Template)
        for n, remedy in enumerate(rule.remediation):
            for field in ("do", "command"):
                if text := getattr(remedy, field):
                    yield from _expression((*path, "remediation", n, field), text, seen_by, ids, Template)


def _expression(
    path: Path, text: str, roots: frozenset[str], ids: Sequence[str], make: Callable[..., Any] = Condition
) -> Iterator[Trouble]:
    try:
        made = make(text, roots)
    except ExpressionError as problem:
        yield path, str(problem)
        return
    for reference in sorted(made.references, key=lambda r: r.step):
        if reference.step not in ids:
            close = did_you_mean(reference.step, ids, f"; known: {', '.join(ids)}")
            yield path, f"there is no step {reference.step!r}{close}"


def _try(path: Path, make: Callable[..., Any], *arguments: Any) -> Iterator[Trouble]:
    try:
        make(*arguments)
    except ExpressionError as problem:
        yield path, str(problem)
