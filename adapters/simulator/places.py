"""Where cards are issued and used: real regions and plausible codes of stations, libraries, hospitals and windows.

Regions are GB/T 2260 codes in force since 2016; 500105 and 500112, which ended in 2025, are left out on purpose so
that any start instant will do.
"""

from typing import Final

SICHUAN_ISSUERS: Final = ("510100", "510104", "510107", "510300", "510500", "510600", "510700", "511100", "511300",
                          "511500", "511600", "511700", "512000", "513400")  # fmt: skip
CHONGQING_ISSUERS: Final = ("500101", "500102", "500103", "500104", "500106", "500107", "500108", "500113", "500114",
                            "500116", "500117", "500118", "500230", "500242")  # fmt: skip
ISSUERS: Final = {"50": CHONGQING_ISSUERS, "51": SICHUAN_ISSUERS}
CHENGDU: Final = ("510104", "510105", "510106", "510107", "510108", "510116")
CHONGQING_CENTRE: Final = ("500103", "500104", "500106", "500107", "500108", "500113")
SICHUAN_CITIES: Final = ("510104", "510105", "510107", "510700", "511300", "511500", "511600")

# UnionPay area of a purse's issuer and of the city it is used in.
ISSUER_AREAS: Final = {"50": "6530", "51": "6510"}
CHONGQING_AREA, CHENGDU_AREA, GUANGAN_AREA, WANZHOU_AREA = "6530", "6510", "6737", "6670"

METRO_LINES: Final = {"51": 10, "50": 9}
STATIONS_A_LINE: Final = 24
BUS_ROUTES: Final = 180

# Library code, region; the owner of a volume is one of them too.
SICHUAN_LIBRARIES: Final = (("510001", "510105"), ("510002", "510107"), ("511501", "511500"), ("510701", "510700"),
                            ("511301", "511300"), ("511601", "511600"))  # fmt: skip
CHONGQING_LIBRARIES: Final = (("500001", "500106"), ("500002", "500103"), ("500003", "500108"))
HOSPITALS: Final = tuple(f"H{region}{number:05d}" for region in CHENGDU for number in (301, 302, 517))
PHARMACIES: Final = tuple(f"P{region}{number:05d}" for region in CHENGDU for number in (11, 12, 13, 40))
CHONGQING_HOSPITALS: Final = tuple(f"H{region}{number:05d}" for region in CHONGQING_CENTRE for number in (351, 352))
SCENIC_SPOTS: Final = (("JQ511181", "511181", "5A", 12_000), ("JQ510181", "510181", "5A", 8_000),
                       ("JQ511381", "511381", "5A", 5_500), ("JQ510104", "510104", "4A", 5_000))  # fmt: skip
MUSEUMS: Final = (("BWG51001", "510106"), ("BWG51002", "510105"))
BANKS: Final = ("102", "103", "104", "105", "301", "302", "403")
# First six digits of social-security bank cards, by bank family.
BINS: Final = {"102": "621558", "103": "622823", "104": "621757", "105": "621467", "301": "622260", "302": "621771",
               "403": "621098"}  # fmt: skip
# Service items that both sides offer, by their ids in the catalogue: no code of theirs is public.
GOVERNMENT_ITEMS: Final = ("TB031", "TB048", "TB057", "TB058", "TB064", "TB069")
CASE_WINDOWS: Final = {"51": "510100", "50": "500103"}
FUND_PROJECTS: Final = (("GDDLBH", 12_600, 38_000), ("GLJT", 5_000, 30_000), ("CXJMYLJ", 12_500, 31_000),
                        ("NCDB", 26_000, 68_000), ("CJRBT", 8_000, 12_000), ("SYBXJ", 148_000, 176_000))  # fmt: skip
