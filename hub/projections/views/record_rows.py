"""Statements that read what is on record of holders: under all identifiers of all their cards, and under the holder's own key."""

from hub.domain.culture.loans import READER_REGISTERED
from hub.projections.views.card_alias import CARD_ALIAS
from hub.projections.views.concessions import CONCESSIONS
from hub.projections.views.culture import LOANS
from hub.projections.views.entries import ENTRIES
from hub.projections.views.holder_cards import HOLDER_CARDS
from hub.projections.views.holder_record import HOLDER_RECORD
from hub.projections.views.medical import INSTITUTIONS
from hub.projections.views.registers import REGISTERS


def subjects(keys: str) -> str:
    """Returns the WITH parts that name, for some of the cards of `rows_named`, all keys that their holders' records may be under.

    They come after its own parts *named* and *found*; *keys* is the array's place holder.
    """
    alias, holders = f"views.{CARD_ALIAS.name}", f"views.{HOLDER_CARDS.name}"
    return f"""
    wanted AS (SELECT n.asked, n.card, w.n FROM unnest({keys}::bytea[]) WITH ORDINALITY w (key, n) JOIN named n ON n.asked = w.key),
    cards AS (
        SELECT w.asked, w.card FROM wanted w
        UNION
        SELECT w.asked, decode(c.hex, 'hex') FROM wanted w JOIN found f USING (asked) JOIN {holders} h ON h.key = f.holder,
            jsonb_each(h.cards::jsonb) p (province, cards), jsonb_array_elements_text(p.cards) c (hex)),
    subjects AS (
        SELECT w.asked, w.asked AS key FROM wanted w
        UNION SELECT c.asked, c.card FROM cards c
        UNION SELECT c.asked, l.key FROM cards c JOIN {alias} l ON l.card_key = c.card
        UNION SELECT w.asked, f.holder FROM wanted w JOIN found f USING (asked) WHERE f.holder IS NOT NULL)"""  # noqa: S608 (our own views)


def units_since(days: str) -> str:
    """Returns the statement that reads the entries of concessions of the *subjects*, from a day on; *days* is the place holder's array."""
    return f"""
        SELECT s.asked, '[' || string_agg(e.entry, ',' ORDER BY e.key) || ']' AS entries
        FROM unnest({days}::text[]) WITH ORDINALITY d (day, n) JOIN wanted w USING (n) JOIN subjects s USING (asked)
        JOIN views.{CONCESSIONS.name} e ON e.card = s.key AND e.day >= d.day WHERE d.day <> '' GROUP BY s.asked"""  # noqa: S608 (our own views)


def library_reports(wanted: str) -> str:
    """Returns the statement that reads what libraries reported of the *subjects* and of their loans; *wanted* has a flag for each."""
    loans = f"views.{LOANS.name}"
    return f"""
        SELECT o.asked, l.data, l.kind, l.position, l.occurred_us, bool_or(l.position = o.position) AS is_own
        FROM (SELECT s.asked, l.name, l.position FROM unnest({wanted}::boolean[]) WITH ORDINALITY d (is_wanted, n)
              JOIN wanted w USING (n) JOIN subjects s USING (asked) JOIN {loans} l ON l.card = s.key AND l.card <> '' WHERE d.is_wanted
              UNION
              SELECT s.asked, l.name, l.position FROM unnest({wanted}::boolean[]) WITH ORDINALITY d (is_wanted, n)
              JOIN wanted w USING (n) JOIN subjects s USING (asked) JOIN {loans} l ON l.holder = s.key AND l.holder <> ''
              WHERE d.is_wanted) o
        JOIN {loans} l ON l.name = o.name AND (l.position = o.position OR l.kind <> '{READER_REGISTERED}')
        WHERE l.spans LIKE '%-' GROUP BY o.asked, l.position, l.name"""  # noqa: S608 (our own views)


def institution_reports(codes: str) -> str:
    """Returns the statement that reads what is reported of institutions; *codes* is the place holder's array."""
    view = f"views.{INSTITUTIONS.name}"
    return f"SELECT data, kind, position, occurred_us FROM {view} WHERE name = ANY ({codes}::text[]) AND spans LIKE '%-'"  # noqa: S608 (our own view)


def last_entries(wanted: str) -> str:
    """Returns the statement that reads the last entries of some cards, under all their identifiers; *wanted* has a flag for each."""
    return f"""
        SELECT i.asked, e.facts FROM (
            SELECT w.asked, i.key FROM unnest({wanted}::boolean[]) WITH ORDINALITY d (is_wanted, n) JOIN wanted w USING (n), LATERAL (
                SELECT w.asked UNION SELECT w.card UNION SELECT l.key FROM views.{CARD_ALIAS.name} l WHERE l.card_key = w.card) i (key)
            WHERE d.is_wanted) i JOIN views.{ENTRIES.name} e USING (key)"""  # noqa: S608 (our own views)


RECORDS = f"SELECT s.asked, r.facts FROM subjects s JOIN views.{HOLDER_RECORD.name} r USING (key)"  # noqa: S608 (names of our own views)
REGISTER_ROWS = f"SELECT register, province, declared, last_us FROM views.{REGISTERS.name}"  # noqa: S608 (names of our own views)
