"""What is kept of the audit log, held, given up, forgotten and repaired, with the programs of others.

Archives are opened by `age` and read by merkle.py; certificates and checkpoints are verified by
Python's `cryptography`. Erasing a person and giving entries up leaves every proof valid.
"""

import base64
import hashlib
import json
import re
import shutil
import stat
import threading

import merkle
import tlog
from haechi import UNHURRIED, Gateway, upstream
from stand import HAECHI, HERE, PYTHON, Checks, Process, ask, free_port, modern, run

PATH = "/web/mcp"
SMALL = '\n[audit]\nsegment_size = "256 KiB"\nreserve = "16 KiB"\n'
HEADERS = {"content-type": "application/json", "accept": "application/json, text/event-stream"}


def settings(port):
    return (upstream("web", url=f"http://127.0.0.1:{port}/mcp") + '[roles.user]\nallow = ["web:good"]\n'
            + UNHURRIED + SMALL)


def log_of(gateway):
    return gateway.home / "data" / "audit"


def haechi(gateway, *arguments, stdin=None):
    command = [HAECHI, *arguments, "--config", gateway.config]
    return run(command, env=gateway.env, stdin=stdin, timeout=120)


def calls(gateway, token, count):
    """So many calls by four callers."""
    def some(number):
        for place in range(count // 4):
            body, headers = modern("tools/call", {"name": "good", "arguments": {}}, number * count + place)
            ask(gateway.port, "POST", PATH, json.dumps(body).encode(), HEADERS | headers | {"authorization": f"Bearer {token}"})
    threads = [threading.Thread(target=some, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def fill(gateway, token, segments):
    while len(merkle.segments(log_of(gateway))) <= segments:
        calls(gateway, token, 200)


def acts(gateway, name):
    """The entries of one kind of act."""
    return [entry for entry in gateway.audit("--event", "administration") if entry["act"] == name]


def recipient(folder):
    """A key pair of `age`, made by age itself."""
    key = folder / "age-key.txt"
    status, _, err = run(["age-keygen", "-o", key])
    assert status == 0, err
    status, out, _ = run(["age-keygen", "-y", key])
    return key, out.strip()


def holds(checks, gateway, key):
    status, _, _ = haechi(gateway, "audit", "hold", "add", "case-7", "--reason", "a claim")
    checks.check("a hold is set through the running gateway", status == 0)
    before = merkle.segments(log_of(gateway))[-1][0]
    prune = ["audit", "prune", "--before", str(before), "--without-archive", "--yes"]
    status, _, err = haechi(gateway, *prune)
    checks.check("it refuses pruning, and says which hold", status == 1 and "case-7" in err, f"{status} {err}")
    status, _, err = haechi(gateway, "vault", "destroy", "1")
    checks.check("and the destruction of keys", status == 1 and "case-7" in err, f"{status} {err}")
    status, out, _ = haechi(gateway, "audit", "prune", "--before", str(before), "--dry-run")
    checks.check("a dry run names it", status == 1 and "case-7" in out, out)
    status, out, _ = haechi(gateway, "audit", "hold", "list", "--json")
    listed = json.loads(out)
    checks.check("it is listed with its reason", [(it["name"], it["reason"]) for it in listed] == [("case-7", "a claim")], out)
    checks.check("nothing has gone", merkle.segments(log_of(gateway))[0][0] == 0)
    path = log_of(gateway) / "holds.json"
    text = path.read_text()
    path.write_text("[")
    status, _, err = haechi(gateway, *prune)
    checks.check("holds that cannot be read hold everything", status != 0 and merkle.segments(log_of(gateway))[0][0] == 0, err)
    path.write_text(text)
    status, _, _ = haechi(gateway, "audit", "hold", "remove", "case-7")
    again, _, _ = haechi(gateway, "audit", "hold", "remove", "case-7")
    checks.check("it is removed once", (status, again) == (0, 1), f"{status} {again}")
    words = [entry["act"] for entry in gateway.audit("--event", "administration")]
    checks.check("the log tells of all that", {"audit.hold", "audit.release"} <= set(words), str(words))


def held_person(checks, gateway):
    status, _, err = haechi(gateway, "audit", "hold", "add", "case-8", "--reason", "a claim", "--person", "kim")
    checks.check("a hold stands on a person", status == 0, err)
    erase = ["subject", "erase", "kim", "--ground", "a test", "--yes", "--certificate", str(gateway.home / "never.note")]
    status, _, err = haechi(gateway, *erase)
    checks.check("who is held is not erased", status == 1 and "case-8" in err, f"{status} {err}")
    before = merkle.segments(log_of(gateway))[-1][0]
    status, _, err = haechi(gateway, "audit", "prune", "--before", str(before), "--without-archive", "--yes")
    checks.check("nor are entries given up", status == 1 and "case-8" in err, f"{status} {err}")
    status, _, err = haechi(gateway, "audit", "hold", "remove", "case-8", "--person", "kim")
    checks.check("the hold ends", status == 0, err)


def pruned(checks, gateway, key, to):
    log, archive = log_of(gateway), gateway.home / "archive"
    archive.mkdir()
    whole = merkle.segments(log)
    before = whole[2][0]
    all_before = dict(merkle.entries(log))
    checkpoint = (log / "checkpoint").read_text()
    where = ["--to", str(archive), "--recipient", to]
    status, _, err = haechi(gateway, "audit", "prune", "--before", str(before), "--to", str(archive), "--yes")
    checks.check("without a recipient nothing is archived", status == 2 and not list(archive.iterdir()), f"{status} {err}")
    status, _, err = haechi(gateway, "audit", "prune", "--before", str(before), "--to", str(archive),
                            "--recipient", key.read_text().splitlines()[-1], "--yes")
    checks.check("an identity is not taken for a recipient", status == 2 and "AGE-SECRET" not in err, f"{status}")
    status, out, err = haechi(gateway, "audit", "prune", "--before", str(before), *where, "--yes", "--json")
    checks.check("two segments are given up", status == 0 and json.loads(out)["segments"] == 2, f"{status} {out} {err}")
    checks.check("the log begins with the third", merkle.segments(log)[0][0] == before)
    files = sorted(archive.glob("*.age"))
    modes = {stat.S_IMODE(file.stat().st_mode) for file in files}
    checks.check("each stands in a file for its owner alone", len(files) == 2 and modes == {0o600}, str(files))
    told = acts(gateway, "audit.prune")
    asked = next(entry for entry in told if entry["detail"][0] == "asked" and f"minimum:{before}" in entry["detail"])
    sums = [re.search(r"[0-9a-f]{64}", word).group(0) for word in asked["detail"] if word.startswith("archive:")]
    found = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    checks.check("the log told the digests of the archives before", sorted(sums) == sorted(found), f"{sums} {found}")
    keys = merkle.verifier_keys(log)
    checks.check("the minimum is signed by the log", merkle.minimum(log, keys) == before)
    again = gateway.home / "again"
    shutil.copytree(log, again)
    for file, (first, path) in zip(files, whole):
        status, _, err = run(["age", "-d", "-i", key, "-o", again / "segments" / path.name, file])
        checks.check(f"`age` opens the archive of entry {first}", status == 0, err)
    checks.check("what it opens is what was there", {number: entry for number, entry in merkle.entries(again)
                 if number < before} == {number: entry for number, entry in all_before.items() if number < before})
    wrong = merkle.contradictions(again, [checkpoint, (again / "checkpoint").read_text()])
    checks.check("the copy is under the checkpoints of before and after", not wrong, str(wrong[:3]))
    status, out, err = haechi(gateway, "audit", "verify", "--directory", again)
    checks.check("`audit verify` reads the copy whole", status == 0, f"{status} {out} {err}")
    wrong = merkle.contradictions(log, [checkpoint, (log / "checkpoint").read_text()])
    checks.check("the log itself is under both too", not wrong, str(wrong[:3]))
    status, out, err = haechi(gateway, "audit", "verify")
    checks.check("`audit verify` accepts the log that was pruned", status == 0, f"{status} {out} {err}")


def restarted(checks, gateway):
    gateway.process.stop()
    gateway.start()
    checks.check("it starts again on the pruned log", gateway.ready())


def notes_text(note):
    """The certificate in a note that the log signed, and whether it did."""
    return json.loads(note.text.split("\n", 1)[1])


def erased(checks, gateway, token):
    log = log_of(gateway)
    of_kim = [entry for entry in gateway.audit("--user", "kim") if entry["event"] == "intent"]
    entry = of_kim[-1]
    name = f"{entry['node']}-{entry['seq']}"
    opened = [it for it in gateway.audit("--names", "--user", "kim") if it.get("name_of_person")]
    checks.check("before, the person can be read", any(it["name_of_person"] == "kim" for it in opened), str(opened[:1])[:300])
    key = gateway.home / "log.vkey"
    key.write_text(gateway.cli("audit", "key"))
    proof, text = gateway.home / "before.tlog-proof", gateway.home / "before.json"
    status, _, err = haechi(gateway, "audit", "prove", name, "--output", proof, "--entry-out", text)
    checks.check("an entry of theirs is proved", status == 0, err)
    checkpoint = (log / "checkpoint").read_text()
    entries = dict(merkle.entries(log))
    file = gateway.home / "kim.note"
    status, out, err = haechi(gateway, "subject", "erase", "kim", "--ground", "a test", "--yes", "--certificate", str(file))
    checks.check("the person is erased", status == 0, f"{status} {out} {err}")
    keys = merkle.verifier_keys(log)
    note, origin = tlog.Note(file.read_text()), tlog.Key(keys[0]).name
    own = merkle.signed(note, keys) and note.text.startswith(f"{origin}/erasure\n")
    checks.check("the certificate is a note that the log signed", own)
    changed = tlog.Note(file.read_text().replace('"erased"', '"not-erased"', 1))
    checks.check("a certificate that was changed is not", not merkle.signed(changed, keys))
    certificate = notes_text(note)
    logged = certificate["logged"]
    number = int(logged["entry"].rsplit("-", 1)[1])
    checks.check("it names the log and a checkpoint over the entry that tells of it",
                 logged["origin"] == origin and number < logged["size"], str(logged))
    now = dict(merkle.entries(log))
    told = json.loads(now[number])
    checks.check("that entry says whom", told["act"] == "subject.certify" and told["object"] == certificate["sid"], str(told))
    tree, hashes = merkle.Tree(), merkle.stored_leaves(log)
    for hash in hashes[:logged["size"]]:
        tree.push(hash)
    checks.check("the root it names is the log's", base64.b64encode(tree.root()).decode() == logged["root"])
    checks.check("no entry has changed", all(now[number] == entry for number, entry in entries.items()))
    wrong = merkle.contradictions(log, [checkpoint, (log / "checkpoint").read_text()])
    checks.check("the checkpoints of before and after hold", not wrong, str(wrong[:3]))
    again, told_proof, told_text = (gateway.home / it for it in ["again.tlog-proof", "told.tlog-proof", "told.json"])
    haechi(gateway, "audit", "prove", name, "--output", again)
    haechi(gateway, "audit", "prove", logged["entry"], "--output", told_proof, "--entry-out", told_text)
    for path, entry, what in [(proof, text, "the proof of before"), (again, text, "a proof of afterwards"),
                              (told_proof, told_text, "the proof of the entry that tells of the erasure")]:
        status, out, err = haechi(gateway, "audit", "check-proof", path, "--entry", entry, "--key", key)
        checks.check(f"{what} verifies", status == 0, f"{status} {out} {err}")
    status, out, err = haechi(gateway, "audit", "check-proof", proof, "--entry", told_text, "--key", key)
    checks.check("it is not one of another entry", status == 1, f"{status} {out} {err}")
    status, out, err = haechi(gateway, "audit", "verify")
    checks.check("the whole log verifies", status == 0, f"{status} {out} {err}")
    sid = certificate["sid"]
    shown = [it for it in gateway.audit("--names", "--user", sid) if it["event"] == "intent"]
    checks.check("their entries are there, and their name is not", shown and all("kim" not in (it.get("name_of_person") or "") for it in shown),
                 str(shown[:1])[:300])


def repaired(checks, gateway):
    gateway.process.stop()
    log = log_of(gateway)
    path = merkle.segments(log)[-1][1]
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"permit"', b'"permut"', 1))
    status, out, err = haechi(gateway, "serve")
    checks.check("a log with a changed entry does not start", status == 2 and "audit repair" in err, f"{status} {err}")
    status, out, err = haechi(gateway, "serve", "--lang", "ko")
    checks.check("and says so in Korean", status == 2 and "감사 로그" in err, f"{status} {err}")
    status, out, err = haechi(gateway, "check")
    checks.check("`haechi check` tells of it", status == 1 and "audit repair" in out, f"{status} {out} {err}")
    status, out, err = haechi(gateway, "audit", "repair")
    checks.check("`audit repair` says which entry, and changes nothing",
                 status == 1 and re.search(r"- entry \d+ was changed", out) and "accept-loss" in out and path.exists(), f"{status} {out} {err}")
    status, out, err = haechi(gateway, "audit", "hold", "add", "case-9", "--reason", "the loss itself")
    checks.check("nothing is recorded in a damaged log", status != 0, f"{status} {out}")
    status, out, err = haechi(gateway, "audit", "repair", "--accept-loss")
    checks.check("with the word it is repaired", status == 0, f"{status} {out} {err}")
    status, out, err = haechi(gateway, "audit", "repair")
    checks.check("then nothing is wrong", status == 0, f"{status} {out} {err}")
    aside = list((log / "lost").glob("*/segments/*.seg"))
    checks.check("the damaged log is kept as it was", any(b'"permut"' in it.read_bytes() for it in aside), str(aside))
    gateway.start()
    told = acts(gateway, "audit.repair")
    checks.check("the new log says what was lost", told and any("problem:" in word for word in told[0]["detail"]), str(told))
    status, out, err = haechi(gateway, "audit", "verify")
    checks.check("and it verifies", status == 0, f"{status} {out} {err}")


def main():
    checks = Checks()
    port = free_port()
    with Process([PYTHON, HERE / "bad_upstream.py", "http", port], name="upstream") as server:
        server.wait_for_port(port)
        gateway = Gateway(settings(port))
        try:
            gateway.add_user("kim", "user")
            gateway.add_user("lee", "user")
            gateway.start()
            token = gateway.token("kim", PATH)
            fill(gateway, token, 3)
            key, to = recipient(gateway.home)
            for name, part in [("holds", lambda: holds(checks, gateway, key)),
                               ("a held person", lambda: held_person(checks, gateway)),
                               ("pruning", lambda: pruned(checks, gateway, key, to)),
                               ("starting again", lambda: restarted(checks, gateway)),
                               ("erasing", lambda: erased(checks, gateway, token)),
                               ("repairing", lambda: repaired(checks, gateway))]:
                with checks.guard(name):
                    part()
        finally:
            gateway.stop()
    checks.close()


if __name__ == "__main__":
    main()
