"""Settings of the SigNoz server, from the environment.

Two ways to read, and either is enough. SigNoz's HTTP API: ``RCA_SIGNOZ_URL`` with ``RCA_SIGNOZ_API_KEY`` (``_FILE``), the key of a service
account with the role Viewer. SigNoz's ClickHouse store: ``RCA_SIGNOZ_CLICKHOUSE_URL`` (``http://user:password@host:8123``), or the user in
``RCA_SIGNOZ_CLICKHOUSE_USER`` and the password in ``RCA_SIGNOZ_CLICKHOUSE_PASSWORD`` (``_FILE``). With both, telemetry is read from the
store, where it is exact, and alerts and their rules from the API, which alone knows them whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mcp_servers.common.config import CommonSettings, ConfigError, Environment, common

SERVICE_KEYS = ("service.name", "k8s.deployment.name", "k8s.container.name")
_API_EXAMPLE = "for example https://signoz.example.com"
_STORE_EXAMPLE = "for example http://clickhouse:8123"


@dataclass(frozen=True)
class ApiSettings:
    """SigNoz's HTTP API. ``url`` is its base, without a trailing slash; ``service_keys`` are tried in this order."""

    url: str
    key: str = field(repr=False)
    ca_file: str = ""
    service_keys: tuple[str, ...] = SERVICE_KEYS


@dataclass(frozen=True)
class SigNozSettings:
    """``url`` is the store's, "" without one; it bears no credentials, they travel in headers. ``timeout_s`` bounds one question."""

    common: CommonSettings
    url: str = ""
    user: str = "default"
    password: str = field(default="", repr=False)
    timeout_s: float = 10.0
    allow_privileged: bool = False
    api: ApiSettings | None = None
    public_url: str = ""  # where people open SigNoz, for links; "" for none

    @property
    def backend(self) -> str:
        """What ``source.backend`` of the answers says."""
        return "signoz-clickhouse" if self.url else "signoz-http"


def load(environ: Mapping[str, str] | None = None) -> SigNozSettings:
    """Read the settings. Raises `ConfigError` with the variable and a mend; an unknown ``RCA_SIGNOZ_*`` name is an error."""
    env = Environment(environ)
    shared = common(env)
    raw, api = env.text("RCA_SIGNOZ_CLICKHOUSE_URL"), _api(env)
    if not raw and api is None:
        raise ConfigError(
            "neither RCA_SIGNOZ_URL (with RCA_SIGNOZ_API_KEY) nor RCA_SIGNOZ_CLICKHOUSE_URL is set; "
            f"{_API_EXAMPLE}, or http://rca_bot:password@clickhouse:8123"
        )
    url, user, password = (
        _address("RCA_SIGNOZ_CLICKHOUSE_URL", raw, 8123, 8443, _STORE_EXAMPLE) if raw else ("", "", "")
    )
    settings = SigNozSettings(
        common=shared,
        url=url,
        user=env.text("RCA_SIGNOZ_CLICKHOUSE_USER") or user or "default",
        password=env.secret("RCA_SIGNOZ_CLICKHOUSE_PASSWORD") or password,
        timeout_s=env.number("RCA_SIGNOZ_TIMEOUT_S", 10, 1, 60),
        allow_privileged=env.flag("RCA_ALLOW_PRIVILEGED", False),
        api=api,
        public_url=_public(env, api),
    )
    env.refuse_unknown("RCA_SIGNOZ_")
    return settings


def _public(env: Environment, api: ApiSettings | None) -> str:
    raw = env.text("RCA_SIGNOZ_PUBLIC_URL")
    if not raw:
        return api.url if api else ""
    url, _, _ = _address("RCA_SIGNOZ_PUBLIC_URL", raw, 0, 0, _API_EXAMPLE)
    return url + urlsplit(raw).path.rstrip("/")


def _api(env: Environment) -> ApiSettings | None:
    raw, key = env.text("RCA_SIGNOZ_URL"), env.secret("RCA_SIGNOZ_API_KEY")
    ca_file, keys = env.text("RCA_SIGNOZ_CA_FILE"), env.items("RCA_SIGNOZ_SERVICE_KEYS")
    if ca_file and not Path(ca_file).is_file():
        raise ConfigError(f"RCA_SIGNOZ_CA_FILE: there is no file {ca_file}")
    if bad := [k for k in keys if not k.replace(".", "").replace("_", "").replace("-", "").isalnum()]:
        raise ConfigError(
            f"RCA_SIGNOZ_SERVICE_KEYS: {bad[0][:60]!r} is no attribute key; for example {','.join(SERVICE_KEYS)}"
        )
    if not raw:
        if key:
            raise ConfigError(f"RCA_SIGNOZ_API_KEY is set without RCA_SIGNOZ_URL; {_API_EXAMPLE}")
        return None
    if not key:
        raise ConfigError(
            "RCA_SIGNOZ_URL is set without RCA_SIGNOZ_API_KEY; make a service account with the role Viewer and a key for it"
        )
    if any(not 32 < ord(c) < 127 for c in key):
        raise ConfigError(
            "RCA_SIGNOZ_API_KEY holds characters that no key has; copy it again, without spaces or line ends"
        )
    url, user, _ = _address("RCA_SIGNOZ_URL", raw, 0, 0, _API_EXAMPLE)
    if user:
        raise ConfigError("RCA_SIGNOZ_URL holds a user; SigNoz is asked with RCA_SIGNOZ_API_KEY only")
    path = urlsplit(raw).path.rstrip("/").removesuffix("/api")
    return ApiSettings(url + path, key, ca_file, keys or SERVICE_KEYS)


def _address(name: str, raw: str, plain: int, tls: int, example: str) -> tuple[str, str, str]:
    """(scheme, host and port; user; password) of an http(s) URL; ``plain`` and ``tls`` are the ports where it names none."""
    try:
        parts = urlsplit(raw)
        port = parts.port or (tls if parts.scheme == "https" else plain)
    except ValueError:
        parts, port = urlsplit(""), 0
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"{name} is not an http(s) URL; {example}")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    where = f"{parts.scheme}://{host}" + (f":{port}" if port else "")
    return where, unquote(parts.username or ""), unquote(parts.password or "")
