"""Each indicator once more, by SQL over the journal's events as JSON: it shares no code with the hub but the messages.

Only what the made-up year has is looked at: no correction of a correction, no card under two numbers but its transit number.
"""

import json
from pathlib import Path

import psycopg
from chuanyu.exchange.v1 import event_pb2
from google.protobuf.json_format import MessageToDict

REFERENCE = Path(__file__).parents[2] / "hub" / "domain" / "reference"
SETUP = """
    CREATE TEMP TABLE told (position bigint, stream bigint, sequence bigint, kind text, at timestamptz, day date, e jsonb,
      m jsonb, card text);
    CREATE TEMP TABLE undone AS SELECT c.stream_id AS stream, c.sequence, c.position FROM journal.correction c;
"""
VIEWS = """
    DROP VIEW IF EXISTS f CASCADE;
    CREATE TEMP VIEW f AS SELECT t.* FROM told t, asked a WHERE t.position <= a.known AND NOT t.e ? 'reverses'
      AND NOT EXISTS (SELECT FROM undone u WHERE u.stream = t.stream AND u.sequence = t.sequence AND u.position <= a.known);
    CREATE TEMP VIEW g AS SELECT f.* FROM f, asked a WHERE f.day <= a.day;
    CREATE TEMP VIEW own AS SELECT card, e->'holder'->>'key' AS holder, at, position FROM g
      WHERE e->'holder' ? 'key' AND kind NOT IN ('social_function_activated', 'replacement_applied');
    CREATE TEMP VIEW moved AS SELECT card, e->'holder'->>'key' AS wrong, m->'corrected_holder'->>'key' AS holder FROM f
      WHERE kind = 'holder_data_corrected';
    CREATE TEMP VIEW person AS SELECT DISTINCT ON (o.card) o.card, COALESCE(w.holder, o.holder) AS holder
      FROM own o LEFT JOIN moved w ON w.card = o.card AND w.wrong = o.holder ORDER BY o.card, o.at DESC, o.position DESC;
    CREATE TEMP VIEW made AS SELECT DISTINCT ON (card) card, m, e FROM g WHERE kind = 'card_registered' ORDER BY card, at;
    CREATE TEMP VIEW gone AS SELECT card, m->>'reason' AS reason FROM g WHERE kind = 'card_cancelled';
    CREATE TEMP VIEW enabled AS SELECT card, at, m, day FROM g WHERE kind = 'social_function_activated';
    CREATE TEMP VIEW signed AS SELECT DISTINCT ON (card) card, kind FROM g WHERE kind IN ('ecard_signed', 'ecard_released')
      ORDER BY card, at DESC, position DESC;
    CREATE TEMP VIEW account AS
      SELECT o.card, min(o.m->>'bank_code') AS opened, bool_or(b.at IS NOT NULL OR COALESCE((n.m->>'bank_activated')::bool, false)) AS live
      FROM g o LEFT JOIN (SELECT card, at FROM g WHERE kind = 'bank_account_activated') b USING (card) LEFT JOIN enabled n USING (card)
      WHERE o.kind = 'bank_account_opened' GROUP BY o.card;
    CREATE TEMP VIEW a_case AS
      SELECT s.m->'case_ref'->>'case_no' AS no, s.m, s.e, s.day,
        EXISTS (SELECT FROM g w WHERE w.kind = 'case_withdrawn' AND w.m->'case_ref'->>'case_no' = s.m->'case_ref'->>'case_no') AS withdrawn,
        EXISTS (SELECT FROM g w WHERE w.kind = 'case_decided' AND w.m->'case_ref'->>'case_no' = s.m->'case_ref'->>'case_no') AS decided
      FROM g s WHERE s.kind = 'case_submitted';
    CREATE TEMP VIEW answered AS
      SELECT DISTINCT ON (r.m->>'batch_no', r.m->>'row_no') r.m->>'row_no' AS row, r.kind = 'fund_row_paid'
        AND NOT EXISTS (SELECT FROM g b WHERE b.kind = 'fund_row_returned' AND b.m->>'row_no' = r.m->>'row_no'
          AND b.m->>'batch_no' = r.m->>'batch_no') AS at_once
      FROM g r WHERE r.kind IN ('fund_row_paid', 'fund_row_returned') ORDER BY r.m->>'batch_no', r.m->>'row_no', r.at;
"""
_ONCE = "count(DISTINCT e->'card'->>'key' || COALESCE(m->'tap'->>'purse_counter', position::text))"
BY_SQL = {
    "K1": """SELECT count(DISTINCT p.holder), NULL FROM signed s JOIN person p USING (card) WHERE s.kind = 'ecard_signed'
        AND p.holder NOT IN (SELECT d.holder FROM person d JOIN gone USING (card) WHERE reason = 'CANCELLATION_REASON_DEATH')""",
    "K2": "SELECT count(*), NULL FROM made WHERE m->>'generation' = 'CARD_GENERATION_THIRD'",
    "K4": """SELECT count(*) FILTER (WHERE COALESCE((m->>'form_waived')::bool, false) OR m ? 'materials_waived'), count(*)
        FROM a_case WHERE decided AND NOT withdrawn""",
    "K8": """SELECT count(*) FILTER (WHERE COALESCE((n.m->>'bank_activated')::bool, false) OR EXISTS (
        SELECT FROM g b WHERE b.kind = 'bank_account_activated' AND b.card = n.card
        AND abs(extract(epoch FROM b.at - n.at)) <= 600)), count(*) FROM enabled n""",
    "K9": """SELECT count(*) FILTER (WHERE keeps), count(*) FROM (
        SELECT COALESCE((r.m->>'keeps_bank_account')::bool, false) AS keeps, EXISTS (
            SELECT FROM g b WHERE b.card = r.card AND b.kind IN ('bank_account_opened', 'bank_account_activated')
            UNION ALL SELECT FROM enabled n WHERE n.card = r.card AND COALESCE((n.m->>'bank_activated')::bool, false)) AS has
        FROM g r WHERE r.kind = 'replacement_applied') x WHERE has OR keeps""",
    "K10": """SELECT
        count(*) FILTER (WHERE m->>'outcome' IN ('ACCEPTANCE_OUTCOME_ACCEPT', 'ACCEPTANCE_OUTCOME_ACCEPT_NO_CONCESSION')), count(*)
        FROM g WHERE kind = 'decision_made'""",
    "K7": """SELECT count(*) FILTER (WHERE to_card), count(*) FROM (
        SELECT DISTINCT ON (l.e->'holder'->>'key') p.e ? 'card' AND p.at IS NOT NULL AS to_card FROM f l CROSS JOIN asked a LEFT JOIN (
            SELECT s.e, s.m, r.at, r.day FROM g s JOIN g r ON r.kind = 'fund_row_paid' AND r.m->>'batch_no' = s.m->>'batch_no'
                AND r.m->>'row_no' = s.m->>'row_no'
            WHERE s.kind = 'fund_row_sent' AND NOT EXISTS (SELECT FROM g b WHERE b.kind = 'fund_row_returned'
                AND b.m->>'bank_serial' = r.m->>'bank_serial')) p
          ON p.e->'holder'->>'key' = l.e->'holder'->>'key' AND p.m->>'project_code' = l.m->>'project_code'
            AND p.day >= (l.m->>'eligible_from')::date
        WHERE l.kind = 'payee_became_eligible' AND left(l.m->>'eligible_from', 4) = left(a.day::text, 4)
          AND (l.m->>'eligible_from')::date <= a.day ORDER BY l.e->'holder'->>'key', p.at) x""",
    "K12": """WITH said AS (
            SELECT COALESCE(p.holder, NULLIF(x.card, ''), x.e->'holder'->>'key') AS who, x.* FROM f x
            LEFT JOIN person p ON p.card = x.card AND x.card <> ''),
        out AS (SELECT DISTINCT ON (who) who, kind = 'consent_withdrawn' OR (m->>'expires_on')::date < a.day AS is_out FROM said, asked a
            WHERE m->>'purpose_code' = 'AUTOMATED_DECISION' AND said.day <= a.day ORDER BY who, at DESC, position DESC),
        basis AS (SELECT b.* FROM said b, asked a WHERE kind = 'group_basis_registered' AND (m->>'valid_from')::date <= a.day
            AND COALESCE((m->>'valid_to')::date, 'infinity') >= date_trunc('year', a.day)::date
            AND NOT COALESCE((SELECT is_out FROM out WHERE out.who = b.who), false)),
        served AS (SELECT s.* FROM said s, asked a WHERE kind = 'group_service_given' AND s.day <= a.day
            AND date_trunc('year', s.day) = date_trunc('year', a.day))
        SELECT count(DISTINCT who) FILTER (WHERE EXISTS (SELECT FROM served s WHERE s.who = b.who AND b.m->'services' ? (s.m->>'service')
            AND s.day >= (b.m->>'valid_from')::date AND s.day <= COALESCE((b.m->>'valid_to')::date, 'infinity'))), count(DISTINCT who)
        FROM basis b""",
    "K13": """SELECT count(*) FILTER (WHERE stars > 0), count(*) FROM (
        SELECT DISTINCT ON (left(e->>'service_region', 2), m->>'outlet_code') COALESCE((m->>'stars')::int, 0) AS stars,
          COALESCE(m->>'valid_to', '9999-12-31') AS until FROM f, asked a
        WHERE kind = 'outlet_registered' AND (m->>'valid_from')::date <= a.day
        ORDER BY left(e->>'service_region', 2), m->>'outlet_code', m->>'valid_from' DESC, at DESC, position DESC) x, asked a
        WHERE until::date >= a.day""",
    "K15": """SELECT count(*) FILTER (WHERE COALESCE((m->>'transit_enabled')::bool, false)), count(*) FROM made
        WHERE m->>'generation' = 'CARD_GENERATION_THIRD' AND card NOT IN (SELECT card FROM gone)""",
    "K16": """SELECT count(DISTINCT bank), NULL FROM (
        SELECT DISTINCT ON (a.card) COALESCE(g.m->>'bank_code', '') AS bank FROM account a JOIN g USING (card)
        WHERE a.live AND g.m ? 'bank_code' ORDER BY a.card, g.at DESC) x""",
    "K19": "SELECT count(*) FILTER (WHERE at_once), count(*) FROM answered",
    "K20": """SELECT count(*) FILTER (WHERE m->>'branch_code' <> m->>'owner_branch'), count(*) FROM g
        WHERE kind = 'library_item_returned'""",
}
_LIVE = """SELECT item_id, province, state FROM (SELECT DISTINCT ON (item_id, province) * FROM service_item_versions v, asked a
    WHERE v.valid_from::date <= a.day ORDER BY item_id, province, v.valid_from DESC) x, asked a
    WHERE x.state = 'LIVE' AND (x.valid_to = '' OR x.valid_to::date > a.day)"""
