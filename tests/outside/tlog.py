"""Logs and witnesses of our own making: notes, checkpoints, cosignatures and Merkle proofs, written
after C2SP (signed-note, tlog-checkpoint, tlog-cosignature, tlog-witness) and RFC 6962, with nothing of
Haechi in them. Signatures are OpenSSL's.
"""

import base64
import hashlib
import struct
import time

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

TEXT, COSIGNATURE, ML_DSA_44 = 0x01, 0x04, 0x06


def b64(data):
    return base64.b64encode(data).decode()


# ---- hashes -------------------------------------------------------------------------------------


def leaf(entry):
    return hashlib.sha256(b"\0" + entry).digest()


def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def split(size):
    """The largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1


def root(leaves):
    """MTH of RFC 6962 section 2.1."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    half = split(len(leaves))
    return node(root(leaves[:half]), root(leaves[half:]))


def consistency(old, leaves, whole=True):
    """SUBPROOF of RFC 6962 section 2.1.2."""
    size = len(leaves)
    if old == size:
        return [] if whole else [root(leaves)]
    half = split(size)
    if old <= half:
        return consistency(old, leaves[:half], whole) + [root(leaves[half:])]
    return consistency(old - half, leaves[half:], False) + [root(leaves[:half])]


def consistent(old, old_root, size, new_root, proof):
    """RFC 9162 section 2.1.4.2, for 0 < old < size."""
    if not proof or not 0 < old < size:
        return False
    if old & (old - 1) == 0:
        proof = [old_root] + proof
    first, last = old - 1, size - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    one = two = proof[0]
    for beside in proof[1:]:
        if last == 0:
            return False
        if first & 1 or first == last:
            one, two = node(beside, one), node(beside, two)
            while first and not first & 1:
                first, last = first >> 1, last >> 1
        else:
            two = node(two, beside)
        first, last = first >> 1, last >> 1
    return one == old_root and two == new_root and last == 0


# ---- keys and notes -----------------------------------------------------------------------------


def key_id(name, kind, public):
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4]


def short(text):
    return bytes([len(text.encode())]) + text.encode()


def statement(kind, name, text, seconds):
    """What a key of this kind signs."""
    if kind == TEXT:
        return text.encode()
    if kind == COSIGNATURE:
        return f"cosignature/v1\ntime {seconds}\n{text}".encode()
    origin, size, hash_ = text.split("\n")[:3]
    return b"subtree/v1\n\0" + short(name) + struct.pack(">Q", seconds) + short(origin) + struct.pack(
        ">QQ", 0, int(size)
    ) + base64.b64decode(hash_)


class Key:
    """A public key, from its verifier key."""

    def __init__(self, vkey):
        self.name, self.id, encoded = vkey.strip().split("+", 2)
        raw = base64.b64decode(encoded, validate=True)
        self.kind, self.public = raw[0], raw[1:]
        assert self.id == key_id(self.name, self.kind, self.public).hex(), "the id of the key"

    def time_of(self, text, line):
        """The time a signature states (0 for none); `None` when it is not this key's over this text."""
        name, signature = line.removeprefix("— ").split(" ")
        raw = base64.b64decode(signature, validate=True)
        if name != self.name or raw[:4].hex() != self.id:
            return None
        seconds, signature = 0, raw[4:]
        if self.kind != TEXT:
            seconds, signature = struct.unpack(">Q", signature[:8])[0], signature[8:]
        public = MLDSA44PublicKey if self.kind == ML_DSA_44 else Ed25519PublicKey
        try:
            message = statement(self.kind, self.name, text, seconds)
            public.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            return None
        return seconds


class Signer:
    """A private key of our own."""

    def __init__(self, name, kind=TEXT):
        self.name, self.kind = name, kind
        self.key = MLDSA44PrivateKey.generate() if kind == ML_DSA_44 else Ed25519PrivateKey.generate()
        public = self.key.public_key().public_bytes_raw()
        self.id = key_id(name, kind, public)
        self.vkey = f"{name}+{self.id.hex()}+{b64(bytes([kind]) + public)}"

    def line(self, text):
        seconds = int(time.time())
        stated = b"" if self.kind == TEXT else struct.pack(">Q", seconds)
        signature = self.key.sign(statement(self.kind, self.name, text, seconds))
        return f"— {self.name} {b64(self.id + stated + signature)}\n"


class Note:
    """A signed note, read."""

    def __init__(self, data):
        text, lines = data.rsplit("\n\n", 1)
        self.text, self.lines = text + "\n", lines.splitlines()

    def times(self, vkey):
        """The times of this key's good signatures."""
        key = Key(vkey)
        return [at for at in (key.time_of(self.text, line) for line in self.lines) if at is not None]


class Checkpoint(Note):
    """What a log says of itself, read."""

    def __init__(self, data):
        super().__init__(data)
        self.origin, size, encoded = self.text.split("\n")[:3]
        self.size, self.root = int(size), base64.b64decode(encoded)


class Log:
    """A log of our own, all of it in memory."""

    def __init__(self, origin, signer=None):
        self.origin, self.signer = origin, signer or Signer(origin)
        self.leaves = []

    def grow(self, count, word="entry"):
        self.leaves += [leaf(f"{word} {len(self.leaves) + at}".encode()) for at in range(count)]
        return self

    def fork(self, size, word):
        """Another history with the same key: the same first `size` entries, then others."""
        other = Log(self.origin, self.signer)
        other.leaves = self.leaves[:size]
        return other.grow(len(self.leaves) - size, word)

    def checkpoint(self, size):
        text = f"{self.origin}\n{size}\n{b64(root(self.leaves[:size]))}\n"
        return text + "\n" + self.signer.line(text)

    def request(self, old, size):
        proof = consistency(old, self.leaves[:size]) if 0 < old <= size else []
        lines = "".join(b64(one) + "\n" for one in proof)
        return f"old {old}\n{lines}\n{self.checkpoint(size)}"


class Watching:
    """A witness of our own: one log, by its verifier key. It raises for what it does not understand."""

    def __init__(self, name, *kinds):
        self.signers = [Signer(name, kind) for kind in kinds or (COSIGNATURE,)]
        self.vkey, self.seen, self.asked = None, None, 0

    def add_checkpoint(self, body):
        """Status, content type, body."""
        self.asked += 1
        head, checkpoint = body.split("\n\n", 1)
        first, *proof = head.split("\n")
        old = int(first.removeprefix("old "))
        note = Checkpoint(checkpoint)
        if not note.times(self.vkey):
            return 403, "text/plain", "not signed\n"
        last = self.seen.size if self.seen else 0
        if old != last:
            return 409, "text/x.tlog.size", f"{last}\n"
        hashes = [base64.b64decode(line, validate=True) for line in proof]
        if old == note.size and note.root != self.seen.root:
            return 409, "text/x.tlog.size", f"{last}\n"
        if 0 < old < note.size and not consistent(old, self.seen.root, note.size, note.root, hashes):
            return 422, "text/plain", "wrong proof\n"
        self.seen = note
        return 200, "text/plain", "".join(signer.line(note.text) for signer in self.signers)
