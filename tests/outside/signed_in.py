"""The official Python client signs in by itself; arguments and answer as in signed_in.mjs."""

import asyncio
import http.server
import json
import sys
import urllib.parse

import httpx2
from client import told
from mcp import Client, MCPError
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata

WANT = json.loads(sys.argv[1])
REDIRECT = f"http://127.0.0.1:{WANT['port']}/callback"


class Kept:
    """What the client keeps: nothing longer than this run."""

    def __init__(self, metadata):
        self.tokens, self.client = None, None
        if WANT.get("client_id"):
            named = {"client_id": WANT["client_id"], "token_endpoint_auth_method": "none"}
            self.client = OAuthClientInformationFull(**{**metadata.model_dump(), **named})

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


class Callback(http.server.BaseHTTPRequestHandler):
    """Takes the one answer."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        address = urllib.parse.urlsplit(self.path)
        self.send_response(200 if address.path == "/callback" else 404)
        self.end_headers()
        self.wfile.write(b"you may close this window")
        if address.path == "/callback":
            self.server.answer = dict(urllib.parse.parse_qsl(address.query))


def wait_for_answer(server):
    server.answer = None
    while server.answer is None:
        server.handle_request()
    return server.answer


async def talk(said):
    server = http.server.HTTPServer(("127.0.0.1", WANT["port"]), Callback)
    metadata = OAuthClientMetadata(
        client_name="outside Python", redirect_uris=[REDIRECT], token_endpoint_auth_method="none"
    )
    kept = Kept(metadata)

    async def redirected(url):
        print(json.dumps({"open": url}), flush=True)

    async def called_back():
        answer = await asyncio.to_thread(wait_for_answer, server)
        return AuthorizationCodeResult(code=answer["code"], state=answer.get("state"), iss=answer.get("iss"))

    provider = OAuthClientProvider(WANT["url"], metadata, kept, redirected, called_back)
    mode = {"modern": "2026-07-28"}.get(WANT.get("era"), WANT.get("era") or "auto")
    async with httpx2.AsyncClient(auth=provider, timeout=60) as web:
        async with Client(streamable_http_client(WANT["url"], http_client=web), mode=mode) as client:
            said["version"] = client.protocol_version
            try:
                said["tools"] = [tool.name for tool in (await client.list_tools()).tools]
                result = await client.call_tool(WANT["tool"], WANT.get("arguments") or {})
                said["result"] = result.model_dump(mode="json", by_alias=True, exclude_none=True)
            except MCPError as error:
                said["error"] = told(error)
    said["granted"] = kept.tokens and kept.tokens.scope
    said["refresh"] = bool(kept.tokens and kept.tokens.refresh_token)


async def main():
    said = {}
    try:
        await talk(said)
    except BaseException as error:
        said.setdefault("connect", told(error))
    print(json.dumps(said), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
