"""The catalogue of open data: DCAT as JSON-LD, a dataset an indicator, with its licence, period, definition, provenance and files."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from hub.open_data.published import COLUMNS, Published

_CONTEXT = {
    "dcat": "http://www.w3.org/ns/dcat#",
    "dct": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "prov": "http://www.w3.org/ns/prov#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "spdx": "http://spdx.org/rdf/terms#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
_TYPES = {
    "txt": "https://www.iana.org/assignments/media-types/text/plain",
    "csv": "https://www.iana.org/assignments/media-types/text/csv",
    "parquet": "https://www.iana.org/assignments/media-types/application/vnd.apache.parquet",
}
BESIDE = "about"
_ABOUT = "urn:chuanyu:open-data"
# The data dictionary: each column, its type, and what it says.
DICTIONARY: Mapping[str, tuple[str, str, str]] = {
    "meeting_report": ("string", "公布该数的联席会议报告", "report for the joint meeting that published the figure"),
    "as_of": ("date", "截至的业务日", "business day at whose end it was counted"),
    "as_known_position": ("integer", "所知到日志的哪个位置", "last position of the journal that was known"),
    "indicator_report": ("string", "固定的指标报告", "the frozen report of the indicator"),
    "indicator": ("string", "指标，见 definitions.csv", "indicator, see definitions.csv"),
    "definition_version": ("integer", "定义的版本", "version of the definition"),
    "by": ("string", "按什么分列", "breakdown"),
    "cell": ("string", "单元，空为合计", "the cell; empty for the total"),
    "numerator": ("integer", "分子或计数；不显示时为空", "numerator or count; empty where it is not shown"),
    "denominator": ("integer", "分母；没有或不显示时为空", "denominator; empty where there is none or it is not shown"),
    "is_hidden": ("boolean", "是否不显示：少于 5 或可由此推算；不是零", "not shown: a few, or computable. It is not nought"),
}
assert tuple(DICTIONARY) == COLUMNS, "each column is in the dictionary"


def catalogue(shown: Sequence[Published], files: Mapping[str, bytes], licence: str) -> bytes:
    """Returns the catalogue of what is published, of files by their paths."""
    by_indicator: dict[str, list[Published]] = {}
    for one in shown:
        by_indicator.setdefault(one.indicator, []).append(one)
    said = {
        "@context": _CONTEXT,
        "@id": _ABOUT,
        "@type": "dcat:Catalog",
        "dct:title": _both("川渝社保卡“一卡通”指标开放数据", "Open data: indicators of the one card of Sichuan and Chongqing"),
        "dct:description": _both(
            "联席会议报告已公布的指标数字；少数人次不显示。日志分段只给审计员，不在此目录。",
            "Figures of indicators that reports for the joint meeting showed; a few are not shown. Segments of the journal are for auditors"
            " alone and are in no dataset.",
        ),
        "dct:publisher": {"@type": "foaf:Agent", "foaf:name": _both("川渝一卡通互通枢纽", "Chuanyu exchange hub")},
        "dct:license": {"@id": licence},
        "dct:language": [{"@id": f"http://publications.europa.eu/resource/authority/language/{one}"} for one in ("ZHO", "ENG")],
        "dcat:dataset": [
            *(_dataset(ones, files, licence) for _, ones in sorted(by_indicator.items(), key=lambda pair: int(pair[0][1:]))),
            _beside(files, licence),
        ],
    }
    return (json.dumps(said, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()


def _dataset(ones: Sequence[Published], files: Mapping[str, bytes], licence: str) -> dict[str, Any]:
    last, days = ones[-1].fact, sorted(one.as_of for one in ones)
    name = last["indicator"].lower()
    reports = sorted({one.meeting.code for one in ones}, key=lambda code: int(code.rpartition("-")[2]))
    position = max(one.position for one in ones)
    return {
        "@id": f"{_ABOUT}:{name}",
        "@type": "dcat:Dataset",
        "dct:identifier": last["indicator"],
        "dct:title": _both(last["name"]["zh"], last["name"]["en"]),
        "dct:description": _both(
            " ".join(filter(None, (last["numerator"]["zh"], *(one["zh"] for one in last["traps"])))),
            ". ".join(filter(None, (last["numerator"]["en"], *(one["en"] for one in last["traps"])))),
        ),
        "dct:license": {"@id": licence},
        "dct:temporal": {"@type": "dct:PeriodOfTime", "dcat:startDate": _day(days[0]), "dcat:endDate": _day(days[-1])},
        "dct:spatial": {"@type": "dct:Location", "skos:prefLabel": _both("重庆、四川", "Chongqing and Sichuan")},
        "dct:conformsTo": {"@id": f"urn:sha256:{last['definition_digest']}"},
        "dct:provenance": {
            "@type": "dct:ProvenanceStatement",
            "dct:description": _both(
                f"由报告 {'、'.join(reports)} 公布，依据枢纽日志第 1 至 {position} 位；见 provenance.csv 与 checkpoints/",
                f"published by reports {', '.join(reports)}, from positions 1 to {position} of the hub's journal; see provenance.csv and"
                " checkpoints/",
            ),
        },
        "prov:wasDerivedFrom": [{"@id": f"urn:chuanyu:indicator-report:{one.report}"} for one in ones],
        "dcat:distribution": [_file(path, files[path]) for path in (f"datasets/{name}.csv", f"datasets/{name}.parquet")],
        "dct:relation": {"@id": f"{_ABOUT}:{BESIDE}"},
    }


def _beside(files: Mapping[str, bytes], licence: str) -> dict[str, Any]:
    """Returns the dataset of what explains the others, so that each file of the folder is in the catalogue with its sum."""
    return {
        "@id": f"{_ABOUT}:{BESIDE}",
        "@type": "dcat:Dataset",
        "dct:identifier": BESIDE,
        "dct:title": _both("数据字典、定义与出处", "Data dictionary, definitions and provenance"),
        "dct:description": _both(
            "各列的含义、各指标的定义、各报告的摘要，以及其所依据的日志检查点。",
            "What the columns say, what the indicators count, digests of the reports, and the checkpoints of the log that they rest on.",
        ),
        "dct:license": {"@id": licence},
        "dcat:distribution": [_file(path, content) for path, content in sorted(files.items()) if not path.startswith("datasets/")],
    }


def _file(path: str, content: bytes) -> dict[str, Any]:
    return {
        "@id": path,
        "@type": "dcat:Distribution",
        "dcat:downloadURL": {"@id": path},
        "dcat:mediaType": {"@id": _TYPES[path.rpartition(".")[2]]},
        "dcat:byteSize": len(content),
        "spdx:checksum": {
            "@type": "spdx:Checksum",
            "spdx:algorithm": {"@id": "spdx:checksumAlgorithm_sha256"},
            "spdx:checksumValue": hashlib.sha256(content).hexdigest(),
        },
    }


def _both(zh: str, en: str) -> list[dict[str, str]]:
    return [{"@language": "zh", "@value": zh}, {"@language": "en", "@value": en}]


def _day(day: str) -> dict[str, str]:
    return {"@type": "xsd:date", "@value": day}
