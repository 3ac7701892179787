"""Settings of the SigNoz server, from the environment.

``RCA_SIGNOZ_CLICKHOUSE_URL`` (``http://user:password@host:8123``), or the user in ``RCA_SIGNOZ_CLICKHOUSE_USER`` and the password in
``RCA_SIGNOZ_CLICKHOUSE_PASSWORD`` (``_FILE``); ``RCA_SIGNOZ_TIMEOUT_S``. The store is read through ClickHouse only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from mcp_servers.common.config import CommonSettings, ConfigError, Environment, common


@dataclass(frozen=True)
class SigNozSettings:
    """``url`` bears no credentials; they travel in headers. ``timeout_s`` bounds one statement."""

    common: CommonSettings
    url: str
    user: str = "default"
    password: str = field(default="", repr=False)
    timeout_s: float = 10.0
    allow_privileged: bool = False


def load(environ: Mapping[str, str] | None = None) -> SigNozSettings:
    """Read the settings. Raises `ConfigError` with the variable and a mend; an unknown ``RCA_SIGNOZ_*`` name is an error."""
    env = Environment(environ)
    shared = common(env)
    raw, api = env.text("RCA_SIGNOZ_CLICKHOUSE_URL"), env.text("RCA_SIGNOZ_URL")
    env.secret("RCA_SIGNOZ_API_KEY")
    if not raw:
        raise ConfigError(
            "RCA_SIGNOZ_URL alone is not enough: this server reads SigNoz's ClickHouse store, not its HTTP API; set "
            "RCA_SIGNOZ_CLICKHOUSE_URL, for example http://rca_bot:password@clickhouse:8123"
            if api
            else "RCA_SIGNOZ_CLICKHOUSE_URL is not set; for example http://rca_bot:password@clickhouse:8123"
        )
    try:
        parts = urlsplit(raw)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError("RCA_SIGNOZ_CLICKHOUSE_URL is not an http(s) URL; for example http://clickhouse:8123")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    settings = SigNozSettings(
        common=shared,
        url=f"{parts.scheme}://{host}:{port or (8443 if parts.scheme == 'https' else 8123)}",
        user=env.text("RCA_SIGNOZ_CLICKHOUSE_USER") or unquote(parts.username or "") or "default",
        password=env.secret("RCA_SIGNOZ_CLICKHOUSE_PASSWORD") or unquote(parts.password or ""),
        timeout_s=env.number("RCA_SIGNOZ_TIMEOUT_S", 10, 1, 60),
        allow_privileged=env.flag("RCA_ALLOW_PRIVILEGED", False),
    )
    env.refuse_unknown("RCA_SIGNOZ_")
    return settings
