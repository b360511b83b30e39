"""Judges a client by what it did on the wire and what the journal holds: trials as data, a verdict in words for each, three levels."""
