"""Settings of the MongoDB server, from the environment.

``RCA_MONGO_URI`` (or ``_FILE``), ``RCA_MONGO_DIRECT`` (ask only the addresses of the URI), ``RCA_MONGO_MAX_MEMBERS``,
``RCA_MONGO_TLS_CA_FILE``, ``RCA_MONGO_TIMEOUT_S``, ``RCA_MONGO_THRESHOLDS``, ``RCA_ALLOW_PRIVILEGED``. The rest is common to all servers.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from mcp_servers.common.config import CommonSettings, ConfigError, Environment, common

# What a signal needs to be raised. Ratios 0..1; times in seconds unless the name says otherwise.
THRESHOLDS: dict[str, float] = {
    "conn_ratio": 0.8,
    "conn_created_per_s": 50,
    "conn_created_factor": 5,  # times the average since the server started
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
        thresholds=_thresholds(env.text("RCA_MONGO_THRESHOLDS")),
    )
    env.refuse_unknown("RCA_MONGO_")
    return settings


def _thresholds(raw: str) -> dict[str, float]:
    if not raw:
        return dict(THRESHOLDS)
    try:
        given = json.loads(raw)
    except ValueError as error:
        raise ConfigError(f'RCA_MONGO_THRESHOLDS is not JSON ({error}); example: {{"lag_s": 30}}') from error
    if not isinstance(given, dict):
        raise ConfigError('RCA_MONGO_THRESHOLDS must be a JSON object; example: {"lag_s": 30}')
    for name, value in given.items():
        if name not in THRESHOLDS:
            known = ", ".join(sorted(THRESHOLDS))
            raise ConfigError(f"RCA_MONGO_THRESHOLDS: {name[:60]!r} is not known; there are {known}")
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise ConfigError(f"RCA_MONGO_THRESHOLDS: {name} must be a number above 0")
    return {**THRESHOLDS, **given}
