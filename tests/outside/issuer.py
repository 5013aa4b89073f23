"""An authorization server of somebody else's: metadata (RFC 8414), key set (RFC 7517) and tokens.

Its tokens are signed by PyJWT on the Python `cryptography` package, so nothing of ours checks ours.
"""

import http.server
import json
import threading
import time
import uuid

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm


class Issuer:
    """Serves its documents on a free port of loopback until the block ends."""

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.kid = uuid.uuid4().hex
        self.fetched = 0
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    jwks_url = property(lambda self: f"{self.url}/jwks.json")

    def jwks(self):
        public = json.loads(ECAlgorithm.to_jwk(self.key.public_key()))
        return {"keys": [{**public, "kid": self.kid, "use": "sig", "alg": "ES256"}]}

    def metadata(self):
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "registration_endpoint": f"{self.url}/register",
            "jwks_uri": self.jwks_url,
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }

    def handler(self):
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                documents = {
                    "/.well-known/oauth-authorization-server": issuer.metadata,
                    "/.well-known/openid-configuration": issuer.metadata,
                    "/jwks.json": issuer.jwks,
                }
                document = documents.get(self.path)
                issuer.fetched += self.path == "/jwks.json"
                body = json.dumps(document() if document else {}).encode()
                self.send_response(200 if document else 404)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        return Handler

    def token(self, audience, roles=("user",), **changes):
        """An access token (RFC 9068) for one resource; `changes` replace claims, None removes one."""
        now = int(time.time())
        claims = {
            "iss": self.url, "sub": "outside-yuna", "aud": audience, "client_id": "outside",
            "iat": now, "exp": now + 600, "jti": uuid.uuid4().hex, "roles": list(roles), **changes,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(claims, self.key, "ES256", headers={"kid": self.kid, "typ": "at+jwt"})

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
