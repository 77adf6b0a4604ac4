"""System calls that Python does not offer, through the C library.

Every function here raises ``OSError`` with the kernel's errno; none retries.
"""

from __future__ import annotations

import ctypes
import os

from spm_sandbox.native.syscalls import numbers_of, this_architecture

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.syscall.restype = ctypes.c_long
_NUMBERS = numbers_of(this_architecture())

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_SET_MDWE = 65


def system_call(name: str, *arguments: int | bytes | None) -> int:
    """Make the system call ``name``; integers travel as machine words, bytes as pointers."""
    words = [
        ctypes.c_void_p(None)
        if argument is None
        else ctypes.c_long(argument)
        if isinstance(argument, int)
        else ctypes.c_char_p(argument)
        for argument in arguments
    ]
    result: int = _LIBC.syscall(ctypes.c_long(_NUMBERS[name]), *words)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
    return result


def process_control(option: int, *arguments: int) -> int:
    """Call ``prctl``; absent arguments are zero, as the newer options demand."""
    padded = (*arguments, 0, 0, 0, 0)[:4]
    return system_call("prctl", option, *padded)


def address_of(data: bytes) -> int:
    """Return where ``data`` lies in memory; the caller keeps it alive."""
    return ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0


def die_with_parent() -> None:
    """Ask the kernel for SIGKILL when the parent ends; cleared by a change of identity."""
    process_control(PR_SET_PDEATHSIG, 9)


def forbid_tracing() -> None:
    """Make this process's memory, descriptors and command line unreadable to its equals."""
    process_control(PR_SET_DUMPABLE, 0)


def join_new_session_keyring() -> None:
    """Leave the user's session keyring, which crosses user namespaces; absent is fine."""
    try:
        system_call("keyctl", 1, None)
    except OSError as error:
        if error.errno != 38:  # noqa: PLR2004 - ENOSYS: a kernel without keyrings has none to leak
            raise
