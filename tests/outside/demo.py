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


def url_of(demo):
    return next(url for url in re.findall(r"http://127\.0\.0\.1:\d+/[\w-]+/mcp", json.dumps(demo.said)))


def who_may(checks, demo):
    """The access matrix of the lesson, by calls: role × tool."""
    url = url_of(demo)
    arguments = {
        "get_weather": {"city": "Seoul"}, "admin_system_status": {},
        "delete_user_data": {"user_id": "u-1002"}, "secure_data_access": {"query": "backup"},
        "customerData": {"customer_id": "C-1002"},
    }
    may = {
        "admin": {"get_weather", "admin_system_status", "delete_user_data", "secure_data_access", "customerData"},
        "user": {"get_weather", "secure_data_access", "customerData"},
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


# What the sample knows of C-1001; none of it may be seen outside.
CUSTOMER = ("minseo.kim@example.com", "010-2345-6789", "900215-2345678", "4111 1111 1111 1111")


def unseen(checks, demo):
    """What the lesson shows of privacy: tokens for the model, values for the tool, neither in the log."""
    token = token_file(demo, "user")

    def ask(**more):
        arguments = json.dumps({"customer_id": "C-1001", **more})
        command = [HAECHI, "call", url_of(demo), "customerData", arguments, "--token-file", token, "--json"]
        return run(command, timeout=30)

    def clear(text):
        return [value for value in CUSTOMER if value in text]

    status, out, err = ask()
    told = json.loads(out) if out.strip() else {}
    customer = next(members(told, "structuredContent"), {})
    checks.check("customerData answers", status == 0 and customer, f"{status} {out[-300:]} {err[-300:]}")
    checks.check("no value in clear", not clear(out), str(clear(out)))
    for name in ("email", "phone", "resident_number", "card"):
        checks.check(f"{name} is a token", str(customer.get(name)).startswith("tok_"), str(customer.get(name)))
    phone = str(customer.get("phone"))
    checks.check("equal values have equal tokens", phone in str(customer.get("note")), str(customer.get("note")))
    texts = [block.get("text", "") for found in members(told, "content") for block in found]
    checks.check("text and structured content have the same tokens", any(phone in text for text in texts), str(texts)[:300])

    status, out, err = ask(phone=phone)
    kept = next(members(json.loads(out) if out.strip() else {}, "structuredContent"), {})
    again = str(kept.get("phone"))
    held = status == 0 and again.startswith("tok_PHONE_NUMBER_") and again in str(kept.get("note"))
    checks.check("a token handed back is the number it was: it equals the one in the note", held, f"{kept} {err[-300:]}")
    status, out, err = ask(note="card 4111 1111 1111 1111")
    refused = status == 1 and "CREDIT_CARD" in out + err and "/note" in out + err
    checks.check("a card in arguments is refused, with kind and place", refused, f"{status} {out[-300:]} {err[-300:]}")
    checks.check("and without the value", not clear(out + err), out + err)

    folder = os.path.dirname(token)
    where = ["--config", os.path.join(folder, "haechi.toml"), "--data-dir", os.path.join(folder, "data")]
    status, out, err = run([HAECHI, "audit", "query", "--tool", "sample:customerData", "--json", *where], timeout=60)
    checks.check("the log names kinds and places", "KR_RRN" in out and "/structuredContent/resident_number" in out, f"{out[-600:]} {err[-300:]}")
    checks.check("and no value", out and not clear(out), str(clear(out)))


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
            for part in (people, transcript, who_may, unseen):
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
