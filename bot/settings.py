"""Environment and ``rca.yaml`` to `Settings`; every secret also as ``NAME_FILE``.

Read once at start by `load`, passed on as an argument, never a global. An unknown key or a wrong value is an error that names the
file, the field and a mend. Nothing here opens a connection.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from bot.settings_file import Document, Place, SettingsError, explain, field

__all__ = [
    "ChannelSettings",
    "LimitSettings",
    "ModelSettings",
    "ServerSettings",
    "Settings",
    "SettingsError",
    "SlackSettings",
    "load",
]


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ServerSettings(Strict):
    """One MCP server.

    ``inprocess`` loads ``mcp_servers.<module>`` into the bot; ``stdio`` starts ``command``; ``http`` talks to ``url``.
    ``allow`` and ``deny`` are tool patterns (exact, ``a*``, ``/re2/``); deny wins; empty ``allow`` on an own server means all its tools,
    on a foreign server none. ``trusted_tools`` admits tools without a read-only hint. Sizes in bytes, times in seconds.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,30}$")]
    transport: Literal["inprocess", "stdio", "http"] = "inprocess"
    module: str = ""
    command: str = ""
    args: tuple[str, ...] = ()
    env: dict[str, str] = Field(default_factory=dict)
    url: str = ""
    token: SecretStr | None = None
    token_file: str = ""
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    trusted_tools: tuple[str, ...] = ()
    pins: dict[str, str] = Field(default_factory=dict)  # tool -> sha256 of its definition, where pinned by hand
    timeout_s: float = 30.0
    connect_timeout_s: float = 15.0
    max_bytes: int = 24_000
    max_concurrency: int = 8
    cache_s: float = 15.0
    untrusted: bool = False


class ChannelSettings(Strict):
    """One alert channel. ``senders`` are app ids, bot ids or user names that may start an investigation; empty means every bot."""

    channel: str  # id ("C0123") or "#name"
    senders: tuple[str, ...] = ()
    max_per_hour: int = 30


class SlackSettings(Strict):
    bot_token: SecretStr | None = None
    app_token: SecretStr | None = None
    api_url: str = "https://slack.com/api/"
    channels: tuple[ChannelSettings, ...] = ()  # empty: every channel that the bot is a member of
    edit_interval_s: float = 3.0  # least time between two edits of one card
    edits_per_minute: float = 40.0  # token bucket over the whole workspace
    connections: int = 2
    link_hosts: tuple[str, ...] = ()  # hosts that links in our messages may point to
    allow_shared_channels: bool = False
    catch_up_minutes: Annotated[float, Field(ge=0, le=1440)] = (
        60.0  # between two looks for missed alerts; 0: never look
    )
    catch_up_hours: Annotated[float, Field(gt=0, le=48)] = 2.0  # how far back a look goes


class ModelSettings(Strict):
    """The model, if there is one. ``kind`` follows from what is set; ``None`` means: no model, rules only."""

    kind: Literal["openai", "azure"] | None = None
    api_key: SecretStr | None = None
    base_url: str = ""
    azure_endpoint: str = ""
    azure_api_version: str = "2024-10-21"
    standard: str = "gpt-5.4-mini"
    complex: str = "gpt-5.4"
    timeout_s: float = 60.0
    max_calls: int = 8  # per investigation
    max_tokens: int = 60_000
    max_usd: float = 0.30
    max_seconds: float = 90.0


class LimitSettings(Strict):
    investigation_s: float = 180.0
    parallel_investigations: int = 8
    parallel_steps: int = 6


class Settings(Strict):
    slack: SlackSettings = SlackSettings()
    model: ModelSettings = ModelSettings()
    servers: tuple[ServerSettings, ...] = ()
    playbook_dirs: tuple[
        Path, ...
    ] = ()  # beside the shipped library; a playbook of the same id wins over the shipped one
    store_url: str = "sqlite:///rca.sqlite"
    alertmanager_url: str = ""  # asked before an investigation whether the alert still fires; "": not asked
    alertmanager_token: SecretStr | None = None
    record_dir: Path | None = (
        None  # where each investigation leaves a redacted cassette for `rca replay`; None: nowhere
    )
    health_port: int = 8080
    limits: LimitSettings = LimitSettings()
    source: str = "defaults"  # where it was read, for messages


