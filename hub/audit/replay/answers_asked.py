"""Are the answers of a period the same when they are decided again by the rules and data that they name?"""

from chuanyu.exchange.v1 import audit_question_pb2 as asked

from hub.audit.outcome import MOST_ROWS, Line, Outcome, Table, Text
from hub.audit.replay import said
from hub.audit.replay.comparing import Difference, Found
from hub.audit.replay.decided_again import Period, decide_again
from hub.audit.replay.progress import Progress
from hub.audit.requests.windows import window_of
from hub.journal.sessions import session

LIMITS = (
    Text(
        "只比较枢纽已入账的答复；因无法入账而未给出的不在其中。",
        "It compares answers that were recorded; one that could not be recorded was not given.",
    ),
    Text(
        "登记与公布的规则版本以日志为准；档案不在此处的版本无法重放。",
        "Rules are those that the record names; a version whose archive is not here cannot be run.",
    ),
)


def run(dsn: str, question: asked.AnswersQuestion, progress: Progress) -> Outcome:
    """Decides the answers of a period again; raises HistoryArchived, ReplayStopped, ReplayHasNoRoom and what kept rules raise."""
    with session(dsn, "hub_reader", "hub-replay") as connection:
        window = window_of(connection, question)
        dates = said.period(connection, question, window)
    found = decide_again(dsn, Period(*window), (), progress)
    return Outcome(
        Text(
            f"{dates.zh} 的答复，按其所载规则与数据重新裁决是否相同？",
            f"Are the answers of {dates.en} the same when decided again by the rules they name?",
        ),
        sentence(found),
        found.different == 0,
        window.last,
        facts_of(found),
        tables=(difference_table(found.differences),) if found.differences else (),
        limits=LIMITS,
        about=(Line(Text("时段", "Period"), said.with_positions(dates, window.first, window.last)),),
    )


def sentence(found: Found) -> Text:
    """Says in one sentence whether any answer is another one."""
    if not found.different:
        return Text(f"{found.answers:,} 次答复全部相同。", f"All {found.answers:,} answers are the same.")
    return Text(
        f"{found.answers:,} 次答复中有 {found.different:,} 次不同。",
        f"Of {found.answers:,} answers {found.different:,} are not the same.",
    )


def facts_of(found: Found) -> dict[str, object]:
    """Returns the numbers, and the first differences."""
    differences = [
        {"position": one.position, "as_of": one.as_of, "then": _said(one, is_then=True), "now": _said(one, is_then=False)}
        for one in found.differences
    ]
    return {"answers": found.answers, "different": found.different, "differences": differences}


def _said(difference: Difference, *, is_then: bool) -> dict[str, object]:
    one = difference.then if is_then else difference.now
    bases = [basis.hex() for basis in one.bases]
    return {"outcome": one.outcome, "reasons": list(one.reasons), "agreements": list(one.agreements), "bases": bases}


def difference_table(differences: list[Difference]) -> Table:
    """Lists answers that are not the same, with both."""
    columns = (Text("位置", "Position"), Text("依据位置", "Rests on"), Text("入账的答复", "As recorded"), Text("重新裁决", "Decided again"))
    rows = tuple(
        (one.position, one.as_of, said.answer(one.then.outcome, one.then.reasons), said.answer(one.now.outcome, one.now.reasons))
        for one in differences[:MOST_ROWS]
    )
    return Table(Text("不同的答复", "Answers that are not the same"), columns, rows)
