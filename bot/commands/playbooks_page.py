"""One playbook as a page for a terminal: what leads to it, the plan of its steps in waves, what its rules conclude."""

from collections.abc import Iterator, Mapping

from rich.text import Text

from bot.playbooks.model import Clause, FindingRule, Playbook, Step
from bot.playbooks.plan import Plan


def page(playbook: Playbook, file: str) -> Iterator[Text]:
    """Lines, top to bottom."""
    yield Text(f"{playbook.title} ({playbook.id})", style="bold")
    yield Text(playbook.description, style="dim")
    facts = [
        f"family {playbook.family}",
        f"priority {playbook.priority}",
        playbook.owner and f"owner {playbook.owner}",
        playbook.runbook,
        file,
    ]
    yield Text("  ".join(f for f in facts if f), style="dim")
    yield Text("\nLeads here", style="bold")
    yield from (Text(f"  {line}") for line in _matches(playbook))
    yield Text(f"\nSteps, at most {playbook.max_parallel} at once, {playbook.timeout:g} s in all", style="bold")
    yield from plan_lines(playbook)
    yield Text("\nConcludes", style="bold")
    for rule in sorted(playbook.findings, key=lambda r: -r.confidence):
        yield _rule(rule)
    yield Text(f"\n{len(playbook.tests)} tests in the file", style="dim")


def plan_lines(playbook: Playbook) -> Iterator[Text]:
    """The steps in waves. ``←`` needs the other's answer, ``(←)`` only waits for its end; a step starts once all of these have settled."""
    plan = Plan.of(playbook)
    width = max((len(step.id) for step in playbook.steps), default=0)
    for number, wave in enumerate(waves(playbook, plan), 1):
        yield Text(f"  {number}", style="dim")
        for n, step in enumerate(wave):
            corner = "─" if len(wave) == 1 else "┬" if n == 0 else "└" if n == len(wave) - 1 else "├"
            yield (
                Text(f"    {corner} ")
                .append(f"{step.id:<{width}}", style="bold")
                .append(f"  {_about(step)}{_waits(step, plan)}")
            )


def waves(playbook: Playbook, plan: Plan) -> list[list[Step]]:
    """Steps by the length of the longest chain that they wait for, each wave in the playbook's order."""
    depth: dict[str, int] = {}
    for step_id in plan.steps:  # in an order in which they may run
        depth[step_id] = 1 + max((depth[before] for before in plan.waits_for(step_id)), default=-1)
    made: list[list[Step]] = [[] for _ in range(1 + max(depth.values(), default=-1))]
    for step in playbook.steps:
        made[depth[step.id]].append(step)
    return made


def _about(step: Step) -> str:
    marks = [
        "key" if step.key else "",
        f"for each, at most {step.max_items}" if step.for_each else "",
        "if due" if step.when else "",
        f"{step.retry.attempts} tries" if step.retry.attempts > 1 else "",
        "ends the checks when it fails" if step.on_error == "stop" else "",
    ]
    said = ", ".join(m for m in marks if m)
    asked = f"{step.capability} (any server)" if step.capability else step.tool
    return f"{step.title} · {asked}" + (f" · {said}" if said else "")


def _waits(step: Step, plan: Plan) -> str:
    needs = plan.needs_data_of(step.id)
    said = [f"← {name}" if name in needs else f"(←) {name}" for name in plan.waits_for(step.id)]
    return f"  {', '.join(said)}" if said else ""


def _matches(playbook: Playbook) -> Iterator[str]:
    if playbook.default:
        yield "every alert that no other playbook knows"
    for clause in playbook.match:
        yield _clause(clause)
    for clause in playbook.exclude:
        yield f"not {_clause(clause)}"
    if playbook.aliases:
        yield f"alias or runbook: {', '.join(playbook.aliases)}"
    if playbook.fallback:
        yield "its words, when they are clearly the closest"


def _clause(clause: Clause) -> str:
    parts: list[str] = []
    fields: Mapping[str, tuple[str, ...]] = {
        "name": clause.name,
        "source": clause.source,
        "severity": clause.severity,
        "text": clause.text,
        "query": clause.expr,
        **{f"label {label}": patterns for label, patterns in clause.labels.items()},
    }
    for field, patterns in fields.items():
        if patterns:
            shown = ", ".join(patterns[:6]) + (f" and {len(patterns) - 6} more" if len(patterns) > 6 else "")
            parts.append(f"{field} {shown}")
    if clause.where:
        parts.append(f"`{clause.where}`")
    return " and ".join(parts)


def _rule(rule: FindingRule) -> Text:
    looks = (
        ", ".join(rule.on) + (f" ({', '.join(rule.reason)})" if rule.reason else "")
        if rule.on
        else " ".join(rule.when.split())
    )
    line = Text(f"  {rule.confidence:.2f} ")
    line.append("decides " if rule.decisive else "        ", style="bold")
    line.append(f"{rule.cause or 'informs'}")
    line.append(f"  ← {looks[:160]}", style="dim")
    if rule.suppresses:
        line.append(f"  over {', '.join(rule.suppresses)}", style="dim")
    return line
