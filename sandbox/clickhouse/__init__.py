"""A real ClickHouse engine (chDB, embedded) behind ClickHouse's own HTTP interface, for development and tests.

One engine lives in one process, so `server.EmbeddedClickHouse` starts ``python -m sandbox.clickhouse`` as a child. `front` speaks HTTP,
`engine` runs statements, `users` decides who may, `query_log` keeps what the embedded build does not.
"""
