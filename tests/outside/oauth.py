"""People of somebody else's and of our own sign in for real: four clients, one browser.

`oidc-provider` as the only issuer (JWT, opaque with introspection, userinfo); Haechi alone, with the
suites of others; `oidc-provider` behind Haechi.
"""

import contextlib
import json
import sys
import tempfile
import time

from chromium import Browser, signs_in
from desk import CALL, PATH, RULES, Desk, sample
from haechi import Gateway, toml_string
from oauth_suites import authlab, conformance
from provider import ROBOT_SECRET, Provider, client
from signing import CLIENTS, ERAS, strict
from stand import Checks, free_port, initialize, modern, post


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


OPEN_RULES = RULES.replace('{ tool = "sample:secure_data_access", scopes = ["tools:call"] }', '"sample:secure_data_access"')


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


def by_userinfo(checks, browser):
    """A provider that offers nothing better is asked with each token whose it is."""
    label, back = "oidc-provider, userinfo", f"http://127.0.0.1:{free_port()}/callback"
    how = 'tokens = "userinfo"\ndangerous_accept_any_audience = true\nclaims = { roles = "groups" }'
    with tempfile.TemporaryDirectory() as home, Provider(client("outside", back)) as provider:
        with Gateway(sample(home, scopes=False) + OPEN_RULES + issuer_settings(provider, how)) as gateway:
            browser.forget()
            token = provider.token_of(browser, back, ("yuna-7", "any"))
            answer = call(gateway, token)
            held = all(text in repr(answer) for text in ("yuna-7", "Yuna Kim"))
            checks.check(f"{label}: called by name", answer.status == 200 and held, repr(answer))
            checks.check(f"{label}: no token: 401", status(gateway, None) == 401)
            checks.check(f"{label}: a token made up: 401", status(gateway, "never-issued") == 401)
            revoked = provider.token_of(browser, back, ("yuna-7", "any"))
            provider.revoke(revoked, "outside")
            checks.check(f"{label}: a revoked token: 401", status(gateway, revoked) == 401)


def call(gateway, token):
    """The tool, without a client in between."""
    params = {"name": CALL["tool"], "arguments": CALL["arguments"]}
    body, headers = modern("tools/call", params)
    return post(gateway.port, PATH, body, {**headers, "authorization": f"Bearer {token}"})


# ---- Haechi alone --------------------------------------------------------------------------------


def alone(checks, browser, home):
    with Desk(home) as desk:
        port = free_port()
        back = f"http://127.0.0.1:{port}/callback"
        person = desk.person("yuna", "staff")
        program = desk.add_client("Outside", "--redirect-uri", back)
        server = desk.add_client(
            "Outside server", "--confidential", "--grant", "client_credentials", "--grant", "token_exchange",
            "--role", "staff", "--audience", desk.gateway.url(PATH), "--scope", "tools:call",
        )
        all_sign_in(checks, "alone", browser, desk.gateway, program["client_id"], port, person, ("Yuna Kim", '"sub'))
        with checks.guard("alone: openid-client"):
            browser.forget()
            want = {
                "issuer": desk.gateway.url(""), "client_id": program["client_id"], "port": port,
                "resource": desk.gateway.url(PATH), "scope": "openid tools:call",
                "server": {key: server[key] for key in ("client_id", "client_secret")},
            }
            strict(checks, "alone, openid-client", browser, want, person)
        for suite in (conformance, authlab):
            with checks.guard(suite.__name__):
                suite(checks, browser, desk, person)
        log = desk.gateway.process.log()
        checks.check("alone: the gateway's log holds no token", "eyJ" not in log and "hr_" not in log)


# ---- oidc-provider behind Haechi -----------------------------------------------------------------


FEDERATION = """
[[federation]]
name = "company"
label = "the company"
issuer = "{issuer}"
client_id = "haechi"
client_secret = "file:{secret}"
scopes = ["openid", "profile", "email", "groups"]
create = true
allow = [{{ groups = ["staff"] }}]
roles = [{{ roles = ["staff"], groups = ["staff"] }}]
"""


def federated(checks, browser, home):
    """People of the provider become people here by rule, and sign in there."""
    port = free_port()
    back = f"http://127.0.0.1:{port}/callback"
    provider = Provider(groups={"mallory": ["guests"]})
    with open(f"{home}/company.secret", "w") as file:
        file.write(ROBOT_SECRET)
    desk = Desk(home, FEDERATION.format(issuer=provider.url, secret=file.name))
    arrival = desk.gateway.url("/oauth/federation/company/callback")
    provider.clients.append(client("haechi", arrival, secret=ROBOT_SECRET))
    with provider, desk:
        program = desk.add_client("Outside", "--redirect-uri", back)
        person, holds = ("yuna-7", "any", "company"), ("Yuna Kim",)
        all_sign_in(checks, "federated", browser, desk.gateway, program["client_id"], port, person, holds)
        with checks.guard("federated: a stranger"):
            browser.forget()
            url = f"{desk.gateway.url('/oauth/authorize')}?{desk.asks(program['client_id'], back)}"
            with contextlib.suppress(RuntimeError):
                signs_in(browser, url, back, ("mallory-3", "any", "company"))
            refused = not browser.url.startswith(back) and browser.find("[role=alert]") is not None
            checks.check("federated: whom no rule lets in is told so", refused, browser.text()[:300])


def main():
    checks = Checks()
    parts = {
        "jwt": lambda browser, _: only_issuer(checks, browser, "jwt"),
        "opaque": lambda browser, _: only_issuer(checks, browser, "opaque"),
        "userinfo": lambda browser, _: by_userinfo(checks, browser),
        "alone": lambda browser, home: alone(checks, browser, home),
        "federated": lambda browser, home: federated(checks, browser, home),
    }
    with Browser() as browser:
        for name in sys.argv[1:] or parts:
            with checks.guard(name), tempfile.TemporaryDirectory() as home:
                parts[name](browser, home)
    checks.close()


if __name__ == "__main__":
    main()
