"""Statements over ``system.query_log`` and ``system.processes``. Every one is bounded by date, time and LIMIT."""

from mcp_servers.clickhouse.merging import Merge
from mcp_servers.clickhouse.statements import Statement, columns, epoch, plain

_IN = (
    "event_date >= toDate(fromUnixTimestamp({start:Int64})) AND event_date <= toDate(fromUnixTimestamp({end:Int64})) "
    "AND event_time >= fromUnixTimestamp({start:Int64}) AND event_time < fromUnixTimestamp({end:Int64}) AND is_initial_query = 1"
)
_NEEDS = ("event_date", "event_time", "type", "is_initial_query", "query_duration_ms", "query")

ORDERS = {"total": "total_ms", "p95": "p95_ms", "memory": "peak_memory", "read": "read_rows"}

SLOW = Statement(
    "slow queries",
    "query_log",
    {
        **columns(
            hash=("toString(normalized_query_hash)", "normalized_query_hash"),
            kind=("any(query_kind)", "query_kind"),
            user=("any(user)", "user"),
            host=("any(hostName())", ""),
            n=("count()", ""),
            p50_ms=("round(quantile(0.5)(query_duration_ms))", "query_duration_ms"),
            p95_ms=("round(quantile(0.95)(query_duration_ms))", "query_duration_ms"),
            max_ms=("max(query_duration_ms)", "query_duration_ms"),
            total_ms=("sum(query_duration_ms)", "query_duration_ms"),
            read_rows=("sum(t.read_rows)", "read_rows"),
            read_bytes=("sum(t.read_bytes)", "read_bytes"),
            returned_rows=("sum(t.result_rows)", "result_rows"),
            peak_memory=("max(memory_usage)", "memory_usage"),
            failed=("countIf(type != 'QueryFinish')", "type"),
            slowest_query_id=("argMax(query_id, query_duration_ms)", "query_id"),
            table_names=("arraySlice(arrayDistinct(arrayFlatten(groupUniqArray(4)(t.tables))), 1, 6)", "tables"),
            sql=("substring(normalizeQuery(any(query)), 1, 400)", "query"),
        )
    },
    "FROM @query_log AS t WHERE "
    + _IN
    + " AND type IN ('QueryFinish', 'ExceptionWhileProcessing') AND ({kind:String} = '' OR query_kind = {kind:String}) "
    # a shape counts with all its runs, or its p95 would be that of the slow ones and no baseline could stand against it
    "GROUP BY normalized_query_hash HAVING max_ms >= {min_ms:UInt64} ORDER BY %(order)s DESC LIMIT {limit:UInt16}",
    (*_NEEDS, "normalized_query_hash", "query_kind", "memory_usage", "read_rows"),
    Merge(
        key=("hash",), sums=("n", "total_ms", "read_rows", "read_bytes", "returned_rows", "failed"),
        highest=("p95_ms", "max_ms", "peak_memory"),
        means=("p50_ms",), unions=("table_names",), lead="total_ms", leads={"slowest_query_id": "max_ms"},
    ),
)  # fmt: skip

BASELINE = Statement(
    "earlier runs",
    "query_log",
    columns(
        hash=("toString(normalized_query_hash)", "normalized_query_hash"),
        n=("count()", ""),
        p95_ms=("round(quantile(0.95)(query_duration_ms))", "query_duration_ms"),
    ),
    "FROM @query_log WHERE " + _IN + " AND type IN ('QueryFinish', 'ExceptionWhileProcessing') "
    "AND normalized_query_hash IN {hashes:Array(UInt64)} GROUP BY normalized_query_hash LIMIT 100",
    (*_NEEDS, "normalized_query_hash"),
    Merge(key=("hash",), sums=("n",), highest=("p95_ms",)),  # as in SLOW, or the two could not be compared
)

ACTIVITY = Statement(
    "query log activity",
    "query_log",
    columns(
        n=("count()", ""),
        failed=("countIf(type IN ('ExceptionBeforeStart', 'ExceptionWhileProcessing'))", "type"),
        slowest_ms=("max(query_duration_ms)", "query_duration_ms"),
        total_ms=("sumIf(query_duration_ms, type != 'ExceptionBeforeStart')", "query_duration_ms type"),
    ),
    "FROM @query_log WHERE " + _IN + " AND type != 'QueryStart' LIMIT 1",
    _NEEDS,
    Merge(key=(), sums=("n", "failed", "total_ms"), highest=("slowest_ms",)),
)

