"""Settings of the MongoDB server, from the environment.

``RCA_MONGO_URI`` (or ``_FILE``), ``RCA_MONGO_DIRECT`` (ask only the addresses of the URI), ``RCA_MONGO_MAX_MEMBERS``,
``RCA_MONGO_TLS_CA_FILE``, ``RCA_MONGO_TIMEOUT_S``, ``RCA_MONGO_THRESHOLDS``, ``RCA_ALLOW_PRIVILEGED``. The rest is common to all servers.

Atlas, beside or instead of the URI: ``RCA_ATLAS_PROJECT_ID``, ``RCA_ATLAS_CLUSTER`` (empty: the whole project), ``RCA_ATLAS_BASE_URL``,
and a service account (``RCA_ATLAS_CLIENT_ID``, ``RCA_ATLAS_CLIENT_SECRET``) or an old key pair (``RCA_ATLAS_PUBLIC_KEY``,
``RCA_ATLAS_PRIVATE_KEY``); each secret also as ``_FILE``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from mcp_servers.common.config import CommonSettings, ConfigError, Environment, common

# What a signal needs to be raised. Ratios 0..1; times in seconds unless the name says otherwise.
THRESHOLDS: dict[str, float] = {
    "conn_ratio": 0.8,
    "conn_created_per_s": 50,
    "conn_created_factor": 5,  # times the average since the server started
    "conn_leak_factor": 2,  # how much connections grow in a window, step by step, while the work does not
    "client_share": 0.6,
    "client_min": 20,  # connections below which one client's share says nothing
    "lag_s": 10,
    "oplog_s": 24 * 3_600,
    "tickets_ratio": 0.05,
    "queue": 10,
    "cache_used": 0.95,
    "cache_dirty": 0.2,
    "app_evictions_per_s": 10,
    "disk_ratio": 0.85,
    "restart_s": 3_600,
    "election_s": 24 * 3_600,
    "scan_ratio": 1_000,  # documents examined for one returned
    "scan_ms": 100,
    "scan_docs": 10_000,  # examined by one collection scan
    "lock_wait_ms": 100,
    "spike_factor": 3,
    "spike_min": 10,
    "long_op_s": 30,
    "open_txn_s": 60,
    "unused_index_s": 7 * 86_400,
}


ATLAS_URL = "https://cloud.mongodb.com"
_PROJECT = re.compile(r"[0-9a-f]{24}")
_CLUSTER = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
_LOCAL = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class AtlasSettings:
    """``account`` is the client id of a service account or, with ``digest``, the public key of an old pair; ``secret`` the rest."""

    project: str
    cluster: str
    account: str
    secret: str = field(repr=False)
    digest: bool = False
    url: str = ATLAS_URL


@dataclass(frozen=True)
class MongoSettings:
    """``uri`` is a secret. ``direct`` asks only the URI's own addresses. ``timeout_s`` bounds one command, in the server and here."""

    common: CommonSettings
    uri: str = field(default="", repr=False)
    direct: bool = False
    max_members: int = 7
    ca_file: str = ""
    timeout_s: float = 8.0
    allow_privileged: bool = False
    thresholds: Mapping[str, float] = field(default_factory=lambda: dict(THRESHOLDS))
    atlas: AtlasSettings | None = None


def load(environ: Mapping[str, str] | None = None) -> MongoSettings:
    """Read the settings. Raises `ConfigError` with the variable and a mend; an unknown ``RCA_MONGO_*`` name is an error."""
    env = Environment(environ)
    uri = env.secret("RCA_MONGO_URI")
    if uri and not uri.startswith(("mongodb://", "mongodb+srv://")):
        raise ConfigError("RCA_MONGO_URI does not start with mongodb:// or mongodb+srv://")
    settings = MongoSettings(
        common=common(env),
        uri=uri,
        direct=env.flag("RCA_MONGO_DIRECT", False),
        max_members=int(env.number("RCA_MONGO_MAX_MEMBERS", 7, 1, 50)),
        ca_file=env.text("RCA_MONGO_TLS_CA_FILE"),
        timeout_s=env.number("RCA_MONGO_TIMEOUT_S", 8, 1, 30),
        allow_privileged=env.flag("RCA_ALLOW_PRIVILEGED", False),
        thresholds=env.limits("RCA_MONGO_THRESHOLDS", THRESHOLDS),
        atlas=_atlas(env),
    )
    env.refuse_unknown("RCA_MONGO_", "RCA_ATLAS_")
    return settings


def _atlas(env: Environment) -> AtlasSettings | None:
    """``None`` when nothing of Atlas is set. Raises `ConfigError` for half a setting, because half a key fails late and in riddles."""
    project, cluster = env.text("RCA_ATLAS_PROJECT_ID"), env.text("RCA_ATLAS_CLUSTER")
    client, secret = env.text("RCA_ATLAS_CLIENT_ID"), env.secret("RCA_ATLAS_CLIENT_SECRET")
    public, private = env.text("RCA_ATLAS_PUBLIC_KEY"), env.secret("RCA_ATLAS_PRIVATE_KEY")
    url = env.text("RCA_ATLAS_BASE_URL")
    if not any((project, cluster, client, secret, public, private, url)):
        return None
    if not _PROJECT.fullmatch(project):
        raise ConfigError(
            "RCA_ATLAS_PROJECT_ID must be the project's id, 24 characters 0-9 a-f (project settings in Atlas show it)"
        )
    if cluster and not _CLUSTER.fullmatch(cluster):
        raise ConfigError("RCA_ATLAS_CLUSTER must be the cluster's name: letters, digits and hyphens")
    if bool(client) != bool(secret) or bool(public) != bool(private):
        raise ConfigError(
            "an Atlas key has two halves: RCA_ATLAS_CLIENT_ID and _CLIENT_SECRET, or RCA_ATLAS_PUBLIC_KEY and _PRIVATE_KEY"
        )
    if bool(client) == bool(public):
        raise ConfigError(
            "set one Atlas key: a service account (RCA_ATLAS_CLIENT_ID, _CLIENT_SECRET) or a key pair, not both or neither"
        )
    return AtlasSettings(
        project, cluster, client or public, secret or private, bool(public), _address(url or ATLAS_URL)
    )


def _address(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigError("RCA_ATLAS_BASE_URL is no address; example: https://cloud.mongodb.com") from error
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOCAL):
        raise ConfigError("RCA_ATLAS_BASE_URL must begin with https://, because the key travels with every question")
    if not parts.hostname or parts.username is not None or parts.path.strip("/") or parts.query or parts.fragment:
        raise ConfigError("RCA_ATLAS_BASE_URL is scheme, host and port only; example: https://cloud.mongodb.com")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{port}" if port else "")
