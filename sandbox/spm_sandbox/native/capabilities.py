"""Capabilities: the payload has none and can get none."""

from __future__ import annotations

import contextlib
import struct

from spm_sandbox.native.libc import (
    PR_CAP_AMBIENT,
    PR_CAPBSET_DROP,
    PR_SET_NO_NEW_PRIVS,
    process_control,
    system_call,
)

_CAPABILITY_VERSION_3 = 0x2008_0522
_CLEAR_ALL_AMBIENT = 4
_MORE_THAN_EVER_DEFINED = 64


def drop_bounding_set() -> None:
    """Remove every capability from the bounding set; needs CAP_SETPCAP inside."""
    for capability in range(_MORE_THAN_EVER_DEFINED):
        try:
            process_control(PR_CAPBSET_DROP, capability)
        except OSError as error:
            if error.errno == 22:  # noqa: PLR2004 - EINVAL: one past the last this kernel knows
                return
            raise


def drop_all() -> None:
    """Empty the ambient, effective, permitted and inheritable sets."""
    with contextlib.suppress(OSError):  # kernels before 4.3 have no ambient set
        process_control(PR_CAP_AMBIENT, _CLEAR_ALL_AMBIENT)
    system_call(
        "capset", struct.pack("<Ii", _CAPABILITY_VERSION_3, 0), struct.pack("<6I", *[0] * 6)
    )


def gain_nothing() -> None:
    """Set no_new_privs: set-user-ID bits and file capabilities mean nothing from here on."""
    process_control(PR_SET_NO_NEW_PRIVS, 1)
