"""Every failure is explained in sentences a person can act on; whole messages."""
# ruff: noqa: E501 - each line of a message stands on one line

from __future__ import annotations

import json

import pytest

from spm_resolver.driver import resolve
from spm_resolver.errors import NoSolution
from spm_resolver.problem import read_problem


def explained(problem: dict[str, object]) -> tuple[list[str], str | None, tuple[str, ...]]:
    """Resolve ``problem``, which must fail; return the lines, the hint, what to change."""
    read = read_problem(json.dumps(problem))
    with pytest.raises(NoSolution) as caught:
        resolve(
            lambda names: {name: read.packages.get(name) for name in names},
            read.requirements,
            read.preferences,
            names=read.packages,
        )
    return caught.value.message.split("\n"), caught.value.hint, caught.value.requirements


def test_resolver_explains_a_cycle_whose_versions_disagree() -> None:
    lines, hint, change = explained(
        {
            "universe": {
                "foo": {"1.0.0": {"bar": "1.0.0"}, "2.0.0": {"bar": "1.0.0"}},
                "bar": {"1.0.0": {"foo": "1.0.0"}},
            },
            "requirements": {"foo": ">=2.0.0"},
        }
    )

    assert lines == [
        "because every version of foo depends on bar 1.0.0 which depends on foo 1.0.0, foo 2.0.0 cannot be used",
        "so, because skills.toml requires foo >=2.0.0, skills.toml cannot be satisfied",
    ]
    assert hint is None
    assert change == ("foo >=2.0.0",)


def test_resolver_explains_a_requirement_nothing_matches() -> None:
    lines, hint, change = explained(
        {"universe": {"foo": {"2.0.0": {}, "2.1.3": {}}}, "requirements": {"foo": ">=1.0.0,<2.0.0"}}
    )

    assert lines == [
        "because skills.toml requires foo >=1.0.0,<2.0.0, which no version matches, skills.toml cannot be satisfied"
    ]
    assert hint == "foo has versions from 2.0.0 to 2.1.3"
    assert change == ("foo >=1.0.0,<2.0.0",)


def test_resolver_explains_ranges_that_overlap_where_no_version_lies() -> None:
    lines, hint, change = explained(
        {
            "universe": {
                "foo": {"1.0.0": {"shared": ">=2.0.0,<3.0.0"}},
                "bar": {"1.0.0": {"shared": ">=2.9.0,<4.0.0"}},
                "shared": {"2.5.0": {}, "3.5.0": {}},
            },
            "requirements": {"foo": "1.0.0", "bar": "1.0.0"},
        }
    )

    assert lines == [
        "because bar 1.0.0 depends on shared >=2.9.0,<4.0.0 and foo 1.0.0 depends on shared >=2.0.0,<3.0.0, and no version of shared matches both, bar 1.0.0 and foo 1.0.0 cannot be used together",
        "so, because skills.toml requires both bar 1.0.0 and foo 1.0.0, skills.toml cannot be satisfied",
    ]
    assert hint is None
    assert change == ("bar 1.0.0", "foo 1.0.0")


def test_resolver_explains_two_skills_with_disjoint_ranges() -> None:
    lines, hint, change = explained(
        {
            "universe": {
                "foo": {"1.0.0": {"shared": "<=2.0.0"}},
                "bar": {"1.0.0": {"shared": ">3.0.0"}},
                "shared": {"2.0.0": {}, "4.0.0": {}},
            },
            "requirements": {"foo": "1.0.0", "bar": "1.0.0"},
        }
    )

    assert lines == [
        "because bar 1.0.0 depends on shared >3.0.0 and foo 1.0.0 depends on shared <=2.0.0, bar 1.0.0 and foo 1.0.0 cannot be used together",
        "so, because skills.toml requires both bar 1.0.0 and foo 1.0.0, skills.toml cannot be satisfied",
    ]
    assert hint is None
    assert change == ("bar 1.0.0", "foo 1.0.0")


