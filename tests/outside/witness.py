"""Witnesses from outside. A log of our own asks `haechi audit witness` (tlog.py has nothing of
Haechi's), a witness of our own watches a gateway, and two gateways' machines watch each other: what
is put back to an older state is seen, a witness that is killed again and again never contradicts
itself, and calls wait for the witness where the settings say so.
"""

import http.server
import json
import pathlib
import random
import re
import shutil
import tempfile
import threading
import time

import tlog
from haechi import UNHURRIED, Gateway, upstream
from stand import HAECHI, HERE, PYTHON, Checks, Process, ask, free_port, modern, run, wait_until

PATH = "/web/mcp"
KILLS = 20


class Witness:
    """`haechi audit witness` in a folder of its own."""

    def __init__(self, home, name, *vkeys):
        self.state, self.name, self.vkeys = home / name, f"example.com/{name}", list(vkeys)
        self.port, self.process = free_port(), None
        self.keys = self.run("--print-keys").split()

    def command(self, *more):
        logs = [part for vkey in self.vkeys for part in ("--log", vkey)]
        return [HAECHI, "audit", "witness", "--state", self.state, "--name", self.name, "--post-quantum", *logs, *more]

    def run(self, *more):
        status, out, err = run(self.command(*more))
        assert status == 0, err
        return out

    def start(self, *more):
        command = self.command("--listen", f"127.0.0.1:{self.port}", *more)
        self.process = Process(command, name="witness").wait_for_port(self.port)
        return self

    def add(self, request, timeout=10):
        return ask(self.port, "POST", "/add-checkpoint", request.encode(), {"content-type": None}, timeout)

    def setting(self, scheme="http"):
        keys = ", ".join(f'"{key}"' for key in self.keys)
        return f'{{ url = "{scheme}://127.0.0.1:{self.port}", keys = [{keys}] }}'

    def stop(self):
        if self.process:
            self.process.stop()


# ---- the protocol -------------------------------------------------------------------------------


def protocol(checks, home):
    log = tlog.Log("example.com/ours").grow(300)
    other, unknown = tlog.Log("example.com/ours").grow(300), tlog.Log("example.com/unknown").grow(3)
    witness = Witness(home, "w0", log.signer.vkey).start()
    checks.check("a witness has a key for each kind", [tlog.Key(key).kind for key in witness.keys] == [4, 6])
    mode = (witness.state / "key").stat().st_mode & 0o777
    checks.check("only its user reads the keys", mode == 0o600, oct(mode))
    try:
        sizes = [0, 1, 2, 3, 7, 8, 255, 256, 257]
        for old, size in zip([0, *sizes], sizes):
            answer = witness.add(log.request(old, size))
            lines = answer.body.decode().splitlines()
            note = tlog.Checkpoint(log.checkpoint(size))
            note.lines += lines
            good = [len(note.times(key)) for key in witness.keys]
            checks.check(f"OpenSSL believes its cosignatures from {old} to {size}", good == [1, 1], answer)
        cases = [
            ("a log that nobody named", unknown.request(0, 3), 404),
            ("another key", other.request(257, 300), 403),
            ("a rewritten log", log.fork(200, "other").request(257, 300), 422),
            ("another tree of that size", log.fork(200, "other").request(257, 257), 409),
            ("an older size than was seen", log.request(8, 300), 409),
            ("an older size above the newer", "old 301" + log.request(257, 300).removeprefix("old 257"), 400),
            ("no request", "hello\n", 400),
            ("too long a request", log.request(257, 300) + "x" * 70_000, 400),
        ]
        for name, request, status in cases:
            answer = witness.add(request)
            checks.check(f"{name}: {status}", answer.status == status, answer)
        answer = witness.add(log.request(0, 300))
        named = (answer.status, answer.headers["content-type"], answer.body)
        checks.check("a conflict names the size", named == (409, "text/x.tlog.size", b"257\n"), answer)
        evidence = list((witness.state / "evidence").iterdir())
        checks.check("two trees of one size are kept as evidence", len(evidence) == 1, evidence)
        answer = ask(witness.port, "GET", "/add-checkpoint")
        checks.check("a checkpoint is not read", answer.status == 405, answer)
        checks.check("there is nothing else", ask(witness.port, "GET", "/").status == 404)
        status, _, err = run(witness.command("--print-keys"))
        checks.check("two processes are not one witness", status == 2 and "another process" in err, err)
        checks.check("what was refused changed nothing", witness.add(log.request(257, 300)).status == 200)
        witness.process.child.terminate()
        code = witness.process.child.wait(timeout=10)
        checks.check("it ends in order", code == 0, code)
        witness.start()
        answer = witness.add(log.request(0, 300))
        checks.check("it remembers what it saw", answer.body == b"300\n", answer)
    finally:
        witness.stop()


