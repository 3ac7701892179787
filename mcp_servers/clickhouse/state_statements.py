"""Statements over the state of the server: metrics, disks, parts, merges, mutations, replicas. All are cheap reads of in-memory tables."""

from mcp_servers.clickhouse.merging import Merge
from mcp_servers.clickhouse.statements import Statement, columns, epoch, plain

METRICS = (
    "Query", "Merge", "PartMutation", "TCPConnection", "HTTPConnection", "ReadonlyReplica", "DelayedInserts", "MemoryTracking",
    "BackgroundMergesAndMutationsPoolTask", "BackgroundMergesAndMutationsPoolSize", "ZooKeeperSession", "PendingAsyncInsert",
    "DistributedFilesToInsert", "BrokenDistributedFilesToInsert",
)  # fmt: skip
ASYNC_METRICS = (
    "LoadAverage1", "OSMemoryAvailable", "OSMemoryTotal", "CGroupMemoryUsed", "CGroupMemoryTotal", "MaxPartCountForPartition",
    "ReplicasMaxAbsoluteDelay", "ReplicasMaxQueueSize", "OSIOWaitTimeNormalized",
)  # fmt: skip
_HOST = columns(host=("hostName()", ""))

SERVER = Statement(
    "server", "metrics", columns(host=("hostName()", ""), version=("version()", ""), uptime_s=("uptime()", ""),
    at=("toUnixTimestamp(now())", "")),
    "FROM @metrics LIMIT 1 BY hostName() LIMIT 100",
)  # fmt: skip
NOW = Statement(
    "metrics", "metrics", {**_HOST, **plain("metric", "value")},
    "FROM @metrics WHERE metric IN {names:Array(String)} LIMIT 500", ("metric", "value"),
)  # fmt: skip
MEASURED = Statement(
    "asynchronous metrics", "asynchronous_metrics", {**_HOST, **plain("metric", "value")},
    "FROM @asynchronous_metrics WHERE metric IN {names:Array(String)} LIMIT 500", ("metric", "value"),
)  # fmt: skip
CORES = Statement(
    "processors", "asynchronous_metrics", {**_HOST, **columns(n=("count()", ""))},
    "FROM @asynchronous_metrics WHERE match(metric, '^OSUserTimeCPU[0-9]+$') GROUP BY host LIMIT 100", ("metric",),
)  # fmt: skip
LIMITS = Statement(
    "server settings", "server_settings", {**_HOST, **plain("name", "value")},
    "FROM @server_settings WHERE name IN ('max_concurrent_queries', 'max_server_memory_usage') LIMIT 200", ("name", "value"),
)  # fmt: skip
PART_LIMITS = Statement(
    "part limits", "merge_tree_settings", {**_HOST, **plain("name", "value")},
    "FROM @merge_tree_settings WHERE name IN ('parts_to_delay_insert', 'parts_to_throw_insert') LIMIT 200", ("name", "value"),
)  # fmt: skip
DISKS = Statement(
    "disks", "disks",
    {**_HOST, **plain("name", "type", "free_space", "total_space", "unreserved_space", "is_remote", "is_broken")},
    "FROM @disks LIMIT 100", ("name", "free_space", "total_space"),
)  # fmt: skip
ERRORS = Statement(
    "errors", "errors",
    {**_HOST, **plain("name", "code", "value"), **epoch(last="last_error_time"),
    **columns(message=("substring(last_error_message, 1, 600)", "last_error_message"))},
    "FROM @errors WHERE last_error_time >= fromUnixTimestamp({since:Int64}) ORDER BY last_error_time DESC LIMIT 40",
    ("name", "code", "last_error_time"),
    Merge(rank=("last",)),
)  # fmt: skip
CLUSTERS = Statement(
    "clusters", "clusters",
    columns(
        cluster=("cluster", "cluster"), hosts=("count()", ""), failing=("countIf(errors_count > 0)", "errors_count"),
        failing_hosts=("arraySlice(groupArrayIf(host_name, errors_count > 0), 1, 5)", "host_name errors_count"),
    ),
    "FROM system.clusters GROUP BY cluster ORDER BY failing DESC, cluster LIMIT 20", ("cluster", "errors_count", "host_name"),
    # every server has the same list of clusters, and its own errors with them
    Merge(key=("cluster",), highest=("hosts", "failing"), unions=("failing_hosts",), rank=("failing",)),
)  # fmt: skip
WARNINGS = Statement(
    "warnings", "warnings", plain("message"), "FROM @warnings LIMIT 10", ("message",), Merge(key=("message",))
)