def test_resolver_explains_a_requirement_against_a_dependency() -> None:
    lines, hint, change = explained(
        {
            "universe": {"foo": {"1.0.0": {"bar": "^2.0.0"}}, "bar": {"1.0.0": {}, "2.0.0": {}}},
            "requirements": {"foo": "^1.0.0", "bar": "^1.0.0"},
        }
    )

    assert lines == [
        "because skills.toml requires foo ^1.0.0 which depends on bar ^2.0.0, bar ^2.0.0 is required",
        "so, because skills.toml requires bar ^1.0.0, skills.toml cannot be satisfied",
    ]
    assert hint is None
    assert change == ("bar ^1.0.0", "foo ^1.0.0")


def test_resolver_explains_a_chain_of_dependencies() -> None:
    lines, hint, change = explained(
        {
            "universe": {
                "foo": {"1.0.0": {"bar": "^2.0.0"}},
                "bar": {"2.0.0": {"baz": "^3.0.0"}},
                "baz": {"1.0.0": {}, "3.0.0": {}},
            },
            "requirements": {"foo": "^1.0.0", "baz": "^1.0.0"},
        }
    )

    assert lines == [
        "because foo 1.0.0 depends on bar ^2.0.0 which depends on baz ^3.0.0, foo 1.0.0 requires baz ^3.0.0",
        "so, because skills.toml requires both baz ^1.0.0 and foo ^1.0.0, skills.toml cannot be satisfied",
    ]
    assert hint is None
    assert change == ("baz ^1.0.0", "foo ^1.0.0")


def test_resolver_explains_two_branches_with_a_numbered_line() -> None:
    lines, hint, change = explained(
        {
            "universe": {
                "foo": {
                    "1.0.0": {"a": "^1.0.0", "b": "^1.0.0"},
                    "1.1.0": {"x": "^1.0.0", "y": "^1.0.0"},
                },
                "a": {"1.0.0": {"b": "^2.0.0"}},
                "b": {"1.0.0": {}, "2.0.0": {}},
                "x": {"1.0.0": {"y": "^2.0.0"}},
                "y": {"1.0.0": {}, "2.0.0": {}},
            },
            "requirements": {"foo": "^1.0.0"},
        }
    )

    assert lines == [
        "    because a 1.0.0 depends on b ^2.0.0 and foo 1.0.0 depends on b ^1.0.0, a 1.0.0 and foo 1.0.0 cannot be used together",
        "(1) and because foo 1.0.0 depends on a ^1.0.0, foo 1.0.0 cannot be used",
        "    because x 1.0.0 depends on y ^2.0.0 and foo 1.1.0 depends on y ^1.0.0, x 1.0.0 and foo 1.1.0 cannot be used together",
        "    and because foo 1.1.0 depends on x ^1.0.0, foo 1.1.0 cannot be used",
        "    and because foo 1.0.0 cannot be used (1), every version of foo cannot be used",
        "    so, because skills.toml requires foo ^1.0.0, skills.toml cannot be satisfied",
    ]
    assert hint is None
    assert change == ("foo ^1.0.0",)


def test_resolver_explains_two_packages_that_exclude_each_other() -> None:
    lines, hint, change = explained(
        {
            "universe": {
                "a": {"1.0.0": {"b": "1.0.0"}, "2.0.0": {"b": "2.0.0"}},
                "b": {"1.0.0": {"a": "2.0.0"}, "2.0.0": {"a": "1.0.0"}},
            },
            "requirements": {"a": "*", "b": "*"},
        }
    )

    assert lines == [
        "because a 1.0.0 depends on b 1.0.0 which depends on a 2.0.0, a 1.0.0 cannot be used",
        "because a 2.0.0 depends on b 2.0.0 which depends on a 1.0.0, a 2.0.0 cannot be used",
        "thus every version of a cannot be used",
        "so, because skills.toml requires a, skills.toml cannot be satisfied",
    ]
    assert hint is None
    assert change == ("a",)


def test_resolver_explains_a_misspelt_dependency() -> None:
    lines, hint, change = explained(
        {
            "universe": {"pdf-report": {"1.0.0": {}}, "a": {"1.0.0": {"pdf-reprot": "^1.0.0"}}},
            "requirements": {"a": "*"},
        }
    )

    assert lines == [
        "because skills.toml requires a which depends on pdf-reprot ^1.0.0, which does not exist, skills.toml cannot be satisfied"
    ]
    assert hint == "did you mean pdf-report?"
    assert change == ("a",)