_WAYS = "(VALUES ('50', '51'), ('51', '50')) w (issuer, serving)"
BY_SQL |= {
    "K3": """SELECT count(*) FILTER (WHERE EXISTS (SELECT FROM g WHERE g.day > a.day - 90 AND g.e->>'scenario' = s.code
            AND g.kind NOT IN ('decision_made', 'fund_row_sent', 'fund_row_returned', 'case_decided', 'case_withdrawn'))), count(*)
        FROM scenarios s, asked a WHERE s.valid_from::date <= a.day AND (s.valid_to = '' OR s.valid_to::date > a.day)""",
    "K5": f"""SELECT count(*) FILTER (WHERE sides = 2), count(*) FROM (
        SELECT item_id, count(DISTINCT province) AS sides FROM ({_LIVE}) l GROUP BY item_id) x""",
    "K6": f"""SELECT count(*) FILTER (WHERE accepted), count(*) FROM (
        SELECT s.code, bool_or(EXISTS (SELECT FROM (
            SELECT DISTINCT ON (agreement_id) * FROM agreements WHERE valid_from::date <= a.day ORDER BY agreement_id, valid_from DESC) v
            WHERE (v.valid_to = '' OR v.valid_to::date > a.day) AND w.issuer = ANY (string_to_array(v.issuer_provinces, ';'))
            AND w.serving = ANY (string_to_array(v.serving_provinces, ';')) AND EXISTS (
                SELECT FROM unnest(string_to_array(v.scenarios, ';')) p WHERE s.code LIKE replace(p, '*', '%')))) AS accepted
        FROM unnest(ARRAY['GOV.ID', 'TOU.HTL', 'CUL.LIB.IN', 'CUL.MUS', 'MED.REG']) s (code), {_WAYS}, asked a GROUP BY s.code) x""",
    "K11": """SELECT count(*) FILTER (WHERE EXISTS (SELECT FROM g c WHERE c.stream = o.stream AND c.kind = 'loss_closed'
        AND c.m->>'outcome' = 'LOSS_OUTCOME_CONFIRMED')), count(*) FROM f o, asked a
        WHERE o.kind = 'loss_opened' AND ((o.m->>'requested_at')::timestamptz AT TIME ZONE 'Asia/Shanghai')::date <= a.day""",
    "K14": """SELECT count(DISTINCT m->'case_ref'->>'item_code'), NULL FROM a_case
        WHERE m->>'auth_method' IN ('CASE_AUTH_METHOD_ECARD_LOGIN', 'CASE_AUTH_METHOD_PHYSICAL_CARD')""",
    "K17": """WITH entry AS (
            SELECT COALESCE(p.holder, g.card) AS person, g.e->>'service_region' LIKE '50%' AS by_year, g.day,
                COALESCE((g.m->>'concession_units')::int, 0) AS used, COALESCE((g.m->>'units')::int, 0) AS extra
            FROM g LEFT JOIN person p USING (card) WHERE g.m ? 'concession_units' OR g.kind = 'transit_concession_topped_up'),
        own AS (SELECT person, sum(used) AS used, CASE WHEN by_year THEN 1200 ELSE 100 END + sum(extra) AS granted FROM entry, asked a
            WHERE date_trunc(CASE WHEN by_year THEN 'year' ELSE 'month' END, entry.day)
                = date_trunc(CASE WHEN by_year THEN 'year' ELSE 'month' END, a.day)
            GROUP BY person, by_year)
        SELECT COALESCE(sum(used), 0)::int, COALESCE(sum(granted), 0)::int FROM own WHERE used > 0""",
}
# A fact that is reported twice is one use, and what came back is none.
_USES = f"""(SELECT {_ONCE} FROM g WHERE kind = 'transit_journey_completed') + (SELECT count(*) FROM g
        WHERE kind IN ('case_submitted', 'library_item_borrowed', 'library_item_returned'))
    + (SELECT count(*) FROM g p WHERE p.kind IN ('fund_row_paid', 'fund_row_repaid') AND NOT EXISTS (
        SELECT FROM f b WHERE b.kind = 'fund_row_returned' AND b.m->>'bank_serial' = p.m->>'bank_serial'))"""
