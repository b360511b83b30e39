"""Card use of Sichuan's interface (SBK2104, and SBK2105 with up to 500) as events of feed sc.usage.

    yydm 应用代码, the scenario · yyqh 应用区划 · cgdm 场馆代码 · je 金额 · pdh 判定号, the hub's receipt
    gzxh 更正的序号 · czxh 冲正的序号, numbers of feed sc.usage as replies gave them · kzxx 扩展信息, by scenario

aaz502, the status a terminal saw, is not passed on: it is no fact about the card. A scenario unknown here becomes an
event without kind, which takes its number and is quarantined by the hub: the catalogue of scenarios grows without us.
"""

from collections.abc import Callable

from chuanyu.exchange.v1.event_pb2 import Event, Source
from chuanyu.exchange.v1.references_pb2 import EventRef

from adapters.sichuan.fields import Fields
from adapters.sichuan.subjects import event_about
from adapters.sichuan.usage_kinds import civic, culture, medical, transit

FEED = "sc.usage"
# The journal passes a thousand million positions within a year.
POSITION_DIGITS = 18

KINDS: dict[str, Callable[[Fields, Fields], Event]] = {
    **culture.KINDS,
    **transit.KINDS,
    **medical.KINDS,
    **civic.KINDS,
}
# Kinds with amounts of their own; for the others the event itself carries the amount.
WITH_AMOUNT = culture.WITH_AMOUNT | transit.WITH_AMOUNT | medical.WITH_AMOUNT | civic.WITH_AMOUNT


def translate_usage(native: Fields, source: Source) -> Event:
    """Returns the fact of one use; raises ParameterInvalid."""
    scenario, extension = native.required("yydm"), native.nested("kzxx")
    build = KINDS.get(scenario)
    event = build(native, extension) if build else Event()
    event.MergeFrom(event_about(native, source, region_field="yyqh"))
    event.scenario = scenario
    event.venue_code = native.text("cgdm") or extension.text("gdm")
    event.decision_position = native.count("pdh", POSITION_DIGITS)
    amount_fen = native.fen("je")
    if event.WhichOneof("kind") not in WITH_AMOUNT:
        event.amount_fen = amount_fen
    for name, reference in (("gzxh", event.corrects), ("czxh", event.reverses)):
        if sequence := native.count(name, POSITION_DIGITS):
            reference.CopyFrom(EventRef(feed=FEED, sequence=sequence))
    return event
