"""What keys look like, and what projects may be called."""

import pytest

from syncline_server.identity.projects import KeyKind, check_project_name, hash_key, key_id_of, new_key
from syncline_server.sync.errors import RequestInvalid


@pytest.mark.parametrize("kind", KeyKind)
def test_a_key_says_its_kind_and_its_id_and_is_stored_as_a_hash(kind: KeyKind):
    made = new_key(kind)
    assert made.text.startswith(f"sl_{kind}_{made.id}_")
    assert key_id_of(made.text) == made.id
    assert made.text.encode() not in hash_key(made.text)
    assert new_key(kind).text != made.text


@pytest.mark.parametrize("text", ["", "sl", "sl_client_id", "sl_client_id_secret_more", "xx_client_id_secret"])
def test_anything_else_is_no_key(text: str):
    assert key_id_of(text) is None


@pytest.mark.parametrize("name", ["a", "A-1_b.c", "9", "x" * 64])
def test_a_project_may_be_called(name: str):
    check_project_name(name)


@pytest.mark.parametrize("name", ["", ".a", "-a", "a b", "é", "x" * 65, "a\n"])
def test_a_project_may_not_be_called(name: str):
    with pytest.raises(RequestInvalid, match="name"):
        check_project_name(name)
