"""oidc-provider as an authorization server of somebody else's, with its own sign-in pages."""

import base64
import hashlib
import json
import secrets
import urllib.parse

from chromium import signs_in
from stand import HERE, NODE, Process, ask, free_port

ROBOT_SECRET = "a secret of the robot, for tests"


def client(client_id, redirect_uri=None, secret=None, **more):
    """One client as the provider's settings want it: a person's program, or one that acts for itself."""
    grants = ["authorization_code", "refresh_token"] if redirect_uri else ["client_credentials"]
    return {
        "client_id": client_id,
        "redirect_uris": [redirect_uri] if redirect_uri else [],
        "response_types": ["code"] if redirect_uri else [],
        "grant_types": grants,
        "application_type": "native",
        **({"client_secret": secret} if secret else {}),
        "token_endpoint_auth_method": "client_secret_basic" if secret else "none",
        **more,
    }


class Provider:
    """Serves until the block ends; `format` is that of its access tokens."""

    def __init__(self, *clients, format="jwt", groups=None):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        robots = [client(name, secret=ROBOT_SECRET) for name in ("robot", "brief")]
        self.clients = [*clients, *robots]
        self.settings = {"port": self.port, "format": format, "groups": groups or {}}
        self.process = None

    jwks_url = property(lambda self: f"{self.url}/jwks")

    def form(self, path, client_id="robot", **fields):
        """One POST of a form by a client with its secret, or by the public one of people."""
        headers = {"content-type": "application/x-www-form-urlencoded"}
        if client_id == "outside":
            fields["client_id"] = client_id
        else:
            pair = base64.b64encode(f"{client_id}:{urllib.parse.quote(ROBOT_SECRET)}".encode()).decode()
            headers["authorization"] = f"Basic {pair}"
        return ask(self.port, "POST", path, urllib.parse.urlencode(fields).encode(), headers)

    def token(self, resource, client_id="robot"):
        """An access token of a client for itself."""
        answer = self.form("/token", client_id, grant_type="client_credentials", resource=resource, scope="tools:call")
        return answer.json()["access_token"]

    def token_of(self, browser, back, person):
        """An opaque access token of a person who signs in, for whom it may concern."""
        verifier = secrets.token_urlsafe(48)
        digest = hashlib.sha256(verifier.encode()).digest()
        asked = {
            "client_id": "outside", "response_type": "code", "redirect_uri": back, "scope": "openid profile groups",
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(), "code_challenge_method": "S256",
        }
        answer = signs_in(browser, f"{self.url}/auth?{urllib.parse.urlencode(asked)}", back, person)
        code = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(answer).query))["code"]
        form = {"code": code, "redirect_uri": back, "code_verifier": verifier}
        return self.form("/token", "outside", grant_type="authorization_code", **form).json()["access_token"]

    def revoke(self, token, client_id="robot"):
        """Takes a token back (RFC 7009)."""
        answer = self.form("/token/revocation", client_id, token=token)
        if answer.status != 200:
            raise RuntimeError(f"revocation answered {answer}")

    def __enter__(self):
        command = [NODE, HERE / "provider.mjs", json.dumps({**self.settings, "clients": self.clients})]
        self.process = Process(command, name="oidc-provider").wait_for_port(self.port)
        return self

    def __exit__(self, *_):
        self.process.stop()
