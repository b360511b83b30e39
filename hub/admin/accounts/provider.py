"""Signs in by a provider of identities (OpenID Connect): code with PKCE, state and nonce; each fault of its answer has a name.

A sign-in under way is known to this process alone, for ten minutes, under a secret that only the browser has which began it. Roles and
provinces are codes in one claim: what it does not name nobody gets, and who has no role of the hub there does not come in.
"""

import hashlib
import json
import secrets
import threading
import time
import urllib.error
import urllib.request
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from hub.admin.accounts.accounts import is_account_name
from hub.admin.accounts.roles import PROVINCES, ROLES
from hub.domain.errors import HubError
from hub.loopback import is_loopback

ALGORITHMS = ["RS256", "PS256", "ES256"]
UNDER_WAY_S, MOST_UNDER_WAY = 600, 1_000
TIMEOUT_S, MOST_BYTES, LEEWAY_S = 5.0, 262_144, 30
# The provider's keys are asked for again where a token names another, this often at most.
KEYS_S = 30.0
_LETTERS = str.maketrans("0123456789", "ghijklmnop")


class ProviderAway(HubError):
    """The provider of identities does not answer, or not as it should; try again, or sign in by a link."""


class ProviderUnfit(HubError):
    """The provider of identities must be an https address, and so must the console's own (HUB_CONSOLE_ADDRESS)."""


class SignInElsewhere(HubError):
    """This sign-in was not begun in this browser, was finished before, or took more than ten minutes; begin again."""


class ProviderRefused(HubError):
    """The provider of identities did not let you in; begin again or ask its administrators."""


class TokenForged(HubError):
    """What the provider of identities said is not signed by it, or is of another provider."""


class TokenOfAnother(HubError):
    """What the provider of identities said is for another application than this console."""


class TokenNonceWrong(HubError):
    """What the provider of identities said answers another sign-in than this one."""


class TokenExpired(HubError):
    """What the provider of identities said is no longer valid; begin again, and look at the clocks of both."""


class RolesMissing(HubError):
    """The provider of identities names no role of the hub, or no province, for you; ask its administrators."""


class Settings(NamedTuple):
    """The provider's name, how the console is known there, the address it leads back to, and the claim with roles and provinces."""

    issuer: str
    client_id: str
    secret: str
    back_to: str
    claim: str


class Identity(NamedTuple):
    """Who somebody is by the provider: the name of the account, how to call it, its roles and provinces."""

    name: str
    title: str
    roles: tuple[str, ...]
    provinces: tuple[str, ...]


class Begun(NamedTuple):
    """A sign-in under way: where the browser goes, and the secret that it keeps."""

    address: str
    secret: str


class _UnderWay(NamedTuple):
    state: str
    nonce: str
    verifier: str
    until_s: float


