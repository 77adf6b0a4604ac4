"""Laws of versions and ranges, each quoted where it is tested."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spm_spec.ranges import InvalidRange, VersionRange
from spm_spec.versions import InvalidVersion, Version

IDENTIFIERS = st.sampled_from([0, 1, 2, 10, "alpha", "beta", "rc", "x-1", "0a", "-"])
NUMBERS = st.sampled_from([0, 1, 2, 3, 10])
VERSIONS = st.builds(
    Version,
    NUMBERS,
    NUMBERS,
    NUMBERS,
    st.lists(IDENTIFIERS, max_size=3).map(tuple),
    st.lists(st.sampled_from(["b", "7", "007"]), max_size=2).map(tuple),
)
OPERATORS = st.sampled_from(["", "=", "==", "!=", ">", ">=", "<", "<=", "^", "~", "~>"])
PARTIALS = st.one_of(
    VERSIONS.map(str),
    st.tuples(NUMBERS, NUMBERS).map(lambda numbers: f"{numbers[0]}.{numbers[1]}"),
    NUMBERS.map(str),
    st.sampled_from(["*", "x", "1.x", "2.1.*", "0.x", "0.0.x"]),
)
COMPARATORS = st.tuples(OPERATORS, PARTIALS).map("".join)
CONJUNCTIONS = st.lists(COMPARATORS, min_size=1, max_size=3).map(" ".join)
RANGE_TEXTS = st.one_of(
    st.lists(CONJUNCTIONS, min_size=1, max_size=3).map(" || ".join),
    st.tuples(VERSIONS.map(str), VERSIONS.map(str)).map(" - ".join),
)
RANGES = RANGE_TEXTS.map(VersionRange.parse)


class TestPrecedence:
    """SemVer 11: precedence is a total order that build metadata does not enter."""

    @given(VERSIONS, VERSIONS)
    def test_exactly_one_of_less_equal_greater_holds(self, one: Version, other: Version) -> None:
        assert [one < other, one == other, one > other].count(True) == 1

    @given(VERSIONS, VERSIONS, VERSIONS)
    def test_the_order_is_transitive(self, one: Version, two: Version, three: Version) -> None:
        low, middle, high = sorted([one, two, three])

        assert low <= middle <= high
        assert low <= high

    @given(VERSIONS)
    def test_build_metadata_changes_neither_order_nor_hash(self, version: Version) -> None:
        bare = Version(version.major, version.minor, version.patch, version.prerelease)

        assert bare == version
        assert hash(bare) == hash(version)

    @given(VERSIONS)
    def test_a_prerelease_comes_before_its_release(self, version: Version) -> None:
        release = Version(version.major, version.minor, version.patch)

        assert (version < release) == version.is_prerelease

    @given(VERSIONS)
    def test_text_parses_back_to_the_same_parts(self, version: Version) -> None:
        parsed = Version.parse(str(version))

        assert str(parsed) == str(version)
        assert (parsed, parsed.build) == (version, version.build)


class TestAlgebra:
    """Ranges are a Boolean algebra of sets of versions."""

    @given(RANGES, RANGES, VERSIONS)
    def test_intersection_holds_what_both_hold(
        self, one: VersionRange, other: VersionRange, version: Version
    ) -> None:
        both = one.contains(version) and other.contains(version)

        assert one.intersect(other).contains(version) == both

    @given(RANGES, RANGES, VERSIONS)
    def test_union_holds_what_either_holds(
        self, one: VersionRange, other: VersionRange, version: Version
    ) -> None:
        either = one.contains(version) or other.contains(version)

        assert one.unite(other).contains(version) == either

    @given(RANGES, VERSIONS)
    def test_complement_holds_the_rest(self, one: VersionRange, version: Version) -> None:
        assert one.complement().contains(version) != one.contains(version)

    @given(RANGES)
    def test_complement_is_its_own_inverse(self, one: VersionRange) -> None:
        assert one.complement().complement() == one
        assert one.intersect(one.complement()).is_empty
        assert one.unite(one.complement()).is_any

    @given(RANGES, RANGES)
    def test_de_morgan(self, one: VersionRange, other: VersionRange) -> None:
        left = one.intersect(other).complement()

        assert left == one.complement().unite(other.complement())
        assert hash(left) == hash(one.complement().unite(other.complement()))

    @given(RANGES, RANGES, RANGES)
    def test_intersection_distributes_over_union(
        self, one: VersionRange, two: VersionRange, three: VersionRange
    ) -> None:
        left = one.intersect(two.unite(three))

        assert left == one.intersect(two).unite(one.intersect(three))

    @given(VERSIONS, VERSIONS)
    def test_a_range_of_one_version_holds_it_alone(self, one: Version, other: Version) -> None:
        assert VersionRange.exactly(one).contains(other) == (one == other)
        assert VersionRange.exactly(one).admits(one)


class TestText:
    """The canonical text is a name for the set, and for what it asks for."""

    @given(RANGES)
    def test_canonical_text_parses_back_to_the_same_set(self, one: VersionRange) -> None:
        assert VersionRange.parse(str(one)) == one
        assert VersionRange.parse(str(one.complement())) == one.complement()

    @given(RANGE_TEXTS)
    def test_text_is_kept_as_written(self, text: str) -> None:
        assert VersionRange.parse(text).text == text

    @given(CONJUNCTIONS, CONJUNCTIONS, VERSIONS)
    def test_a_blank_and_a_comma_mean_intersection(
        self, left: str, right: str, version: Version
    ) -> None:
        """Pre-releases included: the rule is about one comparator set."""
        one, other = VersionRange.parse(left), VersionRange.parse(right)
        both = one.intersect(other)

        for text in (f"{left} {right}", f"{left},{right}"):
            written = VersionRange.parse(text)
            assert written == both
            if not written.is_any:
                assert written.admits(version) == both.admits(version)

    @given(RANGES, RANGES)
    def test_bars_mean_union(self, one: VersionRange, other: VersionRange) -> None:
        assert VersionRange.parse(f"{one.text} || {other.text}") == one.unite(other)


class TestPrereleaseRule:
    """A pre-release is a candidate only where its own version's pre-releases are named."""

    @given(RANGES, VERSIONS)
    def test_what_is_admitted_is_contained(self, one: VersionRange, version: Version) -> None:
        assert one.contains(version) or not one.admits(version)

    @given(RANGES, VERSIONS)
    def test_releases_are_admitted_exactly_if_contained(
        self, one: VersionRange, version: Version
    ) -> None:
        release = Version(version.major, version.minor, version.patch)

        assert one.admits(release) == one.contains(release)

    @given(VERSIONS)
    def test_any_range_without_a_prerelease_admits_none(self, version: Version) -> None:
        for text in ("*", "", ">=0.0.0", "<99", "!=1.0.0"):
            if VersionRange.parse(text).admits(version):
                assert not version.is_prerelease


