"""Texts of others as they are printed: with nothing in them that moves a terminal's cursor or turns the direction of what follows."""

import unicodedata

# Characters for control and format, for private use, halves of others, and ends of lines and paragraphs.
UNSEEN = frozenset(("Cc", "Cf", "Co", "Cs", "Zl", "Zp"))


def visible(text: str, keep: str = "") -> str:
    """Returns a text in which what is not seen has the number of its character instead; those in *keep* stay."""
    return "".join([f"\\u{ord(one):04x}" if unicodedata.category(one) in UNSEEN and one not in keep else one for one in text])
