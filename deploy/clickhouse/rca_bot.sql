-- The ClickHouse user of the root-cause bot: it may read system tables, and nothing else.
--
--   clickhouse-client --multiquery < rca_bot.sql        (as a user with ACCESS MANAGEMENT)
--
-- Before that, put a generated password in place of <generated> and the addresses of the bot in place of 10.0.0.0/8.
-- Where there are several servers without replicated access storage, run it on each of them, or write ON CLUSTER '<cluster>' behind each
-- CREATE and GRANT.
--
-- Grants are the boundary. readonly = 1 is not one by itself: file(), url() and DESCRIBE TABLE url(..) are stopped by what is not granted here.

-- 1. Bounds. They belong to the user and cannot be changed by a statement, because readonly = 1 takes no setting at all.
--    max_result_rows below 2000 keeps the client from connecting: it reads system.settings first.
CREATE SETTINGS PROFILE IF NOT EXISTS rca_ro SETTINGS
  readonly = 1,
  max_execution_time = 20, timeout_overflow_mode = 'throw',
  max_rows_to_read = 2000000000, max_bytes_to_read = 20000000000, read_overflow_mode = 'throw',
  max_result_rows = 2000, max_result_bytes = 8388608, result_overflow_mode = 'throw',
  max_memory_usage = 2000000000, max_threads = 4, priority = 10,
  max_concurrent_queries_for_user = 16,  -- the bot runs 5 at a time, in each of its replicas
  allow_ddl = 0, allow_introspection_functions = 0, max_ast_elements = 20000,
  cancel_http_readonly_queries_on_client_close = 1, log_queries = 1;

-- 2. What may be read. SHOW TABLES makes the rows of parts, replicas, merges and mutations of other tables visible; without it they are
--    hidden without an error. It shows names and structures, no data.
CREATE ROLE IF NOT EXISTS rca_reader SETTINGS PROFILE 'rca_ro';
GRANT SHOW DATABASES, SHOW TABLES, SHOW COLUMNS ON *.* TO rca_reader;
GRANT SELECT ON system.asynchronous_metrics TO rca_reader;
GRANT SELECT ON system.clusters TO rca_reader;
GRANT SELECT ON system.columns TO rca_reader;
GRANT SELECT ON system.detached_parts TO rca_reader;
GRANT SELECT ON system.disks TO rca_reader;
GRANT SELECT ON system.distribution_queue TO rca_reader;
GRANT SELECT ON system.errors TO rca_reader;
GRANT SELECT ON system.merge_tree_settings TO rca_reader;
GRANT SELECT ON system.merges TO rca_reader;
GRANT SELECT ON system.metrics TO rca_reader;
GRANT SELECT ON system.mutations TO rca_reader;
GRANT SELECT ON system.one TO rca_reader;
GRANT SELECT ON system.part_log TO rca_reader;
GRANT SELECT ON system.parts TO rca_reader;
GRANT SELECT ON system.processes TO rca_reader;
GRANT SELECT ON system.query_log TO rca_reader;
GRANT SELECT ON system.replicas TO rca_reader;
GRANT SELECT ON system.replication_queue TO rca_reader;
GRANT SELECT ON system.server_settings TO rca_reader;
GRANT SELECT ON system.settings TO rca_reader;
GRANT SELECT ON system.tables TO rca_reader;
GRANT SELECT ON system.warnings TO rca_reader;

-- 3. The user.
CREATE USER IF NOT EXISTS rca_bot IDENTIFIED WITH sha256_password BY '<generated>' HOST IP '10.0.0.0/8' DEFAULT ROLE rca_reader SETTINGS PROFILE 'rca_ro';
GRANT rca_reader TO rca_bot;

-- 4. How much it may use in all. An investigation asks 20 to 60 statements, nearly all of them about tables in memory.
CREATE QUOTA IF NOT EXISTS rca_quota KEYED BY user_name
  FOR INTERVAL 1 minute MAX queries = 300, read_rows = 20000000000, execution_time = 300 TO rca_bot;

-- Not granted, on purpose: SELECT ON *.*, CREATE TEMPORARY TABLE, KILL QUERY, BACKUP, dictGet, READ ON URL, S3, FILE, REMOTE and other sources,
-- SYSTEM, SHOW USERS, displaySecretsInShowAndSelect.
--
-- run_query (RCA_CH_RAW=1) needs each table by itself:
--   GRANT SELECT ON shop.orders_summary TO rca_reader;
-- RCA_CH_CLUSTER asks through clusterAllReplicas(), which needs REMOTE and by that opens remote() to any host. Prefer RCA_CH_HOSTS, which
-- needs nothing more.
