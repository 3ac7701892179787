"""A SigNoz store to try things on: its ClickHouse tables, filled from a recording or from a generated hour."""
