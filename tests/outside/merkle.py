"""The audit log, read by a program of its own: segments, the tree of RFC 6962, signed notes.

Written from the standards (RFC 6962 section 2.1, C2SP signed-note, tlog-checkpoint) and from how
ARCHITECTURE.md says entries lie on the disk; it shares nothing with the program under test.
"""

import base64
import hashlib
import json
import pathlib
import struct

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

HEADER_BYTES = 4096


def leaf(entry):
    return hashlib.sha256(b"\x00" + entry).digest()


def node(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


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


def inclusion_holds(index, size, leaf_hash, proof, root):
    """RFC 9162 section 2.1.3.2."""
    if index >= size:
        return False
    last, hash = size - 1, leaf_hash
    for sibling in proof:
        if last == 0:
            return False
        if index & 1 or index == last:
            hash = node(sibling, hash)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            hash = node(hash, sibling)
        index, last = index >> 1, last >> 1
    return last == 0 and hash == root


class Note:
    """A signed note, believed when one of `keys` signed it."""

    def __init__(self, text, keys):
        body, _, lines = text.rpartition("\n\n")
        self.body = body + "\n"
        self.signed = any(self.signed_by(line, key) for line in lines.splitlines() for key in keys)

    def signed_by(self, line, key):
        name, id, public = key
        dash, space, rest = line.partition(" ")
        found, _, signature = rest.partition(" ")
        raw = base64.b64decode(signature)
        if dash != "—" or found != name or raw[:4] != id:
            return False
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(raw[4:], self.body.encode())
        except InvalidSignature:
            return False
        return True


def verifier_keys(log):
    """The keys in the file `verifier-key`: name, id, public key."""
    keys = []
    for line in (pathlib.Path(log) / "verifier-key").read_text().splitlines():
        name, id, key = line.split("+", 2)
        raw = base64.b64decode(key)
        expected = hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4]
        if raw[0] == 1 and expected.hex() == id:
            keys.append((name, expected, raw[1:]))
    return keys


class Checkpoint:
    """What a checkpoint says, and whether the log signed it."""

    def __init__(self, text, keys):
        note = Note(text, keys)
        self.origin, size, root = note.body.split("\n")[:3]
        self.size, self.root = int(size), base64.b64decode(root)
        self.signed = note.signed and any(name == self.origin for name, _, _ in keys)


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
    note = Note(path.read_text(), keys)
    what, origin, index = note.body.splitlines()
    assert note.signed and what == "haechi minimum v1" and origin == keys[0][0], "somebody else's minimum"
    return int(index)


def contradictions(log, checkpoints):
    """What of `checkpoints` (texts) the log as it lies there does not bear out, in words."""
    keys = verifier_keys(log)
    found = [Checkpoint(text, keys) for text in checkpoints]
    wrong = [f"not signed: {it.size}" for it in found if not it.signed]
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
