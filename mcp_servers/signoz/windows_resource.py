"""The resource filter: rows of one service are found by the fingerprints of its resources, which are the tables' sorting key.

Without it every granule of the window is read to compare one column; with it only those that hold the service. The plain comparison stays
beside it, because a fingerprint may stand for more than was asked.
"""

# ruff: noqa: S608, E501 (statements are constants over constants; values travel as typed parameters)


def of_service(database: str, table: str, keys: tuple[str, ...]) -> str:
    """SQL that holds for every row when ``{service}`` is empty, else for rows whose resource names it under one of ``keys``."""
    named = ", ".join(f"simpleJSONExtractString(labels, '{key}')" for key in keys)
    return f"""({{service:String}} = '' OR resource_fingerprint GLOBAL IN (SELECT fingerprint FROM {database}.distributed_{table}
 WHERE seen_at_ts_bucket_start BETWEEN {{from_s:UInt64}} - 1800 AND {{to_s:UInt64}} AND {{service:String}} != '' AND {{service:String}} IN ({named})))"""


SPANS_OF_SERVICE = of_service("signoz_traces", "traces_v3_resource", ("service.name",))
LOGS_OF_SERVICE = of_service(
    "signoz_logs", "logs_v2_resource", ("service.name", "k8s.deployment.name", "k8s.container.name")
)
