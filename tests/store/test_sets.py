"""A set shows one generation: whole or absent, shared by projects, repaired when wrong."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spm_spec.digests import Digest, blob_digest
from spm_store.errors import TreeMissing
from spm_store.leases import live_leases
from spm_store.sets import Shown, listing_of, read_set, set_digest
from spm_store.store import Store
from tests.support.stored import COUNTER, GREETER, contents, names

if TYPE_CHECKING:
    from pathlib import Path

    from spm_store.sets import ShownSet

NAMES = st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True)
SKILLS = st.builds(Shown, NAMES, st.just("1.0.0"), st.binary(min_size=32, max_size=32).map(Digest))


def shown_in(store: Store) -> list[Shown]:
    return [
        Shown("greeter", "1.0.0", store.add(GREETER, name="greeter").digest),
        Shown("counter", "2.1.0+b", store.add(COUNTER, name="counter").digest),
    ]


def show(store: Store, shown: list[Shown]) -> ShownSet:
    with store.lease("a test") as lease:
        return store.show(shown, lease)


def test_a_set_shows_every_skill_at_its_name_and_version(store: Store) -> None:
    shown = shown_in(store)

    made = show(store, shown)

    assert made.path == store.root / "sets" / made.digest
    assert names(made.path) == [".listing", "counter", "greeter"]
    for skill in shown:
        tree = store.get(skill.tree)
        assert tree is not None
        assert (made.path / skill.name / skill.version).samefile(tree.path)


def test_a_set_is_read_only_and_named_by_its_listing(store: Store) -> None:
    shown = shown_in(store)

    made = show(store, shown)

    listing = (made.path / ".listing").read_bytes()
    assert listing == (
        f"counter\t2.1.0+b\t{shown[1].tree.hex}\ngreeter\t1.0.0\t{shown[0].tree.hex}\n".encode()
    )
    assert made.digest == set_digest(listing)
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o555
    assert stat.S_IMODE((made.path / ".listing").stat().st_mode) == 0o444
    assert names(store.root / "tmp") == []


def test_the_same_skills_are_one_set_whatever_their_order(store: Store) -> None:
    shown = shown_in(store)
    first = show(store, shown)
    before = contents(store.root)

    second = show(store, shown[::-1])

    assert second == first
    assert contents(store.root) == before


def test_a_set_of_no_skills_can_be_shown(store: Store) -> None:
    shown_in(store)

    made = show(store, [])

    assert names(made.path) == [".listing"]
    assert read_set(os.fspath(store.root), made.digest) == ()


def test_a_set_of_a_tree_that_is_not_there_is_refused(store: Store) -> None:
    shown = shown_in(store)
    absent = blob_digest(b"absent")
    with pytest.raises(TreeMissing) as refused:
        show(store, [*shown, Shown("absent", "1.0.0", absent)])

    assert refused.value.message == f"{store.root}: the store has no tree {absent}"
    assert not (store.root / "sets").exists()
    assert names(store.root / "tmp") == []


def _break_link(made: Path) -> None:
    (made / "greeter").unlink()


def _turn_link(made: Path) -> None:
    (made / "greeter").unlink()
    (made / "greeter").symlink_to("counter")


def _add_link(made: Path) -> None:
    (made / "another").symlink_to("counter")


def _cut_listing(made: Path) -> None:
    (made / ".listing").chmod(0o644)
    (made / ".listing").write_bytes(b"")


def _no_listing(made: Path) -> None:
    (made / ".listing").unlink()


def _replace_by_file(made: Path) -> None:
    made.rename(made.with_name("aside"))
    made.write_text("a file")


def _replace_by_link(made: Path) -> None:
    made.rename(made.with_name("aside"))
    made.symlink_to("aside")


@pytest.mark.parametrize(
    "damage",
    [
        _break_link,
        _turn_link,
        _add_link,
        _cut_listing,
        _no_listing,
        _replace_by_file,
        _replace_by_link,
    ],
)
def test_a_damaged_set_is_made_again(store: Store, damage: object) -> None:
    shown = shown_in(store)
    made = show(store, shown)
    whole = contents(made.path)
    made.path.chmod(0o755)
    assert callable(damage)
    damage(made.path)

    again = show(store, shown)

    assert again == made
    assert contents(again.path) == whole
    assert not again.path.is_symlink()
    assert stat.S_IMODE(again.path.stat().st_mode) == 0o555
    assert names(store.root / "trash") == []


def test_a_shelf_that_was_damaged_is_made_again_with_its_set(store: Store) -> None:
    shown = shown_in(store)
    made = show(store, shown)
    shelf = (made.path / "greeter").resolve()
    shelf.chmod(0o755)
    (shelf / "1.0.0").unlink()

    show(store, shown)

    assert (made.path / "greeter" / "1.0.0" / "SKILL.md").is_file()


def test_the_lease_wants_the_trees_and_the_set_before_it_looks(store: Store) -> None:
    shown = shown_in(store)

    with store.lease("showing") as lease:
        made = store.show(shown, lease)
        (live,) = live_leases(os.fspath(store.root))

        assert live.wants == {skill.tree.raw for skill in shown} | {bytes.fromhex(made.digest)}


def test_a_tree_of_a_lower_store_is_shown_through_a_shelf_of_the_upper(tmp_path: Path) -> None:
    with Store.open(tmp_path / "lower" / "v1") as lower:
        shown = shown_in(lower)
    before = contents(tmp_path / "lower")

    with Store.open(tmp_path / "upper" / "v1", lower=[tmp_path / "lower" / "v1"]) as store:
        made = show(store, shown)

    link = made.path / "greeter" / "1.0.0"
    assert link.readlink() == lower.tree_path(shown[0].tree, "greeter")
    assert (link / "SKILL.md").is_file()
    assert contents(tmp_path / "lower") == before


def test_what_is_no_listing_of_the_set_is_not_read(store: Store) -> None:
    made = show(store, shown_in(store))
    listing = made.path / ".listing"
    listing.chmod(0o644)
    listing.write_bytes(listing.read_bytes() + b"x")

    with pytest.raises(ValueError, match="its listing is not what it was named for"):
        read_set(os.fspath(store.root), made.digest)


def test_a_name_that_could_leave_the_set_is_a_mistake_of_ours(store: Store) -> None:
    shown = shown_in(store)

    for name in ("../greeter", ".listing", "a\tb", "a\nb", "", "a/b"):
        with pytest.raises(AssertionError):
            show(store, [Shown(name, "1.0.0", shown[0].tree)])


@given(st.lists(SKILLS, unique_by=lambda skill: skill.name))
def test_a_listing_does_not_depend_on_order_and_says_everything(shown: list[Shown]) -> None:
    listing = listing_of(shown)

    assert listing == listing_of(shown[::-1])
    assert len(listing.splitlines()) == len(shown)
    for skill in shown:
        assert f"{skill.name}\t{skill.version}\t{skill.tree.hex}\n".encode() in listing
