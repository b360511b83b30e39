"""What keeps others out: headers of every answer, whether a form was sent by our own page, and the cookie that names a session."""

import secrets
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from hub.admin.accounts.sessions import Session
from hub.domain.errors import HubError

COOKIE = "__Host-console"
# Of a sign-in under way: sent along by the browser when another site leads back here, which the session's is not.
UNDER_WAY = "__Host-console-oidc"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; font-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
LONGEST_S = 8 * 3600


class FormForged(HubError):
    """The form was not sent by this console's page, or is too old; go back and fill it in again."""


def secured(response: Response, *, cached: bool = False) -> Response:
    """Adds the headers; only what is in a static file may be *cached*."""
    for name, value in HEADERS.items():
        if not (cached and name == "Cache-Control"):
            response.headers[name] = value
    return response


def is_own(request: Request) -> bool:
    """Whether the browser says that a form comes from a page of this console."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin", "")
    return origin == f"{request.url.scheme}://{request.headers.get('host', '')}"


def check_form(request: Request, session: Session, form: Mapping[str, object]) -> None:
    """Raises FormForged where a form is not that session's own."""
    token = form.get("token")
    if not is_own(request) or not isinstance(token, str) or not secrets.compare_digest(token.encode(), session.token.encode()):
        raise FormForged


def sign_in_cookie(response: Response, secret: str) -> None:
    """Gives a browser the secret of its session."""
    response.set_cookie(COOKIE, secret, max_age=LONGEST_S, path="/", secure=True, httponly=True, samesite="strict")


def under_way_cookie(response: Response, secret: str) -> None:
    """Gives a browser the secret of its sign-in under way, or takes it back."""
    response.set_cookie(UNDER_WAY, secret, max_age=600 if secret else 0, path="/", secure=True, httponly=True, samesite="lax")


def keep_choice(response: Response, name: str, value: str) -> None:
    """Has a browser keep a language or a theme."""
    response.set_cookie(name, value, max_age=365 * 86_400, path="/", httponly=True, samesite="strict")
