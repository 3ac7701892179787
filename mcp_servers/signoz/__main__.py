"""``python -m mcp_servers.signoz``: the server on stdio, or on HTTP with ``RCA_MCP_TRANSPORT=http``."""

from mcp_servers.common.transports import main
from mcp_servers.signoz.server import create_server

if __name__ == "__main__":
    raise SystemExit(main(create_server))
