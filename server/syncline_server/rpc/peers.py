"""Where calls come from: the peers that gRPC names, and the clients of proxies that are trusted."""

from typing import Any, Final
from urllib.parse import unquote

import structlog

from syncline.proxies import FORWARDED_FOR, Proxies

_NOBODY: Final = ("", 0)

_log = structlog.get_logger()


def parsed(peer: str) -> tuple[str, int]:
    """Read `ipv4:127.0.0.1:1` or `ipv6:%5B::1%5D:1`, as gRPC writes an address and port; others are ("", 0)."""
    kind, _, place = unquote(peer).partition(":")
    address, _, port = place.rpartition(":")
    return (address.strip("[]"), int(port)) if kind in {"ipv4", "ipv6"} and port.isdecimal() else _NOBODY


class Peers:
    """Finds out whom limits by address hold to them."""

    def __init__(self, proxies: Proxies) -> None:
        """Believe `proxies`."""
        self._proxies = proxies

    def address_of(self, context: Any) -> str:
        """Return the address of the client of a call; empty: a process of this machine, or a proxy does not say."""
        peer, _ = parsed(context.peer())
        if not self._proxies.trusts(peer):
            return peer
        metadata = context.invocation_metadata() or ()
        said = [value for key, value in metadata if key == FORWARDED_FOR and isinstance(value, str)]
        return self._proxies.address_of(peer, said)


def tell_of_refusals(address: str) -> None:
    """Say in the log that an address is refused again and again."""
    _log.info("an address is refused again and again: it waits for its refusals", address=address)
