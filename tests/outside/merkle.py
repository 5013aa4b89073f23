"""The audit log, read by a program of its own: segments, the tree of RFC 6962, signed notes.

Written from the standards (RFC 6962 section 2.1) and from how ARCHITECTURE.md says entries lie on the
disk; notes and checkpoints are read by tlog.py. It shares nothing with the program under test.
"""

import hashlib
import json
import pathlib
import struct

import tlog
from tlog import leaf, node

HEADER_BYTES = 4096


class Tree:
    """Grows by one leaf at a time and remembers the root of every size."""

    def __init__(self):
        self.peaks, self.size = [], 0

    def push(self, hash):
        size = self.size
        while size & 1:
            hash = node(self.peaks.pop(), hash)
            size >>= 1
        self.peaks.append(hash)
        self.size += 1

    def root(self):
        if not self.peaks:
            return hashlib.sha256(b"").digest()
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = node(peak, root)
        return root


def verifier_keys(log):
    """The Ed25519 keys in the file `verifier-key`."""
    lines = (pathlib.Path(log) / "verifier-key").read_text().splitlines()
    return [line for line in lines if tlog.Key(line).kind == tlog.TEXT]


def signed(note, keys):
    return any(note.times(key) for key in keys)


def segment_entries(path):
    """The bytes of the entries of one segment, to the first place where none is."""
    data = pathlib.Path(path).read_bytes()
    offset = HEADER_BYTES
    while offset + 8 <= len(data):
        (length, _) = struct.unpack_from("<II", data, offset)
        entry = data[offset + 8:offset + 8 + length]
        if not length or len(entry) < length:
            return
        yield entry
        offset += 8 + length


def segments(log):
    """The first entry's number and the path of every segment, oldest first."""
    found = [(int(path.stem), path) for path in (pathlib.Path(log) / "segments").glob("*.seg")]
    return sorted(found)


def entries(log):
    """Number and bytes of every entry that is there."""
    for first, path in segments(log):
        for place, entry in enumerate(segment_entries(path)):
            yield first + place, entry


def stored_leaves(log):
    """The leaf hashes as the log stores them: they stay when entries are given up."""
    data = (pathlib.Path(log) / "tree" / "0").read_bytes()
    return [data[place:place + 32] for place in range(0, len(data) - 31, 32)]


def minimum(log, keys):
    """Below which entry the log says that it gave up its entries; 0 where it does not."""
    path = pathlib.Path(log) / "minimum"
    if not path.exists():
        return 0
    note = tlog.Note(path.read_text())
    what, origin, index = note.text.splitlines()
    own = what == "haechi minimum v1" and origin == tlog.Key(keys[0]).name
    assert own and signed(note, keys), "somebody else's minimum"
    return int(index)


def contradictions(log, checkpoints):
    """What of `checkpoints` (texts) the log as it lies there does not bear out, in words."""
    keys = verifier_keys(log)
    found, names = [tlog.Checkpoint(text) for text in checkpoints], [tlog.Key(key).name for key in keys]
    wrong = [f"not signed: {it.size}" for it in found if it.origin not in names or not signed(it, keys)]
    by_size = {}
    for it in found:
        if by_size.setdefault(it.size, it.root) != it.root:
            wrong.append(f"two roots of {it.size}")
    least = minimum(log, keys)
    hashes = dict(enumerate(stored_leaves(log)[:least])) if least else {}
    before = None
    for number, entry in entries(log):
        stated = json.loads(entry)["seq"]
        if stated != number or (before is not None and number != before + 1):
            wrong.append(f"entry {stated} stands at {number} after {before}")
        hashes[number], before = leaf(entry), number
    tree, sizes = Tree(), sorted(by_size)
    for size in sizes:
        while tree.size < size:
            if tree.size not in hashes:
                wrong.append(f"entry {tree.size} is lost, a checkpoint covers {size}")
                return wrong
            tree.push(hashes[tree.size])
        if tree.root() != by_size[size]:
            wrong.append(f"the root of {size} is another")
    return wrong
