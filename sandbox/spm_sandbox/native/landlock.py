"""Landlock: a second answer to who may open what, independent of the mounts."""

from __future__ import annotations

import os
import stat
import struct
from typing import TYPE_CHECKING

from spm_sandbox.native.libc import process_control, system_call

if TYPE_CHECKING:
    from collections.abc import Iterable

_VERSION_REQUEST = 1
_RULE_PATH_BENEATH = 1
_NET_ALL = 0b11  # bind and connect of TCP; with no rule, neither is possible
_SCOPE_ALL = 0b11  # abstract UNIX sockets and signals stay inside

EXECUTE = 1 << 0
WRITE_FILE = 1 << 1
READ_FILE = 1 << 2
READ_DIRECTORY = 1 << 3
_MAKE_CHARACTER_DEVICE = 1 << 6
_MAKE_BLOCK_DEVICE = 1 << 11
_TRUNCATE = 1 << 14
_DEVICE_CONTROL = 1 << 15
_ON_FILES = EXECUTE | WRITE_FILE | READ_FILE | _TRUNCATE | _DEVICE_CONTROL

READ = READ_FILE | READ_DIRECTORY
# Bits by ABI: 13 rights in the first, then refer (2), truncate (3), device control (5).
_RIGHTS_BY_VERSION = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_NET_SINCE = 4
_SCOPE_SINCE = 6


def landlock_version() -> int:
    """Return the kernel's Landlock ABI; raise ``OSError`` where there is none."""
    return system_call("landlock_create_ruleset", None, 0, _VERSION_REQUEST)


def handled_rights(version: int) -> int:
    """Return every file-system right the ABI ``version`` can deny."""
    return (1 << _RIGHTS_BY_VERSION[max(1, min(version, 5))]) - 1


def write_rights(version: int) -> int:
    """Return reading and writing without executing, device nodes or device control."""
    withheld = EXECUTE | _MAKE_CHARACTER_DEVICE | _MAKE_BLOCK_DEVICE | _DEVICE_CONTROL
    return handled_rights(version) & ~withheld


def restrict(rules: Iterable[tuple[str, int]]) -> int:
    """Deny everything but ``rules`` (path, rights) to this process for ever; return the ABI.

    A path that does not exist grants nothing. Needs no_new_privs.
    """
    version = landlock_version()
    handled = handled_rights(version)
    attributes = struct.pack(
        "<QQQ",
        handled,
        _NET_ALL if version >= _NET_SINCE else 0,
        _SCOPE_ALL if version >= _SCOPE_SINCE else 0,
    )
    known = 24 if version >= _SCOPE_SINCE else 16 if version >= _NET_SINCE else 8
    ruleset = system_call("landlock_create_ruleset", attributes[:known], known, 0)
    for path, rights in rules:
        _allow(ruleset, path, rights & handled)
    system_call("landlock_restrict_self", ruleset, 0)
    os.close(ruleset)
    return version


def gain_nothing_and_reach_nothing() -> None:
    """Close the file system to a process that only waits for others."""
    process_control(38, 1)
    restrict(())


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            rights &= _ON_FILES
        rule = struct.pack("<Qi", rights, descriptor)
        system_call("landlock_add_rule", ruleset, _RULE_PATH_BENEATH, rule, 0)
    finally:
        os.close(descriptor)
