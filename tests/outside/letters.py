"""Letters full of personal data, read and written by real clients through the gateway.

server-filesystem stands on a folder of made-up letters in Korean and English. What the clients see, what
is recorded and what is logged must hold no value of them; what a client hands back comes back only where
the settings say so; and no rule on arguments is passed by a token.
"""

import json
import pathlib
import re
import shutil
import tempfile

from clients import python, text_of, typescript
from haechi import Gateway, toml_string, upstream
from stand import HAECHI, Checks, run
from upstreams import node_filesystem_stdio

TOKEN = re.compile(r"(?:tok|det)_[A-Z_]+_\w{16,}")
CLIENTS = {"TypeScript": typescript, "Python": python}

# Nobody's: reserved domains, numbers of published examples, checksums that hold.
EMAILS = {"ko": "seoyeon.han@letters.example.com", "en": "harriet.vance@letters.example.org"}
RRN, SSN = "880214-2345671", "219-09-9999"
CARD, IBAN = "4012 8888 8888 1881", "DE89 3704 0044 0532 0130 00"
PHONES = {"ko": "010-8765-4321", "en": "+1 415 555 2671"}

LETTERS = {
    "korean.txt": f"한서연 고객님께\n\n주민등록번호 {RRN} 로 접수되었습니다.\n연락처는 {PHONES['ko']}, "
    f"이메일은 {EMAILS['ko']} 입니다.\n카드번호 {CARD}\n",
    "english.txt": f"Dear Harriet,\n\nyour social security number {SSN} is on file. Call {PHONES['en']} or "
    f"write to {EMAILS['en']}.\nIBAN {IBAN}\n",
    "plain.json": json.dumps(
        {"customer": {"email": EMAILS["en"], "phone": PHONES["ko"]}, "주민등록번호": RRN}, ensure_ascii=False
    ),
}
VALUES = [*EMAILS.values(), RRN, SSN, CARD, IBAN, *PHONES.values()]


def leaks(text):
    """Which values stand in `text`, plainly or without their separators."""
    bare = re.sub(r"[\s-]", "", text)
    return [value for value in VALUES if value in text or re.sub(r"[\s-]", "", value) in bare]


def settings(letters):
    # A child that tells all it can on standard error, before it serves.
    chatty = ["/bin/sh", "-c", 'cat "$1" >&2; shift; exec "$@"', "sh", str(letters / "korean.txt")]
    files = node_filesystem_stdio(letters)
    written = toml_string(f"{letters}/out/**")
    return (
        upstream("files", command=[*chatty, *files])
        + upstream("closed", command=files)
        + upstream("strict", command=files)
        + f"""
[log]
level = "debug"

[roles.user]
allow = ["files:read_*", "closed:*", "strict:*", {{ tool = "files:write_file", arguments = {{ path = {written} }} }}]
deny = [{{ tool = "files:write_file", arguments = {{ content = "**{RRN}**" }} }}]

[policy]
tell_denied = true

[privacy]
arguments = {{ default = "allow" }}
results = {{ default = "tokenize" }}

[[privacy.rule]]
tools = ["strict:*"]
direction = "results"
types = ["KR_RRN", "US_SSN"]
action = "refuse"

[[privacy.open]]
roles = ["user"]
tools = ["files:write_file"]
"""
    )


class Session:
    """One person at one route, by one of the clients."""

    def __init__(self, gateway, client, name, headers=None):
        self.client, path = client, f"/{name}/mcp"
        self.want = {"url": gateway.url(path), "token": gateway.token("yuna", path), "era": "legacy"}
        self.want["headers"] = headers or {}

    def call(self, tool, **arguments):
        return self.client({**self.want, "tool": tool, "arguments": arguments})


def text_in(said):
    """The text of a result; empty for a refusal."""
    blocks = said.get("result", {}).get("content", [])
    return "".join(block.get("text", "") for block in blocks)


def token_of(text, kind):
    """The first token of a kind in `text`."""
    found = [token for token in TOKEN.findall(text) if f"_{kind}_" in token]
    if not found:
        raise RuntimeError(f"no token of {kind} in {text!r}")
    return found[0]


def reads(checks, label, session, letters):
    """Every letter comes back readable, with tokens where values stood."""
    for name in LETTERS:
        said = session.call("read_text_file", path=str(letters / name))
        text = text_in(said)
        where = f"{label}: {name}"
        checks.check(f"{where} comes back with tokens", TOKEN.search(text), text_of(said)[:600])
        checks.check(f"{where} holds no value", not leaks(text_of(said)), f"{leaks(text_of(said))}")
        if name == "english.txt":
            checks.check(f"{where} keeps its other words", "is on file. Call" in text, text)
        structured = said.get("result", {}).get("structuredContent", {}).get("content")
        checks.check(f"{where}: text and structured content agree", structured == text, f"{structured!r} {text!r}")


