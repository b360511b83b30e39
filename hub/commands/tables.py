"""Tables that never cut: what is too wide for its column goes on in the next line, because half a name or code is none."""

from rich.table import Table


def folding(*headers: str) -> Table:
    """Returns a table with these columns."""
    table = Table()
    for header in headers:
        table.add_column(header, overflow="fold")
    return table
