"""Whom a call may act for (T4)."""

import pytest

from syncline_server.identity.principal import Principal
from syncline_server.identity.projects import KeyKind
from syncline_server.identity.scopes import Scopes
from syncline_server.sync.errors import (
    RequestInvalid,
    ServerKeyRequired,
    SessionInvalid,
    TypeForbidden,
    UserForbidden,
)

ADA = Principal(1, KeyKind.CLIENT, "ada", "device:phone", True, Scopes("sync todo"), 100.0)
SERVICE = Principal(1, KeyKind.SERVER, None, "", False, Scopes(None), None)
ADAS_SERVICE = Principal(1, KeyKind.SERVER, "ada", "token:x", False, Scopes("sync todo"), 100.0)


@pytest.mark.parametrize("user", ["", "ada"])
def test_a_session_acts_for_its_user(user: str):
    assert ADA.acting_for(user) is ADA


def test_a_session_acts_for_nobody_else():
    with pytest.raises(UserForbidden):
        ADA.acting_for("eve")
    with pytest.raises(ServerKeyRequired):
        ADA.acting_for_all()


def test_a_server_key_acts_for_whom_it_names():
    assert SERVICE.acting_for("eve").user == "eve"
    assert SERVICE.acting_for_all().user_id is None
    with pytest.raises(SessionInvalid):
        SERVICE.acting_for("")
    with pytest.raises(RequestInvalid, match="user_id"):
        SERVICE.acting_for("e\nve")


def test_a_server_key_that_acts_for_another_user_leaves_its_session_behind():
    other = ADAS_SERVICE.acting_for("eve")
    assert (other.user, other.session, other.expires_at) == ("eve", "", None)
    assert not other.scopes.limited


def test_scopes_hold_every_type():
    ADA.check_types(["todo"])
    with pytest.raises(TypeForbidden, match="note"):
        ADA.check_types(["todo", "note"])