# ---- kills --------------------------------------------------------------------------------------


class Asker(threading.Thread):
    """Asks for one of several histories of one log, as far as the witness goes along."""

    def __init__(self, witness, log, seed):
        super().__init__(daemon=True)
        self.witness, self.log, self.stop = witness, log, False
        self.dice, self.cosigned = random.Random(seed), []

    def run(self):
        old = 0
        while not self.stop:
            size = min(old + self.dice.randint(0, 3), len(self.log.leaves))
            try:
                answer = self.witness.add(self.log.request(old, size), timeout=2)
            except OSError:
                time.sleep(0.002)
                continue
            except Exception:  # half an answer of a witness that was killed
                continue
            if answer.status == 200 and answer.body.count(b"\n") == 2:
                self.cosigned.append(size)
                old = size
            elif answer.status == 409:
                old = min(int(answer.body), len(self.log.leaves))


def kills(checks, home):
    first = tlog.Log("example.com/killed").grow(400)
    # They part at different places, so that each size has one tree or several.
    histories = [first, first.fork(0, "b"), first.fork(20, "c"), first.fork(90, "d")]
    witness = Witness(home, "killed", first.signer.vkey).start()
    askers = [Asker(witness, log, seed) for seed, log in enumerate(histories)]
    try:
        for asker in askers:
            asker.start()
        dice = random.Random(20261123)
        for _ in range(KILLS):
            time.sleep(dice.uniform(0.02, 0.2))
            witness.process.kill()
            witness.start()
        time.sleep(0.2)
        for asker in askers:
            asker.stop = True
        for asker in askers:
            asker.join(timeout=10)
        roots = {}
        for asker in askers:
            for size in asker.cosigned:
                roots.setdefault(size, set()).add(tlog.root(asker.log.leaves[:size]))
        two = [size for size, found in roots.items() if len(found) > 1]
        cosigned = sum(len(asker.cosigned) for asker in askers)
        checks.check(f"{cosigned} cosignatures over {KILLS} kills, one tree for each size", cosigned and not two, two)
        whole = [log for log in histories if all(tlog.root(log.leaves[:size]) in roots[size] for size in roots)]
        checks.check("all of them are of one history", len(whole) >= 1, f"{len(roots)} sizes")
        last = witness.add(first.request(399, 400)).body.decode().strip()
        checks.check("it has forgotten nothing", int(last) >= max(roots), f"{last}, {max(roots)}")
    finally:
        for asker in askers:
            asker.stop = True
        witness.stop()


# ---- gateways -----------------------------------------------------------------------------------


def gateway(port, witnesses, more, audit=""):
    settings = upstream("web", url=f"http://127.0.0.1:{port}/mcp")
    settings += '[roles.anonymous]\nallow = ["web:good"]\n' + UNHURRIED
    settings += f"\n[audit]\n{audit}\n[audit.witnesses]\nask = [{', '.join(witnesses)}]\n{more}\n"
    return Gateway(Gateway.anonymous(settings))


def call(one):
    """The status of one call of a tool."""
    body, headers = modern("tools/call", {"name": "good", "arguments": {}})
    answer = ask(one.port, "POST", PATH, json.dumps(body).encode(), headers)
    return answer.status, answer.body


def log_of(one):
    return one.home / "data" / "audit"


def vkeys(one):
    return (log_of(one) / "verifier-key").read_text().split()


def cosigned(one):
    path = log_of(one) / "cosigned"
    return tlog.Checkpoint(path.read_text()) if path.exists() else None


def until_seen(one, size, what="cosigned"):
    wait_until(lambda: (cosigned(one) or tlog.Checkpoint("x\n0\n\n\n")).size >= size, what=what)


