"""SigNoz's tables, as far as the tool server reads them, from their documented columns.

Codecs, skip indexes, TTLs and the JSON columns are left out: they change cost, not answers. A ``distributed_*`` table is a Merge over its one
local table, because the engine here is a single node.
"""

# ruff: noqa: E501, S608 (column lists; statements are constants over constants)

_LOGS = """ts_bucket_start UInt64, resource_fingerprint String, timestamp UInt64, observed_timestamp UInt64, id String, trace_id String,
span_id String, trace_flags UInt32, severity_text LowCardinality(String), severity_number UInt8, body String,
attributes_string Map(LowCardinality(String), String), attributes_number Map(LowCardinality(String), Float64),
attributes_bool Map(LowCardinality(String), Bool), resources_string Map(LowCardinality(String), String), scope_name String,
scope_version String, scope_string Map(LowCardinality(String), String)"""
_SPANS = """ts_bucket_start UInt64, resource_fingerprint String, timestamp DateTime64(9), trace_id FixedString(32), span_id String,
trace_state String, parent_span_id String, flags UInt32, name LowCardinality(String), kind Int8, kind_string String, duration_nano UInt64,
status_code Int16, status_message String, status_code_string String, attributes_string Map(LowCardinality(String), String),
attributes_number Map(LowCardinality(String), Float64), attributes_bool Map(LowCardinality(String), Bool),
resources_string Map(LowCardinality(String), String), events Array(String), links String, response_status_code LowCardinality(String),
external_http_url LowCardinality(String), external_http_method LowCardinality(String), http_url LowCardinality(String),
http_method LowCardinality(String), http_host LowCardinality(String), db_name LowCardinality(String), db_operation LowCardinality(String),
has_error Bool, is_remote LowCardinality(String),
`resource_string_service$$name` LowCardinality(String) DEFAULT resources_string['service.name'],
`attribute_string_http$$route` LowCardinality(String) DEFAULT attributes_string['http.route'],
`attribute_string_db$$system` LowCardinality(String) DEFAULT attributes_string['db.system'],
`attribute_string_peer$$service` LowCardinality(String) DEFAULT attributes_string['peer.service']"""
_RESOURCE = "labels String, fingerprint String, seen_at_ts_bucket_start Int64"
_SUMMARY = "trace_id String, start SimpleAggregateFunction(min, DateTime64(9)), end SimpleAggregateFunction(max, DateTime64(9)), num_spans SimpleAggregateFunction(sum, UInt64)"
_ERRORS = """timestamp DateTime64(9), errorID FixedString(32), groupID FixedString(32), traceID FixedString(32), spanID String,
serviceName LowCardinality(String), exceptionType LowCardinality(String), exceptionMessage String, exceptionStacktrace String,
exceptionEscaped Bool, resourceTagsMap Map(LowCardinality(String), String)"""
_SAMPLES = """env LowCardinality(String) DEFAULT 'default', temporality LowCardinality(String) DEFAULT 'Unspecified', metric_name LowCardinality(String),
fingerprint UInt64, unix_milli Int64, value Float64, flags UInt32 DEFAULT 0"""
_SERIES = """env LowCardinality(String) DEFAULT 'default', temporality LowCardinality(String) DEFAULT 'Unspecified', metric_name LowCardinality(String),
description LowCardinality(String) DEFAULT '', unit LowCardinality(String) DEFAULT '', type LowCardinality(String) DEFAULT '',
is_monotonic Bool DEFAULT false, fingerprint UInt64, unix_milli Int64, labels String, attrs Map(LowCardinality(String), String),
scope_attrs Map(LowCardinality(String), String), resource_attrs Map(LowCardinality(String), String)"""
_FOLDED = """env LowCardinality(String) DEFAULT 'default', temporality LowCardinality(String) DEFAULT 'Unspecified', metric_name LowCardinality(String),
fingerprint UInt64, unix_milli Int64, last SimpleAggregateFunction(anyLast, Float64), min SimpleAggregateFunction(min, Float64),
max SimpleAggregateFunction(max, Float64), sum SimpleAggregateFunction(sum, Float64), count SimpleAggregateFunction(sum, UInt64)"""

