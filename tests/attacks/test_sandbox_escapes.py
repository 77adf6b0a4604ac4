"""Every attack of the probe skill is stopped, for root and for an ordinary user alike.

The probes of ``SUCCEEDS_OUTSIDE`` are first shown to succeed in a plain process of the
same user, so that a probe that never works cannot count as a denial.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.support.sandbox_host import require_sandbox
from tests.support.sandbox_world import NOBODY, World, other_user_python, world

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.needs("sandbox")

NEEDS_PROCESSES = (
    "set_user_id_on_a_file",
    "run_a_program_from_scratch",
    "make_a_user_namespace",
    "make_a_namespace_by_clone",
    "make_a_namespace_by_clone3",
    "have_capabilities",
    "gain_privileges_later",
    "find_inherited_descriptors",
)
"""Tried again where the policy grants processes, which is the weaker sandbox."""

WITHOUT_PROCESSES = ("start_a_program", "start_a_process", "replace_this_program")
"""Stopped only where the policy does not grant processes."""

ALWAYS = (
    "read_a_file_of_the_home",
    "read_another_skill_of_the_store",
    "list_the_home",
    "read_host_passwords",
    "read_host_users",
    "read_through_the_root_of_pid_1",
    "read_through_the_folder_of_pid_1",
    "read_memory_of_pid_1",
    "read_environments_of_all_processes",
    "read_own_environment",
    "read_kernel_memory",
    "read_the_command_line_of_pid_1",
    "find_paths_of_the_host_in_processes",
    "read_kernel_settings",
    "read_kernel_log",
    "read_system_information",
    "read_site_packages_of_the_host",
    "climb_out_with_chroot",
    "climb_out_with_inherited_descriptors",
    "find_inherited_descriptors",
    "open_a_file_by_handle",
    "write_into_the_skill",
    "write_bytecode_into_the_skill",
    "change_the_mode_of_the_skill",
    "change_the_times_of_the_skill",
    "rename_a_file_of_the_skill",
    "write_outside",
    "write_through_a_symbolic_link",
    "write_beside_the_root",
    "write_into_the_system",
    "write_into_the_worker",
    "write_kernel_settings",
    "make_a_device",
    "make_a_fifo",
    "link_the_skill_into_scratch",
    "set_user_id_on_a_file",
    "run_a_program_from_scratch",
    "find_other_devices",
    "see_the_host_process",
    "signal_the_host_process",
    "signal_by_descriptor",
    "limit_another_process",
    "renice_another_process",
    "renice_pid_1",
    "pin_another_process",
    "trace_another_process",
    "read_memory_of_another_process",
    "steal_a_descriptor",
    "become_root",
    "get_capabilities",
    "have_capabilities",
    "gain_privileges_later",
    "reach_a_service_of_the_host",
    "send_a_datagram",
    "reach_a_unix_socket",
    "reach_an_abstract_socket",
    "listen_on_a_port",
    "resolve_a_name",
    "ask_the_kernel_by_netlink",
    "use_a_raw_socket",
    "use_a_packet_socket",
    "use_the_hypervisor_socket",
    "use_kernel_cryptography",
    "find_network_interfaces",
    "make_a_user_namespace",
    "make_a_namespace_by_clone",
    "make_a_namespace_by_clone3",
    "join_a_namespace",
    "mount_a_file_system",
    "make_the_skill_writable",
    "unmount_the_skill",
    "move_the_root",
    "open_a_file_system",
    "copy_a_mount",
    "read_the_session_keyring",
    "add_a_key",
    "load_a_kernel_program",
    "watch_performance",
    "handle_page_faults",
    "use_io_uring",
    "use_asynchronous_io",
    "make_memory_files",
    "make_secret_memory",
    "make_shared_memory",
    "make_a_message_queue",
    "change_personality",
    "set_the_clock",
    "rename_the_host",
    "load_a_module",
    "swap_to_a_file",
    "write_executable_memory",
    "push_text_into_the_terminal",
    "push_text_anywhere",
    "hide_from_the_memory_limit_in_pipes",
    "call_a_number_of_the_future",
)

SUCCEEDS_OUTSIDE = (
    "read_a_file_of_the_home",
    "read_another_skill_of_the_store",
    "list_the_home",
    "read_host_users",
    "read_environments_of_all_processes",
    "read_own_environment",
    "read_system_information",
    "write_into_the_skill",
    "write_bytecode_into_the_skill",
    "change_the_mode_of_the_skill",
    "change_the_times_of_the_skill",
    "rename_a_file_of_the_skill",
    "write_outside",
    "write_through_a_symbolic_link",
    "make_a_fifo",
    "link_the_skill_into_scratch",
    "run_a_program_from_scratch",
    "set_user_id_on_a_file",
    "find_other_devices",
    "see_the_host_process",
    "limit_another_process",
    "renice_another_process",
    "pin_another_process",
    "trace_another_process",
    "gain_privileges_later",
    "start_a_program",
    "start_a_process",
    "reach_a_service_of_the_host",
    "send_a_datagram",
    "reach_a_unix_socket",
    "reach_an_abstract_socket",
    "listen_on_a_port",
    "ask_the_kernel_by_netlink",
    "use_asynchronous_io",
    "make_memory_files",
    "make_shared_memory",
    "make_a_message_queue",
    "change_personality",
    "write_executable_memory",
    "hide_from_the_memory_limit_in_pipes",
)


@pytest.fixture(scope="module", autouse=True)
def sandbox_on_this_host() -> None:
    require_sandbox()


@dataclass(frozen=True)
class Attacked:
    """One host after everything was tried on it."""

    host: World
    alone: dict[str, str]
    with_processes: dict[str, str]


def _users() -> list[object]:
    ordinary = pytest.param(NOBODY, id="ordinary user")
    return [pytest.param(None, id="this user"), *([ordinary] if os.geteuid() == 0 else [])]


@pytest.fixture(scope="module", params=_users())
def attacked(request: pytest.FixtureRequest) -> Iterator[Attacked]:
    user: int | None = request.param
    if user is not None and other_user_python() is None:
        pytest.skip("no Python with the dependencies that an ordinary user can run")
    with world(user) as host:
        alone = host.attack(["works", *ALWAYS, *WITHOUT_PROCESSES], may_fork=False)
        with_processes = host.attack(["works", *NEEDS_PROCESSES], may_fork=True)
        yield Attacked(host, alone, with_processes)


@pytest.fixture(scope="module", params=_users())
def outside(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    user: int | None = request.param
    if user is not None and other_user_python() is None:
        pytest.skip("no Python with the dependencies that an ordinary user can run")
    with world(user) as host:
        yield host.attack_without_sandbox(list(SUCCEEDS_OUTSIDE))


@pytest.mark.parametrize("probe", SUCCEEDS_OUTSIDE)
def test_without_a_sandbox_a_skill_can(outside: dict[str, str], probe: str) -> None:
    assert outside[probe].startswith("HIT"), outside[probe]


@pytest.mark.parametrize("probe", [*ALWAYS, *WITHOUT_PROCESSES])
def test_a_skill_cannot(attacked: Attacked, probe: str) -> None:
    assert not attacked.alone[probe].startswith("HIT"), attacked.alone[probe]


@pytest.mark.parametrize("probe", NEEDS_PROCESSES)
def test_a_skill_that_may_start_processes_still_cannot(attacked: Attacked, probe: str) -> None:
    assert not attacked.with_processes[probe].startswith("HIT"), attacked.with_processes[probe]


def test_an_ordinary_tool_works_in_the_same_sandbox(attacked: Attacked) -> None:
    assert attacked.alone["works"] == 'HIT: ["1"]'
    assert attacked.with_processes["works"].startswith('HIT: ["1", ')


def test_the_host_is_as_it_was_after_every_attack(attacked: Attacked) -> None:
    """Judged by the host, not by what the probes say."""
    folder, skill = attacked.host.folder, attacked.host.skill
    files = sorted(str(path.relative_to(skill)) for path in skill.rglob("*") if path.is_file())

    assert list((folder / "outside").iterdir()) == []
    assert files == ["SKILL.md", "src/probes.py"]
    assert (skill / "SKILL.md").stat().st_mode & 0o111 == 0
    assert attacked.host.victim.poll() is None
    assert attacked.host.services.reached == []
