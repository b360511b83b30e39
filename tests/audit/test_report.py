"""Reports: the same outcome gives the same bytes, a text from outside stays text, and a PDF is one for archives and for screen readers."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from io import BytesIO
from itertools import combinations
from math import hypot
from pathlib import Path

import pytest
import typst
from pyhanko.pdf_utils.reader import PdfFileReader

from hub.audit.outcome import Line, Moment, Outcome, Table, Text, as_json
from hub.audit.report import fonts, pages, pdf
from hub.audit.report.shown import shown
from tests.audit.report_example import EXAMPLE
from tests.audit.test_outcome import OUTCOME

PICTURE = Path(__file__).parents[2] / "docs" / "pictures" / "report.png"
DRAWN_WITH = "b76b0433203017ca80401b2ee0dd69350349871c4b19d504c34dbdd80541690a"
HOSTILE = '#panic("x") #read("/etc/passwd") $x$ *b* _e_ `r` [ ] { } \\ @ref <label> "quoted" </title><script>alert(1)</script>&amp;'
MINUTE_US = 60_000_000


class Tags(HTMLParser):
    """The tags and texts of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags, self.texts = set[str](), list[str]()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert not any(name.startswith("on") or (value or "").startswith("http") for name, value in attrs if name != "xmlns")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture(scope="module")
def made() -> bytes:
    return pdf.render(OUTCOME)


def attached(data: bytes) -> dict[str, bytes]:
    """The files in a PDF by name."""
    names = PdfFileReader(BytesIO(data)).root["/Names"]["/EmbeddedFiles"]["/Names"]
    return {str(names[at]): names[at + 1].get_object()["/EF"]["/F"].data for at in range(0, len(names), 2)}


def test_a_report_is_the_same_bytes_again_in_another_folder_another_zone_and_another_process(made: bytes, tmp_path: Path) -> None:
    script = "import sys; from hub.audit import outcome; from hub.audit.report import pdf"
    script += "; sys.stdout.buffer.write(pdf.render(outcome.read(sys.stdin.buffer.read())))"
    surroundings = {**os.environ, "TZ": "America/New_York", "HOME": str(tmp_path), "LANG": "C", "SOURCE_DATE_EPOCH": "86400"}
    again = subprocess.run(
        [sys.executable, "-c", script], input=as_json(OUTCOME), capture_output=True, check=True, cwd=tmp_path, env=surroundings
    )
    assert again.stdout == made


def test_the_picture_in_the_docs_is_page_one_of_the_example() -> None:
    """HUB_TEST_PICTURES=1 draws it again, where the fonts are those of Debian 12."""
    if fonts.found()[0].sha256 != DRAWN_WITH:
        pytest.skip("the picture was drawn with another edition of the fonts")
    with fonts.opened() as faces:
        drawn = typst.compile(
            pdf.TEMPLATES / "report.typ", root=pdf.TEMPLATES, font_paths=faces, sys_inputs=pdf._inputs(EXAMPLE, fonts.FOLDER),
            format="png", ppi=96,
        )  # fmt: skip
    first = drawn[0] if isinstance(drawn, list) else drawn
    if os.environ.get("HUB_TEST_PICTURES"):
        PICTURE.write_bytes(first)
    assert PICTURE.read_bytes() == first


def test_another_outcome_gives_another_report(made: bytes) -> None:
    assert pdf.render(OUTCOME._replace(facts={"changed": 4})) != made


def test_a_report_is_dated_by_the_record_and_never_by_the_day_it_was_made(made: bytes) -> None:
    assert set(re.findall(rb"D:(\d{14})", made)) == {b"20260303020500"}
    assert set(re.findall(rb"<xmp:\w+Date>([^<]+)<", made)) == {b"2026-03-03T02:05:00+00:00"}


def test_a_report_is_for_archives_and_for_screen_readers(made: bytes) -> None:
    root = PdfFileReader(BytesIO(made)).root
    metadata = root["/Metadata"].data.decode()
    assert "<pdfaid:part>3</pdfaid:part>" in metadata and "<pdfaid:conformance>A</pdfaid:conformance>" in metadata
    assert "<pdfuaid:part>1</pdfuaid:part>" in metadata
    (intent,) = (one.get_object() for one in root["/OutputIntents"])
    assert intent["/S"] == "/GTS_PDFA1" and intent["/DestOutputProfile"].data[36:40] == b"acsp"
    assert root["/MarkInfo"]["/Marked"] and root["/StructTreeRoot"] and root["/Lang"] and root["/ViewerPreferences"]["/DisplayDocTitle"]
    assert b"/Encrypt" not in made and b"/JavaScript" not in made and b"/URI" not in made


def test_every_font_of_a_report_is_in_it(made: bytes) -> None:
    reader = PdfFileReader(BytesIO(made))
    described = [one for one in objects(reader) if one.get("/Type") == "/FontDescriptor"]
    assert described and all("/FontFile3" in one or "/FontFile2" in one for one in described)
    assert all("NotoSansCJK" in str(one["/FontName"]) for one in described)


def objects(reader: PdfFileReader) -> list[dict[str, object]]:
    found = (reader.get_object(reference) for reference in reader.xrefs.explicit_refs_in_revision(0))
    return [one for one in found if isinstance(one, dict)]