def metric(one, name):
    text = ask(one.port, "GET", "/metrics").body.decode()
    found = re.search(rf"^{name}(?:{{[^}}]*}})? ([0-9.e+-]+)$", text, re.M)
    return float(found.group(1)) if found else None


def entries(one):
    return int(metric(one, "haechi_audit_entries") or 0)


def each_other(checks, home, port):
    """Two machines, each with a gateway and a witness of the other's log."""
    watchers = [Witness(home, "wa"), Witness(home, "wb")]
    refuse = 'missing = "refuse"\ngrace = "2s"'
    one = gateway(port, [watchers[1].setting()], refuse, 'origin = "a.example.com/audit"\npost_quantum = true')
    two = gateway(port, [watchers[0].setting()], 'missing = "warn"\ngrace = "2s"', 'origin = "b.example.com/audit"')
    try:
        one.start()
        two.start()
        watchers[0].vkeys, watchers[1].vkeys = vkeys(two), vkeys(one)
        for watcher in watchers:
            watcher.start()
        for name, each, watcher in [("a", one, watchers[1]), ("b", two, watchers[0])]:
            wait_until(lambda each=each: call(each)[0] == 200, what="a call")
            until_seen(each, 2)
            note = cosigned(each)
            keys = watcher.keys + vkeys(each)
            good = [len(note.times(key)) for key in keys]
            checks.check(f"gateway {name} keeps cosignatures that OpenSSL believes", good == [1] * len(keys), good)
            held = note.origin == vkeys(each)[0].split("+")[0] and metric(each, "haechi_audit_witnesses_missing") == 0
            checks.check(f"gateway {name} says how far it is witnessed", held and cosigned(each).size > 0)
        demanded(checks, one, watchers[1], watchers[0])
        absent(checks, one, two, watchers)
        put_back(checks, one, two)
    finally:
        for each in [one, two, *watchers]:
            each.stop()


def demanded(checks, one, watcher, stranger):
    """What verifies the log demands its witness."""
    (one.home / "witness.vkeys").write_text("\n".join(watcher.keys) + "\n")
    (one.home / "log.vkeys").write_text("\n".join(vkeys(one)) + "\n")
    command = [HAECHI, "audit", "verify", "--directory", log_of(one), "--key", one.home / "log.vkeys"]
    status, out, err = run([*command, "--witness", one.home / "witness.vkeys"])
    checks.check("`haechi audit verify` sees the witness", status == 0, out + err)
    status, out, err = run([*command, "--witness", stranger.keys[0]])
    checks.check("and cannot tell without another", status == 2 and "cosigned" in out + err, out + err)


def secure(checks, home, port):
    """A witness on another machine is asked over TLS."""
    certificate, key = home / "certificate.pem", home / "key.pem"
    status, _, err = run([
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-days", "2", "-subj", "/CN=witness", "-addext", "subjectAltName=IP:127.0.0.1",
        "-addext", "basicConstraints=critical,CA:FALSE", "-out", certificate, "-keyout", key,
    ])
    assert status == 0, err
    watcher = Witness(home, "secure")
    status, _, err = run(watcher.command("--log", tlog.Signer("x").vkey, "--listen", "0.0.0.0:0"), timeout=10)
    checks.check("other machines are not answered without TLS", status == 2 and "TLS" in err, err)
    more = f'missing = "warn"\n[outbound]\nauthorities = "{certificate}"'
    one = gateway(port, [watcher.setting("https")], more)
    try:
        one.start()
        watcher.vkeys = vkeys(one)
        watcher.start("--tls-certificate", certificate, "--tls-key", key)
        call(one)
        until_seen(one, entries(one))
        good = [len(cosigned(one).times(key)) for key in watcher.keys]
        checks.check("a witness behind TLS is asked", good == [1, 1], good)
    finally:
        one.stop()
        watcher.stop()


