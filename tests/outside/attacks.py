"""Bad input from both sides: strangers in front of the gateway, a bad server behind it.

Each attack must end in a clear answer within its time, leak nothing of the upstream, leave the
gateway alive, and keep its memory bounded.
"""

import json
import os
import socket
import threading
import time

from haechi import UNHURRIED, Gateway, upstream
from stand import HERE, PYTHON, Checks, Process, ask, free_port, initialize, modern, post
from bad_upstream import SECRET

# The whole run may raise the gateway's peak memory to this: every limit of one request is far below.
MOST_KIB = 160 * 1024
PATHS = {"HTTP upstream": "/web/mcp", "stdio upstream": "/pipe/mcp"}


def settings(url):
    # Short times, so that a server that hangs is given up within the test; and no circuit breaker,
    # so that each misbehaviour is met and not only the first ten.
    quick = 'timeout = "3s"\nbreaker = { failures = 0 }'
    return (
        upstream("web", url=url, more=quick)
        + upstream("pipe", command=[PYTHON, str(HERE / "bad_upstream.py"), "stdio"], more=quick)
        + '[roles.user]\nallow = ["*"]\n'
        + UNHURRIED
    )


class Stand:
    """The gateway, a person's token for each route, and the checks."""

    def __init__(self, checks, gateway):
        self.checks, self.gateway = checks, gateway
        self.port = gateway.port
        self.tokens = {path: gateway.token("yuna", path) for path in PATHS.values()}

    def headers(self, path, more=None):
        return {"authorization": f"Bearer {self.tokens[path]}", **(more or {})}

    def call(self, path, tool, timeout=30, more=None):
        body, headers = modern("tools/call", {"name": tool, "arguments": {}})
        return post(self.port, path, body, self.headers(path, {**headers, **(more or {})}), timeout)

    def raw(self, data, timeout=10, half_close=False):
        """Bytes on a socket, and whatever comes back until it closes or the time is over."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as sock:
            try:
                for part in data if isinstance(data, (list, tuple)) else [data]:
                    sock.sendall(part)
                if half_close:
                    sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # answered and closed before we were done: also an answer
            return read_all(sock)

    def healthy(self, name):
        """After each attack: alive, and an honest call still works."""
        alive = self.gateway.process.alive()
        return self.checks.check(f"{name}: the gateway is alive and serves", alive and self.serves())

    def serves(self):
        return all(self.good(path) for path in PATHS.values())

    def good(self, path):
        # A child that just died may need its back-off before it serves again.
        for _ in range(40):
            answer = self.call(path, "good")
            if answer.status == 200 and "good" in answer.body.decode(errors="replace"):
                return True
            time.sleep(0.25)
        print(f"          {path}: {answer!r}")
        return False


def read_all(sock):
    got = b""
    try:
        while chunk := sock.recv(65536):
            got += chunk
            if len(got) > 1 << 20:
                break
    except OSError:
        pass
    return got


def status_of(raw):
    """The status of a raw HTTP/1.1 answer, 0 when there is none."""
    try:
        return int(raw.split(b" ", 2)[1])
    except (IndexError, ValueError):
        return 0


def request_bytes(stand, path, body, extra=(), length=None):
    token = stand.tokens[path]
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: 127.0.0.1:{stand.port}",
        "Content-Type: application/json",
        "Accept: application/json, text/event-stream",
        f"Authorization: Bearer {token}",
        *([f"Content-Length: {len(body) if length is None else length}"] if length != "" else []),
        *extra,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


# ---- from the front -----------------------------------------------------------------------------


def bad_bodies(stand):
    """What is not one JSON-RPC message is answered 400 with a JSON-RPC error."""
    good, headers = modern("tools/call", {"name": "good", "arguments": {}})
    text = json.dumps(good)
    cases = {
        "empty body": b"",
        "malformed JSON": text.encode()[:-1],
        "trailing data": text.encode() + b"{}",
        "two messages": text.encode() + b"\n" + text.encode(),
        "duplicate keys": text.replace('"name": "good"', '"name": "hang", "name": "good"', 1).encode(),
        "duplicate keys by escape": text.replace('"name": "good"', '"n\\u0061me": "hang", "name": "good"', 1).encode(),
        "duplicate key at the top": text.replace('"id": 1', '"id": 1, "id": 2').encode(),
        "10 000-deep nesting": text.replace('"arguments": {}', '"arguments": ' + '{"a":' * 10_000 + "1" + "}" * 10_000).encode(),
        "100 000-deep arrays": b"[" * 100_000,
        "bad UTF-8": text.replace("good", "g\u00e9d", 1).encode("latin-1"),
        "byte order mark": b"\xef\xbb\xbf" + text.encode(),
        "UTF-16": text.encode("utf-16"),
        "lone surrogate": text.replace('"good"', '"\\ud800"', 1).encode(),
        "NaN": text.replace('"arguments": {}', '"arguments": NaN').encode(),
        "a number": b"1",
        "a string": b'"tools/call"',
        "null": b"null",
        "empty batch": b"[]",
        "a batch": f"[{text}]".encode(),
        "wrong version": text.replace('"2.0"', '"1.0"', 1).encode(),
        "id is an object": text.replace('"id": 1', '"id": {}').encode(),
        "id is null": text.replace('"id": 1', '"id": null').encode(),
        "params is a string": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":"x"}',
        "no method": b'{"jsonrpc":"2.0","id":1}',
    }
    for name, body in cases.items():
        with stand.checks.guard(name):
            answer = post(stand.port, "/web/mcp", body, stand.headers("/web/mcp", headers))
            clear = answer.status == 400 and isinstance(answer.json().get("error", {}).get("message"), str)
            stand.checks.check(f"{name}: 400 with a JSON-RPC error", clear, repr(answer))
    stand.healthy("bad bodies")


def big_bodies(stand):
    """100 MB declared, sent, or sent in chunks: refused early, never kept."""
    path = "/web/mcp"
    megabyte = b"x" * (1 << 20)
    declared = stand.raw(request_bytes(stand, path, b"", length=100 << 20), timeout=15)
    stand.checks.check("100 MB declared: 413", status_of(declared) == 413, repr(declared[:200]))
    sent = stand.raw([request_bytes(stand, path, b"", length=100 << 20), *[megabyte] * 100], timeout=30)
    stand.checks.check("100 MB sent: 413 or closed", status_of(sent) in (0, 413), repr(sent[:200]))
    chunk = b"100000\r\n" + megabyte + b"\r\n"
    head = request_bytes(stand, path, b"", ["Transfer-Encoding: chunked"], length="")
    chunked = stand.raw([head, *[chunk] * 100, b"0\r\n\r\n"], timeout=30)
    stand.checks.check("100 MB in chunks: 413 or closed", status_of(chunked) in (0, 413), repr(chunked[:200]))
    stand.healthy("big bodies")


def many_headers(stand):
    path = "/web/mcp"
    big = stand.raw(request_bytes(stand, path, b"{}", ["X-Big: " + "a" * 1_000_000]))
    many = stand.raw(request_bytes(stand, path, b"{}", [f"X-{n}: a" for n in range(5000)]))
    for name, raw in (("a header of 1 MB", big), ("5 000 headers", many)):
        stand.checks.check(f"{name}: refused", status_of(raw) in (0, 400, 413, 431), repr(raw[:200]))
    stand.healthy("headers")


def smuggling(stand):
    path = "/web/mcp"
    inner = f"POST {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    cases = {
        "length and chunks together": ["Transfer-Encoding: chunked"],
        "two lengths": ["Content-Length: 3"],
        "an unknown coding": ["Transfer-Encoding: xchunked"],
        "two Host headers": ["Host: evil.example"],
        "two Authorization headers": ["Authorization: Bearer other"],
    }
    for name, extra in cases.items():
        raw = stand.raw(request_bytes(stand, path, b"0\r\n\r\n" + inner, extra))
        first = status_of(raw)
        clean = first in (0, 400, 401, 403, 411, 413, 421, 501) and raw.count(b"HTTP/1.1 200") == 0
        stand.checks.check(f"{name}: refused", clean, repr(raw[:200]))
    for name, line in (("a space in a header name", "Bad Name: x"), ("a bare line feed", "X: a\nY: b"), ("a folded header", "X: a\r\n b")):
        raw = stand.raw(request_bytes(stand, path, b"{}", [line]))
        stand.checks.check(f"{name}: no success", status_of(raw) != 200, repr(raw[:200]))
    stand.healthy("smuggling")


def slow_and_half(stand):
    """Slow senders and half-closed sockets are let go; many at once do not stop honest callers."""
    path = "/web/mcp"
    body = json.dumps(modern("tools/call", {"name": "good", "arguments": {}})[0]).encode()
    _, extra = modern("tools/call", {"name": "good"})
    extra = [f"{key}: {value}" for key, value in extra.items()]
    head = request_bytes(stand, path, b"", extra, length=len(body))
    sockets = []
    for _ in range(200):
        sock = socket.create_connection(("127.0.0.1", stand.port), timeout=10)
        sock.sendall(head + body[:10])
        sockets.append(sock)
    stand.checks.check("200 half-sent bodies: honest callers are served", stand.serves())
    for sock in sockets:
        sock.close()
    half_head = stand.raw(head[:60], half_close=True)
    stand.checks.check("half a head, then closed: no success", status_of(half_head) != 200, repr(half_head[:100]))
    half_body = stand.raw(head + body[:20], half_close=True)
    stand.checks.check("half a body, then closed: no success", status_of(half_body) != 200, repr(half_body[:100]))
    whole = stand.raw(head + body, half_close=True, timeout=20)
    stand.checks.check("a whole request, then half-closed: answered", status_of(whole) in (0, 200), repr(whole[:200]))
    started = time.monotonic()
    slow = stand.raw(head + body[:10], timeout=90)
    took = time.monotonic() - started
    closed = took < 80 and status_of(slow) in (0, 400, 408)
    stand.checks.check(f"a body that never ends: let go after {took:.0f} s", closed, repr(slow[:200]))
    stand.healthy("slow and half")


def wrong_headers(stand):
    path = "/web/mcp"
    body, headers = modern("tools/call", {"name": "good", "arguments": {}})
    good = post(stand.port, path, body, stand.headers(path, headers))
    stand.checks.check("the honest request is served", good.status == 200, repr(good))
    cases = [
        ("wrong content type", {"content-type": "text/plain"}, {400, 415}),
        ("evil Origin", {"origin": "http://evil.example"}, {403}),
        ("null Origin", {"origin": "null"}, {403}),
        ("evil Host", {"host": "evil.example"}, {400, 403, 421}),
        ("Mcp-Name of another tool", {"mcp-name": "hang"}, {400}),
        ("Mcp-Method of another method", {"mcp-method": "tools/list"}, {400}),
        ("another protocol version", {"mcp-protocol-version": "2025-11-25"}, {400}),
        ("a version nobody speaks", {"mcp-protocol-version": "1999-01-01"}, {400}),
        ("no token", {"authorization": None}, {401}),
        ("a token that is none", {"authorization": "Bearer x"}, {401}),
        ("a basic password", {"authorization": "Basic dTpw"}, {400, 401}),
    ]
    for name, change, wanted in cases:
        with stand.checks.guard(name):
            answer = post(stand.port, path, body, stand.headers(path, {**headers, **change}))
            stand.checks.check(f"{name}: {sorted(wanted)}", answer.status in wanted, repr(answer))
    token = stand.tokens[path]
    query = post(stand.port, f"{path}?access_token={token}", body, headers)
    stand.checks.check("a token in the query: 401", query.status == 401, repr(query))
    other = post(stand.port, "/pipe/mcp", body, {**headers, "authorization": f"Bearer {token}"})
    stand.checks.check("a token for another route: 401", other.status == 401, repr(other))
    for method in ("PUT", "PATCH", "OPTIONS", "TRACE", "HEAD"):
        answer = ask(stand.port, method, path, None, stand.headers(path))
        stand.checks.check(f"{method}: no success", answer.status >= 400, repr(answer))
    for odd in ("/", "/web/mcp/../../etc/passwd", "/%2e%2e/mcp", "/nobody/mcp", "/web/mcp%00", "//web/mcp"):
        answer = post(stand.port, odd, body, stand.headers(path, headers))
        stand.checks.check(f"path {odd}: no success", answer.status >= 400, repr(answer))
    stand.healthy("wrong headers")


def forged_sessions(stand):
    """A session belongs to whoever opened it; a guess belongs to nobody."""
    path = "/web/mcp"
    mine = post(stand.port, path, initialize(), stand.headers(path))
    session = mine.headers.get("mcp-session-id")
    stand.checks.check("a session is opened", mine.status == 200 and session, repr(mine))
    listing = {"jsonrpc": "2.0", "id": 5, "method": "tools/list", "params": {}}
    version = {"mcp-protocol-version": "2025-11-25"}

    def use(value, token):
        headers = {**version, "mcp-session-id": value, "authorization": f"Bearer {token}"}
        return post(stand.port, path, listing, headers)

    note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    post(stand.port, path, note, stand.headers(path, {**version, "mcp-session-id": session or ""}))
    own = use(session, stand.tokens[path])
    stand.checks.check("its owner uses it", own.status == 200, repr(own))
    thief = use(session, stand.gateway.token("mallory", path))
    stand.checks.check("another person gets 404", thief.status == 404, repr(thief))
    for forged in ("x", "0" * 36, (session or "")[:-1] + "A", "a" * 10_000, "../../x", "'; --"):
        answer = use(forged, stand.tokens[path])
        stand.checks.check(f"forged session {forged[:12]!r}: 404 or 400", answer.status in (400, 404, 431), repr(answer))
    gone = ask(stand.port, "DELETE", path, None, stand.headers(path, {**version, "mcp-session-id": session}))
    stand.checks.check("its owner ends it", gone.status < 300, repr(gone))
    after = use(session, stand.tokens[path])
    stand.checks.check("an ended session: 404", after.status == 404, repr(after))
    stand.healthy("sessions")


# ---- from behind --------------------------------------------------------------------------------


def bad_server(stand):
    for shape, path in PATHS.items():
        for tool in (
            "hang", "die", "die_mid_answer", "flood", "flood_events", "nonsense", "not_utf8",
            "wrong_id", "deep", "duplicate_keys", "not_json_rpc", "huge_header", "two_answers", "slow_drip",
        ):
            name = f"{shape}: {tool}"
            with stand.checks.guard(name):
                started = time.monotonic()
                answer = stand.call(path, tool, timeout=40)
                took = time.monotonic() - started
                judge(stand, name, path, tool, answer, took)
        stand.healthy(shape)


def judge(stand, name, path, tool, answer, took):
    text = answer.body.decode(errors="replace")
    stand.checks.check(f"{name}: nothing of the upstream leaks", not leaks(answer), text[:300])
    stand.checks.check(f"{name}: answered in {took:.1f} s", took < 30)
    # These may succeed: bad manners that do no harm, or that this kind of server cannot show.
    may_succeed = tool in ("two_answers", "slow_drip") or (tool == "huge_header" and path == "/pipe/mcp")
    if may_succeed and answer.status == 200 and '"good"' in text:
        return
    try:
        message = answer.json()
    except (ValueError, IndexError):
        message = {}
    clear = message.get("id") == 1 and message.get("error", {}).get("message")
    stand.checks.check(f"{name}: a clear error under the call's own id", clear, repr(answer))


def leaks(answer):
    return SECRET in answer.body.decode(errors="replace") or SECRET in json.dumps(answer.headers)


def many_at_once(stand):
    """A hundred callers of a server that hangs: each gets its answer, the rest is not held up."""
    answers = []

    def one():
        try:
            answers.append(stand.call("/web/mcp", "hang", timeout=40).status)
        except OSError as error:
            answers.append(type(error).__name__)

    threads = [threading.Thread(target=one) for _ in range(100)]
    for thread in threads:
        thread.start()
    pipe = stand.good("/pipe/mcp")
    for thread in threads:
        thread.join()
    stand.checks.check("100 hanging calls: another route is served meanwhile", pipe)
    clear = all(isinstance(status, int) and status >= 200 for status in answers)
    stand.checks.check("100 hanging calls: each is answered", clear and len(answers) == 100, str(answers[:20]))


def audit_agrees(stand):
    """What was let through is recorded, with an end."""
    entries = json.dumps(stand.gateway.audit())
    stand.checks.check("the audit log names the calls", '"hang"' in entries or "hang" in entries)
    stand.checks.check("the audit log holds no secret of the upstream", SECRET not in entries)


def main():
    checks = Checks()
    port = free_port()
    command = [PYTHON, HERE / "bad_upstream.py", "http", port]
    with Process(command, name="bad-upstream") as bad:
        bad.wait_for_port(port)
        gateway = Gateway(settings(f"http://127.0.0.1:{port}/mcp"))
        gateway.add_user("yuna", "user")
        gateway.add_user("mallory", "user")
        with gateway:
            stand = Stand(checks, gateway)
            attacks = [
                wrong_headers, bad_bodies, big_bodies, many_headers, smuggling, forged_sessions,
                slow_and_half, bad_server, many_at_once, audit_agrees,
            ]
            chosen = os.environ.get("ATTACKS", "").split()
            for attack in attacks:
                if not chosen or attack.__name__ in chosen:
                    with checks.guard(attack.__name__):
                        attack(stand)
            peak = gateway.process.status_kib("VmHWM") if gateway.process.alive() else 0
            checks.check(f"peak memory {peak // 1024} MiB, at most {MOST_KIB // 1024}", 0 < peak <= MOST_KIB)
            log = gateway.process.log()
            checks.check("the log holds no panic", "panicked" not in log, log[-600:])
            held = not any(token in log for token in stand.tokens.values())
            checks.check("the log holds no token", held)
    checks.close()


if __name__ == "__main__":
    main()