FAILED = Statement(
    "failed queries",
    "query_log",
    {
        **columns(
            code=("exception_code", "exception_code"),
            name=("errorCodeToName(exception_code)", "exception_code"),
            user=("t.user", "user"),
            host=("any(hostName())", ""),
            n=("count()", ""),
            shapes=("uniq(normalized_query_hash)", "normalized_query_hash"),
            first=("toUnixTimestamp(min(event_time))", "event_time"),
            last=("toUnixTimestamp(max(event_time))", "event_time"),
            phase=("toString(any(type))", "type"),
            query_id=("any(t.query_id)", "query_id"),
            table_names=("arraySlice(arrayDistinct(arrayFlatten(groupUniqArray(4)(t.tables))), 1, 4)", "tables"),
            message=("substring(any(exception), 1, 600)", "exception"),
            # what is no statement has no shape: its words may be anything
            sql=("if(exception_code = 62, '', substring(normalizeQuery(any(query)), 1, 300))", "query exception_code"),
        )
    },
    "FROM @query_log AS t WHERE "
    + _IN
    + (" AND type IN ('ExceptionBeforeStart', 'ExceptionWhileProcessing') GROUP BY exception_code, t.user ORDER BY n "
      "DESC LIMIT {limit:UInt16}"),
    (*_NEEDS, "exception_code", "user"),
    # shapes: one shape may fail on two servers, so the greater number is what is certain
    Merge(
        key=("code", "user"), sums=("n",), highest=("last", "shapes"), lowest=("first",), unions=("table_names",), lead="n", rank=("n",),
    ),
)  # fmt: skip

FAILED_BEFORE = Statement(
    "earlier failures",
    "query_log",
    columns(code=("exception_code", "exception_code"), user=("t.user", "user"), n=("count()", "")),
    "FROM @query_log AS t WHERE "
    + _IN
    + " AND type IN ('ExceptionBeforeStart', 'ExceptionWhileProcessing') AND exception_code IN {codes:Array(Int32)} "
    "GROUP BY exception_code, t.user LIMIT 500",
    (*_NEEDS, "exception_code", "user"),
    Merge(key=("code", "user"), sums=("n",)),
)

CHANGES = Statement(
    "schema changes",
    "query_log",
    {
        **epoch(at="event_time"),
        **plain("user", "query_id"),
        **columns(
            host=("hostName()", ""),
            kind=("query_kind", "query_kind"),
            table_names=("arraySlice(t.tables, 1, 6)", "tables"),
            client=("client_name", "client_name"),
            sql=("substring(normalizeQuery(query), 1, 300)", "query"),
        ),
    },
    "FROM @query_log AS t WHERE "
    + _IN
    + " AND type = 'QueryFinish' AND query_kind IN ('Create', 'Alter', 'Drop', 'Rename', 'Truncate', 'Grant', 'Revoke', "
    "'Optimize', 'System', 'Undrop', 'Attach', 'Detach', 'Exchange') AND NOT (query_kind = 'Create' AND "
    "positionCaseInsensitive(query, 'temporary') > 0) "
    "ORDER BY event_time DESC LIMIT {limit:UInt16}",
    (*_NEEDS, "query_kind"),
    Merge(rank=("at",)),
)

RUNNING = Statement(
    "running queries",
    "processes",
    {
        **columns(host=("hostName()", "")),
        **plain("query_id", "user"),
        **columns(
            kind=("query_kind", "query_kind"),
            elapsed_s=("round(elapsed, 1)", "elapsed"),
            read=("t.read_rows", "read_rows"),
            read_size=("t.read_bytes", "read_bytes"),
            expected=("total_rows_approx", "total_rows_approx"),
            memory=("memory_usage", "memory_usage"),
            cancelled=("is_cancelled", "is_cancelled"),
            sql=("substring(normalizeQuery(query), 1, 300)", "query"),
        ),
    },
    (
        "FROM @processes AS t WHERE is_initial_query = 1 AND query_id != queryID() AND elapsed >= {min_s:Float64} ORDER "
        "BY elapsed DESC LIMIT {limit:UInt16}"
    ),
    ("query_id", "elapsed", "is_initial_query", "query"),
    Merge(rank=("elapsed_s",)),
)

RUNNING_COUNT = Statement(
    "running queries count",
    "processes",
    columns(
        n=("countIf(query_id != queryID())", "query_id"), longest_s=("maxIf(elapsed, query_id != queryID())", "elapsed")
    ),
    "FROM @processes WHERE is_initial_query = 1 LIMIT 1",
    ("query_id", "elapsed", "is_initial_query"),
    Merge(key=(), sums=("n",), highest=("longest_s",)),
)

# What the log holds at all, told by its parts: a look into the log itself would read days of it.
LOG_REACH = Statement(
    "the log's reach",
    "parts",
    {
        **columns(host=("hostName()", "")),
        **columns(
            first=("toUnixTimestamp(toDateTime(min(min_date)))", "min_date"),
            last=("toUnixTimestamp(max(modification_time))", "modification_time"),
            n_rows=("sum(t.rows)", "rows"),
        ),
    },
    "FROM @parts AS t WHERE active AND database = 'system' AND table = {table:String} GROUP BY host LIMIT 100",
    ("database", "table", "active", "modification_time", "rows"),
    Merge(key=(), sums=("n_rows",), lowest=("first",), highest=("last",)),
)
