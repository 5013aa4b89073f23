"""The vault from outside: killed while it seals anew, restored into an empty folder, erased for good.

Every step is done by the built program on files, while it serves; nothing of it is called from inside.
"""

import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

from haechi import UNHURRIED, Gateway, upstream
from stand import HAECHI, Checks, modern, post, run

PATH = "/sample/mcp"
# What the sample knows of C-1001.
EMAIL = "minseo.kim@example.com"
SETTINGS = upstream("sample", command=[HAECHI, "sample-server"]) + UNHURRIED + """
[roles.user]
allow = ["sample:*"]

[privacy]
arguments = { default = "allow" }
results = { default = "tokenize" }

[[privacy.subject]]
tools = ["sample:customerData"]
argument = "/customer_id"

[privacy.reveal]
roles = ["admin"]
per_minute = 10000
"""
# The specification's own vector: what Python's `cryptography` writes has this form.
FERNET_KEY = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="
FERNET_TOKEN = (
    "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA=="
)


def customer(gateway, token, name):
    """What the model gets of a customer."""
    body, headers = modern("tools/call", {"name": "customerData", "arguments": {"customer_id": name}})
    answer = post(gateway.port, PATH, body, {**headers, "authorization": f"Bearer {token}"})
    return answer.json()["result"]["structuredContent"]


def reveal(gateway, token, text):
    """The value of a token, or None."""
    body = {"text": text, "purpose": "support"}
    answer = post(gateway.port, "/sample/reveal", body, {"authorization": f"Bearer {token}"})
    return answer.json().get("value") if answer.status == 200 else None


def older(gateway):
    return json.loads(gateway.cli("vault", "rewrap", "--dry-run", "--json"))["older"]


def fernet(checks, gateway):
    key = gateway.home / "fernet.key"
    key.write_text(FERNET_KEY)
    gateway.cli("vault", "import", "fernet", "--key-file", key)
    value = gateway.cli("vault", "decrypt", stdin=FERNET_TOKEN)
    checks.check("a Fernet token of others opens", value.strip() == "hello", value)
    try:
        from cryptography.fernet import Fernet
    except ImportError:
        return
    made = Fernet.generate_key()
    key.write_bytes(made)
    gateway.cli("vault", "import", "fernet", "--key-file", key)
    token = Fernet(made).encrypt("kim@example.com".encode()).decode()
    value = gateway.cli("vault", "decrypt", stdin=token)
    checks.check("and one that Python just made", value.strip() == "kim@example.com", value)


def killed(checks, gateway, admin, tokens):
    """SIGKILL while it seals anew, ten times, each after a rotation; the gateway serves all the while."""
    dice = random.Random(20261122)
    environment = {**os.environ, **gateway.env}
    command = [HAECHI, "vault", "rewrap", "--config", str(gateway.config)]
    gateway.cli("vault", "rotate", "--purpose", "token")
    begun = time.monotonic()
    all_at_once = json.loads(gateway.cli("vault", "rewrap", "--json"))
    whole = time.monotonic() - begun
    renewed = all_at_once["renewed"]
    checks.check(f"{renewed} tokens are sealed anew in {whole:.2f} s", renewed >= len(tokens), str(all_at_once))
    cut, halfway = 0, 0
    for _ in range(10):
        gateway.cli("vault", "rotate", "--purpose", "token")
        child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(dice.uniform(0.4, 1.0) * whole)
        child.send_signal(signal.SIGKILL)
        cut += child.wait() == -signal.SIGKILL
        halfway += 0 < older(gateway) < renewed
    checks.check(f"{cut} of 10 were killed, {halfway} of them halfway", cut > 0, str(cut))
    left = older(gateway)
    done = json.loads(gateway.cli("vault", "rewrap", "--json"))
    checks.check(f"the last one finishes what is left ({left})", older(gateway) == 0, str(done))
    checks.check("and nothing was unreadable", done["unreadable"] == 0, str(done))
    wrong = [token for token in tokens if reveal(gateway, admin, token) != EMAIL]
    checks.check(f"all {len(tokens)} tokens open in the gateway", not wrong, f"{len(wrong)} do not")