def test_a_report_has_its_outcome_and_what_it_was_made_with(made: bytes) -> None:
    files = attached(made)
    assert files["outcome.json"] == as_json(OUTCOME)
    assert b"NotoSansCJK-Regular.ttc" in files["made.json"] and fonts.found()[0].sha256.encode() in files["made.json"]


def hostile() -> Outcome:
    text = Text(HOSTILE, HOSTILE)
    table = Table(text, (text, text), ((HOSTILE, text),))
    return OUTCOME._replace(
        question=text, answer=text, timeline=(Moment(0, 0, 1, text),), tables=(table,), verified=(text,), limits=(text,)
    )


def test_a_text_from_outside_is_no_markup_of_a_pdf() -> None:
    data = pdf.render(hostile())
    assert str(PdfFileReader(BytesIO(data)).trailer["/Info"]["/Title"]) == f"{HOSTILE} {HOSTILE}"
    assert b"/JavaScript" not in data and "root:" not in "".join(part.decode(errors="replace") for part in attached(data).values())


def test_a_text_from_outside_is_no_markup_of_a_page() -> None:
    tags = Tags(pages.page(hostile()).decode())
    assert "script" not in tags.tags and "label" not in tags.tags
    assert any(HOSTILE in text for text in tags.texts)


def test_missing_fonts_are_refused_by_their_package_and_the_page_is_there(tmp_path: Path) -> None:
    with pytest.raises(fonts.FontsMissing, match="fonts-noto-cjk"):
        pdf.render(OUTCOME, tmp_path)
    assert OUTCOME.answer.zh in pages.page(OUTCOME).decode()


def test_a_count_that_may_not_be_shown_is_in_neither_form() -> None:
    bars = shown(OUTCOME)["figures"][0]["bars"]
    assert [(bar["is_shown"], bar["length"]) for bar in bars] == [(True, 1_000), (False, 0)]
    assert "不显示" in pages.body(OUTCOME)


def test_a_fact_that_was_known_late_leans_to_the_right_and_says_how_late() -> None:
    late = Text("迟", "late")
    moments = (Moment(10 * MINUTE_US, 10 * MINUTE_US, 1, late), Moment(100 * MINUTE_US, 0, 2, late))
    report = shown(OUTCOME._replace(timeline=moments))
    at_once, later = report["drawn"]["lines"]
    assert at_once["x1"] == at_once["x2"] and later["x1"] < at_once["x1"] < later["x2"]
    assert [one["late"] for one in report["moments"]] == [None, {"zh": "迟 1 小时", "en": "1 hour late"}]


def test_no_two_nodes_of_the_picture_overlap() -> None:
    """Facts of one moment, some of them reported at once later, and more facts than the picture has places for."""
    event, minute = Text("事", "event"), MINUTE_US
    at_once = tuple(Moment(5 * minute + at, at // 3, at, event) for at in range(1, 7))
    spread = tuple(Moment(at * 7 * minute, at * 3 * minute, at, event) for at in range(10, 60))
    report = shown(OUTCOME._replace(timeline=(*at_once, *spread)))["drawn"]
    for x, y in (("x1", "y1"), ("x2", "y2")):
        nodes = [(line[x], line[y]) for line in report["lines"]]
        # The radius of a node is 8.5.
        assert all(hypot(a[0] - b[0], a[1] - b[1]) >= 17 for a, b in combinations(nodes, 2))
        assert all(8.5 <= at[0] <= report["width"] - 8.5 and 8.5 <= at[1] <= report["height"] - 8.5 for at in nodes)


def test_no_badge_contradicts_a_question_whose_right_answer_is_no() -> None:
    """The record was not altered: that is no Yes."""
    verdict = shown(OUTCOME._replace(holds=True))["verdict"]
    assert (verdict["zh"], verdict["en"]) == ("核对无异常", "checked: as it should be")
    assert shown(OUTCOME._replace(holds=False))["verdict"]["en"] == "checked: something is wrong"
    assert 'class="verdict"' not in pages.body(OUTCOME._replace(holds=None))


def test_page_one_says_what_was_asked_by_whom_and_what_for(made: bytes) -> None:
    about = (Line(Text("目的", "Purpose"), Text("<b>复核</b>", "<b>复核</b>")),)
    assert "<td>&lt;b&gt;复核&lt;/b&gt;</td>" in pages.body(OUTCOME._replace(about=about))
    assert pdf.render(OUTCOME._replace(about=about)) != made


def test_a_long_timeline_is_drawn_by_its_ends_and_listed_whole() -> None:
    moments = tuple(Moment(at * MINUTE_US * 2, at * MINUTE_US * 2, at, Text("事", "event")) for at in range(1, 101))
    report = shown(OUTCOME._replace(timeline=moments))
    assert (len(report["drawn"]["lines"]), report["drawn"]["left_out"], len(report["moments"])) == (16, 84, 100)
    assert pdf.render(OUTCOME._replace(timeline=moments)).startswith(b"%PDF-")


def test_no_edge_loads_what_only_reports_need() -> None:
    script = "import sys, hub.cli, hub.api.server; print({'typst', 'pyhanko', 'lxml', 'aiohttp'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True).stdout.strip() == "set()"