def read_range(text: str) -> VersionRange | InvalidRange:
    try:
        return VersionRange.parse(text)
    except InvalidRange as error:
        return error


def read_version(text: str) -> Version | InvalidVersion:
    try:
        return Version.parse(text)
    except InvalidVersion as error:
        return error


@given(st.text(alphabet="0123456789.xX*^~<>=!|, -+abv\t", max_size=40))
def test_any_text_is_a_range_or_a_clear_mistake(text: str) -> None:
    outcome = read_range(text)

    if isinstance(outcome, InvalidRange):
        assert outcome.text == text
        assert "\n" not in outcome.message
    else:
        assert VersionRange.parse(str(outcome)) == outcome


@given(st.text(max_size=300))
def test_any_text_is_a_version_or_a_clear_mistake(text: str) -> None:
    outcome = read_version(text)

    if isinstance(outcome, InvalidVersion):
        assert outcome.text == text
        assert "\n" not in outcome.message
    else:
        assert str(outcome) == text


@pytest.mark.timeout(5)
@pytest.mark.parametrize(
    "text",
    [
        "1." + "0" * 2000,
        " " * 1023 + "x!",
        "1.2.3-" + "a" * 250 + " ! " + "1.2.3-" + "a" * 250,
        ">" * 1024,
        "1.2.3-" + "0" * 1000 + "!",
        "||" * 512,
        "- " * 512,
        "1.0.0-" + "a-" * 400 + "!",
        "1 " * 200,
    ],
)
def test_hostile_range_text_is_refused_at_once(text: str) -> None:
    outcome = read_range(text)

    assert isinstance(outcome, InvalidRange) or text.startswith("||")
    assert isinstance(outcome, VersionRange) or len(outcome.message) < 300
