"""Cassettes: what one investigation was asked and told, redacted, in one file: today's playbooks can be tried on yesterday's alerts.

A cassette holds the alert, every tool call with its answer as evidence, which servers there were, and what came out. It needs no server
and no model to be played again, and playing it twice gives the same report.
"""

import json
import os
import re
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.alerts.model import Alert
from bot.investigation.investigator import Tools
from bot.investigation.model import Report, Verdict
from bot.playbooks.model import ANY
from bot.tools.answers import redact_long
from bot.tools.cache import canonical
from bot.tools.capabilities import BY_TOOL, CAPABILITIES
from bot.tools.evidence import Evidence
from mcp_servers.common.envelope import ErrorInfo
from mcp_servers.common.redaction import names_secret
from mcp_servers.common.untrusted import sanitise

MAX_BYTES: Final = 8 * 1024 * 1024
KEPT: Final = 2_000
"""Cassettes that a folder holds; the oldest go first."""
_TIMES: Final = frozenset({"time_range", "alert_at"})
_SLUG = re.compile(r"[^a-z0-9]+")


class CassetteError(Exception):
    """A file that is no cassette, or cannot be written; the message says which and why."""


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Call(Frozen):
    """One call as the playbook made it, and its answer. ``tool`` may be ``any.CAPABILITY``; the evidence names who answered."""

    tool: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    evidence: Evidence


class Outcome(Frozen):
    """What an investigation came to, as far as two of them are compared."""

    playbook: str
    verdict: Verdict
    cause: str = ""
    object: str = ""
    confidence: float = 0.0
    findings: tuple[str, ...] = ()

    @classmethod
    def of(cls, report: Report) -> "Outcome":
        top = report.causes[0] if report.causes else None
        true = (f.id for f in report.findings if f.state == "true" and not f.suppressed_by)
        return cls(
            playbook=report.playbook,
            verdict=report.verdict,
            cause=top.code if top else "",
            object=top.object if top else "",
            confidence=top.confidence if top else 0.0,
            findings=tuple(dict.fromkeys(true)),
        )


class Cassette(Frozen):
    """``servers`` were configured, ``offers`` are the capabilities that some server offered; ``pin`` is the playbook that a person named.

    ``signals`` are the codes that tools said they may give; ``None`` where they did not say.
    """

    version: Literal[1] = 1
    id: str
    recorded_at: datetime
    bot: str = ""
    alert: Alert
    pin: str = ""
    outcome: Outcome
    servers: tuple[str, ...] = ()
    offers: tuple[str, ...] = ()
    signals: dict[str, tuple[str, ...] | None] = Field(default_factory=dict)
    calls: tuple[Call, ...] = ()

    @classmethod
    def read(cls, path: Path) -> "Cassette":
        """Raises `CassetteError`."""
        try:
            with path.open("rb") as stream:
                text = stream.read(MAX_BYTES + 1)
        except OSError as error:
            raise CassetteError(f"{path} cannot be read: {error.strerror}") from None
        if len(text) > MAX_BYTES:
            raise CassetteError(f"{path} is larger than {MAX_BYTES // 2**20} MB, so it is no cassette")
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"])) or "the file"
            raise CassetteError(f"{path} is no cassette of this version: {place}: {first['msg']}") from None

    def write(self, folder: Path) -> Path:
        """A new file in ``folder``, readable by its owner only, whole or not at all. Raises `CassetteError`."""
        text = json.dumps(_clean(self.model_dump(mode="json")), ensure_ascii=False, separators=(",", ":"))
        if len(text.encode()) > MAX_BYTES:
            raise CassetteError(f"the recording of {self.id} is larger than {MAX_BYTES // 2**20} MB and was not kept")
        slug = _SLUG.sub("-", self.alert.name.lower()).strip("-")[:48] or "alert"
        at = self.recorded_at.astimezone(UTC)
        name = f"{at:%Y%m%dT%H%M%S}{at.microsecond // 1000:03d}-{slug}-{_SLUG.sub('-', self.id.lower())[-24:].strip('-')}.json"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                "w", dir=folder, prefix=".", suffix=".part", delete=False, encoding="utf-8"
            ) as part:
                part.write(text)
            os.replace(part.name, folder / name)
            for old in sorted(folder.glob("*.json"))[:-KEPT]:
                old.unlink(missing_ok=True)
        except OSError as error:
            raise CassetteError(f"no recording can be written to {folder}: {error.strerror}") from error
        return folder / name


