"""The commands `hub replay`: answers decided again, views folded again, each compared with what is there."""

import json
from pathlib import Path
from typing import Annotated

import typer
from chuanyu.exchange.v1 import audit_question_pb2 as asked

from hub.audit.outcome import Outcome
from hub.audit.replay import views_asked
from hub.audit.replay.questions import answer
from hub.commands.asof_options import place
from hub.commands.database import database
from hub.commands.options import Json
from hub.commands.outcomes import print_outcome
from hub.commands.progress import announced
from hub.config import Config
from hub.journal.reader import head_position
from hub.journal.sessions import session
from hub.projections import runner
from hub.projections.snapshots import keep

app = typer.Typer(
    help="重放：答复重新裁决、视图重新折叠，与现有比对。Replay: answers decided again, views folded again, and compared.",
    no_args_is_help=True,
)
Begin = Annotated[str, typer.Option("--from", help="自此时刻或位置；空为开始。From this instant or position on; the beginning if absent.")]
End = Annotated[str, typer.Option("--to", help="至此时刻前或此位置；空为现在。Before this instant or up to this position; now if absent.")]


@app.command()
def answers(begin: Begin = "", end: End = "", as_json: Json = False) -> None:
    """一段时间的答复，按其所载规则与数据重新裁决并比对。Decide the answers of a period again, by the rules and data they name."""
    with database(Config()) as dsn:
        period = asked.AnswersQuestion(to=end_of(dsn, end))
        getattr(period, "from").CopyFrom(place(begin or "1"))
        finish(dsn, asked.AuditQuestion(answers=period), as_json=as_json)


@app.command()
def views(
    names: Annotated[list[str] | None, typer.Argument(help="视图名；空为全部。Names of views; all if none.")] = None,
    snapshot: Annotated[
        Path | None, typer.Option(help="自此快照起折叠，不从头开始。Fold from this snapshot on, not from the first position.")
    ] = None,
    as_json: Json = False,
) -> None:
    """视图与由日志重新折叠的结果比对，指出第一处不同及其事件。Compare views with a replay; the first difference with its event."""
    question = asked.ViewsQuestion(views=names or [])
    with database(Config()) as dsn:
        if snapshot is None:
            finish(dsn, asked.AuditQuestion(views=question), as_json=as_json)
        with announced(dsn, "replay") as report:
            outcome = views_asked.run(dsn, question, lambda done, of: report("重放 replay", done, of), snapshot)
        conclude(outcome, as_json=as_json)


@app.command()
def snapshot(to: Annotated[Path, typer.Option("--to", help="目录。The directory of the file.")], as_json: Json = False) -> None:
    """留存快照：答复所依据的视图写成文件，其位置与摘要记入日志。Keep the views that answers rest on in a file; its digest is recorded."""
    with database(Config()) as dsn, runner.connect(dsn, "hub-replay") as connection:
        kept = keep(dsn, connection, to)
    typer.echo(
        f"✓ {kept.path.name}: 位置 position {kept.position:,}，记于 recorded at {kept.event_position:,}，摘要 digest {kept.digest[:16]}…"
    )
    if as_json:
        typer.echo(json.dumps({**kept._asdict(), "path": str(kept.path)}))


def end_of(dsn: str, text: str) -> asked.RecordedAsOf:
    """Returns the end of a period as it was typed, the newest position if it was not."""
    if text:
        return place(text)
    with session(dsn, "hub_reader", "hub-replay") as connection:
        return asked.RecordedAsOf(position=max(1, head_position(connection)))


def finish(dsn: str, question: asked.AuditQuestion, *, as_json: bool) -> None:
    """Answers a question with a progress bar, prints the outcome, and exits with 1 where something does not hold."""
    with announced(dsn, "replay") as report:
        outcome = answer(dsn, question, lambda done, of: report("重放 replay", done, of))
    conclude(outcome, as_json=as_json)


def conclude(outcome: Outcome, *, as_json: bool) -> None:
    """Prints an outcome, and exits with 1 where something does not hold."""
    print_outcome(outcome, in_json=as_json)
    raise typer.Exit(0 if outcome.holds is not False else 1)