IN_CLUSTER_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
_MAX_SECRET = 65_536
# Variable -> the field that it sets, over what the file says.
_VARIABLES: dict[str, Place] = {
    "SLACK_BOT_TOKEN": ("slack", "bot_token"),
    "SLACK_APP_TOKEN": ("slack", "app_token"),
    "SLACK_API_URL": ("slack", "api_url"),
    "OPENAI_BASE_URL": ("model", "base_url"),
    "AZURE_OPENAI_ENDPOINT": ("model", "azure_endpoint"),
    "RCA_MODEL_STANDARD": ("model", "standard"),
    "RCA_MODEL_COMPLEX": ("model", "complex"),
    "RCA_STORE_URL": ("store_url",),
    "RCA_ALERTMANAGER_URL": ("alertmanager_url",),
    "RCA_ALERTMANAGER_TOKEN": ("alertmanager_token",),
    "RCA_RECORD_DIR": ("record_dir",),
    "RCA_HEALTH_PORT": ("health_port",),
}
# What an own server in this process gets of our environment: its backend, and what is common to all servers. Nothing else.
_FOR_SERVERS = ("RCA_INSTANCE", "RCA_REDACT_", "RCA_HASH_KEY", "RCA_TOOL_TIMEOUT_S", "RCA_MAX_", "RCA_CACHE_S")
_FOR_MODULE = {
    "kubernetes": ("KUBECONFIG", "KUBERNETES_SERVICE_", "RCA_K8S_"),
    "signoz": ("RCA_SIGNOZ_",),
    "clickhouse": ("RCA_CH_",),
    "mongodb": ("RCA_MONGO_", "RCA_ATLAS_"),
}
# Where no server is configured, these variables say that one is wanted.
_WANTED_BY = {
    "kubernetes": ("KUBECONFIG", "RCA_K8S_KUBECONFIG"),
    "signoz": ("RCA_SIGNOZ_CLICKHOUSE_URL", "RCA_SIGNOZ_URL"),
    "clickhouse": ("RCA_CH_URL",),
    "mongodb": ("RCA_MONGO_URI", "RCA_ATLAS_PROJECT_ID"),
}


