"""SIGKILL of two gateways under load, again and again; then their audit logs must tell the truth.

Every call whose answer reached a client has one intent and exactly one outcome; every intent has
exactly one outcome, whether its answer arrived or not; no entry is lost or doubled. Every checkpoint
that was ever seen, polled all the while, is signed and borne out by the log as it lies there in the
end, so no two contradict each other. The same while old entries are given up, and while a log that
lost entries is repaired.
"""

import collections
import http.client
import json
import pathlib
import random
import re
import shutil
import sys
import tempfile
import threading
import time

import merkle
from haechi import UNHURRIED, Gateway, upstream
from stand import HAECHI, HERE, PYTHON, Checks, Process, free_port, modern, run

PATH = "/web/mcp"
CALLERS = 4
SMALL = '\n[audit]\nsegment_size = "256 KiB"\nreserve = "16 KiB"\n'


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


class Remembering(threading.Thread):
    """Looks at the file `checkpoint` all the while and forgets nothing, as a witness would."""

    def __init__(self, log):
        super().__init__(daemon=True)
        self.path, self.seen, self.torn, self.stop = pathlib.Path(log) / "checkpoint", {}, [], False

    def run(self):
        while not self.stop:
            self.look()
            time.sleep(0.003)

    def look(self):
        try:
            text = self.path.read_text()
        except OSError:
            return
        if text in self.seen:
            return
        if not text.endswith("\n") or "\n\n— " not in text:
            self.torn.append(text)
        self.seen[text] = len(self.seen)


def log_of(gateway):
    return gateway.home / "data" / "audit"


def start_callers(gateway):
    token = gateway.token("yuna", PATH)
    callers = [Caller(gateway, token, number) for number in range(CALLERS)]
    for caller in callers:
        caller.start()
    return callers


def stop_callers(callers):
    for caller in callers:
        caller.stop = True
    for caller in callers:
        caller.join(timeout=30)


def storm(gateway, kills, seed):
    """Kills and restarts under load; returns the callers and every checkpoint seen."""
    gateway.start()
    remembering = Remembering(log_of(gateway))
    remembering.start()
    callers = start_callers(gateway)
    dice = random.Random(seed)
    for _ in range(kills):
        # Some die while they start, most while they work, and some after a checkpoint or two.
        time.sleep(dice.choice([0, 0.01, 0.05, 0.1, 0.2, 0.4]) * dice.random() + 0.001)
        gateway.kill()
        gateway.start()
    time.sleep(0.2)
    stop_callers(callers)
    remembering.stop = True
    remembering.join(timeout=10)
    gateway.process.stop()
    remembering.look()
    return callers, remembering


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


def judge_checkpoints(checks, log, remembering, what):
    seen = list(remembering.seen)
    checks.check(f"{what}: no checkpoint was half written", not remembering.torn, str(remembering.torn[:1])[:300])
    wrong = merkle.contradictions(log, seen)
    checks.check(f"{what}: {len(seen)} checkpoints, none contradicts the log or another", len(seen) > 1 and not wrong,
                 str(wrong[:3]))


def verify(checks, gateway, what):
    """The program's own verdict over the whole log."""
    status, out, err = run([HAECHI, "audit", "verify", "--config", gateway.config], env=gateway.env, timeout=300)
    checks.check(f"{what}: `audit verify` says so too", status == 0, f"{status} {out[-400:]} {err[-400:]}")


def trace_of(entry):
    """The 32 hexadecimal digits, whether the log keeps them alone or in their `traceparent`."""
    found = re.search(r"[0-9a-f]{32}", entry.get("trace_id") or "")
    return found.group(0) if found else None


def settings(port, more=""):
    return upstream("web", url=f"http://127.0.0.1:{port}/mcp") + '[roles.user]\nallow = ["web:good"]\n' + UNHURRIED + more


