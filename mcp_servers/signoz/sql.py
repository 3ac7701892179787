"""The parts that every statement over spans and logs shares.

Windows come as ``from_s, to_s`` (the whole) and ``b0, b1, c0, c1`` (baseline and current), epoch seconds; `SPANS` and `LOGS` bound both the
bucket (the tables' sorting key, half-hour steps) and the time itself.
"""

SPANS_TABLE = "signoz_traces.distributed_signoz_index_v3"
SERVICE_OF_SPAN = "`resource_string_service$$name`"
SPANS = f"""{SPANS_TABLE} WHERE ts_bucket_start BETWEEN {{from_s:UInt64}} - 1800 AND {{to_s:UInt64}}
 AND timestamp >= toDateTime64({{from_s:UInt64}}, 9) AND timestamp < toDateTime64({{to_s:UInt64}}, 9)"""
IS_CURRENT = "timestamp >= toDateTime64({c0:UInt64}, 9) AND timestamp < toDateTime64({c1:UInt64}, 9)"
IS_BASE = "timestamp >= toDateTime64({b0:UInt64}, 9) AND timestamp < toDateTime64({b1:UInt64}, 9)"
# Whole traces, thinned when there are many: {sample:UInt64} is 1 for all of them.
SAMPLED = "cityHash64(trace_id) % {sample:UInt64} = 0"
# Where a call is meant to go, as far as its span says it: calls of one name ("GET") lead to several.
ADDRESS = (
    "coalesce("
    + ", ".join(
        f"nullIf(attributes_string['{key}'], '')"
        for key in ("peer.service", "server.address", "net.peer.name", "http.host", "rpc.service")
    )
    + ", '')"
)

LOGS_TABLE = "signoz_logs.distributed_logs_v2"
LOGS = f"""{LOGS_TABLE} WHERE ts_bucket_start BETWEEN {{from_s:UInt64}} - 1800 AND {{to_s:UInt64}}
 AND timestamp >= {{from_s:UInt64}} * 1000000000 AND timestamp < {{to_s:UInt64}} * 1000000000"""
LOG_IS_CURRENT = "timestamp >= {c0:UInt64} * 1000000000 AND timestamp < {c1:UInt64} * 1000000000"
LOG_IS_BASE = "timestamp >= {b0:UInt64} * 1000000000 AND timestamp < {b1:UInt64} * 1000000000"
