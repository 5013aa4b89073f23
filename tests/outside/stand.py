"""What every outside test stands on: processes, ports, raw HTTP, and a count of checks.

Standard library only. Settings come from the environment that scripts/test sets:
HAECHI_BIN (the program under test) and HAECHI_OUTSIDE (the folder `install` printed).
"""

import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
OUTSIDE = pathlib.Path(os.environ.get("HAECHI_OUTSIDE", ""))
HAECHI = os.environ.get("HAECHI_BIN", "")
PYTHON = str(OUTSIDE / "venv/bin/python")
NODE = str(OUTSIDE / "bin/node")
MODULES = OUTSIDE / "node_modules"


def hide(text):
    """The same text without tokens: test output is kept and shown around."""
    return re.sub(r"eyJ[\w-]+\.[\w.-]+|hk_\w+", "[token]", str(text))


class Checks:
    """Counts what held and what did not, and says so in the one closing line."""

    def __init__(self):
        self.passed, self.failed = 0, 0

    def check(self, name, held, detail=""):
        """Notes one check; `detail` is printed when it failed."""
        if held:
            self.passed += 1
            print(f"  ok      {name}", flush=True)
        else:
            self.failed += 1
            print(f"  FAILED  {name}: {hide(detail)}", flush=True)
        return held

    @contextlib.contextmanager
    def guard(self, name):
        """Turns an exception in the block into a failed check of this name."""
        try:
            yield
        except Exception as error:  # a test that breaks has failed, whatever broke
            self.check(name, False, f"{type(error).__name__}: {error}"[:600])

    def close(self):
        """Prints the closing line and ends the process."""
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        sys.exit(1 if self.failed or not self.passed else 0)


def free_port():
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, seconds=20, what="it"):
    """Polls until `condition` holds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.02)
    raise TimeoutError(f"{what} was not so within {seconds} s")


def listens(port):
    """Whether somebody accepts connections on a port of loopback."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Process:
    """A child with its output in a file, stopped when the block ends."""

    def __init__(self, command, env=None, cwd=None, name=None):
        self.name = name or pathlib.Path(str(command[0])).name
        self.log_path = tempfile.NamedTemporaryFile(
            prefix=f"haechi-{self.name}-", suffix=".log", delete=False
        ).name
        with open(self.log_path, "wb") as log:
            self.child = subprocess.Popen(
                [str(part) for part in command],
                env={**os.environ, **(env or {})},
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    pid = property(lambda self: self.child.pid)

    def log(self):
        """What it wrote so far."""
        return pathlib.Path(self.log_path).read_text(errors="replace")

    def alive(self):
        return self.child.poll() is None

    def wait_for_port(self, port, seconds=30):
        """Waits until it listens; fails at once when it has died."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not self.alive():
                raise RuntimeError(f"{self.name} ended with {self.child.returncode}: {self.log()[-800:]}")
            if listens(port):
                return self
            time.sleep(0.02)
        raise TimeoutError(f"{self.name} does not listen on {port}: {self.log()[-800:]}")

    def status_kib(self, field):
        """A field of /proc/PID/status in KiB, such as VmHWM."""
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1])
        return 0

    def kill(self):
        """SIGKILL to this process alone, as a crash would be."""
        self.child.kill()
        self.child.wait()

    def stop(self):
        """SIGTERM, then SIGKILL to the whole group."""
        if self.alive():
            self.child.terminate()
            try:
                self.child.wait(timeout=10)
            except subprocess.TimeoutExpired:
                pass
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.child.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        with contextlib.suppress(OSError):
            os.unlink(self.log_path)


def run(command, env=None, timeout=120, stdin=None, cwd=None):
    """Runs a command to its end; returns status, standard output and standard error as text."""
    done = subprocess.run(
        [str(part) for part in command],
        env={**os.environ, **(env or {})},
        cwd=cwd,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout,
    )
    return done.returncode, done.stdout, done.stderr


class Answer:
    """One HTTP answer, read to its end."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        """The JSON-RPC message in the body, the last one when it is a stream of events."""
        text = self.body.decode()
        if "text/event-stream" in self.headers.get("content-type", ""):
            data = [line[5:].strip() for line in text.splitlines() if line.startswith("data:")]
            text = [line for line in data if line][-1]
        return json.loads(text)

    def __repr__(self):
        return f"HTTP {self.status} {self.body[:300]!r}"


def post(port, path, body, headers=None, timeout=30):
    """One POST of `body` (bytes, or a value sent as JSON) on a connection of its own."""
    if not isinstance(body, (bytes, bytearray)):
        body = json.dumps(body).encode()
    return ask(port, "POST", path, body, headers, timeout)


def ask(port, method, path, body=None, headers=None, timeout=30):
    """One request on a connection of its own."""
    base = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        wanted = {key: value for key, value in {**base, **(headers or {})}.items() if value is not None}
        connection.request(method, path, body=body, headers=wanted)
        answer = connection.getresponse()
        names = {name.lower() for name, _ in answer.getheaders()}
        # A header that stands several times is one list (RFC 9110 section 5.3), such as two challenges.
        return Answer(answer.status, {name: answer.getheader(name) for name in names}, answer.read())
    finally:
        connection.close()


def initialize(version="2025-11-25"):
    """The first message of a legacy session."""
    return {
        "jsonrpc": "2.0",
        "id": 0,
        "method": "initialize",
        "params": {
            "protocolVersion": version,
            "capabilities": {},
            "clientInfo": {"name": "outside", "version": "1"},
        },
    }


def modern(method, params=None, request_id=1, name=None):
    """A request at 2026-07-28 and the headers that must agree with it."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "outside", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    body = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": {**(params or {}), "_meta": meta}}
    headers = {"mcp-protocol-version": "2026-07-28", "mcp-method": method}
    name = name or body["params"].get("name") or body["params"].get("uri")
    if name:
        headers["mcp-name"] = name
    return body, headers
