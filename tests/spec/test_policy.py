"""Policies: the grammar, the algebra, and what a person reads when rights are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spm_spec.policy import NOTHING, InvalidPolicy, Limits, Policy, parse_policy, parse_size

MIB = 1 << 20


def read(value: object) -> Policy:
    return parse_policy(value, where=lambda path: ".".join(["skill.yaml", *map(str, path)]))


PATHS = st.sampled_from([".", "a", "a/b", "a/b/c", "d", "~/x", "~/x/y"])
POLICIES = st.fixed_dictionaries(
    {},
    optional={
        "network": st.lists(st.sampled_from(["a.org:443", "b.org:80", "127.0.0.1:1"])),
        "read": st.lists(PATHS),
        "write": st.lists(PATHS),
        "environment": st.lists(st.sampled_from(["A", "B_C"])),
        "subprocess": st.booleans(),
        "limits": st.dictionaries(
            st.sampled_from(["cpu", "wall", "processes"]), st.integers(1, 99)
        ),
    },
).map(read)


def test_a_policy_is_normal_however_it_was_written() -> None:
    policy = read(
        {
            "network": ["B.example.org:443", "a.example.org:80", "b.example.org:443"],
            "read": ["data/", "data"],
            "limits": {"memory": "512MiB", "wall": 20, "open-files": 100},
        }
    )

    assert policy == Policy(
        network=("a.example.org:80", "b.example.org:443"),
        read=("data",),
        limits=Limits(memory_bytes=512 * MIB, wall_seconds=20, open_files=100),
    )


@given(POLICIES)
def test_a_policy_is_read_back_from_its_document(policy: Policy) -> None:
    assert read(policy.as_document()) == policy


@given(POLICIES, POLICIES)
def test_what_is_granted_is_never_more_than_either_side(asked: Policy, grant: Policy) -> None:
    granted = asked.granted_by(grant)

    assert granted.beyond(asked) == ()
    assert granted.beyond(grant) == ()


@given(POLICIES, POLICIES)
def test_granting_does_not_depend_on_the_side(one: Policy, other: Policy) -> None:
    assert one.granted_by(other) == other.granted_by(one)


@given(POLICIES, POLICIES, POLICIES)
def test_granting_does_not_depend_on_the_grouping(a: Policy, b: Policy, c: Policy) -> None:
    assert a.granted_by(b).granted_by(c) == a.granted_by(b.granted_by(c))


@given(POLICIES)
def test_a_grant_of_what_was_asked_leaves_nothing_to_ask(asked: Policy) -> None:
    assert asked.beyond(asked) == ()
    assert asked.granted_by(NOTHING).asks_nothing


def test_a_folder_covers_what_is_below_it_and_nothing_beside_it() -> None:
    asked = Policy(read=("data/in", "database", "~/notes"))

    granted = asked.granted_by(Policy(read=("data",)))

    assert granted.read == ("data/in",)
    assert asked.beyond(Policy(read=("data",))) == ("reading database", "reading ~/notes")


def test_a_granted_subfolder_is_all_that_is_left_of_an_asked_folder() -> None:
    assert Policy(read=(".",)).granted_by(Policy(read=("data",))).read == ("data",)


def test_the_project_does_not_cover_the_home_folder() -> None:
    assert Policy(read=("~/notes",)).granted_by(Policy(read=(".",))).read == ()


def test_a_right_to_write_is_a_right_to_read() -> None:
    assert Policy(read=("out/log",)).beyond(Policy(write=("out",))) == ()
    assert Policy(write=("out",)).granted_by(Policy(read=("out",))) == Policy(read=("out",))


def test_what_was_asked_and_not_granted_is_said_in_words() -> None:
    asked = Policy(
        network=("api.example.org:443",),
        read=("data",),
        write=("out",),
        environment=("API_KEY",),
        subprocess=True,
        limits=Limits(memory_bytes=2048 * MIB, cpu_seconds=60, processes=100),
    )

    assert asked.beyond(NOTHING) == (
        "network access to api.example.org:443",
        "reading data",
        "writing out",
        "the environment variable API_KEY",
        "starting other programs",
        "memory of 2GiB (granted 1GiB)",
        "processor time of 60 s (granted 30 s)",
        "processes of 100 (granted 64)",
    )


def test_nothing_asks_nothing_and_lower_limits_neither() -> None:
    assert NOTHING.asks_nothing
    assert Policy(limits=Limits(cpu_seconds=1)).asks_nothing
    assert not Policy(subprocess=True).asks_nothing


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512MiB", 512 * MIB),
        ("1GiB", 1 << 30),
        ("2 GB", 2 * 10**9),
        ("7B", 7),
        ("", None),
        ("1", None),
        ("-1B", None),
        ("1.5GiB", None),
        ("1gib", None),
        ("9" * 99 + "B", None),
    ],
)
def test_a_size_is_a_whole_number_with_a_unit(text: str, size: int | None) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("value", "message", "hint"),
    [
        ([], "skill.yaml: a policy must be a table", None),
        (
            {"netwrok": []},
            "skill.yaml.netwrok: unknown key `netwrok` in a policy",
            "did you mean `network`",
        ),
        (
            {"network": "a:1"},
            "skill.yaml.network: `network` must be a list of texts",
            None,
        ),
        (
            {"network": ["*.example.org:443"]},
            "skill.yaml.network.0: `*.example.org:443` is not a host and port in `network`",
            "wildcards are not supported, name each host",
        ),
        (
            {"network": ["https://example.org"]},
            "skill.yaml.network.0: `https://example.org` is not a host and port in `network`",
            "leave out the scheme and the path, such as `api.example.org:443`",
        ),
        (
            {"network": ["example.org"]},
            "skill.yaml.network.0: `example.org` is not a host and port in `network`",
            "write `host:port`, such as `api.example.org:443`",
        ),
        (
            {"network": ["a.org:99999"]},
            "skill.yaml.network.0: port 99999 is over 65535 in `network`",
            None,
        ),
        (
            {"network": ["999.1.1.1:80"]},
            "skill.yaml.network.0: `999.1.1.1:80` is not a host and port in `network`",
            "write `host:port`, such as `api.example.org:443`",
        ),
        (
            {"read": ["a/../../b"]},
            "skill.yaml.read.0: `a/../../b` is not a path a skill can be granted in `read`",
            "write a path relative to the project, or one that starts with `~/`, without `..`",
        ),
        (
            {"environment": ["A=B"]},
            (
                "skill.yaml.environment.0: `A=B` is not the name of an environment variable"
                " in `environment`"
            ),
            None,
        ),
        (
            {"environment": ["spm_token"]},
            (
                "skill.yaml.environment.0: `spm_token` is spm's own and can hold its tokens"
                " in `environment`"
            ),
            None,
        ),
        (
            {"subprocess": 1},
            "skill.yaml.subprocess: `subprocess` must be true or false",
            None,
        ),
        (
            {"limits": {"memory": -1}},
            "skill.yaml.limits.memory: limit `memory` is -1, it must be 16MiB to 64GiB",
            None,
        ),
        (
            {"limits": {"scratch": "much"}},
            (
                "skill.yaml.limits.scratch: limit `scratch` is `much`, it must be"
                " a size such as `512MiB`"
            ),
            None,
        ),
        (
            {"limits": {"cpu": True}},
            "skill.yaml.limits.cpu: limit `cpu` is true, it must be a whole number",
            None,
        ),
        (
            {"limits": {"cpu": 10**400}},
            "skill.yaml.limits.cpu: limit `cpu` is a number, it must be 1 to 3600",
            None,
        ),
        (
            {"read": ["a"] * 65},
            "skill.yaml.read: `read` has 65 entries, the limit is 64",
            None,
        ),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(
    value: object, message: str, hint: str | None
) -> None:
    with pytest.raises(InvalidPolicy) as refusal:
        read(value)

    assert (refusal.value.message, refusal.value.hint) == (message, hint)


@pytest.mark.parametrize(
    "path",
    ["", "/", "/etc", "..", "~", "~/", "~root/x", "a//b", "./a", "a/.", "a\\b", 'a"b', "a\nb"],
)
def test_a_path_outside_project_and_home_is_refused(path: str) -> None:
    with pytest.raises(InvalidPolicy, match="is not a path a skill can be granted"):
        read({"write": [path]})
