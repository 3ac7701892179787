-- The user with which the SigNoz server reads SigNoz's store: telemetry and alert states, and nothing else.
--
--   clickhouse-client --multiquery < clickhouse-reader.sql        (as a user with ACCESS MANAGEMENT)
--
-- Before that, put a generated password in place of <generated> and the addresses of the bot in place of 10.0.0.0/8.
-- On a cluster without replicated access storage, run it on each server, or write ON CLUSTER '<cluster>' behind each CREATE and GRANT.

-- Bounds. readonly = 1 takes no setting from a statement, so they hold whatever is sent.
CREATE SETTINGS PROFILE IF NOT EXISTS rca_signoz SETTINGS
  readonly = 1,
  max_execution_time = 10, timeout_overflow_mode = 'throw',
  max_rows_to_read = 200000000, max_bytes_to_read = 20000000000, read_overflow_mode = 'throw',
  max_result_rows = 2000, result_overflow_mode = 'throw',
  max_memory_usage = 2000000000, max_threads = 4, priority = 10,
  cancel_http_readonly_queries_on_client_close = 1, allow_ddl = 0;

CREATE ROLE IF NOT EXISTS rca_signoz_reader SETTINGS PROFILE 'rca_signoz';
GRANT SELECT ON signoz_logs.* TO rca_signoz_reader;
GRANT SELECT ON signoz_traces.* TO rca_signoz_reader;
GRANT SELECT ON signoz_metrics.* TO rca_signoz_reader;
-- Alert states; leave it out where alerts are read through the API.
GRANT SELECT ON signoz_analytics.* TO rca_signoz_reader;

CREATE USER IF NOT EXISTS rca_signoz IDENTIFIED WITH sha256_password BY '<generated>' HOST IP '10.0.0.0/8'
  DEFAULT ROLE rca_signoz_reader SETTINGS PROFILE 'rca_signoz';
GRANT rca_signoz_reader TO rca_signoz;
