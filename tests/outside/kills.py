"""SIGKILL of the gateway under load, again and again; then the audit log must tell the truth.

Every call whose answer reached a client has one intent and exactly one outcome; every intent has
exactly one outcome, whether its answer arrived or not; and no entry is lost or doubled.
"""

import collections
import http.client
import json
import random
import sys
import threading
import time

from haechi import Gateway, upstream
from stand import HERE, PYTHON, Checks, Process, free_port, modern

PATH = "/web/mcp"
CALLERS = 4


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


def find(entry, *names):
    """The first of these members, wherever the entry keeps it."""
    for name in names:
        if name in entry:
            return entry[name]
    for value in entry.values():
        if isinstance(value, dict):
            found = find(value, *names)
            if found is not None:
                return found
    return None


def judge(checks, entries, callers):
    intents = [entry for entry in entries if kind(entry) == "intent"]
    outcomes = collections.Counter(call_id(entry) for entry in entries if kind(entry) == "outcome")
    calls = collections.Counter(call_id(entry) for entry in intents)
    checks.check(f"{len(intents)} intents are in the log", bool(intents), str(entries[:2])[:400])
    checks.check("no intent is there twice", all(count == 1 for count in calls.values()))
    without = [call for call in calls if not outcomes[call]]
    checks.check("every intent has an outcome", not without, f"{len(without)} have none: {without[:3]}")
    doubled = [call for call in outcomes if outcomes[call] > 1]
    checks.check("no intent has two outcomes", not doubled, str(doubled[:3]))
    stray = [call for call in outcomes if call not in calls]
    checks.check("no outcome is without an intent", not stray, str(stray[:3]))
    traces = {find(entry, "trace_id", "trace") for entry in intents}
    answered = [trace for caller in callers for trace in caller.answered]
    lost = [trace for trace in answered if trace not in traces]
    checks.check(f"{len(answered)} answered calls are all in the log", answered and not lost, f"lost {lost[:3]}")
    sequence = [find(entry, "seq", "sequence") for entry in entries]
    numbers = [number for number in sequence if number is not None]
    checks.check("sequence numbers are unique", len(numbers) == len(set(numbers)) and numbers)


def kind(entry):
    return str(find(entry, "kind", "type", "event")).lower()


def call_id(entry):
    return find(entry, "call", "call_id", "intent", "entry")


def main():
    checks = Checks()
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    port = free_port()
    with Process([PYTHON, HERE / "bad_upstream.py", "http", port], name="upstream") as server:
        server.wait_for_port(port)
        gateway = Gateway(upstream("web", url=f"http://127.0.0.1:{port}/mcp") + '[roles.user]\nallow = ["web:good"]\n')
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
