"""Requests nobody thought of, made by schemathesis from the OpenAPI that the gateway publishes.

No answer may be a fault of the server, or have a status, a content type, headers or a body that the
description does not name.
"""

import json
import re
import sys
import tempfile

from desk import Desk
from stand import OUTSIDE, Checks, ask, run

CHECKS = ",".join([
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "allow_header_conformance",
])
# Seconds of generated requests, and the fewest there must be.
BUDGET, LEAST = 60, 200


def published(checks, desk):
    """The description itself: what it must name."""
    answer = ask(desk.gateway.port, "GET", "/openapi.json", headers={"host": f"localhost:{desk.gateway.port}"})
    checks.check("/openapi.json: 200 and JSON", answer.status == 200 and "json" in answer.headers.get("content-type", ""), repr(answer))
    document = json.loads(answer.body)
    checks.check("it is OpenAPI 3.1", document.get("openapi", "").startswith("3.1"), str(document.get("openapi")))
    paths = set(document["paths"])
    wanted = {
        "/oauth/authorize", "/oauth/token", "/oauth/revoke", "/oauth/introspect", "/oauth/userinfo", "/sign-in",
        "/.well-known/oauth-authorization-server", "/.well-known/jwks.json", "/healthz", "/readyz",
        "/audit/checkpoint", "/audit/tile/{level}/{index}", "/audit/tile/{level}/{index}.p/{width}",
    }
    checks.check("it names the routes", wanted <= paths, f"without {sorted(wanted - paths)}, with {sorted(paths)}")
    return document


def monitored(checks, desk, document):
    """What monitors get of the log is what the description says, also where there is something to get."""
    host = {"host": f"localhost:{desk.gateway.port}"}
    note = ask(desk.gateway.port, "GET", "/audit/checkpoint", headers=host)
    size = int(note.body.decode().split("\n")[1])
    width = min(size, 255)
    for path, real in [("/audit/checkpoint", "/audit/checkpoint"),
                       ("/audit/tile/{level}/{index}.p/{width}", f"/audit/tile/0/000.p/{width}")]:
        answer = ask(desk.gateway.port, "GET", real, headers=host)
        described = document["paths"][path]["get"]["responses"]["200"]
        kind = answer.headers.get("content-type", "").split(";")[0]
        checks.check(f"{real}: as described", answer.status == 200 and kind in described["content"]
                     and "cache-control" in answer.headers, repr(answer)[:300])


def generated(checks, desk, home):
    """schemathesis itself, within its budget."""
    command = [
        OUTSIDE / "venv/bin/schemathesis", "run", desk.gateway.url("/openapi.json"), "--checks", CHECKS,
        "--max-time", BUDGET, "--phases", "examples,coverage,fuzzing", "--max-examples", "25", "--seed", "7",
        "--continue-on-failure", "--max-redirects", "0", "--request-timeout", "10", "--suppress-health-check", "all",
        "--generation-database", "none", "--report", "ndjson", "--report-ndjson-path", f"{home}/events.ndjson",
        "--warnings", "off",
    ]
    env = {"HOME": home, "NO_COLOR": "1", "COLUMNS": "160"}
    status, out, err = run(command, env=env, timeout=BUDGET + 60, cwd=home)
    checks.check("schemathesis: exit status 0", status == 0, re.sub(r"\s+", " ", out + err)[-3000:])
    counted = [int(number.replace(",", "")) for number in re.findall(r"([\d,]+) generated", out)]
    made = max(counted, default=0)
    reached = re.search(r"Selected: (\d+)/\d+\s+Tested: (\d+)", out)
    all_of_them = reached is not None and reached.group(1) == reached.group(2)
    checks.check("schemathesis: every operation was tried", all_of_them, out[-1200:])
    checks.check(f"schemathesis: {made} requests", made >= LEAST, out[-600:])


def main():
    checks = Checks()
    with tempfile.TemporaryDirectory() as home, Desk(home) as desk:
        with checks.guard("the description"):
            monitored(checks, desk, published(checks, desk))
        with checks.guard("schemathesis"):
            generated(checks, desk, home)
        alive = ask(desk.gateway.port, "GET", "/readyz", headers={"host": f"localhost:{desk.gateway.port}"})
        checks.check("the gateway is ready afterwards", alive.status == 200, repr(alive))
        log = desk.gateway.process.log()
        checks.check("its log holds no panic", "panicked" not in log, log[-400:])
        checks.check("and no token", "eyJ" not in log)
    checks.close()


if __name__ == "__main__":
    sys.exit(main())
