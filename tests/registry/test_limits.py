"""Token buckets count addresses, not claims."""

from __future__ import annotations

import pytest

from spm_registry.server import limits
from spm_registry.server.limits import Buckets, Rate, address_group
from spm_registry.server.queries import search_words


def test_a_bucket_fills_again_with_time() -> None:
    now = [0.0]
    buckets = Buckets(Rate(per_second=2, burst=2), lambda: now[0])

    waits = [buckets.wait("a"), buckets.wait("a"), buckets.wait("a"), buckets.wait("b")]
    now[0] = 0.5
    later = buckets.wait("a")

    assert waits == [0, 0, 0.5, 0]
    assert later == 0


def test_addresses_unheard_of_longest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ADDRESS_LIMIT", 2)
    buckets = Buckets(Rate(per_second=1, burst=1), lambda: 0.0)
    for address in ("a", "b", "c"):
        buckets.wait(address)

    assert buckets.wait("c") > 0
    assert buckets.wait("a") == 0


@pytest.mark.parametrize(
    ("remote", "group"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        (None, "unknown"),
        ("unix:", "unknown"),
    ],
)
def test_an_ipv6_network_counts_as_one_address(remote: str | None, group: str) -> None:
    assert address_group(remote) == group


def test_words_are_letters_and_digits_and_few() -> None:
    assert search_words('csv-summary "AND" née_x*') == ("csv", "summary", "AND", "née", "x")
    assert search_words(" ".join("abcdefghijkl")) == tuple("abcdefgh")
    assert search_words("x" * 1000) == ("x" * 64,)
    assert search_words("\0*:") == ()