# database.table -> columns, engine, sorting key
TABLES: dict[str, tuple[str, str, str]] = {
    "signoz_logs.logs_v2": (_LOGS, "MergeTree", "ts_bucket_start, resource_fingerprint, severity_text, timestamp, id"),
    "signoz_logs.logs_v2_resource": (_RESOURCE, "ReplacingMergeTree", "labels, fingerprint, seen_at_ts_bucket_start"),
    "signoz_traces.signoz_index_v3": (
        _SPANS,
        "MergeTree",
        "ts_bucket_start, resource_fingerprint, has_error, name, timestamp",
    ),
    "signoz_traces.traces_v3_resource": (
        _RESOURCE,
        "ReplacingMergeTree",
        "labels, fingerprint, seen_at_ts_bucket_start",
    ),
    "signoz_traces.trace_summary": (_SUMMARY, "AggregatingMergeTree", "trace_id"),
    "signoz_traces.signoz_error_index_v2": (_ERRORS, "MergeTree", "timestamp, groupID"),
    "signoz_metrics.samples_v4": (_SAMPLES, "MergeTree", "env, temporality, metric_name, fingerprint, unix_milli"),
    "signoz_metrics.time_series_v4": (
        _SERIES,
        "ReplacingMergeTree",
        "env, temporality, metric_name, fingerprint, unix_milli",
    ),
    "signoz_metrics.time_series_v4_1day": (
        _SERIES,
        "ReplacingMergeTree",
        "env, temporality, metric_name, fingerprint, unix_milli",
    ),
    "signoz_metrics.samples_v4_agg_5m": (
        _FOLDED,
        "AggregatingMergeTree",
        "env, temporality, metric_name, fingerprint, unix_milli",
    ),
    "signoz_metrics.samples_v4_agg_30m": (
        _FOLDED,
        "AggregatingMergeTree",
        "env, temporality, metric_name, fingerprint, unix_milli",
    ),
}
_DAY_MS = 86_400_000
_VIEWS = (
    "CREATE MATERIALIZED VIEW IF NOT EXISTS signoz_traces.trace_summary_mv TO signoz_traces.trace_summary AS SELECT trace_id, "
    "min(timestamp) AS start, max(timestamp) AS end, toUInt64(count()) AS num_spans FROM signoz_traces.signoz_index_v3 GROUP BY trace_id",
    "CREATE MATERIALIZED VIEW IF NOT EXISTS signoz_metrics.time_series_v4_1day_mv TO signoz_metrics.time_series_v4_1day AS "
    f"SELECT * REPLACE (intDiv(unix_milli, {_DAY_MS}) * {_DAY_MS} AS unix_milli) FROM signoz_metrics.time_series_v4",
    *(
        f"CREATE MATERIALIZED VIEW IF NOT EXISTS signoz_metrics.samples_v4_agg_{name}_mv TO signoz_metrics.samples_v4_agg_{name} AS "
        f"SELECT env, temporality, metric_name, fingerprint, slot AS unix_milli, anyLast(value) AS last, min(value) AS min, "
        "max(value) AS max, sum(value) AS sum, count() AS count FROM (SELECT env, temporality, metric_name, fingerprint, value, "
        f"intDiv(unix_milli, {step}) * {step} AS slot FROM signoz_metrics.samples_v4) "
        "GROUP BY env, temporality, metric_name, fingerprint, slot"
        for name, step in (("5m", 300_000), ("30m", 1_800_000))
    ),
)


def statements() -> list[str]:
    """The DDL, in order; running it twice changes nothing."""
    made = [f"CREATE DATABASE IF NOT EXISTS {name}" for name in sorted({table.split(".")[0] for table in TABLES})]
    for name, (columns, engine, key) in TABLES.items():
        database, table = name.split(".")
        made.append(f"CREATE TABLE IF NOT EXISTS {name} ({columns}) ENGINE = {engine} ORDER BY ({key})")
        made.append(
            f"CREATE TABLE IF NOT EXISTS {database}.distributed_{table} AS {name} ENGINE = Merge('{database}', '^{table}$')"
        )
    made += _VIEWS
    return made
