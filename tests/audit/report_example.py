"""An outcome of an audit as a reader of docs/report.md sees it."""

from datetime import datetime

from hub.audit.outcome import Bars, Line, Moment, Outcome, Table, Text
from hub.domain.instants import microseconds_of


def us(local: str) -> int:
    """An instant of +08:00."""
    return microseconds_of(datetime.fromisoformat(f"{local}+08:00"))


EXAMPLE = Outcome(
    question=Text(
        "2026 年 3 月 3 日 10:05，枢纽对这张卡知道什么、答复了什么？",
        "What did the hub know of this card at 10:05 on 3 March 2026, and what did it answer?",
    ),
    answer=Text(
        "当时枢纽答复“可用”，因为挂失在 10:17 才报到枢纽。",
        "The hub answered that the card may be used, because the loss was reported to it at 10:17 only.",
    ),
    holds=None,
    recorded_as_of=1_204_331,
    facts={"position": 1_204_000},
    timeline=(
        Moment(us("2026-03-01T09:00:05"), us("2026-03-01T09:00:00"), 1_100_221, Text("重庆制发此卡", "Chongqing issued the card")),
        Moment(us("2026-03-02T08:31:10"), us("2026-03-02T08:31:02"), 1_150_002, Text("社保功能启用", "the social function was activated")),
        Moment(
            us("2026-03-03T10:05:00"),
            us("2026-03-03T10:05:00"),
            1_204_000,
            Text("枢纽答复：可用（成都地铁进站）", "the hub answered: may be used (entering Chengdu metro)"),
        ),
        Moment(
            us("2026-03-03T10:17:44"),
            us("2026-03-03T09:52:00"),
            1_204_331,
            Text("四川报来口头挂失，自 09:52 起", "Sichuan reported a temporary loss, in force since 09:52"),
        ),
    ),
    tables=(
        Table(
            Text("当时的答复", "the answers then"),
            (Text("时间", "time"), Text("场景", "scenario"), Text("结论", "outcome"), Text("位置", "position")),
            (
                ("2026-03-03 10:05:00", Text("公共交通·地铁", "transit, metro"), Text("可用", "ACCEPT"), 1_204_000),
                (
                    "2026-03-03 10:18:02",
                    Text("公共交通·地铁", "transit, metro"),
                    Text("不可用：已挂失", "DENY: reported lost"),
                    1_204_340,
                ),
            ),
        ),
    ),
    figures=(
        Bars(
            Text("三月此类答复，按场景", "such answers of March, by scenario"),
            (
                (Text("公共交通·地铁", "transit, metro"), 3120),
                (Text("图书借阅", "libraries"), 1290),
                (Text("住宿", "hotels"), None),
                (Text("景区", "scenic spots"), 0),
            ),
        ),
    ),
    verified=(
        Text(
            "日志第 1 至 1,204,331 位的树根与检查点一致，由重庆、四川两名见证方联署",
            "the root of positions 1 to 1,204,331 is that of the checkpoint, cosigned by the witnesses of Chongqing and Sichuan",
        ),
        Text("卡索引表明没有遗漏此卡的任何事件", "the card index shows that no event of this card is left out"),
    ),
    limits=(
        Text("各省未报送的事实不在枢纽日志内", "facts that no province reported are not in the journal"),
        Text("服务终端离线时的使用不经枢纽答复", "uses at terminals that were offline were not answered by the hub"),
    ),
    recorded_us=us("2026-03-03T10:20:00"),
    about=(
        Line(Text("审计编号", "Audit"), Text("AU-12", "AU-12")),
        Line(Text("目的", "Purpose"), Text("持卡人投诉闸机误放", "持卡人投诉闸机误放")),
        Line(Text("法律依据", "Legal basis"), Text("四川省社会保障卡一卡通条例", "四川省社会保障卡一卡通条例")),
        Line(Text("申请", "Asked"), Text("li.lei，2026-03-05 09:12:40", "li.lei, 2026-03-05 09:12:40")),
        Line(Text("核准", "Approved"), Text("han.meimei，2026-03-05 09:30:02", "han.meimei, 2026-03-05 09:30:02")),
    ),
)
