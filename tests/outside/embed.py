"""Servers with the guard inside, under real clients: nothing of the gateway stands in front of them.

`haechi sample-server` and examples/customer_service, over HTTP and over stdio, under the TypeScript
client, the Python client and the Inspector, in both protocol eras; then what no client of good will
sends. People are made with `haechi user add` on the server's own data directory.
"""

import json
import os
import pathlib
import re
import shutil
import sqlite3
import sys
import tempfile
import time

from clients import CLIENTS, Case, permitted, refused, text_of, unknown
from haechi import Gateway, upstream
from stand import HAECHI, Checks, Process, ask, initialize, modern, post, run

CUSTOMERS = os.environ.get("HAECHI_CUSTOMER_SERVICE", "")
ERAS = ("auto", "legacy", "modern")
PATH = "/mcp"
ME = {"email": "jiwoo.park@example.com", "phone": "010-2222-3333", "resident_number": "880214-2345671"}
# A gateway that is only there to make people, and a token that has expired when it is used.
BEFORE = '\n[token]\nlifetime = "1s"\n' + upstream("nobody", url="http://127.0.0.1:9/mcp")
# What a server takes for the drift of clocks, and the life of that token.
UNTIL_EXPIRED = 7


class Server:
    """One server on a data directory of its own."""

    name = ""
    people = {}
    # What an ordinary person may call there, and what not; and the same for who starts it over stdio.
    case = owner = None

    def __init__(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix=f"haechi-embed-{self.name}-"))
        self.data = self.home / "data"
        self.staff = Gateway(BEFORE, home=self.home)
        for person, role in self.people.items():
            self.staff.add_user(person, role)
        with self.staff:
            self.expired, self.expired_at = self.staff.token("kim", PATH), time.monotonic() + UNTIL_EXPIRED
        self.port = self.staff.port
        self.process = None

    url = property(lambda self: f"http://127.0.0.1:{self.port}{PATH}")

    def token(self, person):
        return self.staff.token(person, PATH)

    def command(self):
        raise NotImplementedError

    def call(self, token, tool, arguments):
        body, headers = modern("tools/call", {"name": tool, "arguments": arguments})
        return post(self.port, PATH, body, {**headers, "authorization": f"Bearer {token}"})

    def audit(self, *filters):
        """What `haechi audit query` shows of the directory: as text, and the entries."""
        base = [HAECHI, "audit", "query", "--data-dir", self.data]
        said = [run([*base, *filters, *more], env={"LANG": "C.UTF-8"}) for more in ([], ["--json"])]
        for status, _, err in said:
            if status:
                raise RuntimeError(f"the log could not be read: {err[-400:]}")
        text, entries = (out for _, out, _ in said)
        return text + entries, [json.loads(line) for line in entries.splitlines()]

    def __enter__(self):
        self.process = Process([*self.command(), "--http", f"127.0.0.1:{self.port}"], name=self.name)
        self.process.wait_for_port(self.port)
        return self

    def __exit__(self, *_):
        self.process.stop()

    def close(self):
        if not os.environ.get("HAECHI_KEEP"):
            shutil.rmtree(self.home, ignore_errors=True)


class Sample(Server):
    name = "sample"
    people = {"kim": "user", "lee": "admin"}
    case = Case("sample", ERAS, "get_weather", {"city": "Seoul"}, "Seoul", "admin_system_status")
    owner = Case("sample", ERAS, "admin_system_status", {}, "uptime_seconds", "get_fortune")

    def command(self):
        return [HAECHI, "sample-server", "--data-dir", self.data]


class Office(Server):
    name = "customers"
    people = {"kim": "agent", "lee": "admin", "vera": "viewer"}
    case = Case(
        "customers", ERAS, "find_customer", {"query": "Harriet"}, "Harriet Vance",
        "delete_customer", {"id": 1},
    )
    owner = Case(
        "customers", ERAS, "find_customer", {"query": "Harriet"}, "Harriet Vance",
        "find_customer", {"query": "Harriet", "limit": 21},
    )

    def command(self):
        return [CUSTOMERS, "--data-dir", self.data]


# ---- real clients -------------------------------------------------------------------------------


def over_http(checks, server):
    token = server.token("kim")
    for name, client in CLIENTS.items():
        want = {"url": server.url, "token": token}
        for era in ERAS:
            label = f"{name} → {server.name}, {era}"
            with checks.guard(label):
                permitted(checks, label, client, {**want, "era": era}, server.case)
                refused(checks, label, client, {**want, "era": era}, server.case)
        with checks.guard(f"{name} → {server.name}, no token"):
            unknown(checks, f"{name} → {server.name}", client, want)