def test_resolver_explains_a_requirement_unlike_any_name() -> None:
    lines, hint, change = explained(
        {"universe": {"a": {"1.0.0": {}}}, "requirements": {"zzz": "*"}}
    )

    assert lines == [
        "because skills.toml requires zzz, which does not exist, skills.toml cannot be satisfied"
    ]
    assert hint == "check the spelling of zzz, or name the source it comes from"
    assert change == ("zzz",)


def test_resolver_explains_a_range_that_holds_nothing() -> None:
    lines, hint, change = explained(
        {
            "universe": {"a": {"1.0.0": {"b": ">=2.0.0,<1.0.0"}}, "b": {"1.0.0": {}}},
            "requirements": {"a": "*"},
        }
    )

    assert lines == [
        "because skills.toml requires a which depends on b >=2.0.0,<1.0.0, which no version can match, skills.toml cannot be satisfied"
    ]
    assert hint == "no version at all lies in >=2.0.0,<1.0.0, the range given for b"
    assert change == ("a",)


def test_resolver_explains_versions_that_need_another_of_themselves() -> None:
    lines, hint, change = explained(
        {
            "universe": {"a": {"1.0.0": {"a": "^2.0.0"}, "2.0.0": {"a": "^1.0.0"}}},
            "requirements": {"a": "*"},
        }
    )

    assert lines == [
        "because a 1.0.0 depends on a ^2.0.0, another version of itself, and a 2.0.0 depends on a ^1.0.0, another version of itself, every version of a cannot be used",
        "so, because skills.toml requires a, skills.toml cannot be satisfied",
    ]
    assert hint is None
    assert change == ("a",)


def test_resolver_explains_a_yanked_version_that_would_match() -> None:
    lines, hint, change = explained(
        {
            "universe": {"a": {"1.0.0": {}, "2.0.0": {}}},
            "requirements": {"a": "^2.0.0"},
            "yanked": {"a": ["2.0.0"]},
        }
    )

    assert lines == [
        "because skills.toml requires a ^2.0.0, which no version matches, skills.toml cannot be satisfied"
    ]
    assert hint == "a 2.0.0 would match but was yanked; only a lock may keep it"
    assert change == ("a ^2.0.0",)


def test_resolver_explains_a_package_with_all_versions_yanked() -> None:
    lines, hint, change = explained(
        {"universe": {"a": {"1.0.0": {}}}, "requirements": {"a": "*"}, "yanked": {"a": ["1.0.0"]}}
    )

    assert lines == [
        "because skills.toml requires a, all of whose versions are yanked, skills.toml cannot be satisfied"
    ]
    assert hint == "a 1.0.0 would match but was yanked; only a lock may keep it"
    assert change == ("a",)


def test_resolver_explains_a_prerelease_that_would_match() -> None:
    lines, hint, change = explained(
        {
            "universe": {
                "a": {"1.0.0": {"b": "^2.0.0"}},
                "b": {"1.0.0": {}, "2.0.0-rc.1": {}, "2.1.0-beta.1": {}},
            },
            "requirements": {"a": "*"},
        }
    )

    assert lines == [
        "because skills.toml requires a which depends on b ^2.0.0, which no version matches, skills.toml cannot be satisfied"
    ]
    assert (
        hint
        == "b 2.1.0-beta.1 is a pre-release that would match; name it in the range, or allow pre-releases of b"
    )
    assert change == ("a",)


def test_resolver_explains_a_host_package_that_is_too_old() -> None:
    lines, hint, change = explained(
        {
            "universe": {"a": {"1.0.0": {"roundtable": ">=2.0.0"}}},
            "requirements": {"a": "*"},
            "hosts": {"roundtable": "1.4.0"},
        }
    )

    assert lines == [
        "because skills.toml requires a which depends on roundtable >=2.0.0, but this environment provides roundtable 1.4.0, skills.toml cannot be satisfied"
    ]
    assert (
        hint == "upgrade roundtable to >=2.0.0, or state its version under [hosts] in skills.toml"
    )
    assert change == ("a",)


def test_resolver_explains_a_host_package_that_is_too_new() -> None:
    lines, hint, change = explained(
        {
            "universe": {"a": {"1.0.0": {"python": "<3.12.0"}}},
            "requirements": {"a": "*"},
            "hosts": {"python": "3.13.1"},
        }
    )

    assert lines == [
        "because skills.toml requires a which depends on python <3.12.0, but this environment provides python 3.13.1, skills.toml cannot be satisfied"
    ]
    assert hint == "change python to <3.12.0, or state its version under [hosts] in skills.toml"
    assert change == ("a",)


