"""The participants of the scenarios: each province's card centre, which has every role, and a few small participants with narrow ones."""

from typing import NamedTuple

from hub.domain.participant import PREFIX
from hub.domain.roles import Grant, Scope, every_role, rights_of
from hub.stage import CARD_CENTRES, PARTICIPANTS


class Teller(NamedTuple):
    """A participant: its province, its feeds, its roles, and what it is called on the page ("" where it is the province)."""

    province: str
    feeds: tuple[str, ...]
    roles: tuple[Grant, ...]
    title: str = ""


def _point(*scenarios: str, region: str) -> tuple[Grant, ...]:
    return (Grant("SERVICE_POINT", Scope(scenarios, (region,))),)


TELLERS = {
    f"{PREFIX}{name}": teller
    for name, teller in {
        **{name: Teller(province, tuple(feeds), every_role()) for name, (province, _, feeds) in PARTICIPANTS.items()},
        "cq.museum": Teller("50", ("cq.museum",), _point("CUL.MUS", region="5001"), "博物馆 museum"),
        "sc.bus": Teller("51", ("sc.bus",), _point("TRA.BUS", region="5101"), "公交公司 bus company"),
        "cq.hospital": Teller("50", ("cq.hospital",), _point("MED.*", region="5001"), "医院 hospital"),
    }.items()
}
# The province, the owner's URI name and its rights, by feed; who asks for a province.
FEEDS = {feed: teller.province for teller in TELLERS.values() for feed in teller.feeds}
OWNERS = {feed: urn for urn, teller in TELLERS.items() for feed in teller.feeds}
RIGHTS = {urn: rights_of(teller.province, tuple(sorted(teller.roles))) for urn, teller in TELLERS.items()}
ASKERS = {province: PREFIX + name for province, name in CARD_CENTRES.items()}
