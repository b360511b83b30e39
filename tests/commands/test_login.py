"""Who acts at a terminal: the operator that is named, else the login; names that may not be recorded are refused or replaced."""

import os
import pwd
from pathlib import Path

import pytest

from hub.commands.login import acting, login
from hub.commands.refusals import in_words
from hub.domain.errors import RequestInvalid


class NoName:
    """A system whose user has no name, as in a container."""

    def __call__(self, uid: int) -> pwd.struct_passwd:
        raise KeyError(uid)


@pytest.fixture
def user(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    name, uid = request.param
    entry = pwd.struct_passwd((name, "x", uid, uid, "", "/", "/bin/sh"))
    monkeypatch.setattr("hub.commands.login._LOGIN", Path("/no/such/file"))
    monkeypatch.setattr(os, "getuid", lambda: uid)
    monkeypatch.setattr(pwd, "getpwuid", (lambda _: entry) if name else NoName())


@pytest.mark.parametrize(
    ("user", "known_as"),
    [
        (("li.lei", 1000), "li.lei"),
        (("stranger1", 1000), "uid-1000"),
        (("510199199001011234", 1000), "uid-1000"),
        (("张三", 1000), "uid-1000"),
        (("", 1000), "uid-1000"),
        (("510199199001011234", 1234567890), "uid-1.234.567.890"),
    ],
    indirect=["user"],
)
@pytest.mark.usefixtures("user")
def test_a_login_that_may_not_be_recorded_is_its_number(known_as: str) -> None:
    assert (login(), acting(""), acting("han.meimei")) == (known_as, known_as, "han.meimei")


@pytest.mark.parametrize("recorded", ["4294967295", "no number", ""])
def test_where_nobody_logged_in_it_is_the_user_of_the_process(recorded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "loginuid").write_text(recorded)
    monkeypatch.setattr("hub.commands.login._LOGIN", tmp_path / "loginuid")
    assert login() == pwd.getpwuid(os.getuid()).pw_name


def test_who_logged_in_is_known_behind_sudo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "loginuid").write_text("1001\n")
    monkeypatch.setattr("hub.commands.login._LOGIN", tmp_path / "loginuid")
    monkeypatch.setattr(os, "getuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: pwd.struct_passwd((f"officer-{uid}", "x", uid, uid, "", "/", "/bin/sh")))
    assert login() == "officer-1001"


@pytest.mark.parametrize("name", ["510199199001011234", "stranger1", "张三", "a b", "x" * 65])
def test_a_name_that_may_not_be_recorded_is_refused_and_the_refusal_names_the_option(name: str) -> None:
    with pytest.raises(RequestInvalid) as refused:
        acting(name)
    assert in_words(refused.value).startswith("--operator: ")
    assert name not in in_words(refused.value)
