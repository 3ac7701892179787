"""What a library can get wrong beyond a single file: tools that do not exist, signals that nobody sends, playbooks that fight for an alert.

Loading already refused what cannot run. This looks at the library as a whole, against the tools that the servers really offer, and at what
makes a playbook good: an owner, a runbook, tests.
"""

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol

from bot.patterns import Patterns
from bot.playbooks.loader import Entry, Library
from bot.playbooks.model import ANY, FindingRule, InlineTest, Playbook, Step
from bot.playbooks.parsing import at
from bot.playbooks.problem import Problem, did_you_mean
from bot.playbooks.router import Router
from bot.playbooks.rows import BadAlert, alert_of
from bot.playbooks.yamlfile import Document, Path
from mcp_servers.common.signals import CATALOGUE

MIN_TESTS = 3
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


class ToolInfoLike(Protocol):
    """What this room reads of `bot.tools.inventory.ToolInfo`; rooms on one floor do not import each other."""

    @property
    def server(self) -> str: ...
    @property
    def schema(self) -> dict[str, Any]: ...
    @property
    def signals(self) -> tuple[str, ...]: ...
    @property
    def state(self) -> str: ...
    @property
    def reason(self) -> str: ...


class _Pen:
    """Writes problems of one file."""

    def __init__(self, file: str, document: Document, playbook: str) -> None:
        self._file, self._document, self._playbook = file, document, playbook

    def error(self, path: Path, message: str) -> Problem:
        return at(self._document, path, message, self._file, self._playbook)

    def warning(self, path: Path, message: str) -> Problem:
        place = self.error(path, message)
        return Problem(place.file, place.line, place.field, message, "warning", self._playbook)


def lint(
    library: Library, inventory: Mapping[str, ToolInfoLike], *, causes: Collection[str] = (), only: str = ""
) -> list[Problem]:
    """Every problem of ``library``, its own (`Library.problems`) first, then file by file.

    Args:
        inventory: full tool name (``server.tool``) to what the servers offer; empty: tools are not checked.
        causes: the codes of the vocabulary; empty: causes are not checked.
        only: the id of one playbook to look at.
    """
    found = list(library.problems)
    found += _defaults(library)
    emitted = frozenset(code for tool in inventory.values() for code in tool.signals) | frozenset(CATALOGUE)
    for shared in library.shared.values():
        if not only:
            pen = _Pen(str(shared.file), shared.document, "")
            found += _rules(shared.fragment.findings, pen, causes, emitted if inventory else None)
            users = [p for p in library.playbooks.values() if shared.fragment.id in p.use]
            tests = [*shared.fragment.tests, *(test for playbook in users for test in playbook.tests)]
            found += _never_true([rule.id for rule in shared.fragment.findings], tests, pen)
            for i, step in enumerate(shared.fragment.steps if inventory else ()):
                found += _step(("steps", i), step, inventory, pen)
    try:
        router: Router | None = Router(library)
    except LookupError:
        router = None
    for entry in library.entries.values():
        if not only or entry.playbook.id == only:
            found += _entry(entry, library, inventory, causes, router)
    return found if not only else [p for p in found if p.playbook in ("", only)]


def failed(problems: Sequence[Problem]) -> bool:
    """Whether any of them is an error; warnings alone let a build pass."""
    return any(p.level == "error" for p in problems)


