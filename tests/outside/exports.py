"""Entries arrive where people look, in forms that readers of others accept, and none is left out.

rsyslog of Debian reads syslog over TLS, OpenTelemetry's own definitions read OTLP, the published
schemas of OCSF and ECS judge their records, pycef reads CEF. Then the gateway is killed again and
again under load while receivers are slow, say no, hang up and go away: afterwards each of them has
every entry of the log.
"""

import fcntl
import itertools
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import time

import jsonschema
import pycef
from haechi import UNHURRIED, Gateway, toml_string, upstream
from kills import start_callers, stop_callers
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema
from receivers import Collector, Receiver, Rsyslog, certificates
from stand import HAECHI, HERE, MODULES, NODE, PYTHON, Checks, Process, ask, free_port, modern, post, run, wait_until

PATH = "/web/mcp"
SECRET = "collector-secret-of-this-test"
FORMATS = ["json", "ocsf", "ecs", "cef", "syslog", "otlp"]
PRIVACY = '[privacy]\nenabled = true\nlocales = ["US"]\narguments = { default = "mask" }\nresults = { default = "mask" }\n'


def export(name, to, more=""):
    return f"[[audit.export]]\nname = {toml_string(name)}\nto = {toml_string(to)}\n{more}\n"


class Stand:
    """A gateway with an export of each kind, and the receivers."""

    def __init__(self, folder, server_port):
        self.folder = folder
        authority = certificates(folder)
        (folder / "token").write_text(SECRET + "\n")
        self.rsyslog = Rsyslog(folder)
        # The same program with a certificate of an authority that nobody here trusts.
        (folder / "stranger").mkdir()
        certificates(folder / "stranger")
        self.stranger = Rsyslog(folder / "stranger")
        self.collector = Collector("/v1/logs")
        self.lines = Receiver("/lines", SECRET)
        proof = 'certificate = "client.pem"\ncertificate_key = "client.key"'
        files = "".join(
            export(f"file-{form}", f"file:{folder}/{form}.log", f'format = "{form}"') for form in FORMATS
        )
        settings = (
            upstream("web", url=f"http://127.0.0.1:{server_port}/mcp")
            + '[roles.user]\nallow = ["web:good"]\n' + UNHURRIED + PRIVACY
            + f"[outbound]\nauthorities = {toml_string(authority)}\n" + files
            + export("syslog", f"syslog+tls://localhost:{self.rsyslog.port}", proof)
            + export("unproved", f"syslog+tls://localhost:{self.rsyslog.port}")
            + export("stranger", f"syslog+tls://localhost:{self.stranger.port}", proof)
            + export("collector", f"http://127.0.0.1:{self.collector.port}/v1/logs", 'format = "otlp"')
            + export("lines", f"http://127.0.0.1:{self.lines.port}/lines", f'bearer = "file:{folder}/token"')
        )
        self.gateway = Gateway(settings, home=folder)

    def start(self):
        self.rsyslog.start()
        self.stranger.start()
        self.collector.start()
        self.lines.start()
        return self

    def stop(self):
        self.gateway.stop()
        for receiver in (self.collector, self.lines):
            receiver.stop()
        self.rsyslog.process.stop()
        self.stranger.process.stop()

    def state(self):
        return {one["name"]: one for one in json.loads(self.gateway.cli("audit", "exports", "--json"))}

    def behind(self):
        return {name: sum(log["behind"] for log in one["logs"]) for name, one in self.state().items()}

    def file(self, form):
        return (self.folder / f"{form}.log").read_text().rstrip("\n").split("\n")

    def arrived(self):
        """The sequence numbers each receiver has, in the order in which they came."""
        def file(form):
            return [json.loads(line)["seq"] for line in self.file(form)]
        return {
            "file-json": file("json"),
            "lines": [record["seq"] for record in self.lines.records()],
            "collector": [attribute(record, "haechi.seq") for record in self.collector.records()],
            "syslog": [json.loads(one["message"])["seq"] for one in self.rsyslog.messages()],
        }


def attribute(record, key):
    for one in record["attributes"]:
        if one["key"] == key:
            value = one["value"]
            return int(value["intValue"]) if "intValue" in value else value["stringValue"]
    return None


