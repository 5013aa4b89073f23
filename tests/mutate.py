"""Removes each check of the token verifier in turn; a test must notice each time.

A check is one line that ends in `// check: NAME` below crates/identity/src. The tree is copied into
a temporary folder with a build directory of its own, so nothing here disturbs the working tree.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PACKAGE = "haechi-identity"
MARK = re.compile(r"// check: (\S.*)$")
# A mutant that makes a test run for ever is one that a test noticed.
SECONDS_A_MUTANT = 300
SECONDS_IN_ALL = int(os.environ.get("HAECHI_MUTATE_SECONDS", "3000"))


def find_checks(tree):
    """(file, line number, name) of every marked line."""
    for file in sorted((tree / "crates/identity/src").rglob("*.rs")):
        for number, line in enumerate(file.read_text().splitlines()):
            if found := MARK.search(line):
                yield file, number, found.group(1).strip()


def cargo(tree, target, *arguments, seconds=SECONDS_A_MUTANT):
    """Runs cargo there; returns whether it succeeded and what it said."""
    env = {**os.environ, "CARGO_TARGET_DIR": str(target), "CARGO_BUILD_JOBS": "2"}
    try:
        done = subprocess.run(
            ["cargo", *arguments], cwd=tree, env=env, capture_output=True, text=True,
            errors="replace", timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        return False, "took too long"
    return done.returncode == 0, done.stdout + done.stderr


def test_command():
    has = subprocess.run(["cargo", "nextest", "--version"], capture_output=True).returncode == 0
    run = ["nextest", "run", "--fail-fast"] if has else ["test"]
    return [*run, "--locked", "-p", PACKAGE]


def judge(tree, target, check):
    """`noticed`, `survived`, or `does not compile` (then the mark stands on the wrong line)."""
    file, number, _ = check
    whole = file.read_text()
    lines = whole.splitlines(keepends=True)
    lines[number] = "\n"
    file.write_text("".join(lines))
    try:
        built, said = cargo(tree, target, "test", "--no-run", "--locked", "-p", PACKAGE)
        if not built:
            return "does not compile", said
        passed, said = cargo(tree, target, *test_command())
        return ("survived" if passed else "noticed"), said
    finally:
        file.write_text(whole)


def copy_tree(target):
    ignore = shutil.ignore_patterns("target", ".git", ".cache", "node_modules")
    shutil.copytree(ROOT, target, ignore=ignore, symlinks=True)
    shared = ROOT.parent / "shared"
    if shared.is_dir():
        (target.parent / "shared").symlink_to(shared)


def main():
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="haechi-mutate-") as scratch:
        tree, target = pathlib.Path(scratch) / "tree", pathlib.Path(scratch) / "target"
        copy_tree(tree)
        # The first build compiles everything below as well.
        healthy, said = cargo(tree, target, *test_command(), seconds=SECONDS_IN_ALL)
        if not healthy:
            sys.exit(f"the tests fail before anything is removed:\n{said[-2000:]}")
        bad, count = 0, 0
        for check in list(find_checks(tree)):
            if time.monotonic() - started > SECONDS_IN_ALL:
                sys.exit(f"out of time after {count} checks; HAECHI_MUTATE_SECONDS sets the bound")
            outcome, said = judge(tree, target, check)
            count += 1
            place = f"{check[0].relative_to(tree)}:{check[1] + 1}"
            print(f"  {outcome:<17} {check[2]}  ({place})", flush=True)
            if outcome != "noticed":
                bad += 1
                print(said[-800:] if outcome == "does not compile" else "", flush=True)
    print(f"{count - bad} checks noticed, {bad} not")
    sys.exit(1 if bad or not count else 0)


if __name__ == "__main__":
    main()
