"""The playbook as YAML spells it. Strict: an unknown key is an error with file, line and field.

Patterns have one syntax everywhere: exact | ``a*`` glob | ``/re2/`` (full match; search for ``text``) | a leading ``!`` negates.
Fields of a match clause are AND, clauses are OR, a list is any-of. Durations are ``500ms``, ``10s``, ``2m``.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from bot.alerts.storm import Kin

Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")]
ANY: Final = "any"
"""The server's name of a step that names a capability: whichever server offers it."""
SEEN: Final = "shared.seen"
"""The tool that the tests of a shared file without steps answer for."""


def _seconds(value: Any) -> Any:
    if isinstance(value, str):
        for unit, factor in (("ms", 0.001), ("s", 1.0), ("m", 60.0)):
            number = value.removesuffix(unit)
            if number != value and number.replace(".", "", 1).isdigit():
                return float(number) * factor
        raise ValueError(f"{value!r} is no duration; write 500ms, 10s or 2m")
    return value


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Seconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0, le=900)]
Patterns = Annotated[tuple[str, ...], BeforeValidator(_listed)]


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Clause(Strict):
    """One way to match. ``where`` is a bare expression over ``alert`` that must be a real boolean.

    ``text`` looks into name, summary and description, ``expr`` into the alert's query; both search. ``labels`` need the label to be there.
    """

    name: Patterns = ()
    source: Patterns = ()
    severity: Patterns = ()
    text: Patterns = ()
    expr: Patterns = ()
    labels: dict[str, Patterns] = Field(default_factory=dict)
    where: str = ""


class Retry(Strict):
    attempts: Annotated[int, Field(ge=1, le=5)] = 1
    backoff: Seconds = 0.5


class Step(Strict):
    """One read-only tool call. Runs as soon as what its expressions refer to is there; everything else runs in parallel.

    ``tool`` is ``server.tool``; or ``capability`` says what is asked for ("logs.patterns") and whichever server offers it is asked.
    ``args`` are templates; a missing value fails the step and names the field (``optional_args`` are
    dropped instead when they render to nothing). ``extract`` maps names to JMESPath over the answer's structure.
    ``key`` marks a step without which no cause may be called confirmed. ``for_each`` is an expression that gives a list;
    the call runs once an item, at most ``max_items``.
    """

    id: Id
    title: str
    tool: Annotated[str, Field(pattern=r"^([a-z][a-z0-9_-]*\.[A-Za-z0-9_.-]+)?$")] = ""
    capability: Annotated[str, Field(pattern=r"^([a-z][a-z0-9_]*(\.[a-z0-9_]+)+)?$")] = ""
    args: dict[str, Any] = Field(default_factory=dict)
    optional_args: tuple[str, ...] = ()
    when: str = ""
    needs: tuple[str, ...] = ()
    for_each: str = ""
    max_items: Annotated[int, Field(ge=1, le=20)] = 5
    timeout: Seconds = 15.0
    retry: Retry = Retry()
    on_error: Literal["continue", "stop"] = "continue"
    extract: dict[str, str] = Field(default_factory=dict)
    context: Literal["full", "extract", "none"] = "full"
    note: str = ""  # template of the one line that the card shows; default: the answer's summary
    key: bool = False

    @model_validator(mode="before")
    @classmethod
    def _one_of_both(cls, value: Any) -> Any:
        """``tool`` or ``capability``; inside, a capability is the tool ``any.NAME``."""
        if not isinstance(value, dict):
            return value
        tool, capability = value.get("tool") or "", value.get("capability") or ""
        if tool and capability and tool != f"{ANY}.{capability}":
            raise ValueError("says both `tool` and `capability`; keep one of them")
        if not tool and not capability:
            raise ValueError("needs `tool: server.tool` or `capability: name`")
        if isinstance(tool, str) and tool.startswith(f"{ANY}."):
            return {**value, "capability": tool.removeprefix(f"{ANY}.")}
        return value if tool else {**value, "tool": f"{ANY}.{capability}"}

    @property
    def provider(self) -> str:
        """What must be there for the step to run: the server's name, or the whole ``any.NAME`` of a capability."""
        return self.tool if self.capability else self.tool.partition(".")[0]


class Remediation(Strict):
    """What to do. ``command`` is copyable; ``risk`` says what it may break."""

    do: str
    command: str = ""
    risk: Literal["none", "low", "medium", "high"] = "low"


