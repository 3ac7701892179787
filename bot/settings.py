"""Environment and ``rca.yaml`` to `Settings`; every secret also as ``NAME_FILE``.

Read once at start by `load`, passed on as an argument, never a global. An unknown key or a wrong value is an error that names the
file, the field and a mend. Nothing here opens a connection.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class SettingsError(Exception):
    """The configuration cannot be used; the message says what, where and what to do."""


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
    health_port: int = 8080
    limits: LimitSettings = LimitSettings()
    source: str = "defaults"  # where it was read, for messages


def load(path: Path | None = None, environ: dict[str, str] | None = None) -> Settings:
    """`Settings` from ``path`` (default: ``$RCA_CONFIG``, else ``./rca.yaml`` where it exists) with the environment on top.

    Raises `SettingsError`.
    """
    raise NotImplementedError("written with the command line")
