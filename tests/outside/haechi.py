"""The program under test: its settings, its people, its start and its end."""

import json
import os
import pathlib
import secrets
import shutil
import tempfile

from stand import HAECHI, Process, ask, free_port, post, run, wait_until


def toml_string(text):
    """A TOML basic string; JSON's escapes are a subset of its own."""
    return json.dumps(str(text))


def toml_list(items):
    return "[" + ", ".join(toml_string(item) for item in items) + "]"


def upstream(name, url=None, command=None, more=""):
    """One `[[upstream]]` of the settings."""
    how = f"url = {toml_string(url)}" if url else f"command = {toml_list(command)}"
    return f"[[upstream]]\nname = {toml_string(name)}\n{how}\n{more}\n"


# What lets callers in without a token; it belongs to `[listen]`, which comes first.
ANONYMOUS = "dangerous_allow_anonymous = true\n"
# A test calls more often in a minute than a person does.
UNHURRIED = "\n[limits]\ncalls_per_minute = 60000000\n"


class Gateway:
    """`haechi serve` on a free port with a data directory of its own."""

    def __init__(self, settings, home=None, host="127.0.0.1"):
        self.home = pathlib.Path(home or tempfile.mkdtemp(prefix="haechi-outside-"))
        self.own_home = home is None
        self.port = free_port()
        self.config = self.home / "haechi.toml"
        self.env = {"HAECHI_DATA_DIR": str(self.home / "data"), "LANG": "C.UTF-8"}
        self.host = host
        listen = f'[listen]\naddress = "127.0.0.1:{self.port}"\n'
        if host != "127.0.0.1":
            listen += f'public_url = "http://{host}:{self.port}"\n'
        self.config.write_text(listen + settings)
        self.process = None
        self.passwords = {}

    @staticmethod
    def anonymous(settings):
        """Settings that let callers in without a token, as the role `anonymous`."""
        return ANONYMOUS + settings

    def url(self, path):
        return f"http://{self.host}:{self.port}{path}"

    def cli(self, *arguments, stdin=None, timeout=60):
        """Runs a subcommand with these settings; fails loudly when it fails."""
        command = [HAECHI, arguments[0], *arguments[1:], "--config", self.config]
        status, out, err = run(command, env=self.env, stdin=stdin, timeout=timeout)
        if status:
            raise RuntimeError(f"haechi {' '.join(map(str, arguments))} ended with {status}: {err[-600:]}")
        return out

    def add_user(self, name, *roles, more=()):
        """Makes a person with a password of their own; before the start or while it runs."""
        self.passwords[name] = secrets.token_urlsafe(18)
        self.cli("user", "add", name, "--roles", ",".join(roles), "--password-file", "-", *more,
                 stdin=self.passwords[name] + "\n")

    def token(self, name, path):
        """Signs a person in for one route over HTTP and returns the access token."""
        body = {"username": name, "password": self.passwords[name], "resource": self.url(path)}
        answer = post(self.port, "/sign-in", body)
        if answer.status != 200:
            raise RuntimeError(f"signing in answered {answer}")
        return answer.json()["access_token"]

    def audit(self, *filters):
        """The entries of `haechi audit query --json`, one value a line or one array."""
        text = self.cli("audit", "query", "--json", *filters, timeout=300).strip()
        if text.startswith("["):
            return json.loads(text)
        return [json.loads(line) for line in text.splitlines()]

    def start(self):
        self.spawn()
        self.process.wait_for_port(self.port)
        wait_until(self.ready, what="the gateway's readiness")
        return self

    def spawn(self):
        """Starts the process and waits for nothing."""
        self.process = Process([HAECHI, "serve", "--config", self.config], env=self.env, name="gateway")

    def ready(self):
        if not self.process.alive():
            raise RuntimeError(f"the gateway ended: {self.process.log()[-800:]}")
        try:
            return ask(self.port, "GET", "/readyz", timeout=5).status == 200
        except OSError:
            return False

    def kill(self):
        self.process.kill()

    def stop(self):
        if self.process:
            self.process.stop()
        if self.own_home and not os.environ.get("HAECHI_KEEP"):
            shutil.rmtree(self.home, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()
