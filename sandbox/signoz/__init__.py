"""SigNoz's HTTP API as far as its documentation tells it, over the same store that the ClickHouse front serves.

It reads the questions that are sent (builder queries with their filter language) and translates them into SQL of its own, so that two
independent readings of one incident can be compared. It refuses what the real one refuses: unknown fields, unknown keys, wrong keys.
"""