def absent(checks, one, two, watchers):
    for watcher in watchers:
        watcher.process.kill()
    wait_until(lambda: call(one)[0] == 503, what="a call that is refused")
    checks.check("without its witness a call is refused", True)
    ready = ask(one.port, "GET", "/readyz")
    checks.check("and the gateway is not ready", ready.status == 503 and b"audit" in ready.body, ready)
    wait_until(lambda: call(two) and metric(two, "haechi_audit_witnesses_missing") == 1, what="what is missing")
    checks.check("where that is a warning, a call goes on", call(two)[0] == 200, call(two))
    checks.check("and the gateway is ready", ask(two.port, "GET", "/readyz").status == 200)
    for watcher in watchers:
        watcher.start()
    wait_until(lambda: call(one)[0] == 200, seconds=40, what="a call that goes on")
    checks.check("with its witness calls go on", True)
    wait_until(lambda: metric(two, "haechi_audit_witnesses_missing") == 0, seconds=40, what="nothing missing")


def put_back(checks, one, two):
    """An older copy of the log takes its place."""
    for each in [one, two]:
        until_seen(each, entries(each))
        each.process.stop()
        shutil.copytree(log_of(each), each.home / "older")
        each.start()
        for _ in range(10):
            call(each)
        until_seen(each, entries(each))
        each.process.stop()
        log_of(each).rename(each.home / "newer")
        (each.home / "older").rename(log_of(each))
        each.spawn()
        each.process.wait_for_port(each.port)
    said = "a witness has seen another audit log"
    for each in [one, two]:
        wait_until(lambda each=each: call(each) and said in each.process.log(), what="that it is said")
    checks.check("a log that was put back is told by its witness", True)
    wait_until(lambda: call(one)[0] == 503, what="a call that is refused")
    checks.check("calls are refused then", True)
    checks.check("or go on with a warning", call(two)[0] == 200, call(two))
    # As long as before, and longer: it is another log.
    for _ in range(40):
        call(two)
    told = lambda: "other entries among the first" in two.process.log()
    wait_until(told, seconds=40, what="that it is told")
    checks.check("nor does it help to write on", True)
    for each in [one, two]:
        each.process.stop()
        log_of(each).rename(each.home / "wrong")
        (each.home / "newer").rename(log_of(each))
        each.start()
        before = cosigned(each).size
        wait_until(lambda each=each: call(each)[0] == 200, what="a call")
        until_seen(each, before + 1)
    checks.check("the log itself goes on", True)


# ---- a witness of somebody else -----------------------------------------------------------------


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        status, kind, text = self.server.watching.add_checkpoint(body)
        self.server.answers.append(status)
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


def foreign(checks, port):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.watching, server.answers = tlog.Watching("foreign", tlog.COSIGNATURE, tlog.ML_DSA_44), []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    keys = ", ".join(f'"{signer.vkey}"' for signer in server.watching.signers)
    setting = f'{{ url = "http://127.0.0.1:{server.server_port}", keys = [{keys}] }}'
    one = gateway(port, [setting], 'missing = "warn"')
    server.watching.vkey = tlog.Signer("nobody").vkey
    try:
        one.start()
        server.watching.vkey = vkeys(one)[0]
        for _ in range(6):
            for _ in range(50):
                call(one)
            until_seen(one, entries(one), "what the foreign witness cosigned")
        note = cosigned(one)
        good = [len(note.times(signer.vkey)) for signer in server.watching.signers]
        checks.check(f"a witness of our own making sees {note.size} entries grow", good == [1, 1], good)
        checks.check("and every proof holds", not set(server.answers) - {200, 403}, server.answers)
        server.watching.seen = tlog.Checkpoint(tlog.Log("x").grow(2).checkpoint(1))
        server.watching.seen.size = 5
        wait_until(lambda: call(one) and "other entries among the first 5" in one.process.log(), seconds=40)
        checks.check("what it saw otherwise is said", True)
    finally:
        one.stop()
        server.shutdown()


def main():
    checks, home, port = Checks(), pathlib.Path(tempfile.mkdtemp(prefix="haechi-witness-")), free_port()
    with Process([PYTHON, HERE / "bad_upstream.py", "http", port], name="upstream") as server:
        server.wait_for_port(port)
        with checks.guard("the protocol"):
            protocol(checks, home)
        with checks.guard("kills"):
            kills(checks, home)
        with checks.guard("two that watch each other"):
            each_other(checks, home, port)
        with checks.guard("TLS"):
            secure(checks, home, port)
        with checks.guard("a witness of somebody else"):
            foreign(checks, port)
    shutil.rmtree(home, ignore_errors=True)
    checks.close()


if __name__ == "__main__":
    main()
