"""Read-only MCP servers. Each runs alone (``python -m mcp_servers.kubernetes``) and imports neither ``bot`` nor another server."""
