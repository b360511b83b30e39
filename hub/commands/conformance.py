"""`hub conformance`: puts a client through trials, or sets one up for a client that is started by hand; lists the trials."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from hub.commands.options import Json
from hub.config import Config
from hub.conformance.clients import ByHand, Command
from hub.conformance.kit import Verdict
from hub.conformance.report import as_json, write_reports
from hub.conformance.running import judge_all, prepared
from hub.conformance.trials import BY_HAND_S, LEVEL_NAMES, LEVELS, all_trials, chosen, whole_levels

app = typer.Typer(
    help="一致性：逐例评判客户端，定级铜、银、金。Conformance: a client judged trial by trial: bronze, silver, gold.", no_args_is_help=True
)

Trials = Annotated[list[str] | None, typer.Argument(help="用例或等级，默认全部。Trials or levels, all if none.")]


@app.command("list")
def list_trials(as_json_: Json = False) -> None:
    """列出用例。List the trials."""
    if as_json_:
        rows = [{"id": one.id, "level": one.level, "group": one.group, "zh": one.title_zh, "en": one.title_en} for one in all_trials()]
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=1))
        return
    for one in all_trials():
        typer.echo(f"{one.id}  {LEVEL_NAMES[one.level][0]} {one.level:<7} {one.group:<13} {one.title_zh}\n     {one.title_en}")


@app.command("run")
def run(
    target: Annotated[str, typer.Option(help="启动被测客户端的命令。The command that starts the client under test.")],
    trials: Trials = None,
    repeat: Annotated[int, typer.Option(min=1, max=1_000, help="重复几遍。How many times over.")] = 1,
    out: Annotated[Path | None, typer.Option(help="报告写到此目录。Folder for report.html, report.xml, report.json.")] = None,
    as_json_: Json = False,
) -> None:
    """逐例评判；退出码 0 全部通过，1 有未通过的。Judge a client; exit code 0 if all passed, 1 if not."""
    wanted, data_dir = chosen(trials or []), _data_dir()
    verdicts: list[Verdict] = []
    # A command or a folder that cannot be is refused before a hub is started for it.
    client = Command(target, data_dir / "client.log")
    folder = out or data_dir / "report"
    folder.mkdir(parents=True, exist_ok=True)
    with prepared(data_dir) as kit:
        for _ in range(repeat):
            verdicts += judge_all(kit, wanted, client, _say)
    outcome = as_json(verdicts, target)
    paths = write_reports(verdicts, outcome, folder)
    typer.echo(json.dumps(outcome, ensure_ascii=False) if as_json_ else _last_words(outcome, paths))
    if outcome["failed"]:
        typer.echo(f"客户端的输出 what the client printed: {data_dir / 'client.log'}", err=True)
    raise typer.Exit(1 if outcome["failed"] else 0)


@app.command("serve")
def serve(trial: Annotated[str, typer.Argument(help="用例，如 B02。Trial, such as B02.")]) -> None:
    """布置一个用例，由您自行启动客户端（如在调试器中），完成后回车评判。Set one trial up for a client that you start; Enter judges it."""
    wanted, data_dir = chosen([trial]), _data_dir()
    if len(wanted) != 1:
        raise typer.BadParameter("只能是一个用例 one trial, not a level", param_hint="TRIAL")
    client = ByHand(_set_up, is_killed=bool(wanted[0].kill_after_batches))
    with prepared(data_dir) as kit:
        verdict = kit.judge(wanted[0].by_hand(), client, patience_s=BY_HAND_S)
    _say(verdict)
    for heading, lines in (("应有 expected", verdict.trial.expected), ("所见 seen", verdict.lines)):
        typer.echo("\n  ".join([heading, *lines]))
    raise typer.Exit(0 if verdict.passed else 1)


def _set_up(environment: Mapping[str, str], todo: str) -> None:
    for name, value in environment.items():
        typer.echo(f"export {name}={value}")
    typer.echo(todo, err=True)
    typer.prompt("", default="", show_default=False, prompt_suffix="")


def _data_dir() -> Path:
    return Config().data_dir.resolve() / "conformance"


def _say(verdict: Verdict) -> None:
    mark = "✓" if verdict.passed else "✗"
    typer.echo(f"{mark} {verdict.trial.id} {verdict.trial.title_zh} {verdict.trial.title_en}", err=True)
    for problem in verdict.problems:
        typer.echo(f"    {problem}", err=True)


def _above(outcome: dict[str, Any]) -> str:
    """Says of a level that was passed by itself which levels below are to be tried with it."""
    failed = {one["id"] for one in outcome["trials"] if not one["passed"]}
    whole = whole_levels({one["id"] for one in outcome["trials"]} - failed)
    if not whole or whole[-1] == outcome["level"]:
        return ""
    zh, highest = LEVEL_NAMES[whole[-1]]
    needed = " ".join(LEVELS[: LEVELS.index(highest) + 1])
    return f"；{zh}级各例都通过，达级须一次试完 all of {highest} passed; its level takes, in one run: {needed}"


def _last_words(outcome: dict[str, Any], paths: list[Path]) -> str:
    zh, en = LEVEL_NAMES[outcome["level"]]
    part = "" if outcome["is_whole"] else f"（只试了一部分 only a part was tried{_above(outcome)}）"
    level = f"等级 level: {zh} {en}{part}"
    reports = "\n".join(str(path) for path in paths)
    return f"{level}；通过 passed {outcome['passed']}，未通过 failed {outcome['failed']}\n{reports}"