def call(gateway, token, tool="good", arguments=None):
    body, headers = modern("tools/call", {"name": tool, "arguments": arguments or {}})
    headers |= {
        "accept": "application/json, text/event-stream", "authorization": f"Bearer {token}",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01",
    }
    return post(gateway.port, PATH, body, headers)


def live(gateway):
    """Something of every kind: people, sign-ins, calls, refusals, findings, administration."""
    gateway.add_user("yuna", "user")
    gateway.start()
    token = gateway.token("yuna", PATH)
    for _ in range(20):
        call(gateway, token)
    call(gateway, token, "hang\" ] act=permit|=\\ x")
    call(gateway, token, "good", {"to": "kim@example.com", "card": "4111 1111 1111 1111"})
    body = {"username": "yuna", "password": "wrong", "resource": gateway.url(PATH)}
    post(gateway.port, "/sign-in", body)
    call(gateway, "nobody")
    gateway.cli("user", "roles", "yuna", "user")


def caught_up(stand):
    def nobody_is_behind():
        return not any(behind for name, behind in stand.behind().items() if name not in ("stranger", "unproved"))
    wait_until(nobody_is_behind, 90, "that nobody is behind")


def judge_whole(checks, stand, entries, once):
    """Every entry is everywhere, each for the first time in the order of the log."""
    wanted = [entry["seq"] for entry in entries]
    for name, came in stand.arrived().items():
        first = list(dict.fromkeys(came))
        checks.check(f"{name} has all {len(wanted)} entries, in order", first == wanted,
                     f"{len(first)} of {len(wanted)}; missing {sorted(set(wanted) - set(first))[:5]}")
        if once:
            checks.check(f"{name} has each of them once", len(came) == len(first), f"{len(came)} came")


def judge_ocsf(checks, lines):
    schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version="1.8.0"))
    judges, problems, classes = {}, [], set()
    for line in lines:
        event = json.loads(line)
        uid = event["class_uid"]
        classes.add(uid)
        profiles = tuple(event["metadata"]["profiles"])
        if (uid, profiles) not in judges:
            name = schema.lookup_class_name_from_uid(class_uid=uid)
            found = schema.get_class_schema(class_name=name, profiles=list(profiles))
            judges[uid, profiles] = jsonschema.Draft202012Validator(found)
        errors = judges[uid, profiles].iter_errors(event)
        problems += [f"{uid}: {error.json_path}: {error.message}"[:300] for error in errors]
    checks.check(f"{len(lines)} records are OCSF 1.8.0, of classes {sorted(classes)}", not problems, str(problems[:4]))
    wanted = {2004, 3001, 3002, 6002, 6003}
    checks.check("findings, administration, sign-ins, starts and calls have classes of their own",
                 wanted <= classes, str(wanted - classes))


def flat(value, path=""):
    if isinstance(value, dict):
        return {key: one for name, member in value.items() for key, one in flat(member, f"{path}.{name}".lstrip(".")).items()}
    return {path: value}


def judge_ecs(checks, lines):
    script = "process.stdout.write(JSON.stringify(require(process.argv[1]).EcsFlat))"
    done = subprocess.run([NODE, "-e", script, str(MODULES / "@elastic/ecs")], capture_output=True, check=True)
    fields, problems = json.loads(done.stdout), []
    kinds = {"date": str, "keyword": str, "match_only_text": str, "long": int, "wildcard": str, "flattened": dict}
    for line in lines:
        record = json.loads(line)
        for path, value in flat(record).items():
            if path.startswith("haechi."):
                continue
            field = fields.get(path)
            if not field:
                problems.append(f"no field `{path}`")
                continue
            is_list = "array" in (field.get("normalize") or [])
            for one in value if is_list else [value]:
                if not isinstance(one, kinds.get(field["type"], object)):
                    problems.append(f"`{path}` is {field['type']}, not {one!r}")
                allowed = {known["name"]: known for known in field.get("allowed_values") or []}
                if allowed and one not in allowed:
                    problems.append(f"`{path}` cannot be `{one}`")
        for category in record["event"]["category"]:
            known = next(one for one in fields["event.category"]["allowed_values"] if one["name"] == category)
            strange = set(record["event"]["type"]) - set(known["expected_event_types"])
            problems += [f"{category} is not {one}" for one in strange]
    checks.check(f"{len(lines)} records have fields of ECS {lines and json.loads(lines[0])['ecs']['version']}",
                 not problems, str(sorted(set(problems))[:5]))


