"""`hub sandbox`: runs one, and does to a running one what its page does too."""

import json
import shlex
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Annotated, Any

import typer

from hub.commands.address import checked_address
from hub.commands.options import Json
from hub.config import Config
from hub.domain.errors import HubError
from hub.sandbox.running import SandboxSettings, run_sandbox

app = typer.Typer(
    help="沙箱：数据随时清空的枢纽、会答复的对方、可制造的故障、一张网页。A hub to make mistakes on: a partner, faults, a page.",
    no_args_is_help=False,
)
ANSWER_S = 60.0
# Where a running one's page is, for the commands beside it.
_WHERE = "page"


class NoSandbox(HubError):
    """此数据目录没有沙箱在运行；先运行 hub sandbox。No sandbox runs on this data directory; run `hub sandbox` first:"""

    def __init__(self) -> None:
        """Names the data directory that was looked at."""
        super().__init__(f"{Config().data_dir.resolve()}（HUB_DATA_DIR）")


class SandboxRefuses(HubError):
    """沙箱没有照办 the sandbox did not do so:"""


@app.callback(invoke_without_command=True)
def sandbox(
    context: typer.Context,
    province: Annotated[str, typer.Option(help="开发方所在省：51 或 50，另一省由沙箱扮演。Whose developers: 51 or 50.")] = "51",
    listen: Annotated[str, typer.Option(help="监听地址。Address for clients.", callback=checked_address)] = "127.0.0.1:7643",
    second: Annotated[str, typer.Option(help="第二地址。The second address.", callback=checked_address)] = "127.0.0.1:7644",
    page: Annotated[str, typer.Option(help="网页地址。Address of the page.", callback=checked_address)] = "127.0.0.1:7680",
    as_json: Json = False,
) -> None:
    """运行沙箱，Ctrl-C 结束。Run a sandbox until Ctrl-C."""
    if context.invoked_subcommand is not None:
        return
    if province not in ("50", "51"):
        raise typer.BadParameter(f"省级代码为 50 或 51，不是 {province}。The province is 50 or 51.", param_hint="--province")
    data_dir = _data_dir()
    typer.echo("启动沙箱 … starting a sandbox", err=True)

    def said(described: dict[str, Any]) -> None:
        (data_dir / _WHERE).write_text(described["page"], encoding="utf-8")
        typer.echo(json.dumps(described, ensure_ascii=False) if as_json else _in_words(described))

    run_sandbox(SandboxSettings(data_dir, province, (listen, second), page), said)


@app.command()
def reset() -> None:
    """重置：数据、编号、故障全部回到开始。Begin again: data, numbers and faults."""
    typer.echo(f"重置 reset: {_post('reset')['seconds']} s；客户端的待发库也要换成空的 begin with an empty outbox too")


@app.command()
def fault(
    kind: Annotated[str, typer.Argument(help="故障，见 docs/sandbox.md。Which; see docs/sandbox.md.")],
    times: Annotated[int, typer.Option(min=1, help="几次。How often.")] = 1,
    after: Annotated[int, typer.Option(min=0, help="先放过几个。How many pass first.")] = 0,
    seconds: Annotated[float, typer.Option(min=0, max=600, help="多少秒。How many seconds.")] = 1.0,
    feed: Annotated[str, typer.Option(help="只限该数据流。Of this feed alone.")] = "",
    method: Annotated[str, typer.Option(help="只限该方法。Of this method alone.")] = "",
) -> None:
    """制造故障。Break something."""
    _post("fault", kind=kind, times=times, after=after, seconds=seconds, feed=feed, method=method)
    typer.echo(f"✓ {kind}")


@app.command()
def clock(days: Annotated[int, typer.Argument(min=0, help="比现在往前几天。How many days ahead of now.")]) -> None:
    """把枢纽的时钟往前拨；重置后回到现在。Set the hub's clock ahead; a reset sets it back."""
    _post("clock", days=days)
    typer.echo(f"✓ +{days} d")


@app.command()
def totals(day: Annotated[str, typer.Option(help="业务日，默认今天。Business day, today if none.")] = "") -> None:
    """让对方报送总数。Have the partner report its totals."""
    typer.echo(_post("totals", day=day)["said"])


@app.command()
def certificate(
    withdraw_older: Annotated[bool, typer.Option("--withdraw-older", help="吊销旧的。Withdraw the older ones instead.")] = False,
) -> None:
    """签发下一张客户端证书。Issue the next client certificate."""
    described = _post("certificate", withdraw="1" if withdraw_older else "")
    typer.echo(f"证书 certificate: {described['certificate']}\n私钥 key: {described['key']}")


@app.command()
def came() -> None:
    """收到了什么、哪里不对，JSON。What came, and what was wrong with it, as JSON."""
    typer.echo(json.dumps(_ask("came.json"), ensure_ascii=False, indent=1))


def _data_dir() -> Path:
    return Config().data_dir.resolve() / "sandbox"


def _post(path: str, **figures: object) -> dict[str, Any]:
    return dict(_ask(f"{path}?{urllib.parse.urlencode(figures)}", b""))


def _ask(path: str, body: bytes | None = None) -> Any:
    where = _data_dir() / _WHERE
    if not where.exists():
        raise NoSandbox
    # Without proxies, whatever the environment names: it is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        asked = urllib.request.Request(where.read_text(encoding="utf-8") + path, body)  # noqa: S310 (a running sandbox wrote where it is)
        with opener.open(asked, timeout=ANSWER_S) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as refused:
        said = refused.read().decode(errors="replace")
        raise SandboxRefuses(str(json.loads(said)["refused"]) if said.startswith('{"refused"') else f"HTTP {refused.code}") from None
    except OSError:
        raise NoSandbox from None


def _in_words(described: dict[str, Any]) -> str:
    target, participant, feed = described["targets"][0], described["participant"], described["feeds"][0]
    lines = {
        "沙箱，不是真实枢纽 a sandbox, not a real hub": described["page"],
        "地址 targets": ", ".join(described["targets"]),
        "参与方 participant": participant,
        "数据流 feeds": ", ".join(described["feeds"]),
        "CA": described["authority"],
        "证书 certificate": described["certificate"],
        "私钥 key": described["key"],
        "挂失名单公钥 hotlist key": described["hotlist_key"],
        "第一个事件 first event": f"node first_event.mjs {target} {shlex.quote(str(Path(described['key']).parent))} {participant} {feed}",
    }
    return "\n".join(f"{name}: {value}" for name, value in lines.items())
