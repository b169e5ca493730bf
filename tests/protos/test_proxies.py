"""Whose word counts for the address of a client."""

import pytest

from syncline.proxies import Proxies, holder_of

TRUSTED = Proxies(("127.0.0.1", "10.0.0.0/8", "fd00::/8"))
SAID = [
    ([], ""),
    (["203.0.113.7"], "203.0.113.7"),
    (["8.8.8.8, 203.0.113.7"], "203.0.113.7"),
    (["8.8.8.8", "203.0.113.7"], "203.0.113.7"),
    (["203.0.113.7, 10.1.2.3"], "203.0.113.7"),
    (["8.8.8.8, 203.0.113.7, 10.1.2.3, 10.0.0.1"], "203.0.113.7"),
    (["203.0.113.7:4711"], "203.0.113.7"),
    (["2001:db8::7"], "2001:db8::7"),
    (["[2001:db8::7]:4711"], "2001:db8::7"),
    (["::ffff:203.0.113.7"], "203.0.113.7"),
    (["203.0.113.7, unknown"], ""),
    (["203.0.113.7, unknown, 10.0.0.1"], "10.0.0.1"),
    (["10.0.0.2, 10.0.0.1"], "10.0.0.2"),
    ([""], ""),
    (["x" * 5000], ""),
    (["1" * 5000 + ", 203.0.113.7"], "203.0.113.7"),
]


@pytest.mark.parametrize(("forwarded", "address"), SAID, ids=[f"chain {number}" for number in range(len(SAID))])
def test_what_trusted_proxies_have_seen_counts(forwarded: list[str], address: str):
    assert TRUSTED.address_of("10.0.0.9", forwarded) == address


@pytest.mark.parametrize("peer", ["203.0.113.9", "2001:db8::9", "", "not an address"])
def test_what_anybody_else_says_counts_for_nothing(peer: str):
    assert TRUSTED.address_of(peer, ["8.8.8.8"]) == peer


@pytest.mark.parametrize("peer", ["127.0.0.1", "::ffff:127.0.0.1", "fd12::1", "fd12::1%eth0"])
def test_proxies_are_known_however_their_address_is_written(peer: str):
    assert TRUSTED.trusts(peer)


def test_nobody_is_trusted_unless_he_is_named():
    assert Proxies().address_of("127.0.0.1", ["8.8.8.8"]) == "127.0.0.1"


@pytest.mark.parametrize(
    ("address", "holder"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("", ""),
    ],
)
def test_all_addresses_of_one_ipv6_network_share_their_limits(address: str, holder: str):
    assert holder_of(address) == holder
