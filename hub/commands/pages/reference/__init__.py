"""The reference of the API as one HTML file for developers of the provinces: no network, no script, nothing beside it."""

from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from hub.commands.pages.contract import PACKAGE, files, services
from hub.commands.pages.reference import markup
from hub.commands.pages.reference.calls import acceptance_section, refusal_section, service_sections
from hub.commands.pages.reference.tables import limit_section, role_section, rule_section, scenario_section
from hub.commands.pages.reference.vocabulary import file_sections, kind_section
from hub.words.methods import METHODS

_STYLE = Path(__file__).parent / "style.css"
_TITLE = "川渝一卡通枢纽接口参考 Chuanyu exchange hub, API reference"
_BEGIN = Path(__file__).parent / "begin.html"


def page() -> str:
    """Returns the page; the same contract gives the same bytes."""
    version = metadata.version("chuanyu-exchange-hub")
    sections = {
        ("begin", "接入", "How to call"): [_BEGIN.read_text(encoding="utf-8")],
        ("services", "服务与方法", "Services and methods"): service_sections(),
        ("roles", "角色", "Roles"): role_section(),
        ("limits", "限度", "Limits"): limit_section(),
        ("refusals", "拒绝", "Refusals"): refusal_section(),
        ("rules", "事件与请求的规则", "Rules of events and requests"): rule_section(),
        ("outcomes", "互认答复及其理由", "Acceptance outcomes and reasons"): acceptance_section(),
        ("scenarios", "场景", "Scenarios"): scenario_section(),
        ("kinds", "事件种类", "Kinds of events"): kind_section(),
        ("messages", "消息与枚举", "Messages and enums"): file_sections(),
    }
    body = "".join(_section(*name, parts) for name, parts in sections.items())
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width">\n'
        f"<title>{markup.plain(_TITLE)}</title>\n<style>\n{_STYLE.read_text(encoding='utf-8')}</style>\n</head>\n<body>\n"
        f"<header><h1>{markup.plain(_TITLE)}</h1>\n<p>{PACKAGE} · {markup.plain(version)}</p></header>\n"
        f"{_contents(list(sections))}<main>\n{body}</main>\n</body>\n</html>\n"
    )


def _section(anchor: str, zh: str, en: str, parts: Iterable[str]) -> str:
    return f"<section>\n{markup.heading(2, anchor, zh, en)}{''.join(parts)}</section>\n"


def _contents(sections: list[tuple[str, str, str]]) -> str:
    """Returns the table of contents: the sections, with services and their methods and with the files below theirs."""
    below = {"services": "".join(_methods()), "messages": _list(markup.link(file.name, Path(file.name).stem) for file in files())}
    entries = (f"{markup.link(anchor, f'{zh} {en}')}{below.get(anchor, '')}" for anchor, zh, en in sections)
    return f"<nav>\n<h2>目录 Contents</h2>\n{_list(entries)}</nav>\n"


def _methods() -> Iterable[str]:
    for service in services():
        yield f"<p>{markup.link(service.name, service.name)}</p>"
        yield _list(
            f'{markup.link(f"{service.name}.{method.name}", method.name)} <span lang="zh-CN">{METHODS[method.name]}</span>'
            for method in service.method
        )


def _list(entries: Iterable[str]) -> str:
    return "<ul>\n" + "".join(f"<li>{entry}</li>\n" for entry in entries) + "</ul>\n"
