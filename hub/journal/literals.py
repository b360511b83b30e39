"""Arrays as SQL text, for statements that go out as one string."""

from collections.abc import Sequence


def ints(values: Sequence[int]) -> str:
    """Returns an array of bigint."""
    return "'{" + ",".join(map(str, values)) + "}'::bigint[]"


def byteas(values: Sequence[bytes]) -> str:
    """Returns an array of bytea."""
    return "'{" + ",".join(f'"\\\\x{value.hex()}"' for value in values) + "}'::bytea[]"


def texts(values: Sequence[str]) -> str:
    """Returns an array of text: trace parents only, which are letters, digits, dashes and commas (checked where they come in)."""
    return "'{" + ",".join(f'"{value}"' for value in values) + "}'::text[]"
