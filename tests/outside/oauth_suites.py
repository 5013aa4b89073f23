"""Suites of others against our authorization server: the official one's, and mcp-authlab's."""

import collections
import json
import os
import pathlib
import tempfile

from chromium import signs_in
from conformance import SUITE, read_checks
from desk import OTHER, PATH
from signing import Signing
from stand import NODE, OUTSIDE, free_port, run

# What passed once; fewer later is a loss that would not show otherwise.
LEAST_CONFORMANCE, LEAST_AUTHLAB = 3, 32


def conformance(checks, browser, desk, person):
    """The scenarios `authorization`: metadata, and a code that a browser brings."""
    port = free_port()
    back = f"http://127.0.0.1:{port}/callback"
    client = desk.add_client("Conformance", "--redirect-uri", back)
    with tempfile.TemporaryDirectory() as out:
        command = [
            NODE, SUITE, "authorization", "--url", desk.gateway.url("").rstrip("/"), "--client-id", client["client_id"],
            "--resource", desk.gateway.url(PATH), "-p", port, "-o", out,
        ]
        with Signing(command) as one:
            url = one.address(r"(http://\S+/oauth/authorize\?\S+)")
            if url:
                signs_in(browser, url, back, person)
            text = one.end()
        found = read_checks(pathlib.Path(out))
    for name, check in found.items():
        if check["status"] in ("FAILURE", "WARNING"):
            checks.check(f"conformance {name}", False, json.dumps(check)[:500])
    passed = sum(check["status"] == "SUCCESS" for check in found.values())
    checks.check("conformance authorization: exit status 0", one.child.returncode == 0, text[-900:])
    checks.check(f"conformance authorization: {passed} pass", passed >= LEAST_CONFORMANCE, text[-900:])


def authlab(checks, browser, desk, person):
    """mcp-authlab signs in by itself, probing as it goes, then scans with the tokens it got."""
    port = free_port()
    back = f"http://127.0.0.1:{port}/callback"
    client = desk.add_client("Authlab", "--redirect-uri", back)
    here = desk.gateway.url(PATH)
    with tempfile.TemporaryDirectory() as home:
        env = {"HOME": home, "XDG_CONFIG_HOME": home, "BROWSER": "/bin/true"}
        program = OUTSIDE / "venv/bin/mcp-authlab"
        login = [
            program, "login", here, "--client-id", client["client_id"], "--redirect-port", port,
            "--foreign-resource", desk.gateway.url(OTHER), "--scope", "tools:call", "--thorough", "--no-color",
        ]
        with Signing(login, env) as one:
            for line in one.each_line():
                if line.strip().startswith("http"):
                    signs_in(browser, line.strip(), back, person)
            text = one.end()
        checks.check("mcp-authlab login: exit status 0", one.child.returncode == 0, text[-1500:])
        for line in text.splitlines():
            if line.strip().startswith(("✗", "FAIL", "x ")):
                checks.check(f"mcp-authlab login {line.strip()}", False, text[-1500:])
        command = [program, "scan", here, "--format", "json", "--fail-under", "B", "--no-color"]
        status, out, err = run(command, timeout=120, env={**os.environ, **env})
    verdicts(checks, status, out, err)


def verdicts(checks, status, out, err):
    rows = {row["id"]: row for row in json.loads(out)["results"]}
    count = collections.Counter(row["status"].lower() for row in rows.values())
    for name, row in sorted(rows.items()):
        if row["status"].lower() in ("fail", "error"):
            checks.check(f"mcp-authlab {name}", False, json.dumps(row)[:600])
    checks.check(f"mcp-authlab scan: exit status 0, {dict(count)}", status == 0, err[-400:])
    checks.check(f"mcp-authlab scan: {count['pass']} pass", count["pass"] >= LEAST_AUTHLAB, f"wanted {LEAST_AUTHLAB}")
