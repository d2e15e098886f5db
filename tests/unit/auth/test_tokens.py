"""Who a token stands for, and which tokens stand for nobody."""

from __future__ import annotations

import base64
import json
import stat
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from shared.auth.issuer import Issuer
from shared.auth.principal import actor_of
from shared.auth.roles import Role
from shared.auth.verifier import Claims, TokenVerifier
from shared.errors import Unauthorized, Unavailable

ISSUER, AUDIENCE = "urn:test", "kechuang"


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path, ISSUER, AUDIENCE)


def verifier(jwks: dict[str, Any], claims: Claims | None = None) -> TokenVerifier:
    return TokenVerifier(ISSUER, AUDIENCE, "", "secret", claims, jwks)


def signed(key: Any, alg: str = "ES256", header: dict[str, Any] | None = None, **changes: Any) -> str:
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "iat": now, "exp": now + 60, "roles": ["viewer"]} | changes
    return jwt.encode({"alg": alg} | (header or {}), {k: v for k, v in claims.items() if v is not None}, key, algorithms=[alg])


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def test_a_minted_token_is_its_bearer(issuer: Issuer) -> None:
    token = issuer.mint(["town_reviewer", "viewer", "emperor"], "alice", town="441502100", enterprise="91441502MAQQQQ019U")
    found = verifier(issuer.jwks()).verify(token)
    assert found.roles == {Role.TOWN_REVIEWER, Role.VIEWER}
    assert (found.town, found.enterprise, found.anonymous) == ("441502100", "91441502MAQQQQ019U", False)
    assert found.actor == actor_of("secret", ISSUER, "alice")
    assert len(found.actor) == 32
    assert "alice" not in found.actor


def test_the_same_person_is_another_actor_under_another_key(issuer: Issuer) -> None:
    token = issuer.mint(["viewer"], "alice")
    other = TokenVerifier(ISSUER, AUDIENCE, "", "another", jwks=issuer.jwks())
    assert verifier(issuer.jwks()).verify(token).actor != other.verify(token).actor


def test_the_key_is_made_once_and_is_its_owners_only(issuer: Issuer, tmp_path: Path) -> None:
    again = Issuer(tmp_path, ISSUER, AUDIENCE)
    assert again.jwks() == issuer.jwks()
    assert "d" not in issuer.jwks()["keys"][0]
    assert stat.S_IMODE(issuer.path.stat().st_mode) == 0o600


@pytest.mark.parametrize("changes", [
    {"iss": "urn:other"}, {"aud": "other"}, {"aud": ["other"]}, {"aud": None}, {"exp": 1}, {"exp": None}, {"exp": "soon"},
    {"exp": float("nan")}, {"exp": float("inf")}, {"exp": True}, {"exp": 10**400}, {"nbf": 2**40}, {"nbf": "later"}, {"nbf": []},
    {"sub": None}, {"sub": ""}, {"sub": 7},
], ids=str)
def test_a_claim_that_does_not_hold_is_refused(changes: dict[str, Any]) -> None:
    key = ECKey.generate_key("P-256", auto_kid=True)
    with pytest.raises(Unauthorized):
        verifier({"keys": [key.as_dict(private=False)]}).verify(signed(key, **changes))


def test_roles_of_any_shape_are_read_or_left_out() -> None:
    key = ECKey.generate_key("P-256", auto_kid=True)
    jwks = {"keys": [key.as_dict(private=False)]}
    assert verifier(jwks).verify(signed(key, roles="viewer auditor")).roles == {Role.VIEWER, Role.AUDITOR}
    assert verifier(jwks).verify(signed(key, roles=[1, None, {}, "viewer"])).roles == {Role.VIEWER}
    assert verifier(jwks).verify(signed(key, roles=None)).roles == frozenset()


def test_claims_have_the_names_that_the_issuer_gives_them() -> None:
    key = ECKey.generate_key("P-256", auto_kid=True)
    names = Claims(roles="realm_access.roles", town="x.town", enterprise="https://example.org/uscc")
    token = signed(key, roles=None, realm_access={"roles": ["auditor"]}, x="no object", **{"https://example.org/uscc": "91"})
    found = verifier({"keys": [key.as_dict(private=False)]}, names).verify(token)
    assert (found.roles, found.town, found.enterprise) == ({Role.AUDITOR}, None, "91")


