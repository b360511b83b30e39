"""Makes docs/log_vectors.json, the hub's own vectors: `python -m tests.tlog.own_vectors` writes the file again.

ML-DSA-44 and SM2 draw a random number for each signature, so their lines differ each time; a test checks all else to the byte.
"""

import json
from pathlib import Path
from typing import Any

from hub.journal.envelope import entry, inner_hash
from hub.tlog import paths, tree
from hub.tlog.add_checkpoint import Request
from hub.tlog.algorithms import ED25519, ED25519_COSIGNATURE, ML_DSA_44, SM2, Kind
from hub.tlog.cosignatures import message_of, sign_note
from hub.tlog.note import Checkpoint, Note, SignerKey
from hub.tlog.proof import Proof

FILE = Path(__file__).parents[2] / "docs" / "log_vectors.json"
ORIGIN, WITNESS, NOW_S = "exchange.example/1", "witness.example/w1", 1_790_000_000
# A private number and its point; SM2 keys are not derived from a seed.
SM2_PRIVATE = bytes.fromhex(
    "3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8"
    "09f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020"
    "ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13"
)
SIGNERS: dict[str, tuple[str, Kind, bytes]] = {
    "log, Ed25519": (ORIGIN, ED25519, bytes(range(32))),
    "log, ML-DSA-44": (ORIGIN, ML_DSA_44, bytes(range(32, 64))),
    "log, SM2 with SM3": (ORIGIN, SM2, SM2_PRIVATE),
    "witness, Ed25519": (WITNESS, ED25519_COSIGNATURE, bytes(range(64, 96))),
    "witness, ML-DSA-44": (WITNESS, ML_DSA_44, bytes(range(96, 128))),
}
GENESIS = f"chuanyu-log/1\norigin {ORIGIN}\nhub {'00' * 16}\npseudonym-key {'11' * 32}\n".encode()
DIGEST, DATA = bytes(range(32)), b"\x0a\x03abc"
EVENTS: list[dict[str, Any]] = [
    {"position": 1, "recorded_us": 1_790_000_000_000_001, "sequence": 1, "stream": "sc.usage", "kind": "card_used"},
    {"position": 2, "recorded_us": 1_790_000_000_000_001, "sequence": 2, "stream": "sc.usage", "kind": "card_used"},
    {"position": 3, "recorded_us": 1_790_000_000_500_000, "sequence": 1, "stream": "hub.测试", "kind": "loss_released"},
]
CONTENTS: list[tuple[bytes | None, int | None, bytes]] = [
    (DIGEST, 1_789_999_999_000_000, DATA),
    (DIGEST[::-1], None, DATA),
    (None, -1, b""),
]


def keys() -> dict[str, SignerKey]:
    """The keys, by who has them."""
    return {name: SignerKey(*parts) for name, parts in SIGNERS.items()}


def made() -> dict[str, Any]:
    """All vectors; lines of ML-DSA-44 and SM2 are others each time."""
    entries, events = [GENESIS], []
    for fields, (digest, occurred_us, data) in zip(EVENTS, CONTENTS, strict=True):
        inner = inner_hash(digest, occurred_us, data)
        stream, kind = fields["stream"].encode(), fields["kind"].encode()
        entries.append(entry(fields["position"], fields["recorded_us"], fields["sequence"], stream, kind, digest, inner))
        content = {"digest": None if digest is None else digest.hex(), "occurred_us": occurred_us, "data": data.hex()}
        events.append({**fields, **content, "inner": inner.hex(), "entry": entries[-1].hex(), "leaf": tree.leaf_hash(entries[-1]).hex()})
    leaves = [tree.leaf_hash(one) for one in entries]
    roots = [tree.root_of(leaves[:size]) for size in range(len(leaves) + 1)]
    head = Checkpoint(ORIGIN, len(leaves), roots[-1])
    signers = keys()
    lines = {name: sign_note(key, head.text, NOW_S) for name, key in signers.items()}
    signed = Note(head.text, tuple(lines.values()))

    def read(level: int, number: int, width: int) -> bytes:
        return b"".join(leaves[:width])

    inclusion, consistency = tree.inclusion(2, len(leaves), read), tree.consistency(3, len(leaves), read)
    return {
        "format": "chuanyu-log-vectors/1",
        "genesis": {"entry": GENESIS.hex(), "leaf": leaves[0].hex()},
        "events": events,
        "entry_bundle": {"path": paths.entries(0, len(leaves)), "bytes": paths.encode_bundle(entries).hex()},
        "roots": [one.hex() for one in roots],
        "inclusion": {"index": 2, "size": len(leaves), "path": [one.hex() for one in inclusion]},
        "consistency": {"first": 3, "second": len(leaves), "path": [one.hex() for one in consistency]},
        "signed_s": NOW_S,
        "checkpoint": head.text,
        "signatures": {
            name: {
                "private": key.text,
                "vkey": key.verifier.text,
                "key_id": key.verifier.key_id.hex(),
                "message": message_of(key.verifier, head.text, NOW_S).hex(),
                "line": lines[name].line,
            }
            for name, key in signers.items()
        },
        "note": signed.format().decode(),
        "proof": Proof(2, tuple(inclusion), signed).format().decode(),
        "add_checkpoint": Request(3, tuple(consistency), Note(head.text, signed.signatures[:3])).format().decode(),
    }


def main() -> None:
    """Writes the file."""
    FILE.write_text(json.dumps(made(), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