PARTS = Statement(
    "parts", "parts",
    {
        **_HOST,
        **plain("database", "table", "partition_id"),
        **columns(
            active_parts=("count()", ""), n_rows=("sum(t.rows)", "rows"), bytes=("sum(bytes_on_disk)", "bytes_on_disk"),
            newest=("toUnixTimestamp(max(modification_time))", "modification_time"),
        ),
    },
    "FROM @parts AS t WHERE active AND ({database:String} = '' OR database = {database:String}) "
    "GROUP BY host, database, table, partition_id "
    "HAVING active_parts >= {min_parts:UInt32} ORDER BY active_parts DESC LIMIT {limit:UInt16}",
    ("database", "table", "partition_id", "active"),
    # replicas hold the same parts: the server that is worst off stands for the others
    Merge(
        key=("database", "table", "partition_id"), highest=("active_parts", "n_rows", "bytes", "newest"), lead="active_parts",
        rank=("active_parts",),
    ),
)  # fmt: skip
PARTS_MAX = Statement(
    "parts in all", "parts",
    columns(tables=("uniq(database, table)", "database table"), parts=("count()", ""), bytes=("sum(bytes_on_disk)", "bytes_on_disk")),
    "FROM @parts WHERE active AND ({database:String} = '' OR database = {database:String}) LIMIT 1", ("database", "table", "active"),
    Merge(key=(), sums=("parts", "bytes"), highest=("tables",)),
)  # fmt: skip
MUTATIONS = Statement(
    "mutations", "mutations",
    {
        **_HOST,
        **plain("database", "table", "mutation_id", "parts_to_do", "is_killed"),
        **epoch(created="create_time", failed_at="latest_fail_time"),
        **columns(
            command_text=("substring(command, 1, 400)", "command"), reason=("substring(latest_fail_reason, 1, 600)", "latest_fail_reason"),
        ),
    },
    "FROM @mutations WHERE NOT is_done AND ({database:String} = '' OR database = {database:String}) ORDER BY create_time LIMIT 20",
    ("database", "table", "is_done", "create_time", "mutation_id"),
    # a replicated mutation is one thing that every replica has to do
    Merge(
        key=("database", "table", "mutation_id", "command_text"), highest=("parts_to_do", "failed_at", "is_killed"), lowest=("created",),
        lead="failed_at", rank=("-created",),
    ),
)  # fmt: skip
MERGES = Statement(
    "merges", "merges",
    {
        **_HOST,
        **plain("database", "table", "num_parts", "is_mutation"),
        **columns(
            elapsed_s=("round(elapsed, 1)", "elapsed"), done=("round(progress, 3)", "progress"),
            bytes=("total_size_bytes_compressed", "total_size_bytes_compressed"), memory=("memory_usage", "memory_usage"),
        ),
    },
    "FROM @merges WHERE {database:String} = '' OR database = {database:String} ORDER BY elapsed DESC LIMIT 20",
    ("database", "table", "elapsed", "progress"),
    Merge(rank=("elapsed_s",)),
)  # fmt: skip
DETACHED = Statement(
    "detached parts", "detached_parts",
    {**_HOST, **plain("database", "table"), **columns(why=("ifNull(reason, '')", "reason"), n=("count()", ""))},
    "FROM @detached_parts WHERE {database:String} = '' OR database = {database:String} "
    "GROUP BY host, database, table, why ORDER BY n DESC LIMIT 20",
    ("database", "table", "reason"),
    Merge(rank=("n",)),
)  # fmt: skip
QUEUE = Statement(
    "distribution queue", "distribution_queue",
    {
        **_HOST,
        **plain("database", "table", "is_blocked", "error_count", "data_files", "data_compressed_bytes", "broken_data_files"),
        **columns(message=("substring(last_exception, 1, 600)", "last_exception")),
    },
    "FROM @distribution_queue WHERE (data_files > 0 OR error_count > 0) AND ({database:String} = '' OR database = {database:String}) "
    "ORDER BY data_files DESC LIMIT 20",
    ("database", "table", "data_files", "error_count"),
    Merge(rank=("broken_data_files", "data_files")),
)  # fmt: skip

