"""Settings of a server, read once from a mapping of environment variables.

Every secret ``NAME`` may come as ``NAME_FILE``. A variable with the server's own prefix that nobody reads is a typo and refused at
start, because a misspelt deny list must not fail open. Nothing here opens a connection.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from mcp_servers.common.redaction import Redactor, redactor

# Names that every server knows begin with these: one that is not among them is misspelt.
_SHARED = ("RCA_MCP_", "RCA_REDACT_", "RCA_TOOL_", "RCA_MAX_")
# Names of others that may stand in the same environment.
_OTHERS = (
    "RCA_K8S_",
    "RCA_CH_",
    "RCA_MONGO_",
    "RCA_ATLAS_",
    "RCA_SIGNOZ_",
    "RCA_MODEL_",
    "RCA_STORE_",
    "RCA_HEALTH_",
    "RCA_CONFIG",
)
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class ConfigError(Exception):
    """The server cannot start with these settings; the message names the variable and a mend."""


class Environment:
    """Typed reads that remember which names exist."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ: Mapping[str, str] = os.environ if environ is None else environ
        self._known: set[str] = set()

    def text(self, name: str, default: str = "") -> str:
        """The variable, stripped; ``default`` when unset or empty."""
        self._known.add(name)
        return self._environ.get(name, "").strip() or default

    def secret(self, name: str) -> str:
        """``NAME``, else the content of the file that ``NAME_FILE`` names, else "". Raises `ConfigError` on both or an unreadable file."""
        value, file = self.text(name), self.text(f"{name}_FILE")
        if value and file:
            raise ConfigError(f"{name} and {name}_FILE are both set; keep one of them")
        if not file:
            return value
        try:
            return Path(file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigError(f"{name}_FILE: cannot read {file}: {error.strerror}") from error

    def number(self, name: str, default: float, low: float, high: float) -> float:
        """A number between ``low`` and ``high``. Raises `ConfigError`."""
        raw = self.text(name)
        if not raw:
            return default
        try:
            value = float(raw)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise ConfigError(
                f"{name}={raw!r} is not a number between {low:g} and {high:g}; the default is {default:g}"
            )
        return value

    def limits(self, name: str, defaults: Mapping[str, float]) -> dict[str, float]:
        """``defaults`` with what a JSON object in ``name`` says otherwise: known names, numbers above 0. Raises `ConfigError`."""
        raw = self.text(name)
        if not raw:
            return dict(defaults)
        first, usual = next(iter(defaults.items()))
        example = json.dumps({first: usual})
        try:
            given = json.loads(raw)
        except ValueError as error:
            raise ConfigError(f"{name} is not JSON ({error}); example: {example}") from error
        if not isinstance(given, dict):
            raise ConfigError(f"{name} must be a JSON object; example: {example}")
        for key, value in given.items():
            if key not in defaults:
                raise ConfigError(f"{name}: {key[:60]!r} is not known; there are {', '.join(sorted(defaults))}")
            if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
                raise ConfigError(f"{name}: {key} must be a number above 0")
        return {**defaults, **given}

    def flag(self, name: str, default: bool) -> bool:
        """1/true/yes/on or 0/false/no/off. Raises `ConfigError`."""
        raw = self.text(name).lower()
        if not raw:
            return default
        if raw in ("1", "true", "yes", "on"):
            return True
        if raw in ("0", "false", "no", "off"):
            return False
        raise ConfigError(f"{name}={raw!r} is not a switch; use 1 or 0")

    def items(self, name: str) -> tuple[str, ...]:
        """A list, comma or space separated."""
        return tuple(self.text(name).replace(",", " ").split())

    def json_list(self, name: str) -> tuple[str, ...]:
        """A JSON list of strings. Raises `ConfigError`."""
        raw = self.text(name)
        if not raw:
            return ()
        try:
            value = json.loads(raw)
        except ValueError as error:
            raise ConfigError(f'{name} is not JSON ({error}); example: ["ACME-[0-9]+"]') from error
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise ConfigError(f'{name} must be a JSON list of strings; example: ["ACME-[0-9]+"]')
        return tuple(value)

    def refuse_unknown(self, *prefixes: str) -> None:
        """Raises `ConfigError` when a variable is set that was meant for this server and that nobody read.

        That is one with one of ``prefixes`` or a prefix that all servers share, or any other ``RCA_`` name that is next to one of ours.
        """
        for name in sorted(self._environ):
            if not name.startswith("RCA_") or name in self._known:
                continue
            ours = name.startswith((*prefixes, *_SHARED))
            near = get_close_matches(name, sorted(self._known), 1, 0.6 if ours else 0.9)
            if ours or (near and not name.startswith(_OTHERS)):
                raise ConfigError(f"{name} is not a setting of this server" + (f"; {near[0]} is" if near else ""))


@dataclass(frozen=True)
class CommonSettings:
    """What every server reads. Times in seconds, sizes in bytes."""

    instance: str
    tool_timeout_s: float
    max_concurrency: int
    max_result_bytes: int
    max_upstream_bytes: int
    cache_s: float
    redactor: Redactor
    transport: str
    host: str
    port: int
    token: str
    allowed_hosts: tuple[str, ...]
    log_level: str


def common(env: Environment) -> CommonSettings:
    """The shared settings. Raises `ConfigError`."""
    transport = env.text("RCA_MCP_TRANSPORT", "stdio")
    if transport not in ("stdio", "http"):
        raise ConfigError(f"RCA_MCP_TRANSPORT={transport!r} is not a transport; use stdio or http")
    try:
        redact = redactor(
            env.json_list("RCA_REDACT_EXTRA"),
            env.items("RCA_REDACT_KEYS"),
            env.secret("RCA_HASH_KEY"),
            env.flag("RCA_REDACT_EMAIL", True),
            env.flag("RCA_REDACT_IP", False),
        )
    except ValueError as error:
        raise ConfigError(f"RCA_REDACT_EXTRA: {error}") from error
    level = env.text("RCA_LOG_LEVEL", "INFO").upper()
    if level not in _LEVELS:
        raise ConfigError(f"RCA_LOG_LEVEL={level!r} is not a level; use one of {', '.join(_LEVELS)}")
    return CommonSettings(
        instance=env.text("RCA_INSTANCE"),
        tool_timeout_s=env.number("RCA_TOOL_TIMEOUT_S", 25, 1, 120),
        max_concurrency=int(env.number("RCA_MAX_CONCURRENCY", 8, 1, 64)),
        max_result_bytes=int(env.number("RCA_MAX_RESULT_BYTES", 12_000, 2_000, 24_000)),
        max_upstream_bytes=int(env.number("RCA_MAX_UPSTREAM_BYTES", 33_554_432, 65_536, 268_435_456)),
        cache_s=env.number("RCA_CACHE_S", 15, 0, 300),
        redactor=redact,
        transport=transport,
        host=env.text("RCA_MCP_HOST", "127.0.0.1"),
        port=int(env.number("RCA_MCP_PORT", 8811, 0, 65_535)),
        token=env.secret("RCA_MCP_TOKEN"),
        allowed_hosts=env.items("RCA_MCP_ALLOWED_HOSTS"),
        log_level=level,
    )
