"""The official conformance suite, without the guard and with it: not one check may differ.

For each revision the same server is tested directly and twice through the gateway (HTTP and stdio),
and the server of `crates/embed/examples/conformance_server` bare and with the guard embedded. The
map `scenario:check#occurrence -> status` of both runs must be equal, and the first run must reach
the number of passing checks that was counted for this server, so that two empty runs are not equal.
"""

import collections
import contextlib
import json
import os
import pathlib
import re
import shutil
import sys
import tempfile

from haechi import Gateway, upstream
from stand import HAECHI, MODULES, NODE, Checks, Process, free_port, run
from upstreams import python_everything_http, python_everything_stdio

SUITE = MODULES / "@modelcontextprotocol/conformance/dist/index.js"
SERVER = os.environ.get("HAECHI_CONFORMANCE_SERVER", "")

# Passing checks of the direct run; the second number counts those at 2026-07-28 without the
# scenarios of the tasks extension, which this server does not have.
LEAST = {"2025-11-25": 84, "2026-07-28": 169}
REQUIRED = {"2025-11-25": None, "2026-07-28": 37}

# The same of the embedded guard's server, which has every extension; no revision asks for skills.
LEAST_EMBEDDED = {"2025-11-25": 84, "2026-07-28": 197}
SKILLS = [f"sep-2640-skills-{part}" for part in ("directory", "enumeration", "manifest")]
LEAST_SKILLS = 45

# What cannot be the same, each with its reason; the status through the gateway must be just this one.
# INFO is how the suite says that a check does not apply.
UNLIKE = {
    "stdio": {
        # Streams are the server's choice; a child writes whole lines, so a short answer needs none.
        "server-sse-multiple-streams:server-sse-streams-functional#1": "INFO",
        # Closing a stream in mid-call is something only a server over HTTP can do.
        "server-sse-polling:server-sse-disconnect-resume#1": "INFO",
    },
    # A task id that nobody was given is refused before the server is asked, which this server
    # (without the extension) answers wrongly.
    "any": {"tasks-dispatch-and-envelope:sep-2663-tasks-get-invalid-task-id-32602#1": "SUCCESS"},
}

OPEN = """
[roles.anonymous]
allow = ["*"]
"""


def suite(url, revision, out):
    """One run; returns exit status, text and the map of checks."""
    return scenarios(url, out, "--requirements", revision)


def scenarios(url, out, *which):
    command = [NODE, SUITE, "server", "--url", url, *which, "-o", out]
    status, text, err = run(command, timeout=240)
    return status, text + err, read_checks(pathlib.Path(out))


def read_checks(folder):
    """`scenario:check#occurrence` with status and, for the report, what was wrong.

    Occurrences are counted over all statuses, so that a check that did not apply keeps its place.
    """
    found = {}
    for file in sorted(folder.glob("*/checks.json")):
        scenario = re.sub(r"^server-", "", re.sub(r"-\d{4}-\d\d-\d\dT.*$", "", file.parent.name))
        seen = collections.Counter()
        for check in json.loads(file.read_text()):
            seen[check["id"]] += 1
            found[f"{scenario}:{check['id']}#{seen[check['id']]}"] = check
    return found


def differences(direct, through, may_differ):
    """One line for each check that does not end the same way, or not in the one way it may."""
    lines = []
    for key in sorted(direct.keys() | through.keys()):
        left, right = status_of(direct, key), status_of(through, key)
        if left == right or right == may_differ.get(key) or {left, right} == {None, "INFO"}:
            continue
        check = through.get(key) or {}
        why = check.get("errorMessage") or check.get("details")
        lines.append(f"{key}: direct {left}, through {right} {json.dumps(why)[:300]}")
    return lines


def status_of(found, key):
    return found[key]["status"] if key in found else None


def passing(found):
    return sum(check["status"] == "SUCCESS" for check in found.values())


def required_count(text):
    """How many required scenarios the suite says it ran, and how many of them passed."""
    ran = re.search(r"requirements \S+ \((\d+) scenarios\)", text)
    beside = re.search(r"Not scored for \S+ (\d+) scenario", text)
    return int(ran.group(1)) - int(beside.group(1)) if ran and beside else None


def compare(checks, revision, shape, url, direct, scratch):
    """Runs the suite through the gateway and holds it to the direct run."""
    name = f"{revision} through Haechi, {shape} upstream"
    with checks.guard(name):
        status, text, through = suite(url, revision, f"{scratch}/{revision}-{shape}")
        lines = differences(direct, through, {**UNLIKE["any"], **UNLIKE.get(shape, {})})
        checks.check(f"{name}: exit status 0", status == 0, text[-400:])
        report(checks, name, through, lines)


