"""The only door to MCP servers. Every call, from a step or from the analyst, passes the same policy and leaves an `Evidence`."""
