"""Clients that sign in by themselves, each as its authors wrote that, and the browser they open.

Three of the official SDK (TypeScript, Python, Inspector), and `openid-client`, which is strict.
"""

import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import threading
import time

from chromium import signs_in
from clients import INSPECTOR
from stand import HERE, NODE, PYTHON


class Signing:
    """A client that signs in: prints an address on the way, and one JSON object at the end."""

    def __init__(self, command, env=None):
        self.child = subprocess.Popen(
            [str(part) for part in command], env={**os.environ, **(env or {})}, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )
        self.lines = []
        self.came = threading.Condition()
        self.over = False
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.child.stdout:
            with self.came:
                self.lines.append(line)
                self.came.notify_all()
        with self.came:
            self.over = True
            self.came.notify_all()

    def address(self, pattern, seconds=40):
        """The address to open, or None when the client ended without one."""
        end = time.monotonic() + seconds
        with self.came:
            while time.monotonic() < end:
                found = re.search(pattern, "".join(self.lines))
                if found:
                    return found.group(1)
                if self.child.poll() is not None:
                    return None
                self.came.wait(0.1)
        raise TimeoutError(f"no address to open: {''.join(self.lines)[-600:]}")

    def each_line(self, seconds=60):
        """Every line as it comes; stops when nothing more came for so long."""
        seen = 0
        while True:
            with self.came:
                self.came.wait_for(lambda: len(self.lines) > seen or self.over, seconds)
                fresh = self.lines[seen:]
            if not fresh:
                return
            seen += len(fresh)
            yield from fresh

    def end(self):
        """All it said."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.child.wait(timeout=40)
        self.reader.join(timeout=2)
        return "".join(self.lines)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.child.pid, signal.SIGKILL)
        self.child.wait()


def sdk(command, want):
    def sign(browser, person, on_page=None):
        with Signing([*command, json.dumps(want)]) as one:
            url = one.address(r'\{"open": ?"([^"]+)"\}')
            if url:
                signs_in(browser, url, f"http://127.0.0.1:{want['port']}/callback", person, on_page)
            return json.loads(one.end().strip().splitlines()[-1])

    return sign


def typescript(want):
    return sdk([NODE, HERE / "signed_in.mjs"], want)


def python(want):
    return sdk([PYTHON, HERE / "signed_in.py"], want)


def inspector(want):
    def sign(browser, person, on_page=None):
        arguments = [f"{key}={value}" for key, value in want["arguments"].items()]
        command = [
            NODE, INSPECTOR, "--cli", want["url"], "--transport", "http", "--format", "json",
            "--protocol-era", want.get("era", "legacy"), "--client-id", want["client_id"],
            "--callback-url", f"http://127.0.0.1:{want['port']}/callback", "--method", "tools/call",
            "--tool-name", want["tool"], "--tool-arg", *arguments,
        ]
        with tempfile.TemporaryDirectory() as home, Signing(command, quiet(home)) as one:
            url = one.address(r"navigate to: (http\S+)")
            if url:
                signs_in(browser, url, f"http://127.0.0.1:{want['port']}/callback", person, on_page)
            return last_object(one.end())

    return sign


def quiet(home):
    """The Inspector's surroundings: where it keeps tokens, and an opener of browsers that opens none."""
    opener = pathlib.Path(home) / "xdg-open"
    opener.write_text("#!/bin/sh\nexit 0\n")
    opener.chmod(0o755)
    path = f"{home}:{os.environ['PATH']}"
    return {"HOME": home, "PATH": path, "MCP_AUTO_OPEN_ENABLED": "true", "NO_COLOR": "1"}


def last_object(text):
    """The result among what the Inspector said."""
    for start in [match.start() for match in re.finditer(r"^\{", text, re.M)][::-1]:
        with contextlib.suppress(ValueError):
            return json.JSONDecoder().raw_decode(text[start:])[0]
    return {"connect": {"message": text[-600:]}}


CLIENTS = {"TypeScript": typescript, "Python": python, "Inspector": inspector}
# The Inspector's eras are two settings of one client; the SDKs negotiate by themselves.
ERAS = {"TypeScript": "auto", "Python": "auto", "Inspector": "modern"}


def strict(checks, label, browser, want, person, on_page=None):
    """openid-client does all its parts; each thing it says held or did not is a check."""
    back = f"http://127.0.0.1:{want['port']}/callback"
    with Signing([NODE, HERE / "strict.mjs", json.dumps(want)]) as one:
        for line in one.each_line():
            said = json.loads(line) if line.startswith("{") else {"noise": line}
            if "open" in said:
                with checks.guard(f"{label}: the browser"):
                    signs_in(browser, said["open"], back, person, on_page)
            elif "check" in said:
                checks.check(f"{label}: {said['check']}", said["held"], said["detail"])
        ended = one.child.wait(timeout=10)
        checks.check(f"{label}: openid-client came to its end", ended == 0, one.end()[-600:])