def json_schema() -> dict[str, Any]:
    """The JSON schema of a playbook file, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Playbook.model_json_schema()}


def _defaults(library: Library) -> Iterator[Problem]:
    names = [p.id for p in library.playbooks.values() if p.default]
    if not names:
        yield Problem(
            "playbooks", 0, "default", "no playbook has `default: true`; alerts that no other knows would be lost"
        )
    for name in names[:-1]:
        said = f"{names[-1]!r} has `default: true`, too, and wins; only one may"
        yield Problem(library.file_of(name), 0, "default", said, playbook=name)


def _entry(
    entry: Entry,
    library: Library,
    inventory: Mapping[str, ToolInfoLike],
    causes: Collection[str],
    router: Router | None,
) -> Iterator[Problem]:
    playbook, pen = entry.playbook, _Pen(str(entry.file), entry.document, entry.playbook.id)
    own_steps = _own_ids(entry, "steps")
    for step in playbook.steps if inventory else ():
        if step.id in own_steps:  # a fragment's are told with the fragment
            yield from _step(("steps", own_steps.index(step.id)), step, inventory, pen)
    own_rules = _own_ids(entry, "findings")
    own = [rule for rule in playbook.findings if rule.id in own_rules]
    tools = {step.id: inventory.get(step.tool) for step in playbook.steps}
    known = all(tool is not None for tool in tools.values())
    yield from _rules(own, pen, causes, None)
    for i, rule in enumerate(own):
        if rule.on and known:
            codes = {
                c for id_, tool in tools.items() if tool and (not rule.steps or id_ in rule.steps) for c in tool.signals
            }
            if not any(Patterns.compile(rule.on).matches(code) for code in codes):
                yield pen.error(
                    ("findings", i, "on"),
                    f"no step of this playbook can send {' or '.join(rule.on)}, so this is never true",
                )
    ids = {rule.id for rule in playbook.findings}
    for i, rule in enumerate(own):
        for name in rule.suppresses:
            if name not in ids:
                yield pen.error(("findings", i, "suppresses"), f"there is no finding {name!r}{did_you_mean(name, ids)}")
    yield from _metadata(playbook, pen)
    yield from _never_true([rule.id for rule in own], playbook.tests, pen)
    yield from _tests(playbook, library, router, pen)


def _own_ids(entry: Entry, field: str) -> list[str]:
    """The ids that stand in the playbook's own file, in its order."""
    listed = entry.document.value.get(field) or []
    return [str(item.get("id")) for item in listed if isinstance(item, dict)]


def _step(path: Path, step: Step, inventory: Mapping[str, ToolInfoLike], pen: _Pen) -> Iterator[Problem]:
    tool = inventory.get(step.tool)
    if tool is None and step.capability:
        known = [info.removeprefix(f"{ANY}.") for info in inventory if info.startswith(f"{ANY}.")]
        if known:
            close = did_you_mean(step.capability, known, f"; known: {', '.join(sorted(known))}")
            yield pen.error((*path, "capability"), f"there is no capability {step.capability!r}{close}")
        return
    if tool is None:
        server = step.tool.partition(".")[0]
        if not any(t.server == server for t in inventory.values()):
            servers = sorted({t.server for t in inventory.values()})
            yield pen.warning(
                (*path, "tool"), f"server {server!r} is not connected (connected: {', '.join(servers)}); not checked"
            )
            return
        offered = [name for name in inventory if name.startswith(f"{server}.")]
        close = did_you_mean(step.tool, offered, f"; it offers {', '.join(sorted(offered))}")
        yield pen.error((*path, "tool"), f"server {server!r} has no tool {step.tool.partition('.')[2]!r}{close}")
        return
    if tool.state != "allowed":
        yield pen.error((*path, "tool"), f"the tool is {tool.state}: {tool.reason or 'see the servers in rca.yaml'}")
    properties: Mapping[str, Any] = tool.schema.get("properties", {})
    for name, value in step.args.items():
        if name not in properties:
            if properties or tool.schema.get("additionalProperties") is False:
                close = did_you_mean(name, properties, f"; it takes {', '.join(properties) or 'none'}")
                yield pen.error((*path, "args", name), f"{step.tool} takes no argument {name!r}{close}")
        else:
            yield from _literal((*path, "args", name), value, properties[name], pen)
    for name in tool.schema.get("required", ()):
        if name not in step.args or name in step.optional_args:
            yield pen.error((*path, "args"), f"{step.tool} needs the argument {name!r}")


def _literal(path: Path, value: Any, schema: Any, pen: _Pen) -> Iterator[Problem]:
    """A value that is no template, against the plain parts of its schema."""
    if not isinstance(schema, Mapping) or (isinstance(value, str) and "{{" in value):
        return
    allowed = schema.get("enum")
    if allowed and value not in allowed:
        yield pen.error(path, f"{value!r} is not one of {', '.join(map(str, allowed))}")
    kinds = _TYPES.get(str(schema.get("type")))
    wrong_bool = isinstance(value, bool) and kinds is not None and bool not in kinds
    if kinds and (not isinstance(value, kinds) or wrong_bool):
        yield pen.error(path, f"must be {schema['type']}, got {type(value).__name__}")


def _rules(
    rules: Sequence[FindingRule], pen: _Pen, causes: Collection[str], emitted: Collection[str] | None
) -> Iterator[Problem]:
    for i, rule in enumerate(rules):
        path: Path = ("findings", i)
        for field, names in (("cause", (rule.cause,) if rule.cause else ()), ("rules_out", rule.rules_out)):
            for name in names:
                if causes and name not in causes:
                    close = did_you_mean(name, causes, "; the vocabulary is bot/investigation/causes.yaml")
                    yield pen.error((*path, field), f"{name!r} is not in the vocabulary of causes{close}")
        if rule.on:
            yield from _signals(path, rule, pen, emitted)
        if rule.when.strip() in ("false", "False"):
            yield pen.error((*path, "when"), "is always false; remove the finding")
        if rule.decisive and not rule.cause:
            yield pen.error((*path, "decisive"), "decides nothing without a `cause`")


