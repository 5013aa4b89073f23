"""A gateway that is its own authorization server, with the people and programs that come to it."""

import base64
import hashlib
import hmac
import json
import secrets
import struct
import time
import urllib.parse

from haechi import Gateway, upstream
from stand import HAECHI

PATH, OTHER = "/sample/mcp", "/other/mcp"
CALL = {"tool": "secure_data_access", "arguments": {"query": "backup"}}

# Of the verifier in RFC 7636, appendix B; who only looks at pages needs no other.
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

RULES = """
[roles."*"]
allow = [{ tool = "sample:secure_data_access", scopes = ["tools:call"] }]
[roles.staff]
allow = ["sample:get_weather"]
[outbound]
allow_loopback = true
"""

SCOPES = """
[scopes."tools:call"]
english = "Use the tools of this server in your name"
korean = "회원님의 이름으로 이 서버의 도구 사용"
"""


def sample(home, name="sample", scopes=True):
    """The sample as an upstream that is told who calls."""
    command = [HAECHI, "sample-server", "--data-dir", f"{home}/{name}"]
    more = 'caller = "signed"\n' + ('scopes = ["tools:call"]\n' if scopes else "")
    return upstream(name, command=command, more=more)


class Desk:
    """Settings, a gateway on them, and its clients; `more` are further settings."""

    def __init__(self, home, more="", server="[authorization]\n"):
        self.home = home
        settings = sample(home) + sample(home, "other") + RULES + SCOPES + server + more
        # Passkeys belong to a name, not to an address.
        self.gateway = Gateway(settings, host="localhost")

    def add_client(self, name, *arguments):
        """`haechi client add`; returns what it printed."""
        return json.loads(self.gateway.cli("client", "add", name, *arguments, "--json"))

    def asks(self, client_id, back, **more):
        """The query of a request for authorization, as a client writes it."""
        return urllib.parse.urlencode({
            "client_id": client_id, "response_type": "code", "redirect_uri": back, "scope": "tools:call",
            "code_challenge": CHALLENGE, "code_challenge_method": "S256", "resource": self.gateway.url(PATH),
            "state": secrets.token_urlsafe(12), **more,
        })

    def person(self, name, *roles):
        """A person of ours: name and password."""
        self.gateway.add_user(name, *roles, more=["--name", f"{name.split('-')[0].capitalize()} Kim"])
        return name, self.gateway.passwords[name]

    def __enter__(self):
        self.gateway.start()
        return self

    def __exit__(self, *_):
        self.gateway.stop()


def totp(secret, at=None):
    """The code of RFC 6238 that an app on a phone would show."""
    key = base64.b32decode(secret.upper().replace(" ", "") + "=" * (-len(secret.replace(" ", "")) % 8))
    digest = hmac.new(key, struct.pack(">Q", int((at or time.time()) // 30)), hashlib.sha1).digest()
    start = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[start:start + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"
