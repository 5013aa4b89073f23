"""Three real clients against real servers through the gateway: permitted, refused, unknown.

The TypeScript client, the Python client and the Inspector, in each protocol era the server speaks,
over HTTP and, by `haechi run`, over stdio.
"""

import json
import pathlib
import shutil
import tempfile

from haechi import Gateway, toml_string, upstream
from stand import HAECHI, HERE, MODULES, NODE, PYTHON, Checks, run
from upstreams import (
    node_everything_http,
    node_everything_stdio,
    node_filesystem_stdio,
    python_everything_http,
    python_everything_stdio,
)

INSPECTOR = MODULES / "@modelcontextprotocol/inspector/clients/launcher/build/index.js"
LEGACY, BOTH = ("auto", "legacy"), ("auto", "legacy", "modern")


class Case:
    """One server: what a user may call there, what not, and what the answer must hold."""

    def __init__(self, name, eras, permitted, arguments, holds, refused, refused_arguments=None):
        self.name, self.eras = name, eras
        self.permitted, self.arguments, self.holds = permitted, arguments, holds
        self.refused, self.refused_arguments = refused, refused_arguments or {}

    path = property(lambda self: f"/{self.name}/mcp")


def cases(docs):
    simple = ("test_simple_text", {}, "simple text response", "test_error_handling")
    echo = ("echo", {"message": "tiger"}, "tiger", "get-env")
    return [
        Case("py-http", BOTH, *simple),
        Case("py-stdio", BOTH, *simple),
        Case("every-http", LEGACY, *echo),
        Case("every-stdio", LEGACY, *echo),
        Case(
            "files", LEGACY, "read_text_file", {"path": f"{docs}/open/a.txt"}, "open text",
            "read_text_file", {"path": f"{docs}/closed/b.txt"},
        ),
    ]


def settings(docs, python_url, node_url):
    files = '{ tool = "files:read_text_file", arguments = { path = %s } }' % toml_string(f"{docs}/open/**")
    return (
        upstream("py-http", url=python_url)
        + upstream("py-stdio", command=python_everything_stdio())
        + upstream("every-http", url=node_url)
        + upstream("every-stdio", command=node_everything_stdio())
        + upstream("files", command=node_filesystem_stdio(docs))
        + f"""
[roles.user]
allow = ["py-http:test_simple_text", "py-stdio:test_simple_text", "every-http:echo", "every-stdio:echo", {files}]
"""
    )


# ---- the three clients, each told the same and answering the same --------------------------------


def typescript(want):
    return sdk([NODE, HERE / "client.mjs", json.dumps(want)])


def python(want):
    return sdk([PYTHON, HERE / "client.py", json.dumps(want)])


def sdk(command):
    _, out, err = run(command, timeout=60)
    try:
        return json.loads(out.strip().splitlines()[-1])
    except (IndexError, ValueError):
        raise RuntimeError(f"the client said {out[-300:]!r} {err[-300:]!r}") from None


def inspector(want):
    """The Inspector makes one request a run: the list first, then the call."""
    said = {}
    status, out, err = inspect(want, "tools/list", [])
    if status:
        return {"connect": {"message": err + out}}
    said["tools"] = [tool["name"] for tool in json.loads(out)["result"]["tools"]]
    if want.get("tool"):
        arguments = [f"{key}={value}" for key, value in want.get("arguments", {}).items()]
        more = ["--tool-name", want["tool"], *(["--tool-arg", *arguments] if arguments else [])]
        status, out, err = inspect(want, "tools/call", more)
        said.update({"error": inspector_error(out, err)} if status else {"result": json.loads(out)["result"]})
    return said


def inspect(want, method, more):
    target = want.get("command") or [want["url"], "--transport", "http"]
    header = ["--header", f"Authorization: Bearer {want['token']}"] if want.get("token") else []
    era = ["--protocol-era", want.get("era", "legacy")]
    command = [NODE, INSPECTOR, "--cli", *target, *header, *era, "--format", "json", "--method", method, *more]
    return run(command, timeout=60, env={"HOME": tempfile.gettempdir()})