def test_resolver_explains_a_host_package_that_is_not_provided() -> None:
    lines, hint, change = explained(
        {"universe": {"a": {"1.0.0": {"roundtable": ">=2.0.0"}}}, "requirements": {"a": "*"}}
    )

    assert lines == [
        "because skills.toml requires a which depends on roundtable >=2.0.0, which this environment does not provide, skills.toml cannot be satisfied"
    ]
    assert hint == "state the version of roundtable under [hosts] in skills.toml"
    assert change == ("a",)


def test_resolver_explains_a_conflict_across_five_skills() -> None:
    lines, hint, change = explained(
        {
            "universe": {
                "brief": {"1.0.0": {"charts": "^1.0.0"}, "1.1.0": {"charts": "^1.0.0"}},
                "charts": {"1.0.0": {"tables": "^2.0.0"}, "1.2.0": {"tables": "^2.0.0"}},
                "tables": {"2.0.0": {"csv-reader": "^3.0.0"}},
                "csv-reader": {"1.0.0": {}, "2.0.0": {}, "3.0.0": {}},
                "invoices": {"1.0.0": {"csv-reader": "^2.0.0"}, "1.1.0": {"csv-reader": "^2.0.0"}},
            },
            "requirements": {"brief": "^1.0.0", "invoices": "*"},
        }
    )

    assert lines == [
        "because every version of brief depends on charts ^1.0.0 which depends on tables ^2.0.0, every version of brief requires tables",
        "and because tables 2.0.0 depends on csv-reader ^3.0.0 and every version of invoices depends on csv-reader ^2.0.0, every version of brief and every version of invoices cannot be used together",
        "so, because skills.toml requires both brief ^1.0.0 and invoices, skills.toml cannot be satisfied",
    ]
    assert hint is None
    assert change == ("brief ^1.0.0", "invoices")


def test_resolver_explains_a_host_package_required_by_the_project() -> None:
    lines, hint, change = explained({"universe": {}, "requirements": {"claude": ">=3.0.0"}})

    assert lines == [
        "because skills.toml requires claude >=3.0.0, which this environment does not provide, skills.toml cannot be satisfied"
    ]
    assert hint == "state the version of claude under [hosts] in skills.toml"
    assert change == ("claude >=3.0.0",)


def test_resolver_explains_a_package_without_versions() -> None:
    lines, hint, change = explained({"universe": {"a": {}}, "requirements": {"a": "*"}})

    assert lines == [
        "because skills.toml requires a, which has no versions, skills.toml cannot be satisfied"
    ]
    assert hint is None
    assert change == ("a",)


def test_resolver_explains_the_only_version_there_is() -> None:
    lines, hint, change = explained(
        {"universe": {"a": {"1.0.0": {}}}, "requirements": {"a": "^2.0.0"}}
    )

    assert lines == [
        "because skills.toml requires a ^2.0.0, which no version matches, skills.toml cannot be satisfied"
    ]
    assert hint == "the only version of a is 1.0.0"
    assert change == ("a ^2.0.0",)


def test_resolver_explains_some_versions_only() -> None:
    lines, hint, change = explained(
        {
            "universe": {
                "a": {
                    "1.0.0": {},
                    "2.0.0": {"b": "1.0.0"},
                    "3.0.0": {"b": "1.0.0"},
                    "4.0.0": {"b": "2.0.0"},
                },
                "b": {"1.0.0": {}, "2.0.0": {}, "3.0.0": {}},
            },
            "requirements": {"a": ">=2.0.0", "b": "3.0.0"},
        }
    )

    assert lines == [
        "because a >=2.0.0 <=3.0.0 depends on b 1.0.0 and a 4.0.0 depends on b 2.0.0, a >=2.0.0 requires b <=2.0.0",
        "so, because skills.toml requires both a >=2.0.0 and b 3.0.0, skills.toml cannot be satisfied",
    ]
    assert hint is None
    assert change == ("a >=2.0.0", "b 3.0.0")