def many(checks, label, session, letters):
    """One answer about several files: equal values have equal tokens."""
    said = session.call("read_multiple_files", paths=[str(letters / name) for name in LETTERS])
    text = text_in(said)
    checks.check(f"{label}: several files at once hold no value", text and not leaks(text_of(said)), text[:600])
    emails = [token for token in TOKEN.findall(text) if "_EMAIL_ADDRESS_" in token]
    same = emails and len(set(emails)) == len({EMAILS["ko"], EMAILS["en"]})
    checks.check(f"{label}: equal values have equal tokens", same, str(emails))


def hands_back(checks, label, files, closed, letters):
    """What a model copies from a letter into a file of its own."""
    text = text_in(files.call("read_text_file", path=str(letters / "english.txt")))
    token = token_of(text, "EMAIL_ADDRESS")
    opened, kept = letters / "out" / f"{label}-opened.txt", letters / "out" / f"{label}-kept.txt"
    said = files.call("write_file", path=str(opened), content=f"to: {token}")
    held = opened.exists() and opened.read_text() == f"to: {EMAILS['en']}"
    checks.check(f"{label}: a token handed back is the value on disk", held, text_of(said)[:400])
    checks.check(f"{label}: and the answer does not hold it", not leaks(text_of(said)), text_of(said)[:400])
    said = closed.call("write_file", path=str(kept), content=f"to: {token}")
    held = kept.exists() and kept.read_text() == f"to: {token}"
    checks.check(f"{label}: where nothing is opened it stays a token", held, text_of(said)[:400])
    made_up = re.sub(r"_\w{8}$", "_aaaaaaaa", token) if token.count("_") > 3 else token[:-8] + "aaaaaaaa"
    forged = letters / "out" / f"{label}-forged.txt"
    files.call("write_file", path=str(forged), content=made_up)
    held = forged.exists() and forged.read_text() == made_up
    checks.check(f"{label}: a token that was never given is text", held, forged.read_text() if forged.exists() else "")


def rules_hold(checks, label, files, letters):
    """A rule that forbids a value forbids its token too."""
    text = text_in(files.call("read_text_file", path=str(letters / "korean.txt")))
    rrn, email = token_of(text, "KR_RRN"), token_of(text, "EMAIL_ADDRESS")
    for name, content in (("value", f"x {RRN} y"), ("token", f"x {rrn} y"), ("both", f"{email} {rrn}")):
        target = letters / "out" / f"{label}-{name}.txt"
        said = files.call("write_file", path=str(target), content=content)
        stopped = "result" not in said and said.get("error") and not target.exists()
        checks.check(f"{label}: what a rule forbids is forbidden as a {name}", stopped, text_of(said)[:400])
        checks.check(f"{label}: and the refusal of a {name} holds no value", not leaks(text_of(said)), text_of(said)[:400])
    outside = letters / f"{email}.txt"
    said = files.call("write_file", path=str(outside), content="x")
    reached = [path.name for path in letters.iterdir() if path.name.endswith(".txt") and path.name not in LETTERS]
    checks.check(f"{label}: a token in a path leads nowhere else", "result" not in said and not reached, f"{reached}")


def refusals(checks, label, strict, korean, letters):
    said = strict.call("read_text_file", path=str(letters / "english.txt"))
    message = (said.get("error") or {}).get("message") or ""
    told = "US_SSN" in message and "/content" in message and "result" not in said
    checks.check(f"{label}: a refusal names kinds and places", told, text_of(said)[:500])
    checks.check(f"{label}: and no value", not leaks(text_of(said)), text_of(said)[:500])
    said = korean.call("read_text_file", path=str(letters / "korean.txt"))
    message = (said.get("error") or {}).get("message") or ""
    told = "KR_RRN" in message and re.search("[가-힣]", message)
    checks.check(f"{label}: in Korean for who asks in Korean", told, text_of(said)[:500])
    checks.check(f"{label}: and no value either", not leaks(text_of(said)), text_of(said)[:500])