def inspector_error(out, err):
    for text in (err, out, *err.splitlines()[::-1]):
        try:
            error = json.loads(text).get("error", {})
            return {**error, "message": json.dumps(error)}
        except (ValueError, AttributeError):
            continue
    return {"message": err + out}


CLIENTS = {"TypeScript": typescript, "Python": python, "Inspector": inspector}


# ---- what must hold -----------------------------------------------------------------------------


def text_of(said):
    return json.dumps(said, ensure_ascii=False)


def permitted(checks, label, client, want, case):
    said = client({**want, "tool": case.permitted, "arguments": case.arguments})
    held = case.holds in text_of(said.get("result"))
    checks.check(f"{label}: `{case.permitted}` is permitted and answers", held, text_of(said)[:500])
    if case.refused != case.permitted:
        hidden = case.refused not in said.get("tools", [case.refused])
        checks.check(f"{label}: the list hides `{case.refused}`", hidden, text_of(said.get("tools"))[:300])


def refused(checks, label, client, want, case):
    said = client({**want, "tool": case.refused, "arguments": case.refused_arguments})
    error = said.get("error") or {}
    told = "result" not in said and error and "connect" not in said
    checks.check(f"{label}: `{case.refused}` is refused in words", told, text_of(said)[:500])
    code = error.get("code")
    if isinstance(code, int):
        ours = not -32768 <= code <= -32000 or code == -32602
        checks.check(f"{label}: the code {code} is one MCP leaves to us", ours)


def unknown(checks, label, client, want):
    said = client({**want, "token": None})
    checks.check(f"{label}: without a token nothing connects", "connect" in said, text_of(said)[:300])


def over_http(checks, gateway, all_cases):
    for case in all_cases:
        with checks.guard(f"sign-in for {case.name}"):
            want = {"url": gateway.url(case.path), "token": gateway.token("yuna", case.path)}
            for name, client in CLIENTS.items():
                for era in case.eras:
                    label = f"{name} → {case.name}, {era}"
                    with checks.guard(label):
                        permitted(checks, label, client, {**want, "era": era}, case)
                        refused(checks, label, client, {**want, "era": era}, case)
                with checks.guard(f"{name} → {case.name}, no token"):
                    unknown(checks, f"{name} → {case.name}", client, want)


def over_stdio(checks, docs, home):
    """`haechi run -- COMMAND` in a client's settings: the owner may call everything."""
    env = {"HAECHI_DATA_DIR": str(home)}
    run_python = [HAECHI, "run", "--", *python_everything_stdio()]
    run_files = [HAECHI, "run", "--", *node_filesystem_stdio(docs)]
    simple = Case("py", BOTH, "test_simple_text", {}, "simple text response", "test_simple_text")
    file = Case("files", LEGACY, "read_text_file", {"path": f"{docs}/open/a.txt"}, "open text", "read_text_file")
    for case, command in ((simple, run_python), (file, run_files)):
        for name, client in (("TypeScript", typescript), ("Python", python)):
            for era in case.eras:
                label = f"{name} → haechi run {case.name}, {era}"
                with checks.guard(label):
                    permitted(checks, label, client, {"command": command, "env": env, "era": era}, case)


def main():
    checks = Checks()
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="haechi-clients-")).resolve()
    for folder, file, text in (("open", "a.txt", "open text"), ("closed", "b.txt", "closed text")):
        (scratch / "docs" / folder).mkdir(parents=True)
        (scratch / "docs" / folder / file).write_text(text)
    docs = scratch / "docs"
    with python_everything_http() as python_url, node_everything_http() as node_url:
        gateway = Gateway(settings(docs, python_url, node_url))
        gateway.add_user("yuna", "user")
        with gateway:
            over_http(checks, gateway, cases(docs))
            log = gateway.process.log()
            checks.check("the gateway's log holds no token", "eyJ" not in log)
    over_stdio(checks, docs, scratch / "home")
    shutil.rmtree(scratch, ignore_errors=True)
    checks.close()


if __name__ == "__main__":
    main()
