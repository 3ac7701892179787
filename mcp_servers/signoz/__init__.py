"""Read-only MCP server over SigNoz's telemetry: logs, traces, metrics."""
