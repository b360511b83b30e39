"""Replays: the journal folded again in memory, answers decided again by rules of then or by others, views compared at a position."""