class _Environment:
    """Variables, each also as ``NAME_FILE``; an empty variable is an unset one."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.all = environ

    def get(self, name: str) -> str | None:
        value = self.all.get(name, "").strip()
        file = self.all.get(f"{name}_FILE", "").strip() if not name.endswith("_FILE") else ""
        if value and file:
            raise SettingsError(f"{name} and {name}_FILE are both set; keep one of them")
        return _content(f"{name}_FILE", file) if file else value or None


def _content(name: str, file: str) -> str:
    """What a secret's file holds, without the line's end. Raises `SettingsError`."""
    try:
        with Path(file).open(encoding="utf-8") as stream:
            text = stream.read(_MAX_SECRET + 1).strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise SettingsError(
            f"{name}: cannot read {file}: {why}; check the path and that the file is readable"
        ) from error
    if not text or len(text) > _MAX_SECRET:
        raise SettingsError(
            f"{name}: {file} {'is too large for a secret' if text else 'is empty'}; check what is mounted"
        )
    return text


def load(path: Path | None = None, environ: dict[str, str] | None = None) -> Settings:
    """`Settings` from ``path`` (default: ``$RCA_CONFIG``, else ``./rca.yaml`` where it exists) with the environment on top.

    Without ``servers`` in the file there is a server for each backend whose variable is set (KUBECONFIG or a pod's own account,
    RCA_SIGNOZ_CLICKHOUSE_URL, RCA_CH_URL, RCA_MONGO_URI). Missing Slack tokens are no error here: not every command needs them.
    Raises `SettingsError`.
    """
    env = _Environment(os.environ if environ is None else environ)
    named = path or (Path(chosen) if (chosen := env.get("RCA_CONFIG")) else None)
    file = named or (Path("rca.yaml") if Path("rca.yaml").is_file() else None)
    document = Document(file, env.get) if file else None
    data: dict[str, Any] = document.data if document else {}
    from_variable: dict[Place, str] = {}
    for name, place in _VARIABLES.items():
        value = env.get(name)
        if value is not None:
            _put(data, place, value, document)
            from_variable[place] = name
    _model(data, env, document, from_variable)
    _servers(data, env, document)
    folder = file.resolve().parent if file else Path()
    data["source"] = str(file) if file else "environment and defaults"
    try:
        settings = Settings.model_validate(data)
    except ValidationError as error:
        raise _named(error, document, from_variable) from error
    _check(settings, document, from_variable)
    dirs = tuple(folder / Path(str(d)).expanduser() for d in settings.playbook_dirs)
    for i, directory in enumerate(dirs):
        if not directory.is_dir() and document:
            raise document.error(("playbook_dirs", i), f"{directory} is no folder; create it or correct the path")
    record = settings.record_dir.expanduser() if settings.record_dir else None
    if record and ("record_dir",) not in from_variable:
        record = folder / record
    return settings.model_copy(update={"playbook_dirs": dirs, "record_dir": record})


def _put(data: dict[str, Any], place: Place, value: str, document: Document | None) -> None:
    target = data
    for part in place[:-1]:
        inner = target.setdefault(str(part), {})
        if inner is None:
            inner = target[str(part)] = {}
        if not isinstance(inner, dict):
            raise SettingsError(
                f"{document.where(place[:1]) if document else part}: must hold fields, not a single value"
            )
        target = inner
    target[str(place[-1])] = value


def _model(data: dict[str, Any], env: _Environment, document: Document | None, named: dict[Place, str]) -> None:
    """Which model: what the file says, else Azure where an endpoint is set, else OpenAI where a key or an address is."""
    section = data.get("model") or {}
    if not isinstance(section, dict):
        return
    openai, azure = env.get("OPENAI_API_KEY"), env.get("AZURE_OPENAI_API_KEY")
    kind = section.get("kind")
    if kind is None:
        if section.get("azure_endpoint"):
            kind = "azure"
        elif openai or section.get("base_url") or section.get("api_key"):
            kind = "openai"
        elif azure:
            raise SettingsError(
                "AZURE_OPENAI_API_KEY is set, but AZURE_OPENAI_ENDPOINT is not; set it to https://<resource>.openai.azure.com"
            )
    key, name = (azure, "AZURE_OPENAI_API_KEY") if kind == "azure" else (openai, "OPENAI_API_KEY")
    if key and kind:
        section["api_key"] = key
        named["model", "api_key"] = name
    if kind == "azure" and not section.get("azure_endpoint"):
        where = document.where(("model", "kind")) if document else "model"
        raise SettingsError(
            f"{where}: kind azure needs AZURE_OPENAI_ENDPOINT (or azure_endpoint), https://<resource>.openai.azure.com"
        )
    if kind:
        section["kind"] = kind
        data["model"] = section


def _servers(data: dict[str, Any], env: _Environment, document: Document | None) -> None:
    """Servers as a list or by name; where none is named, those whose variables are set; own servers get the variables that are theirs."""
    servers = data.get("servers")
    if isinstance(servers, dict):
        servers = [
            {"name": name, **(inner or {})} if isinstance(inner, dict | None) else inner
            for name, inner in servers.items()
        ]
        if document:
            for i, inner in enumerate(servers):
                for place, line in list(document.lines.items()):
                    if isinstance(inner, dict) and place[:2] == ("servers", inner.get("name")):
                        document.lines["servers", i, *place[2:]] = line
    if servers is None:
        in_cluster = bool(env.get("KUBERNETES_SERVICE_HOST")) and IN_CLUSTER_TOKEN.is_file()
        found = [name for name, variables in _WANTED_BY.items() if any(env.get(v) for v in variables)]
        if in_cluster and "kubernetes" not in found:
            found.insert(0, "kubernetes")
        servers = [{"name": name, "module": name} for name in found]
    if isinstance(servers, list):
        for server in servers:
            if isinstance(server, dict) and server.get("transport", "inprocess") == "inprocess":
                server["module"] = server.get("module") or server.get("name") or ""
                wanted = ("RCA_ALLOW_PRIVILEGED", *_FOR_SERVERS, *_FOR_MODULE.get(server["module"], ()))
                given = server.get("env") or {}
                if isinstance(given, dict):
                    inherited = {k: v for k, v in env.all.items() if k.startswith(wanted) and v}
                    server["env"] = {**inherited, **{k: _word(v) for k, v in given.items()}}
    data["servers"] = servers


def _word(value: Any) -> Any:
    """A variable's value as text: YAML reads ``1`` and ``true`` as other things."""
    return str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, int | float) else value