def over_stdio(checks, server):
    """In a client's settings, as any server: who starts it may do what the roles of an owner say."""
    for name, client in CLIENTS.items():
        for era in ERAS:
            label = f"{name} → {server.name} over stdio, {era}"
            with checks.guard(label):
                want = {"command": [str(part) for part in server.command()], "era": era}
                permitted(checks, label, client, want, server.owner)
                refused(checks, label, client, want, server.owner)


# ---- what no client of good will sends ----------------------------------------------------------


def challenged(checks, server):
    body, headers = modern("tools/list")
    answer = post(server.port, PATH, body, headers)
    challenge = answer.headers.get("www-authenticate", "")
    address = f"http://127.0.0.1:{server.port}/.well-known/oauth-protected-resource{PATH}"
    told = answer.status == 401 and f'resource_metadata="{address}"' in challenge and "error=" not in challenge
    checks.check(f"{server.name}: no token is 401, with the way in", told, f"{answer} {challenge}")
    metadata = ask(server.port, "GET", f"/.well-known/oauth-protected-resource{PATH}")
    said = metadata.status == 200 and metadata.json()["resource"] == server.url
    checks.check(f"{server.name}: the metadata names this server", said, repr(metadata))


def not_accepted(checks, server, token):
    """An expired token and one that is none say different things."""
    time.sleep(max(0, server.expired_at - time.monotonic()))
    head, claims, signature = token.split(".")
    turned = ("B" if signature[0] == "A" else "A") + signature[1:]
    cases = [
        ("an expired token", server.expired, "expired"),
        ("a token with another signature", f"{head}.{claims}.{turned}", "signature"),
        ("a token that is none", "not.a.token", "malformed"),
    ]
    body, headers = modern("tools/list")
    sentences = set()
    for what, presented, word in cases:
        answer = post(server.port, PATH, body, {**headers, "authorization": f"Bearer {presented}"})
        challenge = answer.headers.get("www-authenticate", "")
        description = challenge.partition("error_description=")[2]
        sentences.add(description)
        held = answer.status == 401 and 'error="invalid_token"' in challenge and word in description
        checks.check(f"{server.name}: {what} is 401 and says so", held, f"{answer} {challenge}")
    checks.check(f"{server.name}: each says something else", len(sentences) == len(cases), str(sentences))


def turned_away(checks, server, token):
    body, headers = modern("tools/list")
    headers["authorization"] = f"Bearer {token}"
    foreign = post(server.port, PATH, body, {**headers, "origin": "https://evil.example"})
    checks.check(f"{server.name}: a page of another site is 403", foreign.status == 403, repr(foreign))
    named = post(server.port, PATH, body, {**headers, "host": "evil.example"})
    checks.check(f"{server.name}: another name of this host is refused", named.status in (403, 421), repr(named))
    text = json.dumps(body).replace('"method"', '"method": "ping", "method"', 1)
    twice = post(server.port, PATH, text.encode(), headers)
    checks.check(f"{server.name}: a member that stands twice is 400", twice.status == 400, repr(twice))
    wrong = post(server.port, "/sign-in", {"username": "kim", "password": "a guess"})
    none = post(server.port, "/sign-in", {"username": "nobody", "password": "a guess"})
    alike = wrong.status == none.status >= 400 and wrong.body == none.body
    checks.check(f"{server.name}: a wrong password and an unknown name answer alike", alike, f"{wrong} {none}")


def sessions(checks, server, token, other):
    def asked(bearer, session, method="POST"):
        headers = {"authorization": f"Bearer {bearer}", "mcp-session-id": session, "mcp-protocol-version": "2025-11-25"}
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).encode() if method == "POST" else None
        return ask(server.port, method, PATH, body, headers)

    opened = post(server.port, PATH, initialize(), {"authorization": f"Bearer {token}"})
    session = opened.headers.get("mcp-session-id", "")
    checks.check(f"{server.name}: a legacy session is opened", opened.status == 200 and session, repr(opened))
    ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    headers = {"authorization": f"Bearer {token}", "mcp-session-id": session, "mcp-protocol-version": "2025-11-25"}
    post(server.port, PATH, ready, headers)
    for what, method in (("asked", "POST"), ("listened to", "GET"), ("ended", "DELETE")):
        answer = asked(other, session, method)
        checks.check(f"{server.name}: another person's session cannot be {what}", answer.status == 404, repr(answer))
    own = asked(token, session)
    checks.check(f"{server.name}: and stands for its owner", own.status == 200, repr(own))


def strangers(checks, server):
    token, other = server.token("kim"), server.token("lee")
    steps = [
        ("the challenge", challenged, ()),
        ("tokens that are not accepted", not_accepted, (token,)),
        ("requests that are turned away", turned_away, (token,)),
        ("sessions", sessions, (token, other)),
    ]
    for what, step, more in steps:
        with checks.guard(f"{server.name}: {what}"):
            step(checks, server, *more)


# ---- values -------------------------------------------------------------------------------------