def test_a_foreign_key_a_shared_secret_and_no_signature_are_refused(issuer: Issuer) -> None:
    public = issuer.jwks()["keys"][0]
    kid = public["kid"]
    forged = signed(ECKey.generate_key("P-256"), header={"kid": kid})
    secret = OctKey.import_key(json.dumps(public))
    shared = signed(secret, "HS256", {"kid": kid})
    claims = b64(json.dumps({"iss": ISSUER, "aud": AUDIENCE, "sub": "a", "exp": 2**40, "roles": ["sysadmin"]}).encode())
    unsigned = f"{b64(json.dumps({'alg': 'none', 'kid': kid}).encode())}.{claims}."
    mixed = signed(RSAKey.generate_key(2048), "RS256", {"kid": kid})
    minted = issuer.mint(["viewer"], "alice").split(".")
    for token in (forged, shared, unsigned, mixed, f"{minted[0]}.{claims}.{minted[2]}"):
        with pytest.raises(Unauthorized):
            verifier(issuer.jwks()).verify(token)


@pytest.mark.parametrize("token", [
    "", ".", "..", "a.b.c", "é.é.é", "\ud800", "a" * 8000, f"{b64(b'[' * 6000)}.e30.x", f"{b64(b'[]')}.e30.x", f"{b64(b'null')}.e30.x",
    f"{b64(b'{}')}.e30.x", f"{b64(bytes(range(256)))}.e30.x", f"{b64(json.dumps({'alg': 7, 'kid': {}}).encode())}.e30.",
    f"{b64(json.dumps({'alg': 'ES256', 'crit': ['x'], 'x': 1}).encode())}.e30.AAAA", f"{b64(b'{}')}.e30.x.y.z",
], ids=lambda token: repr(token)[:20])
def test_a_hostile_token_is_nobody(issuer: Issuer, token: str) -> None:
    with pytest.raises(Unauthorized):
        verifier(issuer.jwks()).verify(token)


def test_an_issuer_with_several_keys_need_not_name_one() -> None:
    first, second = (ECKey.generate_key("P-256", auto_kid=True) for _ in range(2))
    keys = verifier({"keys": [first.as_dict(private=False), second.as_dict(private=False)]})
    assert keys.verify(signed(second)).has(Role.VIEWER)


class KeyServer:
    """An issuer's JWKS over HTTP, whose keys and health a test decides."""

    def __init__(self) -> None:
        self.keys: list[ECKey] = []
        self.asked = 0
        self.status = 200
        outer = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                self.send_response(outer.status)
                self.end_headers()
                self.wfile.write(json.dumps({"keys": [key.as_dict(private=False) for key in outer.keys]}).encode())

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server.server_port}/jwks.json"

    def new_key(self) -> ECKey:
        self.keys = [ECKey.generate_key("P-256", auto_kid=True)]
        return self.keys[0]


@pytest.fixture
def key_server() -> Iterator[KeyServer]:
    served = KeyServer()
    thread = threading.Thread(target=served.server.serve_forever, args=(0.01,))
    thread.start()
    yield served
    served.server.shutdown()
    thread.join()
    served.server.server_close()


def test_keys_are_asked_for_once_and_again_when_the_issuer_turns_them_over(
    key_server: KeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = key_server.new_key()
    subject = TokenVerifier(ISSUER, AUDIENCE, key_server.url, "secret")
    subject.verify(signed(old, header={"kid": old.kid}))
    with pytest.raises(Unauthorized):
        subject.verify(signed(ECKey.generate_key("P-256"), header={"kid": old.kid}))
    assert key_server.asked == 1  # a bad signature is no reason to ask
    new = key_server.new_key()
    with pytest.raises(Unauthorized):
        subject.verify(signed(new, header={"kid": new.kid}))  # too soon after the last time
    monkeypatch.setattr("shared.auth.verifier.REFETCH_S", -1)
    assert subject.verify(signed(new, header={"kid": new.kid})).has(Role.VIEWER)
    assert key_server.asked == 2


def test_known_keys_outlive_an_issuer_that_is_away(key_server: KeyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    key = key_server.new_key()
    subject = TokenVerifier(ISSUER, AUDIENCE, key_server.url, "secret")
    subject.verify(signed(key, header={"kid": key.kid}))
    key_server.status = 500
    monkeypatch.setattr("shared.auth.verifier.REFETCH_S", -1)
    with pytest.raises(Unavailable):
        subject.verify(signed(key, header={"kid": "unheard-of"}))
    assert subject.verify(signed(key, header={"kid": key.kid})).has(Role.VIEWER)


def test_without_the_issuers_keys_nobody_can_be_judged() -> None:
    token = signed(ECKey.generate_key("P-256"))
    for url in ("http://127.0.0.1:1/jwks.json", "", "http://[::", "ftp://127.0.0.1/"):
        with pytest.raises(Unavailable):
            TokenVerifier(ISSUER, AUDIENCE, url, "secret").verify(token)