def judge_cef(checks, lines, entries):
    by_id = {entry["id"]: entry for entry in entries}
    problems = []
    for line in lines:
        read = pycef.parse(line)
        entry = by_id.get(read.get("externalId"))
        if not entry or int(read.get("sequence", -1)) != entry["seq"] or int(read["rt"]) != entry["at_ms"]:
            problems.append(line[:200])
        elif entry["event"] == "intent" and read["act"] != entry["decision"]:
            problems.append(line[:300])
    same = len(lines) == len(entries)
    checks.check(f"pycef reads {len(lines)} records of CEF", same and not problems, str(problems[:2]))


def judge_syslog(checks, stand, entries):
    by_id = {entry["id"]: entry for entry in entries}
    problems = []
    for one in stand.rsyslog.messages():
        element = one["elements"].get("haechi@32473", {})
        entry = by_id.get(element.get("id"))
        if not entry or json.loads(one["message"])["seq"] != entry["seq"] or int(element["seq"]) != entry["seq"]:
            problems.append(one)
        elif (one["app-name"], one["msgid"], one["hostname"]) != ("haechi", entry["event"], entry["node"]):
            problems.append(one)
        elif entry["event"] == "intent" and element["decision"] != entry["decision"]:
            problems.append(one)
        elif int(element.get("checkpoint_size", 0)) <= entry["seq"]:
            problems.append(("not covered by its checkpoint", one))
    checks.check("rsyslog reads every header, element and message", not problems, str(problems[:2])[:500])


def judge_formats(checks, stand, entries):
    judge_whole(checks, stand, entries, once=True)
    copies = [json.loads(line) for line in stand.file("json")]
    keys = {"checkpoint_size", "checkpoint_root"}
    same = [{key: value for key, value in copy.items() if key not in keys} for copy in copies] == entries
    checks.check("JSON lines are the entries as they were written", same)
    covered = all(copy["checkpoint_size"] > copy["seq"] for copy in copies)
    checks.check("every copy remembers a checkpoint that covers it", covered, str(copies[-1])[:300])
    judge_ocsf(checks, stand.file("ocsf"))
    judge_ecs(checks, stand.file("ecs"))
    judge_cef(checks, stand.file("cef"), entries)
    judge_syslog(checks, stand, entries)
    came, behind = stand.stranger.messages(), stand.behind()
    checks.check("a receiver that cannot prove who it is gets nothing, and its lag is shown",
                 not came and behind["stranger"] == len(entries), f"{len(came)} came, {behind}")
    checks.check("a receiver that wants to know who sends confirms nothing to whom it does not know",
                 behind["unproved"] == len(entries), str(behind))
    checks.check("OpenTelemetry's definitions read every request", not stand.collector.problems,
                 str(stand.collector.problems[:2]))
    bodies = [json.loads(record["body"]["stringValue"])["seq"] for record in stand.collector.records()]
    checks.check("its records hold the entries", sorted(set(bodies)) == [entry["seq"] for entry in entries])
    everything = "".join("\n".join(stand.file(form)) for form in FORMATS)
    clear = [value for value in ("kim@example.com", "4111 1111", SECRET, "yuna") if value in everything]
    checks.check("nothing personal and no secret leaves in clear", not clear, str(clear))


