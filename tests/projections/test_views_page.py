"""docs/views.md: what it shows is a view as it is."""

import re
from pathlib import Path
from typing import Any

import psycopg

from hub.projections import runner
from hub.projections.engine import advance, create_views
from hub.projections.rebuild import rebuild
from tests.recording import Recording, journey, reversing, shown

PAGE = Path(__file__).parents[2] / "docs/views.md"


def test_the_view_of_the_page_is_made_filled_and_rebuilt(dsn: str) -> None:
    named: dict[str, Any] = {}
    [program] = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    exec(program, named)  # noqa: S102 (the page's own example)
    view = named["KINDS_BY_DAY"]
    journal = Recording(dsn)
    journal.append(journey(), journey("A00000002"), shown(), reversing(journey("A00000002"), 2))
    journal.close()
    with runner.connect(dsn) as views:
        create_views(views, (view,))
        while advance(views, view, page_events=1):
            pass
        found: list[psycopg.rows.TupleRow] = views.execute("SELECT kind, events FROM views.kinds_by_day ORDER BY kind").fetchall()
        assert found == [("identity_presented", 1), ("transit_journey_completed", 1)]
        assert rebuild(views, view).is_equal
