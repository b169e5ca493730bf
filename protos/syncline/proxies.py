"""Whose word counts for the address that a request comes from: that of proxies in networks that the operator names."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

FORWARDED_FOR: Final = "x-forwarded-for"
"""The one header that is believed. A proxy that writes another one passes this one on as its client sent it."""
_MOST_HOPS: Final = 32
_OWN_PREFIX: Final = 64
"""Whoever has an address of IPv6 has a network of so many bits."""

_Address = IPv4Address | IPv6Address


class Proxies:
    """Finds the address of a client behind the proxies that are trusted."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        """Trust `networks`, each an address or ADDRESS/BITS. Raises ValueError, which names the one that is none."""
        self._networks = tuple(ip_network(network) for network in networks)

    def trusts(self, peer: str) -> bool:
        """Tell whether a peer is a proxy."""
        address = _parsed(peer) if self._networks else None
        return address is not None and self._are(address)

    def address_of(self, peer: str, forwarded: Sequence[str]) -> str:
        """Return the address of the client behind a peer; empty: a proxy does not say.

        `forwarded` are the values of X-Forwarded-For, in their order. They are read from the end, where each proxy adds
        what it has seen itself, as far as proxies are trusted; what a client wrote before that counts for nothing.
        """
        if not self._networks or not self.trusts(peer):
            return peer
        found = ""
        for hop in reversed(",".join(forwarded).split(",")[-_MOST_HOPS:]):
            address = _parsed(_without_port(hop.strip()))
            if address is None:
                break
            found = str(address)
            if not self._are(address):
                break
        return found

    def _are(self, address: _Address) -> bool:
        return any(address in network for network in self._networks)


def holder_of(address: str) -> str:
    """Return who shares limits with an address: with one of IPv6 all of its network, with any other itself."""
    parsed = _parsed(address)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((int(parsed) >> (128 - _OWN_PREFIX) << (128 - _OWN_PREFIX), _OWN_PREFIX)))
    return address if parsed is None else str(parsed)


def _parsed(text: str) -> _Address | None:
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _without_port(hop: str) -> str:
    """Return the address of `ADDRESS`, `ADDRESS:PORT` or `[ADDRESS]:PORT`."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop
