"""Links that people open in a browser of this machine."""

from typing import Final
from urllib.parse import urlencode

_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104  # read, not bound


def reachable(address: str) -> str:
    """Return where a server that listens on HOST:PORT is reached from this machine."""
    host, _, port = address.rpartition(":")
    return f"{_EVERYWHERE.get(host, host)}:{port}"


def site(http_address: str, *, has_tls: bool) -> str:
    """Return the URL of a bridge that listens there."""
    return f"{'https' if has_tls else 'http'}://{reachable(http_address)}"


def demo_link(url: str, client_key: str, token: str) -> str:
    """Return the link to the demo: key and token are in the fragment, which browsers send to nobody."""
    return f"{url}/demo#{urlencode({'key': client_key, 'token': token})}"
