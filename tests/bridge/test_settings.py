"""Where the bridge's knobs come from."""

import pytest
from pydantic import ValidationError

from syncline.words import split_address
from syncline_bridge.settings import BridgeSettings


@pytest.mark.parametrize(
    ("address", "parts"),
    [("127.0.0.1:0", ("127.0.0.1", 0)), ("localhost:8080", ("localhost", 8080)), ("[::1]:80", ("::1", 80))],
)
def test_addresses_are_host_and_port(address: str, parts: tuple[str, int]) -> None:
    assert split_address(address) == parts


@pytest.mark.parametrize("address", ["", "8080", ":8080", "host:", "host:x", "host:65536", "::1:80", "a:1:2"])
def test_anything_else_is_no_address(address: str) -> None:
    with pytest.raises(ValidationError):
        BridgeSettings(http_address=address)


def test_the_environment_sets_every_field_by_its_name_in_capitals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCLINE_MAX_BODY_BYTES", "5")
    monkeypatch.setenv("SYNCLINE_CORS_ORIGINS", "https://a.example, https://b.example")
    monkeypatch.setenv("SYNCLINE_EXIT_WITH_PARENT", "1")
    settings = BridgeSettings()
    assert settings.max_body_bytes == 5
    assert settings.cors_origins == ("https://a.example", "https://b.example")
    assert settings.exit_with_parent


def test_every_knob_says_what_it_does() -> None:
    assert [name for name, field in BridgeSettings.model_fields.items() if not field.description] == []