class FindingRule(Strict):
    """A rule over signals (``on``) or over an expression (``when``); exactly one of the two, ``when`` may also narrow ``on``.

    ``on`` is a signal code or a list of them, ``reason`` patterns narrow it; each matching signal gives one result. In ``when`` and in the
    texts ``signal`` is the matching signal, beside ``alert``, ``vars``, ``steps``. ``cause`` is a code of the vocabulary of causes
    (``bot/investigation/causes.yaml``); without one the finding only informs. ``rules_out`` lists causes that a TRUE result speaks
    against. ``decisive`` findings may make a verdict ``confirmed``. ``object`` defaults to the signal's owner, else its subject.
    """

    id: Id
    on: Patterns = ()
    reason: Patterns = ()
    steps: tuple[str, ...] = ()  # limit `on` to the signals of these steps
    when: str = ""
    severity: Literal["critical", "high", "medium", "low", "info"] = "medium"
    confidence: Annotated[float, Field(ge=0, le=1)] = 0.6
    decisive: bool = False
    cause: str = ""
    object: str = ""
    title: str
    why: str = ""
    remediation: tuple[Remediation, ...] = ()
    suppresses: tuple[str, ...] = ()
    rules_out: tuple[str, ...] = ()


class Fragment(Strict):
    """A file under ``_shared/`` that playbooks take in with ``use``: steps and findings that many of them need.

    Its expressions may speak of ``alert``, ``vars``, ``signal``, ``findings`` and of the fragment's own steps. Whatever the playbook itself
    says under the same id, variable or label wins. Steps keep their place when a playbook replaces them; steps of its own come after.
    Its ``tests`` run the file by itself; one without steps is tested as if a step asked the tool `SEEN`.
    """

    version: Literal[1]
    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,60}$")]
    description: str = ""
    vars: dict[str, str] = Field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    findings: tuple[FindingRule, ...] = ()
    ruled_out: dict[str, str] = Field(default_factory=dict)
    next_steps: tuple[str, ...] = ()
    tests: tuple["InlineTest", ...] = ()


class Budget(Strict):
    tokens: int = 60_000
    tool_calls: int = 8
    seconds: Seconds = 90.0
    usd: float = 0.15


class AgentBlock(Strict):
    """What the model may do. ``tools`` are patterns over ``server.tool``; empty means none; deny wins."""

    tier: Literal["standard", "complex"] = "standard"
    skip_when: str = ""
    escalate_when: str = ""
    prompt: str = ""
    tools: tuple[str, ...] = ()
    budget: Budget = Budget()


class Mention(Strict):
    group: str
    when: str = ""


class Notify(Strict):
    mentions: tuple[Mention, ...] = ()


class Expect(Strict):
    match: bool = True
    findings: tuple[str, ...] | None = None
    unknown: tuple[str, ...] | None = None
    verdict: Literal["confirmed", "likely", "inconclusive"] | None = None
    cause: str | None = None
    object: str | None = None


class InlineTest(Strict):
    """A test in the file: an alert, the tools' answers (``{"$error": "…"}`` for a failure), what must come out."""

    name: str
    alert: dict[str, Any]
    tools: dict[str, Any] = Field(default_factory=dict)
    expect: Expect = Expect()


class Playbook(Strict):
    """One family of alerts: how to recognise it, what to look at, what it means.

    ``ruled_out`` maps a short label ("memory", "rollouts in the last 24 h") to a bare expression over ``steps`` that is true when the
    checks make it unlikely; shown with the evidence of the steps it refers to. ``gathers`` are alerts that this trouble drags along
    (``{same: node, names: ["KubePod*"]}``): while this playbook investigates, they join it instead of starting investigations.
    ``own_symptom``: its alerts tell a state of the object that they name (killed, not ready, not scheduled). While that object looks well,
    trouble on another one is told as what stands beside it, and never confirmed.
    """

    version: Literal[1]
    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,60}$")]
    title: str
    own_symptom: bool = False
    use: tuple[str, ...] = ()  # fragments from `_shared/`, merged by the loader
    without: tuple[str, ...] = ()  # findings of those fragments that do not apply here
    family: str = "other"
    description: str
    owner: str = ""
    runbook: str = ""
    priority: int = 100
    default: bool = False
    fallback: bool = False
    aliases: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    match: tuple[Clause, ...] = ()
    exclude: tuple[Clause, ...] = ()
    gathers: tuple[Kin, ...] = ()
    vars: dict[str, str] = Field(default_factory=dict)
    max_parallel: Annotated[int, Field(ge=1, le=16)] = 6
    timeout: Seconds = 60.0
    steps: tuple[Step, ...] = ()
    findings: tuple[FindingRule, ...] = ()
    affected: str = ""  # template: who is hit, e.g. "2 of 3 replicas, the old revision still serves"
    ruled_out: dict[str, str] = Field(default_factory=dict)
    next_steps: tuple[str, ...] = ()  # templates: where to look when nothing was found
    agent: AgentBlock | None = None
    notify: Notify = Notify()
    tests: tuple[InlineTest, ...] = ()