def test_resolver_explains_a_middle_run_of_versions() -> None:
    lines, hint, change = explained(
        {
            "universe": {
                "a": {"1.0.0": {}, "2.0.0": {"b": "^1.0.0"}, "3.0.0": {"b": "^1.0.0"}, "4.0.0": {}},
                "b": {"1.0.0": {"c": "^2.0.0"}, "1.1.0": {"c": "^2.0.0"}},
                "c": {"1.0.0": {}, "2.0.0": {}},
            },
            "requirements": {"a": ">=2.0.0 <4.0.0", "c": "1.0.0"},
        }
    )

    assert lines == [
        "because a >=2.0.0 <4.0.0 depends on b ^1.0.0 which depends on c ^2.0.0, a >=2.0.0 <4.0.0 requires c ^2.0.0",
        "so, because skills.toml requires both a >=2.0.0 <4.0.0 and c 1.0.0, skills.toml cannot be satisfied",
    ]
    assert hint is None
    assert change == ("a >=2.0.0 <4.0.0", "c 1.0.0")


def test_resolver_explains_three_skills_that_cannot_meet() -> None:
    lines, hint, change = explained(
        {
            "universe": {
                "a": {"1.0.0": {"x": "<3.0.0"}},
                "b": {"1.0.0": {"x": ">1.0.0"}},
                "c": {"1.0.0": {"x": "!=2.0.0"}},
                "x": {"1.0.0": {}, "2.0.0": {}, "3.0.0": {}},
            },
            "requirements": {"a": "*", "b": "*", "c": "*"},
        }
    )

    assert lines == [
        "because a 1.0.0 depends on x <3.0.0 and b 1.0.0 depends on x >1.0.0, a 1.0.0 and b 1.0.0 together require x 2.0.0",
        "and because skills.toml requires c which depends on x !=2.0.0, a 1.0.0 and b 1.0.0 cannot be used together",
        "so, because skills.toml requires both a and b, skills.toml cannot be satisfied",
    ]
    assert hint is None
    assert change == ("a", "b", "c")


def test_resolver_explains_a_choice_of_two_versions_below() -> None:
    lines, hint, change = explained(
        {
            "universe": {
                "a": {"1.0.0": {"x": "1.0.0 || 2.0.0"}},
                "x": {"1.0.0": {"y": "1.0.0"}, "2.0.0": {"z": "1.0.0"}},
                "y": {"1.0.0": {}, "2.0.0": {}},
                "z": {"1.0.0": {}, "2.0.0": {}},
            },
            "requirements": {"a": "*", "y": "2.0.0", "z": "2.0.0"},
        }
    )

    assert lines == [
        "because x 1.0.0 depends on y 1.0.0 and x 2.0.0 depends on z 1.0.0, every version of x requires y 1.0.0 or z 1.0.0",
        "and because a 1.0.0 depends on x 1.0.0 || 2.0.0 and skills.toml requires z 2.0.0, a 1.0.0 requires y 1.0.0",
        "so, because skills.toml requires both a and y 2.0.0, skills.toml cannot be satisfied",
    ]
    assert hint is None
    assert change == ("a", "y 2.0.0", "z 2.0.0")


def test_resolver_explains_a_prerelease_the_project_could_ask_for() -> None:
    lines, hint, change = explained(
        {"universe": {"a": {"1.0.0-rc.1": {}}}, "requirements": {"a": "*"}}
    )

    assert lines == [
        "because skills.toml requires a, which no version matches, skills.toml cannot be satisfied"
    ]
    assert (
        hint
        == "a 1.0.0-rc.1 is a pre-release that would match; name it in the range, or allow pre-releases of a"
    )
    assert change == ("a",)


def test_resolver_names_the_requirements_where_a_proof_is_too_long_to_write(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("spm_resolver.explain.MOST_TERMS_WRITTEN", 3)

    lines, hint, change = explained(
        {
            "universe": {
                "a": {"1.0.0": {"x": "1.0.0"}},
                "b": {"1.0.0": {"x": "2.0.0"}},
                "x": {"1.0.0": {}, "2.0.0": {}},
            },
            "requirements": {"a": "*", "b": "^1.0.0"},
        }
    )

    assert lines == [
        "because skills.toml requires a, b ^1.0.0, and no versions of what these need fit together (shown in 3 steps, too many to write), skills.toml cannot be satisfied"
    ]
    assert hint is None
    assert change == ("a", "b ^1.0.0")
