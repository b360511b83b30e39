"""The verifiable log: a Merkle tree over the journal's entries, its signed checkpoints, and what proves that an entry is in it."""