def storms(checks, port, kills):
    """The rounds, shared by two gateways at once."""
    gateways = [Gateway(settings(port, SMALL if number else "")) for number in range(2)]
    results = [None, None]
    started = time.monotonic()

    def one(number):
        results[number] = storm(gateways[number], (kills + number) // 2, 20261122 + number)

    try:
        for gateway in gateways:
            gateway.add_user("yuna", "user")
        threads = [threading.Thread(target=one, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        checks.check(f"{kills} kills in {time.monotonic() - started:.0f} s", all(results))
        for gateway, (callers, remembering) in zip(gateways, results):
            judge(checks, gateway.audit(), callers)
            judge_checkpoints(checks, log_of(gateway), remembering, "under load")
            verify(checks, gateway, "under load")
    finally:
        for gateway in gateways:
            gateway.stop()


def pruning(checks, port, kills):
    """Killed while old entries are given up, under load."""
    gateway = Gateway(settings(port, SMALL))
    dice, gone = random.Random(7), 0
    try:
        gateway.add_user("yuna", "user")
        gateway.start()
        remembering = Remembering(log_of(gateway))
        remembering.start()
        callers = start_callers(gateway)
        for _ in range(kills):
            wait_for_segments(gateway, 2)
            before = merkle.segments(log_of(gateway))[-1][0]
            command = [HAECHI, "audit", "prune", "--before", str(before), "--without-archive", "--yes", "--config", gateway.config]
            prune = Process(command, env=gateway.env, name="prune")
            time.sleep(dice.uniform(0.0, 0.15))
            gateway.kill()
            prune.kill()
            gateway.start()
            gone += merkle.minimum(log_of(gateway), merkle.verifier_keys(log_of(gateway))) > 0
        gateway.cli("audit", "prune", "--before", str(before), "--without-archive", "--yes") if not gone else None
        stop_callers(callers)
        remembering.stop = True
        remembering.join(timeout=10)
        gateway.process.stop()
        remembering.look()
        log = log_of(gateway)
        least = merkle.minimum(log, merkle.verifier_keys(log))
        first = merkle.segments(log)[0][0]
        checks.check("the log begins where it says that it does", 0 < least == first, f"{least} {first}")
        judge_checkpoints(checks, log, remembering, "while pruning")
        verify(checks, gateway, "while pruning")
        traces = {trace_of(json.loads(entry)) for _, entry in merkle.entries(log)}
        last = [caller.answered[-1] for caller in callers if caller.answered]
        checks.check("the last answered calls are in the log", last and all(trace in traces for trace in last))
    finally:
        gateway.stop()


def wait_for_segments(gateway, count):
    end = time.monotonic() + 60
    while len(merkle.segments(log_of(gateway))) <= count:
        if time.monotonic() > end:
            raise TimeoutError("the callers fill no segment")
        time.sleep(0.02)


def repairing(checks, port, kills):
    """Killed while a log that lost entries is set aside: repairing again goes on."""
    gateway = Gateway(settings(port))
    dice = random.Random(9)
    try:
        gateway.add_user("yuna", "user")
        gateway.start()
        callers = start_callers(gateway)
        time.sleep(0.5)
        stop_callers(callers)
        gateway.process.stop()
        kept = pathlib.Path(tempfile.mkdtemp(prefix="haechi-kept-"))
        shutil.copytree(gateway.home / "data", kept / "data")
        data = merkle.segments(log_of(gateway))[0][1].read_bytes()
        failed = []
        for _ in range(kills):
            shutil.rmtree(gateway.home / "data")
            shutil.copytree(kept / "data", gateway.home / "data")
            segment = merkle.segments(log_of(gateway))[0][1]
            segment.write_bytes(data.replace(b'"good"', b'"evil"', 1))
            command = [HAECHI, "audit", "repair", "--accept-loss", "--config", gateway.config]
            repair = Process(command, env=gateway.env, name="repair")
            time.sleep(dice.uniform(0.0, 0.12))
            repair.kill()
            # Until it is done it says what is wrong; afterwards nothing is.
            status, out, err = run(command, env=gateway.env, timeout=60)
            again, _, _ = run(command[:3] + command[4:], env=gateway.env, timeout=60)
            lost = list((log_of(gateway) / "lost").glob("*/segments/*.seg"))
            changed = any(b'"evil"' in path.read_bytes() for path in lost)
            said = any(b"generation:1" in entry or b'"audit.repair"' in entry for _, entry in merkle.entries(log_of(gateway)))
            if status or again or not changed or not said or merkle.contradictions(log_of(gateway), [
                (log_of(gateway) / "checkpoint").read_text()
            ]):
                failed.append(f"{status} {again} {changed} {said} {out[-200:]} {err[-200:]}")
        checks.check(f"{kills} kills while repairing: done again, nothing thrown away", not failed, str(failed[:2]))
        shutil.rmtree(kept)
        gateway.start()
        checks.check("the gateway serves on the repaired log", gateway.ready())
        verify(checks, gateway, "repaired")
    finally:
        gateway.stop()


def main():
    checks = Checks()
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    port = free_port()
    with Process([PYTHON, HERE / "bad_upstream.py", "http", port], name="upstream") as server:
        server.wait_for_port(port)
        with checks.guard("the storms"):
            storms(checks, port, kills)
        with checks.guard("pruning"):
            pruning(checks, port, max(5, kills // 10))
        with checks.guard("repairing"):
            repairing(checks, port, max(5, kills // 10))
    checks.close()


if __name__ == "__main__":
    main()
