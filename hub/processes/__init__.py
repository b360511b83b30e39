"""The processes: each follows the journal from a checkpoint of its own and records what the hub itself decides about what it reads."""
