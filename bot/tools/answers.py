"""A tool's answer made fit to be evidence: parsed, cleaned, redacted, bounded, and with its untrusted parts named.

Our servers answer with the envelope; foreign ones with anything. Both pass the same gate, and nothing behind it sees raw text.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import re2
from mcp.types import CallToolResult, TextContent
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.settings import ServerSettings
from bot.tools.failures import from_result
from bot.tools.inventory import ToolInfo
from bot.tools.plain_text import structure
from mcp_servers.common.envelope import ErrorInfo, Ref, Signal, Window, compact
from mcp_servers.common.redaction import names_secret, redact
from mcp_servers.common.shrink import shrink
from mcp_servers.common.signals import CATALOGUE
from mcp_servers.common.untrusted import cut, sanitise

MAX_RAW: Final = 1_000_000
"""Longest text answer that is looked at, in characters; the rest is cut out of its middle before anything else reads it."""
MAX_DEPTH: Final = 32
MAX_NODES: Final = 30_000
"""Values in one structure that are looked at; a string counts once more for each hundred characters."""
MAX_STRING: Final = 200_000
MAX_SIGNALS: Final = 12
MAX_NOTES: Final = 8
ALL_TAINTED: Final = ("*",)

_WORD = re.compile(r"[A-Za-z0-9._/-]{0,15}")
_SHORT: Final = 300
_CHUNK: Final = 8_000  # the redactor looks at no more of one string
_PEM = re2.compile(
    r"(?s)-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\z)"
    r"|\A[A-Za-z0-9+/=\s]*-----END [A-Z ]{0,40}PRIVATE KEY-----"
)


class _Envelope(BaseModel):
    """Our servers' answer as far as the hub reads it; fields of a tool's own pass by."""

    model_config = ConfigDict(extra="ignore")

    summary: str
    window: Window | None = None
    signals: list[Any] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)
    truncated: bool = False
    untrusted: list[str] = Field(default_factory=list)
    refs: list[Ref] = Field(default_factory=list)


@dataclass(frozen=True)
class Answer:
    """What one call gave, fit to be kept, cited and shown. Field meanings are those of `Evidence`. ``size`` is in bytes, as received."""

    error: ErrorInfo | None = None
    summary: str = ""
    data: Any = None
    text: str = ""
    signals: tuple[Signal, ...] = ()
    notes: tuple[str, ...] = ()
    window: Window | None = None
    link: str = ""
    tainted: tuple[str, ...] = ()
    truncated: bool = False
    size: int = 0

    @property
    def ok(self) -> bool:
        return self.error is None


def read(result: CallToolResult, *, settings: ServerSettings, info: ToolInfo) -> Answer:
    """``result`` of the tool ``info`` as an `Answer`. Never raises on whatever a server may have put into it."""
    if result.is_error:
        return Answer(error=from_result(result, tool=info.name))
    raw, other = _texts(result)
    size = len(raw.encode("utf-8", "replace"))
    structured: Any = result.structured_content
    if structured is None:
        structured = _json(raw)
    elif not raw:
        size = len(compact(structured).encode("utf-8", "replace"))
    elif isinstance(structured, dict) and list(structured) == ["result"] and structured["result"] == raw:
        structured = _json(raw)  # the SDK's wrapping of a plain return value
    own = settings.transport == "inprocess" and not settings.untrusted
    if structured is None and not own:
        structured = structure(raw)
    notes = [f"{other} parts of the answer are no text and were left out"] if other else []
    if structured is None:
        return _plain(raw, settings, notes, size)
    bound = _Bound()
    data = bound.copy(structured)
    if bound.cut:
        notes.append("the answer was too large or too deep; parts of it were left out")
    envelope = _envelope(data)
    data, shrink_notes = _fit(data, settings.max_bytes)
    if envelope is None:
        return Answer(
            summary=_shape(data),
            data=data,
            text=_shape(data),
            notes=tuple([*notes, *shrink_notes][:MAX_NOTES]),
            tainted=() if own else ALL_TAINTED,
            truncated=bool(shrink_notes) or bound.cut,
            size=size,
        )
    signals, dropped = _signals(envelope, info, own=own, untrusted=settings.untrusted)
    all_notes = tuple(cut(n, 300) for n in [*envelope.notes, *notes, *dropped, *shrink_notes])[:MAX_NOTES]
    link = next((ref.url for ref in envelope.refs if ref.url.startswith(("https://", "http://"))), "")
    summary = cut(" ".join(envelope.summary.split()), 240)
    return Answer(
        summary=summary,
        data=data,
        text=_reading(summary, signals, all_notes),
        signals=signals,
        notes=all_notes,
        window=envelope.window,
        link=link[:500],
        tainted=ALL_TAINTED if settings.untrusted else tuple(path[:120] for path in envelope.untrusted[:40]),
        truncated=envelope.truncated or bool(shrink_notes) or bound.cut,
        size=size,
    )


def _texts(result: CallToolResult) -> tuple[str, int]:
    parts = [part.text for part in result.content if isinstance(part, TextContent)]
    return cut("\n".join(parts), MAX_RAW), len(result.content) - len(parts)


def _json(text: str) -> Any:
    """JSON in text, or lines of JSON; ``None`` when it is neither or only a scalar."""
    stripped = text.strip()
    if not stripped or stripped[0] not in "{[":
        return None
    try:
        return json.loads(stripped)
    except RecursionError:
        return None
    except ValueError:
        lines = [line for line in stripped.splitlines() if line.strip()]
        if len(lines) < 2 or any(line.lstrip()[:1] not in ("{", "[") for line in lines):
            return None
    try:
        return [json.loads(line) for line in lines]
    except (ValueError, RecursionError):
        return None


@lru_cache(maxsize=8_192)
def _secret(key: str) -> bool:
    """`names_secret`, remembered: the same few keys come with every answer."""
    return names_secret(key)


class _Bound:
    """Copies a structure fit to be kept: bounded in depth, size and strings, text keys only, cleaned, and without secrets. One walk."""

    def __init__(self) -> None:
        self._left = MAX_NODES
        self._seen: dict[str, str] = {}  # lists repeat images, nodes, owners: each is looked at once
        self.cut = False

    def copy(self, value: Any, depth: int = 0, key: str = "") -> Any:
        self._left -= 1
        if isinstance(value, str):
            self._left -= len(value) // 100
            return self._text(value, key)
        if value is None or isinstance(value, bool | int | float):
            return value
        if not isinstance(value, Mapping | list | tuple):
            return self._text(str(value)[:MAX_STRING], key)
        if self._full(depth):
            return "[left out]"
        if isinstance(value, Mapping):
            named: dict[str, Any] = {}
            for name, inner in value.items():
                if self._full(depth):
                    break
                shown = sanitise(str(name)[:200])
                named[shown] = self.copy(inner, depth + 1, shown)
            return named
        items: list[Any] = []
        for inner in value:
            if self._full(depth):
                break
            items.append(self.copy(inner, depth + 1, key))
        return items

    def _text(self, text: str, key: str) -> str:
        if text and _secret(key):
            return "[redacted]"
        if _WORD.fullmatch(text):  # most values; nothing in so short a word can be told to be a secret
            return text
        shown = self._seen.get(text)
        if shown is None:
            shown = redact(sanitise(text if len(text) <= MAX_STRING else cut(text, MAX_STRING)))
            if len(text) <= _SHORT:
                self._seen[text] = shown
        return shown

    def _full(self, depth: int) -> bool:
        if depth < MAX_DEPTH and self._left > 0:
            return False
        self.cut = True
        return True


def _fit(data: Any, limit: int) -> tuple[Any, list[str]]:
    if len(compact(data).encode("utf-8", "replace")) <= limit:
        return data, []
    if not isinstance(data, dict):
        smaller, notes = _fit({"items": data}, limit)
        return smaller.get("items", []), notes
    return shrink(data, limit)


def _plain(raw: str, settings: ServerSettings, notes: list[str], size: int) -> Answer:
    text = redact_long(sanitise(raw))
    bounded = _cut_bytes(text, settings.max_bytes)
    shortened = bounded != text
    if shortened:
        notes = [*notes, f"{len(text)} characters were cut to {len(bounded)}: the beginning and the end are kept"]
    first = next((line.strip() for line in bounded.splitlines() if line.strip()), "")
    if not first:
        notes = [*notes, "the server gave an empty answer without saying why"]
    return Answer(
        summary=cut(first, 240) or "empty answer",
        text=bounded,
        notes=tuple(notes[:MAX_NOTES]),
        tainted=ALL_TAINTED,
        truncated=shortened,
        size=size,
    )


def redact_long(text: str) -> str:
    """`redact` for text of any length: key blocks over the whole of it, the rest in pieces that end at line ends where they can."""
    text = str(_PEM.sub("[redacted:pem]", text))
    pieces: list[str] = []
    while len(text) > _CHUNK:
        at = text.rfind("\n", 1, _CHUNK) + 1
        if at <= 0:
            at = text.rfind(" ", 1, _CHUNK) + 1
        at = at if at > 0 else _CHUNK
        pieces.append(redact(text[:at]))
        text = text[at:]
    return "".join([*pieces, redact(text)])


def _cut_bytes(text: str, limit: int) -> str:
    """Head and tail of ``text`` in at most ``limit`` bytes of UTF-8."""
    size = len(text.encode("utf-8", "replace"))
    if size <= limit:
        return text
    shorter = cut(text, max(40, int(len(text) * limit / size)))
    while len(shorter.encode("utf-8", "replace")) > limit and len(shorter) > 40:
        shorter = cut(text, int(len(shorter) * 0.8))
    return shorter


def _envelope(data: Any) -> _Envelope | None:
    if not isinstance(data, dict) or not isinstance(data.get("summary"), str):
        return None
    try:
        return _Envelope.model_validate(data)
    except ValidationError:
        return None


def _signals(
    envelope: _Envelope, info: ToolInfo, *, own: bool, untrusted: bool
) -> tuple[tuple[Signal, ...], list[str]]:
    """The answer's signals, and a note for those that were left out.

    A signal is a judgement that may decide a verdict, so it must be in the catalogue, an untrusted server gives none, and a server outside
    this process only the ones that its tool declared.
    """
    kept: list[Signal] = []
    refused: set[str] = set()
    for raw in envelope.signals:
        try:
            signal = Signal.model_validate(raw)
        except ValidationError:
            refused.add("a malformed one")
            continue
        known = signal.code in CATALOGUE and (not signal.reason or signal.reason in CATALOGUE[signal.code].reasons)
        if untrusted or not known or (not own and signal.code not in info.signals):
            refused.add(cut(signal.code, 60))
            continue
        kept.append(signal.model_copy(update={"detail": cut(signal.detail, 240)}))
    notes = [f"signals left out: {', '.join(sorted(refused)[:6])}"] if refused else []
    if len(kept) > MAX_SIGNALS:
        notes.append(f"{len(kept)} signals, the first {MAX_SIGNALS} are kept")
    return tuple(kept[:MAX_SIGNALS]), notes


def _reading(summary: str, signals: tuple[Signal, ...], notes: tuple[str, ...]) -> str:
    """An envelope as lines for a reader; the full structure stays in ``data``."""
    lines = [summary]
    lines += [f"- {s.subject}: {s.detail or CATALOGUE[s.code].says}" for s in signals]
    lines += [f"({note})" for note in notes]
    return "\n".join(line for line in lines if line)


def _shape(data: Any) -> str:
    """One line on a foreign structure: what it is, not what it says."""
    if isinstance(data, dict):
        names = ", ".join(list(data)[:6])
        return cut(f"{len(data)} fields: {names}", 240) if data else "empty object"
    if isinstance(data, list):
        return f"{len(data)} items" if data else "empty list"
    return cut(str(data), 240)
