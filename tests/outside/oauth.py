"""People of somebody else's and of our own sign in for real: three SDK clients, one browser.

`oidc-provider` is the only issuer (JWT, opaque with introspection, userinfo).
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

from chromium import Browser, signs_in
from clients import INSPECTOR
from haechi import Gateway, toml_string, upstream
from provider import ROBOT_SECRET, Provider, client
from stand import HAECHI, HERE, NODE, PYTHON, Checks, free_port, initialize, post

PATH = "/sample/mcp"
CALL = {"tool": "secure_data_access", "arguments": {"query": "backup"}}


# ---- the three clients, each opening its own address ---------------------------------------------


class Signing:
    """A client that signs in: prints an address on the way, and one JSON object at the end."""

    def __init__(self, command, env=None):
        self.child = subprocess.Popen(
            [str(part) for part in command], env={**os.environ, **(env or {})}, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )
        self.lines = []
        self.came = threading.Condition()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.child.stdout:
            with self.came:
                self.lines.append(line)
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


def all_sign_in(checks, label, browser, gateway, client_id, port, person, holds):
    """Each client signs in anew and is answered in the person's name."""
    for name, make in CLIENTS.items():
        with checks.guard(f"{label}: {name}"):
            browser.forget()
            want = {"url": gateway.url(PATH), "client_id": client_id, "port": port, "era": ERAS[name], **CALL}
            said = make(want)(browser, person)
            answer = json.dumps(said.get("result"), ensure_ascii=False)
            held = all(text in answer for text in holds)
            checks.check(f"{label}: {name} signs in and is called by name", held, json.dumps(said)[:700])


# ---- oidc-provider as the only issuer ------------------------------------------------------------


def sample(home):
    command = [HAECHI, "sample-server", "--data-dir", f"{home}/sample"]
    return upstream("sample", command=command, more='caller = "signed"\nscopes = ["tools:call"]\n')


RULES = """
[roles."*"]
allow = [{ tool = "sample:secure_data_access", scopes = ["tools:call"] }]
[roles.staff]
allow = ["sample:get_weather"]
[outbound]
allow_loopback = true
"""


def issuer_settings(provider, lines):
    return f"[[issuer]]\nissuer = {toml_string(provider.url)}\nleeway = \"0s\"\n{lines}\n"


def introspected(home):
    secret = f"{home}/robot.secret"
    with open(secret, "w") as file:
        file.write(ROBOT_SECRET)
    return f'tokens = "introspection"\nclient_id = "robot"\nclient_secret = "file:{secret}"'


def status(gateway, token, path=PATH):
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return post(gateway.port, path, initialize(), headers).status


def tokens_of_a_client(checks, label, gateway, provider, revocable):
    """What is refused, beside the same without the fault."""
    here = gateway.url(PATH)
    checks.check(f"{label}: a token for this route: 200", status(gateway, provider.token(here)) == 200)
    checks.check(f"{label}: no token: 401", status(gateway, None) == 401)
    checks.check(f"{label}: a token made up: 401", status(gateway, "never-issued") == 401)
    elsewhere = provider.token("https://other.example/mcp")
    checks.check(f"{label}: a token for somebody else: 401", status(gateway, elsewhere) == 401)
    brief = provider.token(here, "brief")
    time.sleep(2.1)
    checks.check(f"{label}: an expired token: 401", status(gateway, brief) == 401)
    if revocable:
        token = provider.token(here)
        provider.revoke(token)
        checks.check(f"{label}: a revoked token: 401", status(gateway, token) == 401)


def only_issuer(checks, browser, format):
    label = f"oidc-provider, {format}"
    port = free_port()
    people = client("outside", f"http://127.0.0.1:{port}/callback")
    with tempfile.TemporaryDirectory() as home, Provider(people, format=format) as provider:
        how = f"jwks = {toml_string(provider.jwks_url)}" if format == "jwt" else introspected(home)
        claims = 'claims = { roles = "groups" }'
        settings = sample(home) + RULES + issuer_settings(provider, f"{how}\n{claims}")
        with Gateway(settings) as gateway:
            tokens_of_a_client(checks, label, gateway, provider, format == "opaque")
            holds = ("yuna-7", "Yuna Kim")
            all_sign_in(checks, label, browser, gateway, "outside", port, ("yuna-7", "any"), holds)
            log = gateway.process.log()
            checks.check(f"{label}: the gateway's log holds no token", "eyJ" not in log)


def main():
    checks = Checks()
    with Browser() as browser:
        for format in ("jwt", "opaque"):
            with checks.guard(f"oidc-provider, {format}"):
                only_issuer(checks, browser, format)
    checks.close()


if __name__ == "__main__":
    main()