def sample_values(checks, server):
    arguments = {"customer_id": "C-1001", "email": ME["email"]}
    kept = server.call(server.token("kim"), "customerData", arguments)
    held = '"hv1.' in kept.body.decode() and ME["email"] not in kept.body.decode()
    checks.check("sample: an address arrives at the tool in an envelope", held, repr(kept))
    card = server.call(server.token("kim"), "customerData", {**arguments, "note": "4111 1111 1111 1111"})
    told = "CREDIT_CARD" in card.body.decode() and "4111" not in card.body.decode()
    checks.check("sample: a card is refused by its kind, not shown", told, repr(card))


def office_values(checks, server):
    agent, admin, viewer = server.token("kim"), server.token("lee"), server.token("vera")
    added = server.call(agent, "add_customer", {"name": "박지우", **ME}).json()
    number = added["result"]["structuredContent"]["id"]
    with sqlite3.connect(server.data / "customers.db") as table:
        row = table.execute("SELECT email, phone, resident_number FROM customers WHERE id = ?", [number]).fetchone()
    forms = [text.split("_")[0].split(".")[0] for text in row]
    checks.check("customers: the table keeps tokens and an envelope", forms == ["det", "det", "hv1"], str(forms))
    seen = server.call(viewer, "get_customer", {"id": 2}).json()["result"]["structuredContent"]
    tokens = seen["email"].startswith("tok_EMAIL") and seen["phone"].startswith("tok_PHONE")
    checks.check("customers: what was in clear leaves as tokens", tokens, str(seen))
    found = server.call(agent, "find_customer", {"query": ME["email"]}).json()["result"]["structuredContent"]
    checks.check("customers: a sealed address is found by its value", [c["id"] for c in found["customers"]] == [number], str(found))
    shown = server.call(admin, "show_contact", {"id": number}).json()["result"]["structuredContent"]
    checks.check("customers: an administrator sees the values", shown == {"id": number, **ME}, str(sorted(shown)))
    note = {"id": number, "note": f"call {ME['phone']}"}
    server.call(agent, "add_note", note)
    notes = server.call(agent, "get_customer", {"id": number}).json()["result"]["structuredContent"]["notes"]
    checks.check("customers: a note has its writer and no number", notes[0]["written_by"] == "kim" and ME["phone"] not in str(notes), str(notes))
    step_up = server.call(admin, "export_customers", {})
    challenge = step_up.headers.get("www-authenticate", "")
    held = step_up.status == 403 and 'error="insufficient_scope"' in challenge and "customers.export" in challenge
    checks.check("customers: a scope that the token lacks is 403, and named", held, f"{step_up} {challenge}")


def recorded(checks, server, names):
    """The log of the directory names tools and parameters, and holds no value and no token."""
    text, entries = server.audit()
    called = {entry["name"]: entry for entry in entries if entry.get("event") == "intent"}
    for tool, parameters in names.items():
        named = {parameter["name"] for parameter in called.get(tool, {}).get("parameters", [])}
        checks.check(f"{server.name}: the log names `{tool}` and its parameters", parameters <= named, str(named))
    denied = [entry for entry in entries if entry.get("decision") == "deny"]
    checks.check(f"{server.name}: refusals are in the log", denied, f"{len(entries)} entries")
    for what, kept in (("audit query", text), ("its own log", server.process.log())):
        values = [value for value in (*ME.values(), "Harriet") if value in kept]
        # Three letters alone stand in sealed values by chance.
        values += re.findall(r"eyJ[\w-]+\.eyJ", kept)
        checks.check(f"{server.name}: no value and no token in {what}", not values, str(values))
    files = "".join(
        path.read_bytes().decode(errors="replace") for path in server.data.rglob("*") if path.is_file()
    )
    kept = [value for value in ME.values() if value in files]
    checks.check(f"{server.name}: no file of the directory holds a sealed value", not kept, str(kept))


PARAMETERS = {
    "sample": {"get_weather": {"city"}, "customerData": {"customer_id", "email"}},
    "customers": {"find_customer": {"query"}, "add_customer": {"name", *ME}, "show_contact": {"id"}},
}


def tested(checks, server, values):
    try:
        with server:
            with checks.guard(f"{server.name} over HTTP"):
                over_http(checks, server)
            strangers(checks, server)
            with checks.guard(f"{server.name}: values"):
                values(checks, server)
            with checks.guard(f"{server.name}: the log"):
                recorded(checks, server, PARAMETERS[server.name])
        over_stdio(checks, server)
    finally:
        server.close()


def main():
    checks = Checks()
    for make, values in ((Sample, sample_values), (Office, office_values)):
        with checks.guard(f"{make.name}: from beginning to end"):
            tested(checks, make(), values)
    checks.close()


if __name__ == "__main__":
    sys.exit(main())