def _named(error: ValidationError, document: Document | None, named: dict[Place, str]) -> SettingsError:
    """An error in a value that came from a variable names the variable."""
    for problem in error.errors():
        variable = named.get(tuple(problem["loc"]))
        if variable:
            return SettingsError(f"{variable}: {problem['msg']}")
    return explain(error, Settings, document)


def _check(settings: Settings, document: Document | None, named: dict[Place, str]) -> None:
    """What a single field's type cannot say."""

    def wrong(place: Place, what: str) -> SettingsError:
        where = named.get(place) or (document.where(place) if document else field(place))
        return SettingsError(f"{where}: {what}")

    bot, app = (t.get_secret_value() if t else "" for t in (settings.slack.bot_token, settings.slack.app_token))
    if bot.startswith("xapp-") and app.startswith("xoxb-"):
        raise wrong(
            ("slack", "bot_token"),
            "SLACK_BOT_TOKEN and SLACK_APP_TOKEN are swapped: the bot token starts with xoxb-, the app token with xapp-",
        )
    if bot and not bot.startswith(("xoxb-", "xoxe.xoxb-")):
        raise wrong(
            ("slack", "bot_token"),
            f"{_token(bot)} is no bot token: it starts with xoxb- and stands under OAuth & Permissions of the Slack app",
        )
    if app and not app.startswith("xapp-"):
        raise wrong(
            ("slack", "app_token"),
            f"{_token(app)} is no app-level token: it starts with xapp-, has the scope connections:write, under Basic Information",
        )
    for place, url in (
        (("slack", "api_url"), settings.slack.api_url),
        (("model", "base_url"), settings.model.base_url),
        (("model", "azure_endpoint"), settings.model.azure_endpoint),
        (("alertmanager_url",), settings.alertmanager_url),
    ):
        if url and (trouble := _address(url)):
            raise wrong(place, trouble)
    if not 0 <= settings.health_port <= 65_535:
        raise wrong(("health_port",), "a port is a number from 0 to 65535; 0 takes a free one")
    _check_servers(settings, wrong_at=wrong)


def _check_servers(settings: Settings, wrong_at: Any) -> None:
    seen: set[str] = set()
    for i, server in enumerate(settings.servers):
        place: Place = ("servers", i)
        if server.name in seen:
            raise wrong_at(
                (*place, "name"), f"a second server named {server.name}; names must differ, tools are called by them"
            )
        seen.add(server.name)
        if server.transport == "stdio" and not server.command:
            raise wrong_at(place, f"server {server.name} has transport stdio and needs a command")
        if server.transport == "http":
            if not server.url:
                raise wrong_at(place, f"server {server.name} has transport http and needs a url")
            if trouble := _address(server.url):
                raise wrong_at((*place, "url"), trouble)
        if server.token and server.token_file:
            raise wrong_at((*place, "token_file"), "token and token_file are both set; keep one of them")


def _token(token: str) -> str:
    """A token's kind, never its content."""
    kinds = {
        "xoxp-": "a user token (xoxp-)",
        "xoxb-": "a bot token (xoxb-)",
        "xapp-": "an app-level token (xapp-)",
        "xoxe": "a refresh token (xoxe)",
    }
    return next((shown for prefix, shown in kinds.items() if token.startswith(prefix)), "the value")


def _address(url: str) -> str:
    """What is wrong with an address, "" when nothing is. Plain http is for this machine and private names only: tokens travel on it."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return "not an address; write https://host/path"
    if parts.scheme not in ("http", "https") or not host:
        return "not an address; write https://host/path"
    private = (
        "." not in host
        or host.endswith((".svc", ".local", ".internal", ".localhost"))
        or host.startswith(("127.", "10.", "192.168.", "172."))
    )
    if parts.scheme == "http" and not private:
        return f"http to {host} would send credentials in the clear; use https"
    if parts.username or parts.password:
        return "an address must not hold a user or a password; use the token's field"
    return ""
