"""Two scanners nobody here wrote: mcp-authlab for authorization, jbt-mcpcheck for 2026-07-28.

Their verdicts are asserted check by check: a check that fails, or one that quietly no longer runs,
fails the stage. What a scanner cannot see is listed with the reason.
"""

import collections
import json
import tempfile

from haechi import Gateway, upstream
from stand import OUTSIDE, Checks, run
from upstreams import python_everything_http

PATH = "/web/mcp"

# Checks of mcp-authlab that look for an authorization server of the resource's own; signing in by
# password and foreign issuers need none.
NOT_HERE = {}
LEAST_AUTHLAB, LEAST_MCPCHECK = 15, 7


def authlab(checks, gateway):
    """Valid token, and one for another route of the same gateway as the foreign one."""
    token, foreign = gateway.token("yuna", PATH), gateway.token("yuna", "/other/mcp")
    command = [
        OUTSIDE / "venv/bin/mcp-authlab", "scan", gateway.url(PATH), "--token", token,
        "--foreign-token", foreign, "--no-login", "--format", "json", "--fail-under", "B", "--no-color",
    ]
    with tempfile.TemporaryDirectory() as home:
        status, out, err = run(command, timeout=120, env={"HOME": home, "XDG_CONFIG_HOME": home})
    report = json.loads(out)
    verdicts = {row["id"]: row for row in rows(report)}
    count = collections.Counter(row["status"].lower() for row in verdicts.values())
    for name, row in sorted(verdicts.items()):
        if row["status"].lower() in ("fail", "error") and name not in NOT_HERE:
            checks.check(f"mcp-authlab {name}", False, json.dumps(row)[:600])
    checks.check(f"mcp-authlab: exit status 0, {dict(count)}", status == 0, err[-400:])
    checks.check(f"mcp-authlab: {count['pass']} pass", count["pass"] >= LEAST_AUTHLAB, f"wanted {LEAST_AUTHLAB}")


def rows(report):
    """The list of check results, whatever the report calls it."""
    for key in ("results", "checks", "findings"):
        if isinstance(report.get(key), list):
            return report[key]
    raise ValueError(f"no results in a report with {list(report)}")


def mcpcheck(checks, gateway):
    command = [OUTSIDE / "venv/bin/jbt-mcpcheck", gateway.url(PATH), "--token", gateway.token("yuna", PATH), "--json"]
    status, out, err = run(command, timeout=120)
    report = json.loads(out)
    found = rows(report)
    count = collections.Counter(str(row.get("status") or row.get("outcome")).lower() for row in found)
    for row in found:
        if str(row.get("status") or row.get("outcome")).lower() in ("fail", "failed", "error"):
            checks.check(f"jbt-mcpcheck {row.get('name') or row.get('id')}", False, json.dumps(row)[:600])
    passed = count["pass"] + count["passed"]
    checks.check(f"jbt-mcpcheck: exit status 0, {dict(count)}", status == 0, (out + err)[-400:])
    checks.check(f"jbt-mcpcheck: {passed} of {len(found)} pass", passed >= LEAST_MCPCHECK, f"wanted {LEAST_MCPCHECK}")


def main():
    checks = Checks()
    with python_everything_http() as url:
        more = 'allow = ["*"]'
        gateway = Gateway(upstream("web", url=url) + upstream("other", url=url) + f"[roles.user]\n{more}\n")
        gateway.add_user("yuna", "user")
        with gateway:
            with checks.guard("mcp-authlab"):
                authlab(checks, gateway)
            with checks.guard("jbt-mcpcheck"):
                mcpcheck(checks, gateway)
    checks.close()


if __name__ == "__main__":
    main()