class Recording:
    """Stands between one investigation and its tools and keeps what passes. Made anew for each investigation."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._calls: list[Call] = []
        self._servers: dict[str, bool] = {}
        self._signals: dict[str, tuple[str, ...] | None] = {}

    def has_server(self, name: str) -> bool:
        self._servers[name] = self._tools.has_server(name)
        return self._servers[name]

    def signals_of(self, tool: str) -> frozenset[str] | None:
        codes = self._tools.signals_of(tool)
        self._signals[tool] = None if codes is None else tuple(sorted(codes))
        return codes

    async def call(
        self,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        id: str,
        step: str,
        title: str = "",
        timeout: float | None = None,
    ) -> Evidence:
        evidence = await self._tools.call(tool, dict(arguments), id=id, step=step, title=title, timeout=timeout)
        self._calls.append(Call(tool=tool, arguments=_plain(arguments), evidence=evidence))
        return evidence

    def cassette(self, report: Report, *, pin: str = "", servers: tuple[str, ...] = (), version: str = "") -> Cassette:
        """What passed, with what came out. Calls stand in the order of the evidence, not of the answers.

        Steps that a resumed run took from its journal were not called again; their evidence stands in the report.
        """
        known = {call.evidence.id for call in self._calls}
        resumed = [
            Call(tool=f"{e.server}.{e.tool}", arguments=e.arguments, evidence=e)
            for e in report.evidence
            if e.id not in known and e.step != "agent" and self._tools.has_server(e.server)
        ]
        order = {e.id: n for n, e in enumerate(report.evidence)}
        calls = sorted([*self._calls, *resumed], key=lambda c: (order.get(c.evidence.id, len(order)), c.evidence.id))
        for call in calls:
            self.signals_of(call.tool)
        return Cassette(
            id=report.id,
            recorded_at=report.started_at,
            bot=version,
            alert=report.alert.model_copy(update={"raw": {}}),
            pin=pin,
            outcome=Outcome.of(report),
            servers=tuple(
                dict.fromkeys(
                    [*servers, *(n for n, there in self._servers.items() if there and not n.startswith(f"{ANY}."))]
                )
            ),
            offers=tuple(name for name in CAPABILITIES if self._tools.has_server(f"{ANY}.{name}")),
            signals=self._signals,
            calls=tuple(calls),
        )


class CassetteTools:
    """Answers calls from a cassette. ``missing`` are calls that today's playbook makes and the recording does not hold."""

    def __init__(self, cassette: Cassette) -> None:
        self._cassette = cassette
        self._servers = frozenset(cassette.servers)
        self._answers = {(call.tool, _key(call.arguments)): call.evidence for call in cassette.calls}
        # A window that ends now ends elsewhere today; the same question about another window gets the window of that time.
        self._windows: dict[tuple[str, str], Evidence] = {}
        for call in cassette.calls:
            self._windows.setdefault((call.tool, _key(call.arguments, without=_TIMES)), call.evidence)
        self.missing: list[str] = []

    def has_server(self, name: str) -> bool:
        if name.startswith(f"{ANY}."):
            return name.removeprefix(f"{ANY}.") in self._cassette.offers
        return name in self._servers

    def signals_of(self, tool: str) -> frozenset[str] | None:
        codes = self._cassette.signals.get(tool)
        return None if codes is None else frozenset(codes)

    def instead(self, tool: str) -> str:
        """As `bot.tools.capabilities_door.CapableTools.instead`, for the servers of that time."""
        capability = BY_TOOL.get(tool)
        if (
            capability is None
            or self.has_server(tool.partition(".")[0])
            or capability.name not in self._cassette.offers
        ):
            return tool
        return f"{ANY}.{capability.name}"

    async def call(
        self,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        id: str,
        step: str,
        title: str = "",
        timeout: float | None = None,
    ) -> Evidence:
        """The recorded answer under today's evidence id."""
        found = self._answers.get((tool, _key(arguments))) or self._windows.get((tool, _key(arguments, without=_TIMES)))
        if found is not None:
            return found.model_copy(update={"id": id, "step": step, "title": title})
        server, _, name = tool.partition(".")
        said = f"{tool}({', '.join(f'{k}={v}' for k, v in _plain(arguments).items())})"
        self.missing.append(said[:200])
        message = "the recording does not hold this call"
        return Evidence(
            id=id,
            step=step,
            title=title,
            server=server,
            tool=name,
            arguments=_plain(arguments),
            status="error",
            error=ErrorInfo(code="NOT_FOUND", message=message),
            summary=message,
            at=self._cassette.recorded_at,
        )


def _clean(value: Any, key: str = "") -> Any:
    """Without secrets, whatever let them in. Unlike `redact_tree` it keeps long texts whole: they were bounded at the hub."""
    if isinstance(value, dict):
        return {k: _clean(v, str(k)) for k, v in value.items()}
    if isinstance(value, list):
        return [_clean(v, key) for v in value]
    if not isinstance(value, str) or not value:
        return value
    return "[redacted]" if names_secret(key) else redact_long(sanitise(value))


def _plain(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments as JSON, redacted as in evidence."""
    plain: dict[str, Any] = _clean(json.loads(canonical(arguments)))
    return plain


def _key(arguments: Mapping[str, Any], without: frozenset[str] = frozenset()) -> str:
    return canonical(_plain({k: v for k, v in arguments.items() if k not in without}))
