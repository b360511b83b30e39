"""People who do not exist: names as they occur in both provinces, and numbers no living person can have.

Numbers lie only in the unassigned counties 510199 and 500199, with a right check digit (GB 11643, MOD 11-2). Names
include what breaks software: minority names with ·, names of one given character, and 㐂, which GBK does not know
and GB18030 writes in four bytes.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Final

COUNTIES: Final = {"50": "500199", "51": "510199"}
OLDEST_YEARS: Final = 92

_SURNAMES: Final = "王李张刘陈杨黄赵周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文冉向蒲牟"  # noqa: E501
_GIVEN: Final = (
    "伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚桂华建国志文婷玉萍红梅林波辉鹏飞雪琴云峰欣怡梓涵宇轩浩然子墨雨桐思远嘉怡川渝蓉江山岷巴蜀"
)
_MINORITY: Final = (
    ("阿牛", "吉克", "阿苏", "沙马", "马海", "俄木", "扎西", "多吉", "次仁", "泽仁", "卓玛", "央金"),
    ("木呷", "曲布", "阿呷", "拉日", "尔古", "石布", "措姆", "邓珠", "旺堆", "平措", "拉姆", "尼玛"),
)
_STEMS: Final = "甲乙丙丁戊己庚辛壬癸"
_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


@dataclass(frozen=True, slots=True)
class Person:
    """One holder; `age_group` at the start of the traffic is child (under 14), student (to 22), adult or elder (65)."""

    id_no: str
    name: str
    born_on: date
    age_group: str


def new_person(rng: Random, home: str, today: date, taken: set[str]) -> Person:
    """Returns somebody new from province *home* (50 or 51), adding the number to *taken*."""
    while True:
        born_on = today - timedelta(days=int(rng.triangular(30, OLDEST_YEARS * 365, 38 * 365)))
        # The prefix is the place of first registration, and one in eight moved since then (never route on it).
        county = COUNTIES[home] if rng.random() < 0.88 else COUNTIES["50" if home == "51" else "51"]
        first17 = f"{county}{born_on:%Y%m%d}{rng.randrange(1, 1000):03d}"
        id_no = first17 + check_digit(first17)
        if id_no not in taken:
            taken.add(id_no)
            return Person(id_no, _name(rng, home), born_on, age_group(born_on, today))


def check_digit(first17: str) -> str:
    """Returns the MOD 11-2 check digit of seventeen digits."""
    total = sum(int(digit) * weight for digit, weight in zip(first17, _WEIGHTS, strict=True))
    return "10X98765432"[total % 11]


def with_wrong_check_digit(id_no: str) -> str:
    """Returns a number that differs from *id_no* in its check digit alone, as a typing error does."""
    return id_no[:17] + ("1" if id_no[17] != "1" else "2")


def age_group(born_on: date, today: date) -> str:
    """Returns child, student, adult or elder."""
    years = today.year - born_on.year - ((today.month, today.day) < (born_on.month, born_on.day))
    limits = ((14, "child"), (22, "student"), (65, "adult"))
    return next((group for limit, group in limits if years < limit), "elder")


def _name(rng: Random, home: str) -> str:
    kind = rng.random()
    if kind < 0.005:
        return "测试㐂"
    if kind < 0.05:
        return f"测试{rng.choice(_STEMS)}"
    if kind < (0.09 if home == "51" else 0.06):
        return "·".join(rng.choice(parts) for parts in _MINORITY)
    given = "".join(rng.choice(_GIVEN) for _ in range(1 if rng.random() < 0.15 else 2))
    return rng.choice(_SURNAMES) + given
