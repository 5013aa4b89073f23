"""The newcomer's first minutes: start `haechi demo`, do what it says, see what it promises."""

import json
import os
import re
import shlex
import signal
import subprocess
import tempfile

from stand import HAECHI, Checks, run, wait_until


def members(value, *names):
    """Every value under one of these names, at any depth."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in names:
                yield inner
            yield from members(inner, *names)
    elif isinstance(value, list):
        for inner in value:
            yield from members(inner, *names)


class Demo:
    """`haechi demo --json` with its first line of output read."""

    def __init__(self, folder):
        self.child = subprocess.Popen(
            [HAECHI, "demo", "--json", "--dir", folder],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True, env={**os.environ, "LANG": "C.UTF-8"},
        )
        self.said = self.read()

    def read(self):
        text = ""
        for line in self.child.stdout:
            text += line
            try:
                return json.loads(text)
            except ValueError:
                continue
        raise RuntimeError(f"the demo said {text!r} {self.child.stderr.read()[-500:]!r}")

    def stop(self):
        """Ctrl-C, as the newcomer does."""
        os.killpg(self.child.pid, signal.SIGINT)
        return self.child.wait(timeout=15)


def shell(command):
    """A printed command, pasted into another terminal."""
    return run(["bash", "-c", command], timeout=60)


def transcript(checks, demo):
    commands = [entry for found in members(demo.said, "commands", "try") for entry in flat(found)]
    checks.check("three commands to try", len(commands) == 3, json.dumps(demo.said)[:600])
    permitted, refused, audit = commands
    status, out, err = shell(permitted)
    checks.check("the first is permitted", status == 0 and "celsius" in out, f"{status} {out[-300:]} {err[-300:]}")
    status, out, err = shell(refused)
    checks.check("the second is refused, exit status 1", status == 1, f"{status} {out[-300:]} {err[-300:]}")
    checks.check("and says why", len((out + err).strip()) > 20, out + err)
    status, out, err = shell(audit)
    both = "get_weather" in out and re.search(r"permit", out) and re.search(r"den(y|ied)|refus", out)
    checks.check("the third shows the entries of both", status == 0 and both, f"{status} {out[-600:]} {err[-300:]}")


def flat(found):
    """The command lines in a list or an object of them."""
    items = found.values() if isinstance(found, dict) else found
    return [item if isinstance(item, str) else next(members(item, "command")) for item in items]


def people(checks, demo):
    names = json.dumps(demo.said)
    checks.check("three people", all(name in names for name in ("admin", "user", "guest")), names[:400])
    tokens = set(re.findall(r"eyJ[\w-]+\.[\w-]+\.[\w-]+", names))
    checks.check("a token for each", len(tokens) == 3, f"{len(tokens)} tokens")
    for client in ("Claude", "Code", "Inspector"):
        checks.check(f"a ready entry for {client}", client.lower() in names.lower(), names[:200])


def who_may(checks, demo):
    """The access matrix of the lesson, by calls: role × tool."""
    url = next(url for url in re.findall(r"http://127\.0\.0\.1:\d+/[\w-]+/mcp", json.dumps(demo.said)))
    arguments = {
        "get_weather": {"city": "Seoul"}, "admin_system_status": {},
        "delete_user_data": {"user_id": "u-1002"}, "secure_data_access": {"query": "backup"},
    }
    may = {
        "admin": {"get_weather", "admin_system_status", "delete_user_data", "secure_data_access"},
        "user": {"get_weather", "secure_data_access"},
        "guest": {"secure_data_access"},
    }
    for person, allowed in may.items():
        token = token_file(demo, person)
        for tool, value in arguments.items():
            command = [HAECHI, "call", url, tool, json.dumps(value), "--token-file", token, "--json"]
            status, out, err = run(command, timeout=30)
            wanted = 0 if tool in allowed else 1
            checks.check(f"{person}: {tool} ends with {wanted}", status == wanted, f"{status} {out[-300:]} {err[-300:]}")
            if tool == "secure_data_access":
                told = json.loads(out) if out.strip() else {}
                sub = next(members(told, "sub"), None)
                checks.check(f"{person}: the tool knows its caller", bool(sub), out[-300:])


def token_file(demo, person):
    for path in members(demo.said, "token_file"):
        if person in os.path.basename(path):
            return path
    for value in demo.said.get("people", []):
        if value.get("username") == person and "token_file" in value:
            return value["token_file"]
    raise RuntimeError("the demo names no token file for " + person)


def main():
    checks = Checks()
    with tempfile.TemporaryDirectory(prefix="haechi-demo-") as folder:
        demo = Demo(folder)
        try:
            for part in (people, transcript, who_may):
                with checks.guard(part.__name__):
                    part(checks, demo)
        finally:
            status = demo.stop()
        checks.check("Ctrl-C ends it cleanly", status in (0, 130, -signal.SIGINT), str(status))
        wait_until(lambda: not leftovers(folder), what="the end of the sample server")
    checks.close()


def leftovers(folder):
    """Children of the demo that outlived it."""
    status, out, _ = run(["pgrep", "-f", shlex.quote(folder)])
    return status == 0 and out.strip()


if __name__ == "__main__":
    main()
