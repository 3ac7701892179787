"""``python -m mcp_servers.clickhouse``: the server on stdio, or on HTTP with ``RCA_MCP_TRANSPORT=http``."""

from mcp_servers.clickhouse.server import create_server
from mcp_servers.common.transports import main

if __name__ == "__main__":
    raise SystemExit(main(create_server))
