"""A small identity provider (OIDC) on loopback: one page that asks who you are, and four more."""

import secrets
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import orjson
from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, CLIENT_SECRET = "waypost", "a made-up secret of a test"


@dataclass(slots=True)
class Provider:
    """What the provider knows; `claims` go into every identity token it gives."""

    url: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, auto_kid=True))
    asked: dict[str, Mapping[str, str]] = field(default_factory=dict)

    def settings(self, redirect: str) -> str:
        """The file that WAYPOST_OIDC names."""
        return "\n".join(
            [
                "[auth]",
                f'redirect_uri = "{redirect}/oauth2callback"',
                'cookie_secret = "a long made-up secret of a test"',
                f'client_id = "{CLIENT}"',
                f'client_secret = "{CLIENT_SECRET}"',
                f'server_metadata_url = "{self.url}/.well-known/openid-configuration"',
            ]
        )

    def metadata(self) -> dict[str, object]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        }

    def sign_in(self, query: Mapping[str, str]) -> str:
        """Where the browser goes on to with a code."""
        code = secrets.token_urlsafe(16)
        self.asked[code] = query
        return query["redirect_uri"] + "?" + urlencode({"code": code, "state": query["state"]})

    def token(self, form: Mapping[str, str]) -> dict[str, object] | None:
        """The tokens for a code, once, for who can show what the code was asked with."""
        asked = self.asked.pop(form["code"], None)
        if asked is None or _challenge(form["code_verifier"]) != asked["code_challenge"]:
            return None
        now = int(time.time())
        claims = {
            "iss": self.url, "aud": CLIENT, "sub": asked["email"], "email": asked["email"],
            "email_verified": True, "nonce": asked["nonce"], "iat": now, "exp": now + 300,
            **self.claims,
        }  # fmt: skip
        header = {"alg": "RS256", "kid": self.key.kid}
        return {
            "access_token": secrets.token_urlsafe(16), "token_type": "Bearer", "expires_in": 300,
            "id_token": jwt.encode(header, claims, self.key),
        }  # fmt: skip


def _challenge(verifier: str) -> str:
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


class _Desk(BaseHTTPRequestHandler):
    provider: Provider

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/jwks":
            self._answer({"keys": [self.provider.key.as_dict(private=False)]})
        elif parts.path != "/authorize":
            self._answer(self.provider.metadata())
        elif "email" in query:
            self.send_response(302)
            self.send_header("location", self.provider.sign_in(query))
            self.end_headers()
        else:
            self._page(query)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        made = self.provider.token({name: v[0] for name, v in parse_qs(body).items()})
        self._answer(made or {"error": "invalid_grant"}, 200 if made else 400)

    def _page(self, query: Mapping[str, str]) -> None:
        kept = "".join(f'<input type="hidden" name="{n}" value="{v}">' for n, v in query.items())
        page = (
            f"<!doctype html><title>Who are you?</title><form>{kept}"
            '<label>E-mail <input name="email"></label><button>Go on</button></form>'
        )
        self._send(page.encode(), "text/html")

    def _answer(self, value: object, status: int = 200) -> None:
        self._send(orjson.dumps(value), "application/json", status)

    def _send(self, body: bytes, kind: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_given: object) -> None:
        """Nobody reads it."""


@contextmanager
def provider() -> Iterator[Provider]:
    """A provider on a free port until the block ends."""
    made = Provider()
    desk = type("Desk", (_Desk,), {"provider": made})
    server = ThreadingHTTPServer(("127.0.0.1", 0), desk)
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
