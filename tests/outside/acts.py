"""Every command that changes something leaves an entry in the audit log.

The table names every subcommand there is, as `haechi man` writes them down: with how it is run and the
act that the log must tell of afterwards, or that it only reads. One that is not in the table fails, so
nobody adds a command and forgets its entry.
"""

import json
import pathlib
import re
import tempfile

from cryptography.fernet import Fernet

from haechi import UNHURRIED, Gateway, upstream
from stand import HAECHI, HERE, PYTHON, Checks, Process, free_port, run, wait_until

PASSWORD = "correct horse battery staple nine"
# Commands that change nothing that is kept here, or leave entries of other kinds (tests of their own).
ONLY_READ = """
api-key api-key-list audit audit-check-proof audit-checkpoint audit-consistency audit-export-tiles audit-hold
audit-hold-list audit-key audit-prove audit-query audit-report audit-show audit-tail audit-verify
audit-witness audit-export audit-exports call check client client-list client-show completions config
config-schema config-show demo grant grant-list init key key-list login link man pii pii-redact
pii-rules pii-scan pii-show pii-test policy policy-explain policy-matrix policy-show policy-test
reveal run sample-server serve stop-list subject subject-list token token-show user user-list
user-sessions user-show vault vault-import vault-init vault-status
""".split()


def words(gateway):
    """The acts in the log, each with its object and details."""
    return [(entry["act"], entry["object"], entry["detail"]) for entry in gateway.audit("--event", "administration")]