REPLICAS = Statement(
    "replicas", "replicas",
    {
        **_HOST,
        **plain("database", "table", "is_readonly", "is_session_expired", "absolute_delay", "queue_size", "inserts_in_queue",
        "merges_in_queue",
                "total_replicas", "active_replicas"),
        **columns(
            oldest=("if(queue_size > 0, toUnixTimestamp(queue_oldest_time), 0)", "queue_oldest_time queue_size"),
            queue_message=("substring(last_queue_update_exception, 1, 600)", "last_queue_update_exception"),
            keeper_message=("substring(zookeeper_exception, 1, 600)", "zookeeper_exception"),
        ),
    },
    "FROM @replicas WHERE is_readonly OR is_session_expired OR absolute_delay > {max_delay:UInt32} OR queue_size > {max_queue:UInt32} "
    "OR active_replicas < total_replicas ORDER BY is_readonly DESC, absolute_delay DESC LIMIT 30",
    ("database", "table", "is_readonly", "is_session_expired", "absolute_delay", "queue_size", "active_replicas", "total_replicas"),
    Merge(rank=("is_readonly", "absolute_delay")),
)  # fmt: skip
REPLICA_COUNT = Statement(
    "replicated tables", "replicas", columns(n=("count()", ""), tables=("uniqExact(database, table)", "database table")),
    "FROM @replicas LIMIT 1", ("database", "table"), Merge(key=(), sums=("n",), highest=("tables",)),
)  # fmt: skip
REPLICATION_QUEUE = Statement(
    "replication queue", "replication_queue",
    {
        **_HOST,
        **plain("database", "table", "type"),
        **columns(
            n=("count()", ""), max_tries=("max(num_tries)", "num_tries"), oldest=("toUnixTimestamp(min(create_time))", "create_time"),
            message=("any(substring(last_exception, 1, 600))", "last_exception"),
            postponed=("any(substring(postpone_reason, 1, 300))", "postpone_reason"),
        ),
    },
    "FROM @replication_queue WHERE num_tries > 0 OR create_time < now() - 600 "
    "GROUP BY host, database, table, type ORDER BY n DESC LIMIT 20",
    ("database", "table", "type", "num_tries", "create_time"),
    Merge(rank=("n",)),
)  # fmt: skip

TABLE = Statement(
    "table", "tables",
    {
        **_HOST,
        **plain("database", "name", "engine", "partition_key", "sorting_key", "primary_key", "storage_policy"),
        **columns(
            n_rows=("ifNull(total_rows, 0)", "total_rows"), bytes=("ifNull(total_bytes, 0)", "total_bytes"),
            ttl=("extract(engine_full, '(?s) TTL (.+?)(?: SETTINGS |$)')", "engine_full"),
            changed=("toUnixTimestamp(metadata_modification_time)", "metadata_modification_time"),
        ),
    },
    "FROM system.tables WHERE database = {database:String} AND name = {table:String} LIMIT 1", ("database", "name", "engine"),
)  # fmt: skip
TABLE_NAMES = Statement(
    "table names", "tables", columns(full=("concat(database, '.', name)", "database name")),
    "FROM system.tables WHERE database NOT IN ('system', 'INFORMATION_SCHEMA', 'information_schema') LIMIT 2000", ("database", "name"),
    Merge(key=("full",)),
)  # fmt: skip
TABLE_COUNT = Statement(
    "tables in sight", "tables", columns(host=("hostName()", ""), n=("count()", "")),
    "FROM system.tables WHERE database NOT IN ('system', 'INFORMATION_SCHEMA', 'information_schema') LIMIT 1", ("database",),
)  # fmt: skip
TABLE_COLUMNS = Statement(
    "columns", "columns", {**_HOST, **plain("name", "type", "is_in_sorting_key", "is_in_partition_key")},
    "FROM system.columns WHERE database = {database:String} AND table = {table:String} ORDER BY position LIMIT 200",
    ("database", "table", "name", "type", "position"),
    Merge(key=("name", "type")),
)  # fmt: skip
TABLE_PARTS = Statement(
    "the table's parts", "parts",
    columns(
        host=("hostName()", ""), n=("count()", ""), partitions=("uniq(partition_id)", "partition_id"), n_rows=("sum(t.rows)", "rows"),
        bytes=("sum(bytes_on_disk)", "bytes_on_disk"),
        newest=("toUnixTimestamp(max(modification_time))", "modification_time"),
    ),
    "FROM @parts AS t WHERE active AND database = {database:String} AND table = {table:String} GROUP BY host LIMIT 100",
    ("database", "table", "active", "partition_id"),
)  # fmt: skip
INGESTION = Statement(
    "ingestion", "part_log",
    columns(
        host=("hostName()", ""), n_rows=("sum(t.rows)", "rows"), parts=("count()", ""), failed=("countIf(error != 0)", "error"),
        last=("toUnixTimestamp(max(event_time))", "event_time"),
    ),
    "FROM @part_log AS t WHERE event_date >= toDate(fromUnixTimestamp({start:Int64})) AND event_time >= fromUnixTimestamp({start:Int64}) "
    "AND event_type = 'NewPart' AND database = {database:String} AND table = {table:String} GROUP BY host LIMIT 100",
    ("event_date", "event_time", "event_type", "database", "table", "rows"),
)  # fmt: skip
