"""Version sets agree with the ranges they stand for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from spm_resolver.provider import Candidate
from spm_resolver.versions_set import KnownVersions, is_single, positions
from spm_spec.ranges import VersionRange
from spm_spec.versions import Version

versions = st.builds(
    Version,
    st.integers(0, 3),
    st.integers(0, 3),
    st.integers(0, 3),
    st.sampled_from([(), ("alpha",), ("alpha", 1), ("rc", 2), (0,)]),
)
RANGES = [
    "*", "^1.2.0", "~1.2", "1.x", ">=1.0.0 <3.0.0", "!=2.0.0", "^2.0.0-alpha", ">1.0.0-rc.2",
    "1.0.0 || >=3.0.0-0", "<2.0.0", "<=1.2.3-rc.2", "~=1.2", "1.2 - 2.3", ">3 <1",
]  # fmt: skip


@given(st.sets(versions, max_size=12), st.sampled_from(RANGES))
def test_a_version_is_in_the_set_exactly_if_the_range_admits_it(
    some: set[Version], text: str
) -> None:
    """Law: bit i+1 of allowed_by(r) is set if and only if r.admits(versions[i])."""
    known = KnownVersions("a", [Candidate(version) for version in some], None)
    wanted = VersionRange.parse(text)

    admitted = {known.versions[i] for i in positions(known.allowed_by(wanted, prereleases=False))}
    contained = {known.versions[i] for i in positions(known.allowed_by(wanted, prereleases=True))}

    assert admitted == {version for version in some if wanted.admits(version)}
    assert contained == {version for version in some if wanted.contains(version)}


def test_versions_are_sorted_and_withheld_ones_kept_apart() -> None:
    texts = ["2.0.0", "1.0.0", "1.5.0", "1.0.0-rc.1"]
    candidates = [Candidate(Version.parse(text), text == "1.5.0") for text in texts]

    known = KnownVersions("a", candidates, None)

    assert [str(version) for version in known.versions] == ["1.0.0-rc.1", "1.0.0", "2.0.0"]
    assert [str(version) for version in known.withheld] == ["1.5.0"]
    assert known.full == 0b1111


def test_a_set_knows_whether_one_choice_is_left() -> None:
    assert is_single(0b100)
    assert not is_single(0b110)


def test_a_version_that_is_not_known_is_the_empty_set() -> None:
    known = KnownVersions("a", [Candidate(Version(1, 0, 0))], None)

    assert known.of_version(Version(1, 0, 0)) == 0b10
    assert known.of_version(Version(2, 0, 0)) == 0
