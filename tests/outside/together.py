"""Several upstreams as one at `/mcp`: real clients see every name with its upstream, and no more.

The sample server stands there twice, so that equal names meet; one upstream speaks the legacy era
only, and modern clients do not see it.
"""

import json

from clients import CLIENTS, text_of
from haechi import Gateway, upstream
from stand import HAECHI, Checks
from upstreams import node_everything_stdio, python_everything_stdio

BOTH = {"one__get_weather", "two__get_weather", "py__test_simple_text"}
SEEN = {"legacy": BOTH | {"every__echo"}, "modern": BOTH}


def settings():
    sample = [HAECHI, "sample-server"]
    return (
        upstream("one", command=sample)
        + upstream("two", command=sample)
        + upstream("py", command=python_everything_stdio())
        + upstream("every", command=node_everything_stdio())
        + """
[roles.user]
allow = ["one:get_weather", "two:get_weather", "py:test_simple_text", "every:echo"]
"""
    )


def lists(checks, label, said, era):
    seen = said.get("tools", [])
    checks.check(f"{label}: the list is everyone's, once each", sorted(seen) == sorted(SEEN[era]), text_of(said)[:500])


def permitted(checks, label, client, want):
    for tool, arguments, holds in (
        ("two__get_weather", {"city": "Seoul"}, "Seoul"),
        ("py__test_simple_text", {}, "simple text response"),
    ):
        said = client({**want, "tool": tool, "arguments": arguments})
        checks.check(f"{label}: `{tool}` answers", holds in text_of(said.get("result")), text_of(said)[:500])


def refused(checks, label, client, want):
    """One that exists and is not permitted, and two that do not exist, look alike."""
    codes = set()
    for tool in ("two__admin_system_status", "two__no_such_tool", "nowhere__get_weather"):
        said = client({**want, "tool": tool})
        told = "result" not in said and said.get("error") and "connect" not in said
        checks.check(f"{label}: `{tool}` is refused in words", told, text_of(said)[:500])
        codes.add((said.get("error") or {}).get("code"))
    # The Inspector looks into the list and does not even ask.
    alike = codes in ({-32602}, {"tool_not_found"})
    checks.check(f"{label}: all three like any unknown tool", alike, str(codes))


def recorded(checks, gateway):
    calls = [
        entry for entry in map(json.dumps, gateway.audit())
        if "get_weather" in entry and '"two"' in entry and '"permit"' in entry
    ]
    checks.check("a call is recorded as that of its upstream, under its own name there", calls)


def main():
    checks = Checks()
    gateway = Gateway(settings())
    gateway.add_user("yuna", "user")
    with gateway:
        want = {"url": gateway.url("/mcp"), "token": gateway.token("yuna", "/mcp")}
        for name, client in CLIENTS.items():
            for era, seen in (("legacy", "legacy"), ("modern", "modern"), ("auto", "modern")):
                label = f"{name} → all together, {era}"
                if name == "Inspector" and era == "auto":
                    continue
                with checks.guard(label):
                    asked = {**want, "era": era}
                    lists(checks, label, client({**asked, "tool": None}), seen)
                    permitted(checks, label, client, asked)
                    refused(checks, label, client, asked)
        recorded(checks, gateway)
    checks.close()


if __name__ == "__main__":
    main()