BY_SQL["K18"] = f"""SELECT count(*) FILTER (WHERE kind = 'finding_confirmed'), {_USES} FROM (
    SELECT DISTINCT ON (g.stream) g.kind FROM g JOIN f r USING (stream), asked a WHERE r.kind = 'finding_raised'
        AND left(r.m->>'day', 4) = left(a.day::text, 4) AND (r.m->>'day')::date <= a.day ORDER BY g.stream, g.position DESC) x"""
OFFLINE = f"SELECT {_ONCE} FROM g WHERE kind = 'transit_journey_completed' AND NOT e ? 'decision_position'"


def _copy(connection: psycopg.Connection, table: str) -> None:
    lines = [line for line in (REFERENCE / f"{table}.csv").read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    columns = lines[0].split(",")
    named = ", ".join(f'"{name}" text' for name in columns)
    connection.execute(f"CREATE TEMP TABLE {table} ({named})".encode())
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN (FORMAT CSV, NULL 'nothing')".encode()) as copy:
        copy.write("\n".join(lines[1:]).encode())


class Told:
    """The journal's events as JSON, in tables of this session."""

    def __init__(self, connection: psycopg.Connection) -> None:
        """Reads the whole journal."""
        self._connection = connection
        connection.execute(SETUP)
        for table in ("scenarios", "service_item_versions", "agreements"):
            _copy(connection, table)
        events = connection.execute("SELECT position, stream_id, sequence, kind, data FROM journal.event ORDER BY position").fetchall()
        numbers: dict[str, str] = {}
        rows = []
        for position, stream, sequence, kind, data in events:
            said = MessageToDict(event_pb2.Event.FromString(data), preserving_proto_field_name=True)
            key = said.get("card", {}).get("key", "")
            numbers |= {alias["key"]: key for alias in said.get("card_aliases", ())}
            rows.append((position, stream, sequence, kind, said["occurred_at"], json.dumps(said), json.dumps(said.get(kind, {})), key))
        with connection.cursor() as cursor:
            cursor.executemany(
                """INSERT INTO told VALUES (%s, %s, %s, %s, %s, (%s::timestamptz AT TIME ZONE 'Asia/Shanghai')::date, %s, %s, %s)""",
                [(*row[:4], row[4], row[4], *row[5:7], numbers.get(row[7], row[7])) for row in rows],
            )

    def ask(self, statement: str, day: str, known: int) -> tuple[int, int | None]:
        """Answers as of a day and as known at a position."""
        self._connection.execute("DROP TABLE IF EXISTS asked CASCADE")
        self._connection.execute("CREATE TEMP TABLE asked AS SELECT %s::date AS day, %s::bigint AS known", (day, known))
        self._connection.execute(VIEWS)
        row = self._connection.execute(statement.encode()).fetchone()
        assert row is not None
        return row if len(row) > 1 else (row[0], None)
