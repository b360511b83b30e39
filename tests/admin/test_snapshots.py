"""Who a person is and what is answered about that person come from one snapshot."""

import psycopg

from hub.admin.snapshots import about_person
from hub.domain.reported import Person
from hub.projections.views.card_standing import CARD_STANDING
from tests.projections.test_projections import fold
from tests.recording import Recording, key_of, registered

CARD = "A00000001"


def test_a_view_that_moves_while_a_question_is_answered_changes_neither_part(
    dsn: str, journal: Recording, views: psycopg.Connection
) -> None:
    def cards(reader: psycopg.Connection, _: Person) -> int:
        journal.append(registered(CARD))
        fold(views, CARD_STANDING)
        return len(reader.execute("SELECT FROM views.card_standing").fetchall())

    with psycopg.connect(dsn, autocommit=True) as reader:
        assert about_person(reader, key_of(CARD), cards) == (False, 0)
        assert about_person(reader, key_of(CARD), cards) == (True, 1)