def judge_command(checks, stand):
    gateway = stand.gateway
    for form in FORMATS:
        text = gateway.cli("audit", "export", "--format", form)
        checks.check(f"`audit export --format {form}` writes {len(text.splitlines())} lines", bool(text.strip()))
    out, cursor = stand.folder / "by-hand.jsonl", stand.folder / "by-hand.cursor"
    for _ in range(2):
        gateway.cli("audit", "export", "--cursor", cursor, "-o", out)
    first = [json.loads(line)["seq"] for line in out.read_text().splitlines()]
    checks.check("with a cursor nothing is written twice", first == list(range(len(first))), str(first[-3:]))
    # Killed in the middle of a line: that line was not confirmed, and comes again.
    cursor.write_text(json.dumps({"v": 1, "logs": {"audit": len(first) - 1}}))
    out.write_bytes(out.read_bytes()[:-20])
    gateway.cli("audit", "export", "--cursor", cursor, "-o", out)
    again = [json.loads(line)["seq"] for line in out.read_text().splitlines()]
    checks.check("after a kill in the middle of a line none is lost or broken", again == first, str(again[-3:]))
    with open(out.parent / "by-hand.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        command = [HAECHI, "audit", "export", "--cursor", cursor, "-o", out, "--config", gateway.config]
        status, _, err = run(command, env=gateway.env)
    checks.check("two runs do not go on by one cursor", status == 2 and "another process" in err, f"{status} {err}")
    checks.check("a log is chosen by its name", gateway.cli("audit", "export", "--log", "run/none") == "")


def formats(checks, server_port):
    with tempfile.TemporaryDirectory(prefix="haechi-exports-") as folder:
        stand = Stand(pathlib.Path(folder), server_port).start()
        try:
            live(stand.gateway)
            caught_up(stand)
            shown = metrics(stand.gateway)
            for metric in ("haechi_export_lag_entries", "haechi_export_lag_seconds", "haechi_export_sent_total"):
                checks.check(f"{metric} is shown for each sink", shown.count(f"{metric}{{sink=") == 11, shown[-400:])
            stand.gateway.process.stop()
            judge_command(checks, stand)
            entries = stand.gateway.audit()
            wanted = len(entries)
            wait_until(lambda: len(stand.rsyslog.messages()) >= wanted, 20, "that rsyslog has written")
            judge_formats(checks, stand, entries)
        finally:
            stand.stop()


def metrics(gateway):
    """What is shown once every export has been looked at since it caught up."""
    time.sleep(1.5)
    return ask(gateway.port, "GET", "/metrics").body.decode()


def storm(checks, server_port, kills):
    with tempfile.TemporaryDirectory(prefix="haechi-exports-") as folder:
        stand = Stand(pathlib.Path(folder), server_port).start()
        gateway = stand.gateway
        try:
            gateway.add_user("yuna", "user")
            gateway.start()
            callers = start_callers(gateway)
            dice = random.Random(20261123)
            moods = itertools.cycle(["slow", "later", "hang_up", "ok", "away"])
            started = time.monotonic()
            for _ in range(kills):
                mood = next(moods)
                stand.lines.mood, stand.collector.mood = mood, mood
                if mood == "away":
                    stand.rsyslog.stop()
                time.sleep(dice.uniform(0.4, 1.6))
                gateway.kill()
                if mood == "away":
                    stand.rsyslog.start()
                gateway.start()
            stop_callers(callers)
            stand.lines.mood = stand.collector.mood = "ok"
            caught_up(stand)
            checks.check(f"{kills} kills in {time.monotonic() - started:.0f} s", True)
            gateway.process.stop()
            entries = gateway.audit()
            wait_until(lambda: len({json.loads(one["message"])["seq"] for one in stand.rsyslog.messages()}) >= len(entries),
                       20, "that rsyslog has written")
            judge_whole(checks, stand, entries, once=False)
            traces = {entry.get("trace_id") for entry in map(json.loads, stand.file("json"))}
            answered = [trace for caller in callers for trace in caller.answered]
            lost = [trace for trace in answered if trace not in traces]
            checks.check(f"{len(answered)} answered calls are in the copy", answered and not lost, str(lost[:3]))
            twice = {name: len(came) - len(set(came)) for name, came in stand.arrived().items()}
            print(f"  entries that came again: {twice}", flush=True)
        finally:
            stand.stop()


def main():
    checks = Checks()
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    port = free_port()
    with Process([PYTHON, HERE / "bad_upstream.py", "http", port], name="upstream") as server:
        server.wait_for_port(port)
        with checks.guard("formats"):
            formats(checks, port)
        with checks.guard("the storm"):
            storm(checks, port, kills)
    checks.close()


if __name__ == "__main__":
    main()
