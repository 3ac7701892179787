"""Settings of the ClickHouse server, from the environment.

``RCA_CH_URL`` (https://host:8443), ``RCA_CH_USER``, ``RCA_CH_PASSWORD`` (or ``_FILE``), ``RCA_CH_HOSTS`` (further replicas to ask, as
URLs), ``RCA_CH_CLUSTER``, ``RCA_CH_CA_FILE``, ``RCA_CH_TIMEOUT_S``, ``RCA_CH_RAW``, ``RCA_CH_ALLOWED``, ``RCA_CH_MAX_EST_ROWS``,
``RCA_CH_THRESHOLDS``, ``RCA_ALLOW_PRIVILEGED``. The rest is common to all servers.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from mcp_servers.common.config import CommonSettings, ConfigError, Environment, common

# What a signal needs to be raised. Ratios 0..1, times in seconds unless the name says otherwise.
THRESHOLDS: dict[str, float] = {
    "restarted_s": 3_600,
    "memory_ratio": 0.9,
    "disk_ratio": 0.85,
    "parts_ratio": 0.5,  # of parts_to_delay_insert
    "replica_delay_s": 300,
    "replica_queue": 100,
    "merge_pool_ratio": 0.95,
    "load_per_core": 2.0,
    "query_slots_ratio": 0.8,
    "p95_ratio": 2.0,
    "heavy_share": 0.1,  # of the time of all queries in the window
    "scan_rows": 10_000_000,
    "scan_per_row": 10_000,  # rows read for a row returned
    "hog_bytes": 4 * 1024**3,
    "long_query_s": 60,
    "mutation_s": 3_600,
    "merge_s": 3_600,
    "dist_files": 100,
}
_CLUSTER = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_GLOB = re.compile(r"[A-Za-z_][\w*]{0,100}\.[\w*$]{1,200}")


@dataclass(frozen=True)
class Address:
    """Where one node answers."""

    host: str
    port: int
    secure: bool

    @property
    def label(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class ClickHouseSettings:
    """``addresses``: every node that is asked, empty when nothing is configured. ``timeout_s`` bounds one statement."""

    common: CommonSettings
    addresses: tuple[Address, ...] = ()
    user: str = "default"
    password: str = field(default="", repr=False)
    cluster: str = ""
    ca_file: str = ""
    timeout_s: float = 20.0
    raw: bool = False
    allowed: tuple[str, ...] = ()
    max_estimated_rows: int = 50_000_000
    allow_privileged: bool = False
    thresholds: Mapping[str, float] = field(default_factory=lambda: dict(THRESHOLDS))


def load(environ: Mapping[str, str] | None = None) -> ClickHouseSettings:
    """Read the settings. Raises `ConfigError` with the variable and a mend; an unknown ``RCA_CH_*`` name is an error."""
    env = Environment(environ)
    first = env.text("RCA_CH_URL")
    urls = [*([first] if first else []), *env.items("RCA_CH_HOSTS")]
    cluster = env.text("RCA_CH_CLUSTER")
    if cluster and not _CLUSTER.fullmatch(cluster):
        raise ConfigError(f"RCA_CH_CLUSTER={cluster[:60]!r} is not a cluster's name")
    if cluster and len(urls) > 1:
        raise ConfigError("RCA_CH_CLUSTER and RCA_CH_HOSTS both name replicas; keep one of them")
    allowed = env.items("RCA_CH_ALLOWED")
    for glob in allowed:
        if not _GLOB.fullmatch(glob):
            raise ConfigError(
                f"RCA_CH_ALLOWED: {glob[:60]!r} is not database.table; example: shop.orders_summary, reports.daily_*"
            )
    raw = env.flag("RCA_CH_RAW", False)
    if raw and not allowed:
        raise ConfigError(
            "RCA_CH_RAW=1 needs RCA_CH_ALLOWED, the tables that run_query may read; example: shop.orders_summary"
        )
    settings = ClickHouseSettings(
        common=common(env),
        addresses=tuple(dict.fromkeys(_address(url) for url in urls)),
        user=env.text("RCA_CH_USER", "default"),
        password=env.secret("RCA_CH_PASSWORD"),
        cluster=cluster,
        ca_file=env.text("RCA_CH_CA_FILE"),
        timeout_s=env.number("RCA_CH_TIMEOUT_S", 20, 1, 60),
        raw=raw,
        allowed=allowed,
        max_estimated_rows=int(env.number("RCA_CH_MAX_EST_ROWS", 50_000_000, 1, 1e12)),
        allow_privileged=env.flag("RCA_ALLOW_PRIVILEGED", False),
        thresholds=env.limits("RCA_CH_THRESHOLDS", THRESHOLDS),
    )
    env.refuse_unknown("RCA_CH_")
    return settings


def _address(url: str) -> Address:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigError(
            f"the ClickHouse address cannot be read: {error}; example: https://clickhouse.example:8443"
        ) from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError("RCA_CH_URL and RCA_CH_HOSTS take HTTP addresses; example: https://clickhouse.example:8443")
    if parts.username or parts.password:
        raise ConfigError("the ClickHouse address holds a user or password; use RCA_CH_USER and RCA_CH_PASSWORD_FILE")
    if parts.path not in ("", "/") or parts.query:
        raise ConfigError("the ClickHouse address holds a path or query; give scheme, host and port only")
    secure = parts.scheme == "https"
    return Address(parts.hostname, port or (8443 if secure else 8123), secure)
