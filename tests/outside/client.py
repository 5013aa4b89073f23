"""One call with the official Python client; arguments and answer as in client.mjs."""

import asyncio
import json
import sys

import httpx2
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client


def told(error):
    """The first error that says something, out of the groups the SDK wraps it in."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    inner = getattr(error, "error", None)
    return {
        "name": type(error).__name__,
        "code": getattr(inner, "code", None),
        "message": getattr(inner, "message", None) or str(error),
        "data": getattr(inner, "data", None),
    }


def transport(want, http):
    if want.get("command"):
        command, *arguments = want["command"]
        return stdio_client(StdioServerParameters(command=command, args=arguments, env=want.get("env")))
    return streamable_http_client(want["url"], http_client=http)


async def talk(want, said):
    headers = {"authorization": f"Bearer {want['token']}"} if want.get("token") else {}
    headers.update(want.get("headers") or {})
    mode = {"modern": "2026-07-28"}.get(want.get("era"), want.get("era") or "auto")
    async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
        async with Client(transport(want, http), mode=mode) as client:
            said["version"] = client.protocol_version
            try:
                said["tools"] = [tool.name for tool in (await client.list_tools()).tools]
                if want.get("tool"):
                    result = await client.call_tool(want["tool"], want.get("arguments") or {})
                    said["result"] = result.model_dump(mode="json", by_alias=True, exclude_none=True)
            except MCPError as error:
                said["error"] = told(error)


async def main():
    said = {}
    try:
        await talk(json.loads(sys.argv[1]), said)
    except BaseException as error:
        said.setdefault("connect", told(error))
    print(json.dumps(said))


if __name__ == "__main__":
    asyncio.run(main())
