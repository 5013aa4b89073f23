//! The lesson's tools as an ordinary MCP server, a stranger to the gateway.