class Provider:
    """Used from many threads; it asks the provider for its addresses and keys when they are first needed."""

    def __init__(self, settings: Settings) -> None:
        """Raises ProviderUnfit."""
        if not _is_safe(settings.issuer) or not _is_safe(settings.back_to):
            raise ProviderUnfit
        self._settings = settings
        self._under_way: dict[bytes, _UnderWay] = {}
        self._lock = threading.Lock()
        self._found: dict[str, Any] = {}
        self._keys: tuple[float, KeySet | None] = (0.0, None)

    def begin(self) -> Begun:
        """Begins a sign-in; raises ProviderAway."""
        secret, state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(4))
        asked = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._settings.back_to,
            "scope": "openid profile",
            "state": state,
            "nonce": nonce,
            "code_challenge": urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        address = f"{self._address('authorization_endpoint')}?{urlencode(asked)}"
        now_s = time.monotonic()
        with self._lock:
            self._under_way = {key: one for key, one in self._under_way.items() if one.until_s > now_s}
            while len(self._under_way) >= MOST_UNDER_WAY:
                self._under_way.pop(next(iter(self._under_way)))
            self._under_way[_digest(secret)] = _UnderWay(state, nonce, verifier, now_s + UNDER_WAY_S)
        return Begun(address, secret)

    def finish(self, secret: str, answer: Mapping[str, str]) -> Identity:
        """Returns who somebody is, once; raises SignInElsewhere, ProviderRefused, ProviderAway, Token… or RolesMissing."""
        with self._lock:
            one = self._under_way.pop(_digest(secret), None)
        state, code = answer.get("state", ""), answer.get("code", "")
        if one is None or one.until_s < time.monotonic() or not secrets.compare_digest(one.state.encode(), state.encode()):
            raise SignInElsewhere
        if not code:
            raise ProviderRefused
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self._settings.back_to, "code_verifier": one.verifier}
        form["client_id"] = self._settings.client_id
        if self._settings.secret:
            form["client_secret"] = self._settings.secret
        try:
            said = _fetch(self._address("token_endpoint"), urlencode(form).encode())
        except urllib.error.HTTPError:
            raise ProviderRefused from None
        return self._identity(self.claims_of(str(said.get("id_token", "")), one.nonce))

    def claims_of(self, token: str, nonce: str) -> dict[str, Any]:
        """Returns what a token says, once its signature, issuer, audience, time and nonce are right."""
        claims = self._signed(token)
        if claims.get("iss") != self._settings.issuer or not isinstance(claims.get("sub"), str):
            raise TokenForged
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        party = claims.get("azp", self._settings.client_id)
        if self._settings.client_id not in audiences or party != self._settings.client_id or (len(audiences) > 1 and "azp" not in claims):
            raise TokenOfAnother
        now_s, ends, began = time.time(), claims.get("exp"), claims.get("iat")
        if not isinstance(ends, int | float) or ends < now_s - LEEWAY_S or not isinstance(began, int | float) or began > now_s + LEEWAY_S:
            raise TokenExpired
        if not secrets.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
            raise TokenNonceWrong
        return claims

    def _signed(self, token: str) -> dict[str, Any]:
        for is_again in (False, True):
            try:
                return dict(jwt.decode(token, self._key_set(is_again=is_again), algorithms=ALGORITHMS).claims)
            except (JoseError, ValueError):
                # The provider may have a new key.
                continue
        raise TokenForged

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        named = claims.get(self._settings.claim)
        codes = [one for one in named if isinstance(one, str)] if isinstance(named, list) else str(named or "").split()
        roles, provinces = (tuple(code for code in known if code in codes) for known in (ROLES, PROVINCES))
        if not roles or not provinces:
            raise RolesMissing
        host = urlsplit(self._settings.issuer).hostname or ""
        # A local account has no @ of the provider: nobody becomes one by choosing his name there.
        name = f"{claims['sub']}@{host}"
        if not is_account_name(name):
            # Letters alone: digits may look like somebody's number.
            digest = hashlib.sha256(claims["sub"].encode()).hexdigest()[:24]
            name = f"u-{digest.translate(_LETTERS)}@{host}"[:64]
        title = str(claims.get("name") or claims.get("preferred_username") or claims["sub"])[:80]
        return Identity(name, title, roles, provinces)

    def _address(self, name: str) -> str:
        with self._lock:
            if not self._found:
                try:
                    found = _fetch(f"{self._settings.issuer.rstrip('/')}/.well-known/openid-configuration")
                except urllib.error.HTTPError:
                    raise ProviderAway from None
                if found.get("issuer") != self._settings.issuer:
                    raise ProviderAway
                self._found = found
            address = str(self._found.get(name, ""))
        if not _is_safe(address):
            raise ProviderAway
        return address

    def _key_set(self, *, is_again: bool) -> KeySet:
        address = self._address("jwks_uri")
        with self._lock:
            since_s, known = self._keys
            if known is None or (is_again and time.monotonic() - since_s > KEYS_S):
                try:
                    known = KeySet.import_key_set(_fetch(address))  # type: ignore[arg-type]
                except (urllib.error.HTTPError, JoseError, ValueError, KeyError):
                    raise ProviderAway from None
                self._keys = time.monotonic(), known
            return known


class _NoDetour(urllib.request.HTTPRedirectHandler):
    """Follows no redirection: what is asked for is asked for there."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> None:
        """Leads nowhere."""
        return


_OPENER = urllib.request.build_opener(_NoDetour)
# A proxy never reaches this machine itself.
_OPENER_HERE = urllib.request.build_opener(_NoDetour, urllib.request.ProxyHandler({}))


def _fetch(address: str, form: bytes | None = None) -> dict[str, Any]:
    """Asks the provider; raises HTTPError for what it refuses, ProviderAway for all else."""
    request = urllib.request.Request(address, data=form, headers={"Accept": "application/json"})  # noqa: S310 (http to this machine alone)
    try:
        opener = _OPENER_HERE if _is_here(address) else _OPENER
        with opener.open(request, timeout=TIMEOUT_S) as response:
            found = json.loads(response.read(MOST_BYTES))
    except urllib.error.HTTPError:
        raise
    except (OSError, ValueError):
        raise ProviderAway from None
    if not isinstance(found, dict):
        raise ProviderAway
    return found


def _is_safe(address: str) -> bool:
    """Whether an address is of https, or of this machine, where nobody listens between."""
    parts = urlsplit(address)
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and _is_here(address)))


def _is_here(address: str) -> bool:
    return is_loopback(f"{urlsplit(address).hostname}:0")


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