def sessions(checks, gateway, letters):
    for label, client in CLIENTS.items():
        with checks.guard(label):
            files, closed = Session(gateway, client, "files"), Session(gateway, client, "closed")
            strict = Session(gateway, client, "strict")
            korean = Session(gateway, client, "strict", {"accept-language": "ko-KR,ko;q=0.9"})
            for part, arguments in (
                (reads, (files, letters)),
                (many, (files, letters)),
                (hands_back, (files, closed, letters)),
                (rules_hold, (files, letters)),
                (refusals, (strict, korean, letters)),
            ):
                with checks.guard(f"{label}: {part.__name__}"):
                    part(checks, label, *arguments)


def traces(checks, gateway):
    """What is left behind: the log of calls, the log of the program, every file it keeps."""
    log = gateway.process.log()
    checks.check("the gateway's log is written", "DEBUG" in log or '"debug"' in log.lower(), log[-300:])
    checks.check("the gateway's log holds no value", not leaks(log), f"{leaks(log)}")
    written = [line for line in log.splitlines() if "KR_RRN" in line]
    checks.check("what the child wrote to standard error is there without values", written, log[:600])
    entries = gateway.audit()
    told = [finding for entry in entries for finding in entry.get("findings", [])]
    kinds = {finding["kind"] for finding in told}
    checks.check("audit entries name kinds", {"EMAIL_ADDRESS", "KR_RRN", "US_SSN"} <= kinds, f"{kinds}")
    checks.check("and paths", any("/content" in finding["path"] for finding in told), f"{told[:3]}")
    actions = {finding["action"] for finding in told}
    checks.check("and what was done", {"tokenize", "refuse"} <= actions, f"{actions}")
    text = json.dumps(entries, ensure_ascii=False)
    checks.check("audit entries hold no value", not leaks(text), f"{leaks(text)}")
    kept = [path for path in gateway.home.rglob("*") if path.is_file()]
    held = {path.name: leaks(path.read_bytes().decode("utf-8", "replace")) for path in kept}
    held = {name: values for name, values in held.items() if values}
    # The rule against the number has to name it.
    held.pop("haechi.toml", None)
    checks.check("no file of the gateway holds a value", not held, f"{held}")


def without_settings(checks, letters, home):
    """`haechi run` in a client's settings, and nothing else."""
    command = [HAECHI, "run", "--", *node_filesystem_stdio(letters)]
    env = {"HAECHI_DATA_DIR": str(home)}
    for label, client in CLIENTS.items():
        with checks.guard(f"haechi run, {label}"):
            want = {"command": command, "env": env, "era": "legacy", "tool": "read_text_file"}
            said = client({**want, "arguments": {"path": str(letters / "english.txt")}})
            text = text_in(said)
            held = TOKEN.search(text) and not leaks(text_of(said))
            checks.check(f"haechi run, {label}: letters come back with tokens", held, text_of(said)[:500])
            target = letters / "out" / f"run-{label}.txt"
            content = token_of(text, "EMAIL_ADDRESS")
            client({**want, "tool": "write_file", "arguments": {"path": str(target), "content": content}})
            held = target.exists() and target.read_text() == EMAILS["en"]
            checks.check(f"haechi run, {label}: one's own token is opened in the next session", held, text)


def by_hand(checks, letters, home):
    """The same letters by the command line."""
    env = {"HAECHI_DATA_DIR": str(home), "LANG": "C.UTF-8"}
    status, out, err = run([HAECHI, "pii", "scan", letters, "--json", "--only", "KR_RRN"], env=env)
    checks.check("`haechi pii scan` finds the number in two letters", status == 1 and len(out.splitlines()) >= 2, out + err)
    checks.check("and does not show it", not leaks(out + err), out)
    status, out, err = run([HAECHI, "pii", "redact", letters / "korean.txt"], env=env)
    checks.check("`haechi pii redact` leaves no value", status == 0 and "[KR_RRN_1]" in out and not leaks(out), out + err)


def main():
    checks = Checks()
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="haechi-letters-")).resolve()
    letters = scratch / "letters"
    (letters / "out").mkdir(parents=True)
    for name, text in LETTERS.items():
        (letters / name).write_text(text)
    gateway = Gateway(settings(letters))
    gateway.add_user("yuna", "user")
    with gateway:
        sessions(checks, gateway, letters)
        with checks.guard("traces"):
            traces(checks, gateway)
    without_settings(checks, letters, scratch / "home")
    shutil.rmtree(letters / "out")
    with checks.guard("by hand"):
        by_hand(checks, letters, scratch / "home")
    shutil.rmtree(scratch, ignore_errors=True)
    checks.close()


if __name__ == "__main__":
    main()