def _signals(path: Path, rule: FindingRule, pen: _Pen, emitted: Collection[str] | None) -> Iterator[Problem]:
    wanted = Patterns.compile(rule.on)
    codes = [code for code in CATALOGUE if wanted.matches(code)]
    for pattern in wanted.wanted:
        if (
            pattern.kind == "exact"
            and pattern.exact not in CATALOGUE
            and (emitted is None or pattern.exact not in emitted)
        ):
            close = did_you_mean(pattern.exact, CATALOGUE)
            yield pen.error((*path, "on"), f"no server sends the signal {pattern.exact!r}{close}")
    if rule.reason and codes:
        reasons = {reason for code in codes for reason in CATALOGUE[code].reasons} | {""}
        narrow = Patterns.compile(rule.reason)
        for pattern in narrow.wanted:
            if not any(pattern.hits(reason) for reason in reasons):
                known = ", ".join(sorted(reasons - {""})) or "none"
                yield pen.error(
                    (*path, "reason"), f"{' or '.join(rule.on)} has no reason {pattern.source!r}; known: {known}"
                )
    if rule.decisive and codes and all(code.startswith("log.") for code in codes):
        said = "rests on log text alone, which whoever can write a log line can write; it must not be decisive"
        yield pen.error((*path, "decisive"), said)


def _metadata(playbook: Playbook, pen: _Pen) -> Iterator[Problem]:
    if not playbook.owner:
        yield pen.warning(("id",), "has no `owner`; name the team that keeps it")
    if not playbook.runbook:
        yield pen.warning(("id",), "has no `runbook`; link the page that people read")
    if not playbook.description:
        yield pen.warning(("id",), "has no `description`; say when it fits and what it tells apart")
    if not playbook.match and not playbook.default:
        yield pen.warning(("id",), "has no `match`, so only a pin, an alias or its words lead to it")


def _tests(playbook: Playbook, library: Library, router: Router | None, pen: _Pen) -> Iterator[Problem]:
    if len(playbook.tests) < MIN_TESTS:
        yield pen.warning(("tests",), f"{len(playbook.tests)} inline tests; write at least {MIN_TESTS}")
    if playbook.tests and not any(_fails(answer) for test in playbook.tests for answer in test.tools.values()):
        yield pen.warning(("tests",), "no test lets a tool fail (`{$error: text}`); unknown must not read as false")
    for i, test in enumerate(playbook.tests):
        try:
            alert = alert_of(test.alert, "test")
        except BadAlert as problem:
            yield pen.error(("tests", i, "alert"), str(problem))
            continue
        if router is None:
            continue
        found = ((p.priority, score, p.id) for p, score in router.scores(alert))
        scored = sorted(found, key=lambda f: (-f[0], -f[1]))
        for first, second in itertools.pairwise(scored[:2]):
            if first[:2] == second[:2] and playbook.id in (first[2], second[2]):
                other = second[2] if first[2] == playbook.id else first[2]
                said = (
                    f"fits {other!r} equally well (score {first[1]}); make one of them more specific or set `priority`"
                )
                yield pen.warning(("tests", i), said)
        chosen = router.choose(alert)
        if test.expect.match and chosen.playbook.id != playbook.id:
            said = f"this alert goes to {chosen.playbook.id!r} ({chosen.because}), not to {playbook.id!r}"
            yield pen.error(("tests", i, "alert"), said)
        elif not test.expect.match and chosen.playbook.id == playbook.id:
            yield pen.error(("tests", i, "alert"), f"this alert must not come here, but it does: {chosen.because}")


def _never_true(ids: Sequence[str], tests: Sequence[InlineTest], pen: _Pen) -> Iterator[Problem]:
    """Findings that no test shows true: a rule that cannot hold, or whose text cannot be rendered, looks the same as a healthy object."""
    shown = {name for test in tests for name in test.expect.findings or ()}
    if missing := [name for name in ids if name not in shown]:
        said = f"no test expects {', '.join(missing)} to be true; write one"
        yield pen.warning(("findings", ids.index(missing[0])), said)


def _fails(answer: Any) -> bool:
    if isinstance(answer, list):
        return any(_fails(a.get("answer")) for a in answer if isinstance(a, Mapping))
    return isinstance(answer, Mapping) and "$error" in answer
