"""Haechi as an OAuth client: the official suite's `auth/*` client scenarios.

The suite starts this file once for each scenario with the URL of a protected server at the end; it
then starts Haechi in front of that server, lists its tools and calls one, as a person who links an
account whenever Haechi asks for it. The person's browser is played by following the address that
`haechi link` shows.
"""

import collections
import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

from haechi import Gateway, upstream
from stand import HAECHI, MODULES, NODE, Checks, initialize, modern, post, run

SUITE = MODULES / "@modelcontextprotocol/conformance/dist/index.js"
DOCUMENT = "https://conformance-test.local/client-metadata.json"
ROLES = '\n[outbound]\nallow_loopback = true\n\n[roles.user]\nallow = ["*"]\n'
PERSON = "kim"
# A person does not link for ever.
MOST_LINKS = 3

BOTH = ("2025-11-25", "2026-07-28")
LATEST = ("2026-07-28",)
SCENARIOS = {
    "metadata-default": BOTH,
    "metadata-var1": BOTH,
    "metadata-var2": BOTH,
    "metadata-var3": BOTH,
    "basic-cimd": BOTH,
    "scope-from-www-authenticate": BOTH,
    "scope-from-scopes-supported": BOTH,
    "scope-omitted-when-undefined": BOTH,
    "scope-step-up": BOTH,
    "scope-retry-limit": BOTH,
    "token-endpoint-auth-basic": BOTH,
    "token-endpoint-auth-post": BOTH,
    "token-endpoint-auth-none": BOTH,
    "pre-registration": BOTH,
    "2025-03-26-oauth-metadata-backcompat": ("2025-03-26",),
    "2025-03-26-oauth-endpoint-fallback": ("2025-03-26",),
    "resource-mismatch": LATEST,
    "offline-access-scope": LATEST,
    "offline-access-not-supported": LATEST,
    "authorization-server-migration": LATEST,
    "iss-supported": LATEST,
    "iss-not-advertised": LATEST,
    "iss-supported-missing": LATEST,
    "iss-wrong-issuer": LATEST,
    "iss-unexpected": LATEST,
    "iss-normalized": LATEST,
    "metadata-issuer-mismatch": LATEST,
    "client-credentials-jwt": (None,),
    "client-credentials-basic": (None,),
    "enterprise-managed-authorization": (None,),
    "dpop": (None,),
    "dpop-nonce": (None,),
    "wif-jwt-bearer": (None,),
}


# ---- As the client that the suite tests ---------------------------------------------------------


def issuer_of(url):
    """Who issues tokens for a server, as an operator looks it up before registering a client."""
    parts = urllib.parse.urlsplit(url)
    place = f"{parts.scheme}://{parts.netloc}/.well-known/oauth-protected-resource{parts.path}"
    with urllib.request.urlopen(place, timeout=10) as answer:
        return json.load(answer)["authorization_servers"][0]


def authorization(scenario, context, url, home):
    """What an operator would write under `[upstream.authorization]` with this in hand."""

    def kept(name, text):
        file = pathlib.Path(home) / name
        file.write_text(text)
        file.chmod(0o600)
        return f"file:{file}"

    def client():
        secret = context.get("client_secret")
        key = context.get("private_key_pem")
        return {
            "issuer": context.get("issuer") or issuer_of(url),
            "client_id": context["client_id"],
            **({"client_secret": kept("secret", secret)} if secret else {}),
            **({"private_key": kept("key.pem", key)} if key else {}),
        }

    if scenario.startswith("client-credentials"):
        return {"kind": "client_credentials", **client()}
    if scenario == "wif-jwt-bearer":
        return {"kind": "jwt_bearer", "subject_token": kept("jwt", context["valid_jwt"]), **client()}
    if scenario == "enterprise-managed-authorization":
        return {
            "kind": "id_jag",
            "subject_token": kept("id_token", context["idp_id_token"]),
            "subject_token_type": "id_token",
            "identity_provider": {"issuer": context["idp_issuer"], "client_id": context["idp_client_id"]},
            **client(),
        }
    linked = {"kind": "linked_account"}
    if scenario in ("basic-cimd", "offline-access-scope"):
        linked["metadata_document"] = DOCUMENT
    return {**linked, **(client() if "client_id" in context else {})}


