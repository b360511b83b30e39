"""Pages in Chinese have words for what else only names: reference tables with their columns, spans of traces, and who records them."""

import importlib

import pytest

from adapters.bank import command as bank
from adapters.chongqing import command as chongqing
from adapters.chongqing.errors import AckCode
from adapters.kit import telemetry
from adapters.sichuan import command as sichuan
from hub.admin.reference_pages import reference_page, table_names
from hub.telemetry import names
from hub.words.methods import METHODS
from hub.words.names import VIEWS
from hub.words.reference_tables import COLUMNS, TABLES
from hub.words.services import DEPARTMENTS
from hub.words.traces import ERRORS, PROCESSES, span_words


def test_each_reference_table_and_each_of_its_columns_has_words() -> None:
    pages = {name: reference_page(name, None) for name in table_names()}
    assert TABLES.keys() == pages.keys()
    assert COLUMNS.keys() == {column for page in pages.values() if page is not None for column in page.columns}


def test_each_department_of_the_catalogue_has_an_english_name() -> None:
    items = reference_page("service_items", None)
    assert items is not None
    assert DEPARTMENTS.keys() == {row[items.columns.index("department")] for row in items.rows}


@pytest.mark.parametrize("module", [names, telemetry])
def test_each_span_has_words(module: object) -> None:
    routes = {"CALL_SPAN": ("/sbk/api/gateway", "/services/CardService")}
    for name, span in vars(module).items():
        if name.endswith("_SPAN"):
            for route in routes.get(name, ("",)):
                for view in VIEWS if "{view}" in span else ("",):
                    assert span_words(span.format(route=route, view=view).removeprefix("chuanyu.exchange.v1.")), name


def test_each_adapter_call_and_refusal_of_a_file_has_words() -> None:
    assert PROCESSES.keys() >= {one.SERVICE for one in (bank, chongqing, sichuan)}
    assert span_words("FeedService/AppendEvents") == METHODS["AppendEvents"] and span_words("something else") == ""
    whole_files = {one.name for one in AckCode if 0 < int(one) < 20}
    assert ERRORS.keys() >= whole_files
    refusals = importlib.import_module("adapters.sichuan.replies"), importlib.import_module("adapters.chongqing.errors")
    raised = [name for name in ERRORS.keys() - whole_files if not any(hasattr(module, name) for module in refusals)]
    assert raised == []