def report(checks, name, through, lines):
    """Says how many checks were compared, and which of them differ."""
    for line in lines:
        print(f"          {line}", flush=True)
    scored = sum(check["status"] != "INFO" for check in through.values())
    checks.check(f"{name}: 0 differences in {scored} checks", not lines, f"{len(lines)} differ")


def direct_run(checks, revision, url, scratch):
    """The run that sets the measure."""
    status, text, found = suite(url, revision, f"{scratch}/{revision}-direct")
    checks.check(f"{revision} direct: exit status 0", status == 0, text[-400:])
    count, least = passing(found), LEAST[revision]
    checks.check(f"{revision} direct: {count} passing checks", count >= least, f"wanted {least}")
    if REQUIRED[revision]:
        required = required_count(text)
        checks.check(f"{revision} direct: {required} required scenarios", required == REQUIRED[revision])
    return found


def through_the_gateway(checks, revisions, scratch):
    with python_everything_http() as url:
        settings = Gateway.anonymous(
            upstream("web", url=url) + upstream("pipe", command=python_everything_stdio()) + OPEN
        )
        for revision in revisions:
            with checks.guard(f"{revision} direct"):
                direct = direct_run(checks, revision, url, scratch)
            with checks.guard(f"{revision} gateway"), Gateway(settings) as gateway:
                for shape, name in (("HTTP", "web"), ("stdio", "pipe")):
                    compare(checks, revision, shape, gateway.url(f"/{name}/mcp"), direct, scratch)


@contextlib.contextmanager
def conformance_server(*shape):
    """Our own server with everything the suite asks for; yields its URL."""
    port = free_port()
    with Process([SERVER, "--port", port, *shape], name="conformance-server") as process:
        process.wait_for_port(port)
        yield f"http://127.0.0.1:{port}/mcp"


def embedded(checks, revisions, scratch):
    """The same server bare and with the guard embedded; nothing may differ for any reason."""
    data = f"{scratch}/guard"
    with conformance_server("--bare") as bare, conformance_server("--guarded", data) as guarded:
        for revision in revisions:
            with checks.guard(f"{revision} embedded"):
                runs = [
                    suite(url, revision, f"{scratch}/{revision}-{name}")
                    for name, url in (("bare", bare), ("guarded", guarded))
                ]
                embedded_runs(checks, revision, runs, LEAST_EMBEDDED[revision])
        with checks.guard("skills embedded"):
            runs = [
                skills(url, f"{scratch}/skills-{name}")
                for name, url in (("bare", bare), ("guarded", guarded))
            ]
            embedded_runs(checks, "skills", runs, LEAST_SKILLS)
        with checks.guard("guard embedded"):
            calls = recorded_calls(data)
            checks.check(f"the embedded guard recorded {calls} tool calls", calls > 0)


def skills(url, out):
    """The scenarios of the skills extension, run one by one."""
    ended = [scenarios(url, out, "--scenario", scenario) for scenario in SKILLS]
    return max(status for status, _, _ in ended), ended[-1][1], ended[-1][2]


def embedded_runs(checks, what, runs, least):
    """Holds the run with the guard to the bare one, and that one to what was counted."""
    (bare_status, bare_text, bare), (status, text, guarded) = runs
    count, through = passing(bare), passing(guarded)
    checks.check(f"{what} bare: exit status 0", bare_status == 0, bare_text[-400:])
    checks.check(f"{what} bare: {count} passing checks", count >= least, f"wanted {least}")
    checks.check(f"{what} with the guard embedded: exit status 0", status == 0, text[-400:])
    name = f"{what} with the guard embedded: {through} passing checks"
    report(checks, name, guarded, differences(bare, guarded, {}))


def recorded_calls(data):
    """How many tool calls the audit log in this folder has seen coming."""
    query = [HAECHI, "audit", "query", "--json"]
    status, out, err = run(query, env={"HAECHI_DATA_DIR": data}, timeout=60)
    if status:
        raise RuntimeError(f"haechi audit query ended with {status}: {err[-400:]}")
    entries = [json.loads(line) for line in out.splitlines()]
    calls = [entry for entry in entries if entry["event"] == "intent"]
    return sum(entry["method"] == "tools/call" for entry in calls)


def main():
    checks = Checks()
    scratch = tempfile.mkdtemp(prefix="haechi-conformance-")
    revisions = sys.argv[1:] or list(LEAST)
    with checks.guard("gateway"):
        through_the_gateway(checks, revisions, scratch)
    with checks.guard("embedded"):
        embedded(checks, revisions, scratch)
    shutil.rmtree(scratch, ignore_errors=True)
    checks.close()


if __name__ == "__main__":
    main()