class Table:
    """Runs the commands one after the other; later ones use what earlier ones made."""

    def __init__(self, checks, gateway):
        self.checks, self.gateway, self.done, self.made = checks, gateway, set(), {}

    def run(self, name, act, *arguments, stdin=None, expected=(0,), **more):
        """One command that changes something, and the act it must leave."""
        self.done.add(name)
        before = len([it for it in words(self.gateway) if it[0] == act])
        command = [HAECHI, *(more.get("words") or name.split("-")), *arguments, "--config", self.gateway.config]
        status, out, err = run(command, env=self.gateway.env, stdin=stdin, timeout=60)
        found = [it for it in words(self.gateway) if it[0] == act]
        said = f"{status} {err[-300:]} {found[-1:]}"
        self.checks.check(f"`{' '.join(map(str, command[1:4]))}` is told of as {act}",
                          status in expected and len(found) > before and found[-1][2][0] in ("done", "not-done"), said)
        return out

    def people(self):
        self.run("user-add", "user.add", "max", "--roles", "user", "--password-file", "-", stdin=PASSWORD + "\n")
        self.run("user-passwd", "user.password", "max", "--password-file", "-", stdin=PASSWORD + "!\n")
        self.run("user-roles", "user.roles", "max", "user")
        self.run("user-disable", "user.disable", "max")
        self.run("user-enable", "user.enable", "max")
        self.run("user-sign-out", "user.sign-out", "max", words=["user", "sign-out"], expected=(0, 1))
        self.run("user-second-factor", "user.second-factor", "max", "--reset", words=["user", "second-factor"])
        self.run("api-key-add", "api-key.add", "max", "--json", words=["api-key", "add"])
        shown = json.loads(self.gateway.cli("api-key", "list", "--json"))
        self.run("api-key-revoke", "api-key.revoke", shown[0]["key_id"], words=["api-key", "revoke"])
        out = self.run("client-add", "client.add", "Web", "--redirect-uri", "https://web.example/back", "--json")
        client = json.loads(out)["client_id"]
        self.run("grant-revoke", "grant.revoke", "--user", "max", expected=(0, 1))
        self.run("client-remove", "client.remove", client)
        self.run("token-revoke", "token.revoke", "--id", "some-token")
        self.run("user-revoke", "user.revoke", "--user", "max", words=["token", "revoke"])
        self.run("stop", "stop.tool", "--tool", "web:good", words=["stop"])
        self.run("stop", "lift.tool", "--tool", "web:good", "--lift", words=["stop"])
        self.run("stop", "stop.user", "--user", "max", words=["stop"])
        self.run("stop", "lift.user", "--user", "max", "--lift", words=["stop"])
        self.run("stop", "stop.upstream", "--upstream", "web", words=["stop"])
        self.run("stop", "lift.upstream", "--upstream", "web", "--lift", words=["stop"])
        self.run("user-remove", "user.remove", "max")
        self.run("key-rotate", "key.rotate")
        keys = json.loads(self.gateway.cli("key", "list", "--json"))
        self.run("key-retire", "key.retire", keys[-1]["key_id"], expected=(0, 1))

    def vault(self):
        home = self.gateway.home
        token = self.run("vault-encrypt", "vault.encrypt", "--kind", "EMAIL_ADDRESS", stdin="kim@example.com")
        self.run("vault-decrypt", "vault.decrypt", "--kind", "EMAIL_ADDRESS", stdin=token.strip())
        self.run("vault-rotate", "vault.rotate")
        self.run("vault-rewrap", "vault.rewrap")
        (home / "fernet.key").write_bytes(Fernet.generate_key() + b"\n")
        (home / "fernet.key").chmod(0o600)
        self.run("vault-import-fernet", "vault.import", "--key-file", home / "fernet.key", words=["vault", "import", "fernet"])
        self.run("vault-backup", "vault.backup", home / "backup")
        self.run("vault-root", "vault.root", "--to", self.gateway.config, expected=(0, 1))
        keys = re.findall(r'"key_id": (\d+)', self.gateway.cli("vault", "status", "--json"))
        self.run("vault-destroy", "vault.destroy", keys[0], "--version", "1", expected=(0, 1))
        self.run("vault-destroy", "vault.destroy", keys[0], "--version", "1", "--cancel", expected=(0, 1))
        # It writes another data directory, whose own log tells of it.
        self.done.add("vault-restore")
        other = home / "other"
        kept = json.loads(self.gateway.cli("vault", "backup", "--subject-keys", home / "kept", "--expires", "1d", "--json"))
        self.gateway.cli("vault", "restore", home / "backup", "--data-dir", other, "--root-key", home / "data" / "key",
                         "--subject-keys", kept["file"])
        status, out, err = run([HAECHI, "audit", "query", "--json", "--event", "administration", "--data-dir", other,
                                "--config", self.gateway.config], env=self.gateway.env)
        self.checks.check("`vault restore` is told of in what it restored", '"vault.restore"' in out, f"{status} {err[-300:]}")
        self.restored_without_keys()

    def restored_without_keys(self):
        """Nobody can be named before the keys of persons are there: whoever writes first tells of it, once."""
        home = self.gateway.home
        bare, config = home / "bare", ["--config", self.gateway.config]
        self.gateway.cli("vault", "restore", home / "backup", "--data-dir", bare, "--root-key", home / "data" / "key")
        told = []
        for name in ["case-3", "case-4"]:
            run([HAECHI, "audit", "hold", "add", name, "--reason", "a test", "--data-dir", bare, *config], env=self.gateway.env)
            _, out, err = run([HAECHI, "audit", "query", "--json", "--act", "vault.restore", "--data-dir", bare, *config],
                              env=self.gateway.env)
            told.append([json.loads(line)["detail"] for line in out.splitlines()])
        self.checks.check("without the keys of persons it is told of too, once",
                          len(told[0]) == 1 and told[0] == told[1] and any(word.startswith("files:") for word in told[0][0]),
                          f"{told} {err[-300:]}")

    def subjects(self):
        home = self.gateway.home
        listed = json.loads(self.gateway.cli("subject", "list", "--json"))
        operator = self.gateway.audit("--event", "administration")[-1]["sid"]
        sid = next(one["sid"] for one in listed if one["sid"] != operator)
        status, _, err = run([HAECHI, "subject", "erase", operator, "--ground", "a test", "--yes", "--config", self.gateway.config],
                             env=self.gateway.env)
        self.checks.check("whoever administers is not erased", status == 1 and "administers" in err, f"{status} {err}")
        self.run("subject-name", "subject.name", sid, "data-subject", "C-1001")
        self.run("subject-hold", "subject.hold", sid, "--id", "case-1", "--reason", "a test")
        self.run("subject-release", "subject.release", sid, "--id", "case-1")
        self.run("subject-restrict", "subject.restrict", sid)
        self.run("subject-restrict", "subject.restrict", sid, "--lift")
        self.run("subject-export", "subject.export", sid, "--output", home / "export.json")
        self.run("subject-erase", "subject.erase", "C-1001", "--ground", "a test", "--yes", "--certificate", home / "c.note")
        self.checks.check("its certificate is told of too", any(it[0] == "subject.certify" for it in words(self.gateway)))
        self.run("subject-register-again", "subject.name", "data-subject", "C-1001", words=["subject", "register-again"])

    def log(self):
        self.run("audit-hold-add", "audit.hold", "case-2", "--reason", "a test", words=["audit", "hold", "add"])
        self.run("audit-hold-remove", "audit.release", "case-2", words=["audit", "hold", "remove"])
        self.done |= {"audit-archive", "audit-prune", "audit-repair"}  # keeping.py

    def settings(self):
        text = self.gateway.config.read_text()
        loaded = [it for it in words(self.gateway) if it[0] == "settings.load"]
        self.checks.check("the start says which settings are in force, by digest",
                          loaded and any(re.fullmatch(r"is:haechi\.toml:[0-9a-f]{64}", word) for word in loaded[-1][2]), str(loaded[-1:]))
        self.gateway.config.write_text(text.replace('allow = ["web:good"]', 'allow = ["web:good", "web:slow"]'))
        wait_until(lambda: any(it[0] == "settings.reload" for it in words(self.gateway)), what="the reload")
        detail = [it for it in words(self.gateway) if it[0] == "settings.reload"][-1][2]
        was, now = [word for word in detail if word.startswith("was:")], [word for word in detail if word.startswith("is:")]
        self.checks.check("a change of rules is told with section and digests before and after",
                          "changed:roles" in detail and was and now and was[0][4:] != now[0][3:], str(detail))


def main():
    checks = Checks()
    port = free_port()
    with Process([PYTHON, HERE / "bad_upstream.py", "http", port], name="upstream") as server:
        server.wait_for_port(port)
        gateway = Gateway(upstream("web", url=f"http://127.0.0.1:{port}/mcp") + '[roles.user]\nallow = ["web:good"]\n' + UNHURRIED)
        try:
            gateway.add_user("kim", "user")
            gateway.start()
            gateway.token("kim", "/web/mcp")
            table = Table(checks, gateway)
            for name in ["people", "vault", "subjects", "log", "settings"]:
                with checks.guard(name):
                    getattr(table, name)()
            with checks.guard("the table"):
                pages = pathlib.Path(tempfile.mkdtemp(prefix="haechi-man-"))
                gateway.cli("man", pages)
                known = {page.stem.removeprefix("haechi-") for page in pages.glob("*.1")} - {"haechi"}
                known = {name for name in known if not name.endswith("help")}
                missing = sorted(known - table.done - set(ONLY_READ))
                checks.check(f"{len(known)} commands, each in the table", not missing, str(missing))
        finally:
            gateway.stop()
    checks.close()


if __name__ == "__main__":
    main()
