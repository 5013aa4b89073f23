"""SIGKILL of the gateway under load, again and again; then the audit log must tell the truth.

Every call whose answer reached a client has one intent and exactly one outcome; every intent has
exactly one outcome, whether its answer arrived or not; and no entry is lost or doubled.
"""

import collections
import http.client
import json
import random
import re
import sys
import threading
import time

from haechi import UNHURRIED, Gateway, upstream
from stand import HERE, PYTHON, Checks, Process, free_port, modern

PATH = "/web/mcp"
CALLERS = 8


class Caller(threading.Thread):
    """Calls without a pause and keeps the id of each audit-worthy call that was answered."""

    def __init__(self, gateway, token, number):
        super().__init__(daemon=True)
        self.gateway, self.token, self.number = gateway, token, number
        self.answered, self.sent, self.stop = [], 0, False

    def run(self):
        connection = None
        while not self.stop:
            try:
                connection = connection or http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=10)
                self.one(connection)
            except (OSError, http.client.HTTPException, ValueError):
                connection = None
                time.sleep(0.005)

    def one(self, connection):
        # The trace id names the call in the log; it is this client's own.
        trace = f"{self.number:08x}{self.sent:08x}{random.getrandbits(64):016x}"
        self.sent += 1
        body, headers = modern("tools/call", {"name": "good", "arguments": {}}, self.sent)
        headers |= {
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            "authorization": f"Bearer {self.token}",
            "traceparent": f"00-{trace}-00f067aa0ba902b7-01",
        }
        connection.request("POST", PATH, json.dumps(body).encode(), headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status == 200 and b'"good"' in text:
            self.answered.append(trace)


def storm(gateway, kills):
    """Kills and restarts under load; returns the callers."""
    gateway.start()
    token = gateway.token("yuna", PATH)
    callers = [Caller(gateway, token, number) for number in range(CALLERS)]
    for caller in callers:
        caller.start()
    dice = random.Random(20261122)
    for _ in range(kills):
        time.sleep(dice.uniform(0.02, 0.25))
        gateway.kill()
        gateway.start()
    time.sleep(0.2)
    for caller in callers:
        caller.stop = True
    for caller in callers:
        caller.join(timeout=30)
    return callers


def judge(checks, entries, callers):
    intents = [entry for entry in entries if entry["event"] == "intent"]
    outcomes = collections.Counter(entry["intent"] for entry in entries if entry["event"] == "outcome")
    calls = {entry["seq"] for entry in intents}
    checks.check(f"{len(intents)} intents are in the log", bool(intents), str(entries[:2])[:400])
    without = sorted(call for call in calls if not outcomes[call])
    checks.check("every intent has an outcome", not without, f"{len(without)} have none: {without[:3]}")
    doubled = [call for call in outcomes if outcomes[call] > 1]
    checks.check("no intent has two outcomes", not doubled, str(doubled[:3]))
    stray = [call for call in outcomes if call not in calls]
    checks.check("no outcome is without an intent", not stray, str(stray[:3]))
    traces = collections.Counter(trace_of(entry) for entry in intents)
    twice = [trace for trace in traces if trace and traces[trace] > 1]
    checks.check("no call is there twice", not twice, str(twice[:3]))
    answered = [trace for caller in callers for trace in caller.answered]
    lost = [trace for trace in answered if not traces[trace]]
    checks.check(f"{len(answered)} answered calls are all in the log", answered and not lost, f"lost {lost[:3]}")
    ended = {entry["intent"]: entry for entry in entries if entry["event"] == "outcome"}
    reached = set(answered)
    wrong = [
        ended.get(entry["seq"]) for entry in intents
        if trace_of(entry) in reached and "answered" not in json.dumps(ended.get(entry["seq"], {}))
    ]
    checks.check("an answered call is recorded as answered", not wrong, str(wrong[:2])[:400])
    sequence = sorted(entry["seq"] for entry in entries)
    whole = sequence == list(range(len(sequence)))
    checks.check(f"{len(sequence)} entries, numbered without a gap", whole, str(sequence[:5]))


def trace_of(entry):
    """The 32 hexadecimal digits, whether the log keeps them alone or in their `traceparent`."""
    found = re.search(r"[0-9a-f]{32}", entry.get("trace_id") or "")
    return found.group(0) if found else None


def main():
    checks = Checks()
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    port = free_port()
    with Process([PYTHON, HERE / "bad_upstream.py", "http", port], name="upstream") as server:
        server.wait_for_port(port)
        gateway = Gateway(upstream("web", url=f"http://127.0.0.1:{port}/mcp") + '[roles.user]\nallow = ["web:good"]\n' + UNHURRIED)
        gateway.add_user("yuna", "user")
        try:
            with checks.guard("the storm"):
                started = time.monotonic()
                callers = storm(gateway, kills)
                checks.check(f"{kills} kills in {time.monotonic() - started:.0f} s", True)
                gateway.process.stop()
                judge(checks, gateway.audit(), callers)
        finally:
            gateway.stop()
    checks.close()


if __name__ == "__main__":
    main()