def toml(value):
    """A TOML value; strings, and tables of strings."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(one)}" for key, one in value.items()) + " }"
    return json.dumps(value)


class Stay(urllib.request.HTTPRedirectHandler):
    """Leaves redirects to whoever asks."""

    def redirect_request(self, *_):
        return None


def browse(url):
    """What a browser does with the address: it follows every redirect to its end."""
    opener = urllib.request.build_opener(Stay)
    for _ in range(8):
        if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
            raise RuntimeError(f"a browser was sent to `{url}`")
        try:
            with opener.open(url, timeout=20) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            if error.code not in (301, 302, 303, 307, 308):
                return error.code
            url = urllib.parse.urljoin(url, error.headers["location"])
    raise RuntimeError("redirected too often")


class Person:
    """Lists and calls tools through the gateway, and links an account when asked to."""

    def __init__(self, gateway, version):
        self.gateway, self.version, self.links, self.session = gateway, version, 0, None
        self.token = gateway.token(PERSON, "/web/mcp")

    def ask(self, method, params=None, number=1):
        """One request; linked and asked again for as long as the gateway says that helps."""
        while True:
            answer = self.send(method, params, number)
            if answer.status == 202 or not answer.body:
                return answer
            error = answer.json().get("error")
            link = (error or {}).get("data", {}).get("link")
            if not error:
                return answer
            if not link or self.links >= MOST_LINKS:
                raise RuntimeError(f"{method}: {error}")
            self.link(link)

    def send(self, method, params, number):
        headers = {"authorization": f"Bearer {self.token}"}
        if self.version == "2026-07-28":
            body, more = modern(method, params, number)
            return post(self.gateway.port, "/web/mcp", body, {**headers, **more})
        if method == "initialize":
            body = initialize(self.version)
        else:
            body = {"jsonrpc": "2.0", "method": method, "params": params or {}}
            if not method.startswith("notifications/"):
                body["id"] = number
            headers["mcp-protocol-version"] = self.version
            headers["mcp-session-id"] = self.session
        answer = post(self.gateway.port, "/web/mcp", body, headers)
        self.session = answer.headers.get("mcp-session-id") or self.session
        return answer

    def link(self, command):
        """Runs the command that the refusal named."""
        self.links += 1
        words = shlex.split(command)[1:]
        more = ["--username", PERSON, "--password-file", "-", "--json", "--config", self.gateway.config]
        child = subprocess.Popen(
            [HAECHI, *words, *map(str, more)],
            env={**os.environ, **self.gateway.env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        child.stdin.write(self.gateway.passwords[PERSON] + "\n")
        child.stdin.close()
        shown = ""
        for line in child.stdout:
            shown += line
            if line.startswith("}") and "open" in shown:
                browse(json.loads(shown)["open"])
                shown = ""
        if child.wait(timeout=60):
            raise RuntimeError("the account was not linked")

    def visit(self):
        if self.version != "2026-07-28":
            self.ask("initialize")
            self.ask("notifications/initialized")
        self.ask("tools/list", number=2)
        self.ask("tools/call", {"name": "test-tool", "arguments": {}}, number=3)


def client(url):
    """One scenario: Haechi in front of `url`."""
    scenario = os.environ["MCP_CONFORMANCE_SCENARIO"].removeprefix("auth/")
    context = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT") or "{}")
    version = os.environ.get("MCP_CONFORMANCE_PROTOCOL_VERSION") or "2025-11-25"
    home = tempfile.mkdtemp(prefix="haechi-oauth-client-")
    try:
        stated = authorization(scenario, context, url, home)
        more = f"authorization = {toml(stated)}"
        with_user(home, upstream("web", url=url, more=more) + ROLES, version)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def with_user(home, settings, version):
    gateway = Gateway(settings, home=home)
    gateway.add_user(PERSON, "user")
    with gateway:
        try:
            Person(gateway, version).visit()
        finally:
            if os.environ.get("HAECHI_KEEP"):
                print(gateway.process.log(), file=sys.stderr)


# ---- As the stage that runs the suite -----------------------------------------------------------


def one(scenario, version, scratch):
    """Runs one scenario; returns the exit status, the text and what its checks came to."""
    out = pathlib.Path(scratch) / f"{scenario}-{version}"
    command = f"{sys.executable} {pathlib.Path(__file__).resolve()} --client"
    which = ["--spec-version", version] if version else []
    status, text, err = run(
        [NODE, SUITE, "client", "--command", command, "--scenario", f"auth/{scenario}", *which,
         "--timeout", "120000", "-o", out],
        timeout=180,
    )
    found = [check for file in out.rglob("checks.json") for check in json.loads(file.read_text())]
    return status, text + err, found


def judge(checks, name, status, text, found):
    count = collections.Counter(check["status"] for check in found)
    bad = [check for check in found if check["status"] in ("FAILURE", "WARNING")]
    held = not bad and count["SUCCESS"] > 0 and status == 0
    why = [f"{it['id']}: {it.get('errorMessage') or it.get('description')}" for it in bad]
    tail = re.sub(r"\s+", " ", text)[-600:]
    checks.check(f"{name}: {count['SUCCESS']} checks", held, f"exit {status}; {why or tail}")


def main():
    checks = Checks()
    scratch = tempfile.mkdtemp(prefix="haechi-oauth-client-suite-")
    wanted = sys.argv[1:] or list(SCENARIOS)
    runs = [(scenario, version) for scenario in wanted for version in SCENARIOS[scenario]]
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        done = [(pair, pool.submit(one, *pair, scratch)) for pair in runs]
        for (scenario, version), future in done:
            name = f"{scenario} at {version or 'its extension'}"
            with checks.guard(name):
                judge(checks, name, *future.result())
    shutil.rmtree(scratch, ignore_errors=True)
    checks.close()


if __name__ == "__main__":
    if len(sys.argv) > 2 and sys.argv[1] == "--client":
        client(sys.argv[-1])
    else:
        main()
