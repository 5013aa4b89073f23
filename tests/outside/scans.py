"""Two scanners nobody here wrote: mcp-authlab for authorization, jbt-mcpcheck for 2026-07-28.

Both come with tokens of an issuer of somebody else's. A check that fails, or fewer that pass than
did once, fails the stage; what a scanner cannot see without its own sign-in it counts as skipped.
"""

import base64
import collections
import json
import tempfile
import time

from haechi import Gateway, toml_string, upstream
from issuer import Issuer
from stand import HAECHI, OUTSIDE, Checks, initialize, post, run
from upstreams import python_everything_http

PATH = "/web/mcp"

LEAST_AUTHLAB = 24
# The Python server has no tool that is safe to probe; the sample has.
LEAST_MCPCHECK = {PATH: 7, "/sample/mcp": 8}


def settings(url, issuer):
    return (
        upstream("web", url=url)
        + upstream("other", url=url)
        + upstream("sample", command=[HAECHI, "sample-server"])
        + '[roles.user]\nallow = ["*"]\n'
        + f"[[issuer]]\nissuer = {toml_string(issuer.url)}\njwks = {toml_string(issuer.jwks_url)}\n"
        + 'claims = { roles = "roles" }\n'
        + "[outbound]\nallow_loopback = true\n"
    )


def foreign_tokens(checks, gateway, issuer):
    """A token of the issuer is accepted where it is for this route, and nowhere else."""
    here = gateway.url(PATH)

    def status(path, token):
        headers = {"authorization": f"Bearer {token}"}
        return post(gateway.port, path, initialize(), headers).status

    checks.check("a token for this route: 200", status(PATH, issuer.token(here)) == 200)
    now = int(time.time())
    stranger = Issuer()
    stranger.kid, stranger.url = issuer.kid, issuer.url
    cases = {
        "another route": issuer.token(gateway.url("/other/mcp")),
        "no audience": issuer.token(None),
        "expired": issuer.token(here, exp=now - 600, iat=now - 1200),
        "no expiry": issuer.token(here, exp=None),
        "not yet valid": issuer.token(here, nbf=now + 600),
        "another issuer": issuer.token(here, iss="https://evil.example"),
        "another key under the same id": stranger.token(here),
        "a cut signature": issuer.token(here)[:-2],
        "no algorithm": unsigned(issuer.token(here)),
    }
    for name, token in cases.items():
        checks.check(f"a token, {name}: 401", status(PATH, token) == 401)
    fetched = issuer.fetched
    checks.check(f"the key set was read {fetched} times for all of them", 1 <= fetched <= 2)


def unsigned(token):
    """The same claims under `alg: none`."""
    _, claims, _ = token.split(".")
    header = base64.urlsafe_b64encode(b'{"alg":"none","typ":"at+jwt"}').decode().rstrip("=")
    return f"{header}.{claims}."


def authlab(checks, gateway, issuer):
    """A valid token, and one of the same issuer for somebody else as the foreign one."""
    token, foreign = issuer.token(gateway.url(PATH)), issuer.token("https://other.example/mcp")
    command = [
        OUTSIDE / "venv/bin/mcp-authlab", "scan", gateway.url(PATH), "--token", token,
        "--foreign-token", foreign, "--no-login", "--format", "json", "--fail-under", "B", "--no-color",
    ]
    with tempfile.TemporaryDirectory() as home:
        status, out, err = run(command, timeout=120, env={"HOME": home, "XDG_CONFIG_HOME": home})
    report = json.loads(out)
    verdicts = {row["id"]: row for row in report["results"]}
    count = collections.Counter(row["status"].lower() for row in verdicts.values())
    for name, row in sorted(verdicts.items()):
        if row["status"].lower() in ("fail", "error"):
            checks.check(f"mcp-authlab {name}", False, json.dumps(row)[:600])
    checks.check(f"mcp-authlab: exit status 0, {dict(count)}", status == 0, err[-400:])
    checks.check(f"mcp-authlab: {count['pass']} pass", count["pass"] >= LEAST_AUTHLAB, f"wanted {LEAST_AUTHLAB}")


def mcpcheck(checks, gateway, issuer):
    """The scanner's own warnings are about the servers behind; a check it could not make is not one."""
    for path, least in LEAST_MCPCHECK.items():
        token = issuer.token(gateway.url(path))
        command = [OUTSIDE / "venv/bin/jbt-mcpcheck", gateway.url(path), "--token", token, "--json"]
        status, out, err = run(command, timeout=120)
        found = json.loads(out)["checks"]
        count = collections.Counter(row["status"] for row in found)
        for row in found:
            if not row["passed"] and row["status"] != "inconclusive":
                checks.check(f"jbt-mcpcheck {path} {row['name']}", False, json.dumps(row)[:600])
        passed = sum(row["status"] in ("pass", "warn") for row in found)
        checks.check(f"jbt-mcpcheck {path}: exit status 0, {dict(count)}", status == 0, (out + err)[-400:])
        checks.check(f"jbt-mcpcheck {path}: {passed} of {len(found)} hold", passed >= least, f"wanted {least}")


def main():
    checks = Checks()
    with python_everything_http() as url, Issuer() as issuer, Gateway(settings(url, issuer)) as gateway:
        for scan in (foreign_tokens, authlab, mcpcheck):
            with checks.guard(scan.__name__):
                scan(checks, gateway, issuer)
    checks.close()


if __name__ == "__main__":
    main()
