"""A small provider of identities, as a process of its own: authorization code with PKCE, one key, and faults on demand."""

import base64
import hashlib
import json
import sys
import time
from typing import Any
from urllib.parse import urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import ECKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from hub.console.server import Listening, open_socket

CLIENT, SECRET = "console-of-tests", "secret of tests"
LATE_S = 3_600


class Provider:
    """What it knows: its key, the codes that it gave, and what is wrong with the next token."""

    def __init__(self, issuer: str) -> None:
        self.issuer, self.key, self.other = issuer, ECKey.generate_key("P-256", {"kid": "one"}), ECKey.generate_key("P-256", {"kid": "one"})
        self.codes: dict[str, dict[str, str]] = {}
        # What the test says of who signs in: claims that replace the usual ones, and "key" for another signature.
        self.fault: dict[str, Any] = {}

    async def configuration(self, _: Request) -> Response:
        places = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
        return JSONResponse({"issuer": self.issuer, **{name: f"{self.issuer}/{path}" for name, path in places.items()}})

    async def keys(self, _: Request) -> Response:
        return JSONResponse({"keys": [self.key.as_dict(private=False)]})

    async def authorize(self, request: Request) -> Response:
        """Somebody is signed in here already: he is led back at once."""
        asked = dict(request.query_params)
        assert asked["response_type"] == "code" and asked["code_challenge_method"] == "S256" and asked["client_id"] == CLIENT
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}", status_code=303)

    async def token(self, request: Request) -> Response:
        form = await request.form()
        asked = self.codes.pop(str(form["code"]), None)
        proof = base64.urlsafe_b64encode(hashlib.sha256(str(form["code_verifier"]).encode()).digest()).rstrip(b"=").decode()
        if (
            asked is None
            or asked["code_challenge"] != proof
            or form["client_secret"] != SECRET
            or form["redirect_uri"] != asked["redirect_uri"]
        ):
            return JSONResponse({"error": "invalid_grant"}, status_code=400)
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": "wang.min",
            "name": "王敏",
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
        }
        claims |= {"hub_roles": ["AUDITOR", "51"], **{name: value for name, value in self.fault.items() if name != "key"}}
        key = self.other if "key" in self.fault else self.key
        return JSONResponse({"id_token": jwt.encode({"alg": "ES256", "kid": "one"}, claims, key), "token_type": "Bearer"})

    async def spoil(self, request: Request) -> Response:
        """The test says what is wrong from now on."""
        self.fault = json.loads(await request.body())
        return Response()


def main() -> None:
    """Serves on a free port, and says where."""
    # To a browser this address is another site than the console's.
    opened = open_socket(Listening("127.0.0.2", 0))
    provider = Provider(f"http://127.0.0.2:{opened.getsockname()[1]}")
    routes = [
        Route("/.well-known/openid-configuration", provider.configuration),
        Route("/keys", provider.keys),
        Route("/authorize", provider.authorize),
        Route("/token", provider.token, methods=["POST"]),
        Route("/spoil", provider.spoil, methods=["POST"]),
    ]
    sys.stdout.write(f"{provider.issuer}\n")
    sys.stdout.flush()
    uvicorn.Server(uvicorn.Config(Starlette(routes=routes), log_level="warning")).run([opened])