def restored(checks, gateway, token):
    """An ordinary backup, the keys of persons apart, the root key apart: all three open values again."""
    home = gateway.home
    backup, kept, other = home / "backup", home / "kept", home / "other"
    gateway.cli("vault", "backup", backup)
    names = {path.name for path in backup.rglob("*")}
    held = names & {"key", "subject-keys.db", "root.wrapped"}
    checks.check("an ordinary backup holds no keys", not held, str(held))
    copy = json.loads(gateway.cli("vault", "backup", "--subject-keys", kept, "--expires", "1d", "--json"))
    root = home / "root.copy"
    shutil.copy(home / "data" / "key", root)
    gateway.cli("vault", "restore", backup, "--data-dir", other, "--root-key", root, "--subject-keys", copy["file"])
    (home / "twin").mkdir()
    twin = Gateway(SETTINGS, home=home / "twin")
    shutil.move(other, twin.home / "data")
    # The same people, and so the same passwords.
    twin.passwords = gateway.passwords
    twin.start()
    try:
        value = reveal(twin, twin.token("lee", PATH), token)
        checks.check("the restored gateway opens the token", value == EMAIL, str(value))
    finally:
        twin.stop()
    return backup, pathlib.Path(copy["file"]), root


def erased(checks, gateway, admin, token, backup, copy):
    command = [
        "subject", "erase", "C-1001", "--ground", "a test", "--yes", "--json", "--backup", backup,
        "--certificate", gateway.home / "certificate.json",
    ]
    first = json.loads(gateway.cli(*command))
    checks.check(
        "a copy of keys that has not expired is named",
        first["verdict"] == "erased-once-copies-are-gone" and first["subject_key_backups"], str(first)[:600],
    )
    checks.check("the key was found before", first["before"]["values_opened"] > 0, str(first["before"])[:400])
    checks.check("and opens nothing afterwards", first["after"]["values_opened"] == 0, str(first["after"])[:400])
    checks.check("the running gateway refuses at once", reveal(gateway, admin, token) is None)
    gone = subprocess.run(
        ["grep", "-rlaF", EMAIL, str(gateway.home / "data"), str(backup)], capture_output=True, text=True,
    ).stdout
    checks.check("no file in use and no backup holds the value", not gone, gone)
    copy.unlink()


def closed(checks, gateway, backup, root, token):
    """The backup from before the erasure, with the root key but without the keys of persons."""
    again = gateway.home / "again"
    gateway.cli("vault", "restore", backup, "--data-dir", again, "--root-key", root)
    shutil.copy(gateway.home / "data" / "subject-keys.db", again / "subject-keys.db")
    status, out, err = run(
        [HAECHI, "vault", "decrypt", "--data-dir", again, "--config", gateway.config], stdin=token, env={"LANG": "C.UTF-8"},
    )
    checks.check("the old backup stays closed", status == 1 and not out, f"{status} {out} {err}")


def main():
    checks = Checks()
    gateway = Gateway(SETTINGS)
    try:
        gateway.add_user("kim", "user")
        gateway.add_user("lee", "admin")
        gateway.start()
        user, admin = gateway.token("kim", PATH), gateway.token("lee", PATH)
        with checks.guard("Fernet"):
            fernet(checks, gateway)
        with checks.guard("rotation, sealing anew, kills"):
            tokens = [customer(gateway, user, "C-1001")["email"] for _ in range(500)]
            killed(checks, gateway, admin, tokens)
        with checks.guard("backup and restore"):
            backup, copy, root = restored(checks, gateway, tokens[0])
        with checks.guard("erasure"):
            erased(checks, gateway, admin, tokens[0], backup, copy)
            closed(checks, gateway, backup, root, tokens[0])
    finally:
        gateway.stop()
    checks.close()


if __name__ == "__main__":
    sys.exit(main())
