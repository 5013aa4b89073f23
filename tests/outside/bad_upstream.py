"""An MCP server that behaves badly on purpose: each tool is one way to hurt a gateway.

Real in everything but its manners: stdio and streamable HTTP, legacy and modern. Run as
`bad_upstream.py stdio` or `bad_upstream.py http PORT`. A secret it holds must never reach a caller.
"""

import http.server
import json
import os
import sys
import threading
import time

SECRET = "upstream-internal-7f3a"  # named in every crash and on stderr: the gateway must keep it
FLOOD_BYTES = 256 * 1024 * 1024
TOOLS = [
    "good", "hang", "die", "die_mid_answer", "flood", "flood_events", "nonsense", "not_utf8",
    "wrong_id", "deep", "duplicate_keys", "huge_header", "not_json_rpc", "two_answers", "slow_drip",
]
JSON_TYPE = "application/json"


def tool_list():
    schema = {"type": "object"}
    return [{"name": name, "description": name, "inputSchema": schema} for name in TOOLS]


def plain(message):
    """The honest answer to a request, or None for a notification."""
    method, request_id = message.get("method"), message.get("id")
    if request_id is None:
        return None
    is_modern = "io.modelcontextprotocol/protocolVersion" in message.get("params", {}).get("_meta", {})
    about = {"name": "bad", "version": "1"}
    extra = {"resultType": "complete"} if is_modern else {}
    if method == "initialize":
        version = message["params"]["protocolVersion"]
        result = {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": about}
    elif method == "server/discover":
        hints = {"ttlMs": 0, "cacheScope": "private"}
        result = {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}, **hints, **extra}
    elif method == "tools/list":
        hints = {"ttlMs": 0, "cacheScope": "private"} if is_modern else {}
        result = {"tools": tool_list(), **hints, **extra}
    elif method == "tools/call":
        result = {"content": [{"type": "text", "text": "good"}], **extra}
    elif method == "ping":
        result = {}
    else:
        error = {"code": -32601, "message": "no such method"}
        return {"jsonrpc": "2.0", "id": request_id, "error": error}
    return {"jsonrpc": "2.0", "id": request_id, "result": result}


def misbehaviour(message):
    """Which tool is called, or `good` for everything else."""
    if message.get("method") != "tools/call":
        return "good"
    return message.get("params", {}).get("name", "good")


def bad_bytes(kind, message):
    """What these tools answer in place of the answer, as bytes; None when it is not about bytes."""
    request_id = json.dumps(message.get("id"))
    answer = {
        "nonsense": b"I am not JSON " + SECRET.encode(),
        "not_utf8": b'{"jsonrpc":"2.0","id":' + request_id.encode() + b',"result":{"content":"\xff\xfe"}}',
        "wrong_id": b'{"jsonrpc":"2.0","id":"somebody-elses","result":{"content":[]}}',
        "deep": b'{"jsonrpc":"2.0","id":' + request_id.encode() + b',"result":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "duplicate_keys": b'{"jsonrpc":"2.0","id":' + request_id.encode() + b',"result":{"a":1,"a":2,"content":[]}}',
        "not_json_rpc": b'{"hello":"world"}',
    }
    return answer.get(kind)


# ---- stdio --------------------------------------------------------------------------------------


def serve_stdio():
    print(f"starting with {SECRET}", file=sys.stderr, flush=True)
    out = sys.stdout.buffer
    for line in sys.stdin.buffer:
        message = json.loads(line)
        kind = misbehaviour(message)
        if kind == "hang":
            continue
        if kind == "die":
            print(f"crashed: {SECRET}", file=sys.stderr, flush=True)
            os._exit(3)
        if kind == "die_mid_answer":
            out.write(b'{"jsonrpc":"2.0","id":')
            out.flush()
            os._exit(3)
        if kind in ("flood", "flood_events"):
            flood_stdio(out, kind)
            continue
        if kind == "two_answers":
            out.write(json.dumps(plain(message)).encode() + b"\n")
        bad = bad_bytes(kind, message)
        answer = bad if bad is not None else json.dumps(plain(message)).encode()
        if answer != b"null":
            out.write(answer + b"\n")
            out.flush()


def flood_stdio(out, kind):
    """One endless line, or endless notifications."""
    note = b'{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}\n'
    chunk = b"x" * 65536 if kind == "flood" else note * 700
    for _ in range(FLOOD_BYTES // len(chunk)):
        out.write(chunk)
    out.flush()


# ---- HTTP ---------------------------------------------------------------------------------------


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send_error(405)

    do_DELETE = do_GET

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        message = json.loads(body)
        kind = misbehaviour(message)
        behave = getattr(self, f"do_{kind}", None)
        if behave:
            self.close_connection = True
            behave(message)
            return
        bad = bad_bytes(kind, message)
        answer = bad if bad is not None else json.dumps(plain(message)).encode()
        self.answer(b"" if answer == b"null" else answer, 202 if answer == b"null" else 200)

    def answer(self, body, status=200, content_type=JSON_TYPE, headers=()):
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.send_header("server", SECRET)
        self.send_header("set-cookie", f"internal={SECRET}")
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def stream(self):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()

    def do_hang(self, _):
        time.sleep(600)

    def do_die(self, _):
        self.connection.close()

    def do_die_mid_answer(self, message):
        self.stream()
        note = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "half"}}
        self.wfile.write(f"data: {json.dumps(note)}\n\ndata: {{\"jsonrpc\":".encode())
        self.wfile.flush()

    def do_flood(self, _):
        self.send_response(200)
        self.send_header("content-type", JSON_TYPE)
        self.send_header("content-length", str(FLOOD_BYTES))
        self.end_headers()
        self.pour(b"x" * 65536)

    def do_flood_events(self, _):
        self.stream()
        note = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "x" * 60_000}}
        self.pour(f"data: {json.dumps(note)}\n\n".encode())

    def pour(self, chunk):
        try:
            for _ in range(FLOOD_BYTES // len(chunk)):
                self.wfile.write(chunk)
        except OSError:
            pass  # the gateway has had enough, as it should

    def do_huge_header(self, message):
        self.answer(json.dumps(plain(message)).encode(), headers=[("x-huge", "h" * 300_000)])

    def do_two_answers(self, message):
        self.stream()
        event = f"data: {json.dumps(plain(message))}\n\n".encode()
        self.wfile.write(event + event)

    def do_slow_drip(self, message):
        self.stream()
        try:
            for _ in range(60):
                self.wfile.write(b": still here\n\n")
                self.wfile.flush()
                time.sleep(0.1)
            self.wfile.write(f"data: {json.dumps(plain(message))}\n\n".encode())
        except OSError:
            pass


def serve_http(port):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever).start()


if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        serve_stdio()
    else:
        serve_http(int(sys.argv[2]))
