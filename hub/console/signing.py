"""Signing in: by a provider of identities, a link that counts once, or name, password and one-time code; and what stays with a browser."""

from collections.abc import Callable
from ipaddress import ip_address
from typing import TypeVar
from urllib.parse import quote

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from hub.admin.accounts.accounts import Account, put_identity
from hub.admin.accounts.provider import Provider
from hub.admin.accounts.sessions import LinkSpent, begin_session, spend_link
from hub.admin.accounts.sign_in import SignInRefused, sign_in
from hub.console.frame import Frame
from hub.console.guard import UNDER_WAY, FormForged, is_own, keep_choice, sign_in_cookie, under_way_cookie
from hub.console.language import LANGUAGES, THEMES, Words
from hub.console.page import PageUnknown
from hub.console.workings import BACK_TO, Workings
from hub.domain.errors import HubError
from hub.telemetry.logs import security

Given = TypeVar("Given")
Answer = Callable[[Given], Response]
View = Callable[[Workings, Request, Words, FormData], Response]


def offer(workings: Workings, request: Request, words: Words, _: FormData) -> Response:
    """Shows the form of the sign-in."""
    to, has_provider = _within(request.query_params.get("to", "")), workings.provider is not None
    return Frame(workings, request, words, None).open("sign_in", words.t("登录", "Sign in"), to=to, has_provider=has_provider)


def enter_by_password(workings: Workings, request: Request, words: Words, form: FormData) -> Response:
    """Signs in by name, password and code."""
    _check_own(request)
    name, address = str(form.get("name", "")), _address(request)
    # What comes from this machine comes by a proxy: one stranger's failures must not lock everybody out.
    counted = "" if _is_loopback(address) else address
    with workings.rows.session() as connection:
        try:
            account = sign_in(connection, workings.keyring, name, str(form.get("password", "")), str(form.get("code", "")), counted)
        except SignInRefused:
            security("console.sign_in_refused", operator=name[:64] if name.isalnum() else "", address=address)
            raise
    return _begun(workings, account, "PASSWORD", _within(str(form.get("to", ""))))


def offer_link(workings: Workings, request: Request, words: Words, _: FormData) -> Response:
    """Shows a button: to look at a link is not to use it."""
    return Frame(workings, request, words, None).open("enter", words.t("进入控制台", "Enter"), secret=request.path_params["secret"])


def enter_by_link(workings: Workings, request: Request, _: Words, __: FormData) -> Response:
    """Signs in by a link; of the demo only from this machine."""
    _check_own(request)
    if workings.is_demo and not _is_loopback(_address(request)):
        raise LinkSpent
    with workings.rows.session() as connection:
        account = spend_link(connection, request.path_params["secret"])
    return _begun(workings, account, "LINK", "/")


def go_to_provider(workings: Workings, _: Request, __: Words, ___: FormData) -> Response:
    """Leads to the provider of identities; a link does, because a form may lead nowhere else."""
    begun = _provider(workings).begin()
    response = RedirectResponse(begun.address, status_code=303)
    under_way_cookie(response, begun.secret)
    return response


def come_from_provider(workings: Workings, request: Request, words: Words, _: FormData) -> Response:
    """Signs in who comes back from it.

    The page goes on by itself: the session's cookie goes with what our own page asks for, and not with where another site leads.
    """
    provider, secret = _provider(workings), request.cookies.get(UNDER_WAY, "")
    try:
        who = provider.finish(secret[:100], request.query_params)
        with workings.rows.session() as connection:
            account = put_identity(connection, *who)
    except HubError as refusal:
        security("console.provider_refused", reason=type(refusal).__name__, address=_address(request))
        raise
    with workings.rows.session() as connection:
        session = begin_session(connection, account, "PROVIDER")
    security("console.signed_in", operator=account.name, way="PROVIDER")
    response = Frame(workings, request, words, None).open("come_in", words.t("已登录", "Signed in"))
    response.headers["Refresh"] = "0; url=/"
    sign_in_cookie(response, session)
    under_way_cookie(response, "")
    return response


def _provider(workings: Workings) -> Provider:
    if workings.provider is None:
        raise PageUnknown
    return workings.provider


def with_choices(request: Request, response: Response) -> Response:
    """Has the browser keep a language or theme that the address chooses."""
    for name, known in (("lang", LANGUAGES), ("theme", THEMES)):
        if (chosen := request.query_params.get(name, "")) in known:
            keep_choice(response, name, chosen)
    return response


def _begun(workings: Workings, account: Account, way: str, to: str) -> Response:
    with workings.rows.session() as connection:
        secret = begin_session(connection, account, way)
    security("console.signed_in", operator=account.name, way=way)
    response = RedirectResponse(to or "/", status_code=303)
    sign_in_cookie(response, secret)
    return response


def _check_own(request: Request) -> None:
    if not is_own(request):
        raise FormForged


def _address(request: Request) -> str:
    return request.client.host if request.client is not None else ""


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _within(to: str) -> str:
    """Returns an address within the console, "" for any other."""
    is_ours = to.startswith("/") and not to.startswith(("//", "/\\")) and to.isprintable() and "\\" not in to
    return quote(to, safe="/") if is_ours else ""


ROUTES: tuple[tuple[str, View, str], ...] = (
    ("/sign-in", offer, "GET"),
    ("/sign-in", enter_by_password, "POST"),
    ("/oidc", go_to_provider, "GET"),
    (BACK_TO, come_from_provider, "GET"),
    ("/enter/{secret}", offer_link, "GET"),
    ("/enter/{secret}", enter_by_link, "POST"),
)
