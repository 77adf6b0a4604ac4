"""Filters of system calls: a tiny assembler for the kernel's classic BPF.

A program is built from blocks that always end in a verdict, so there are no labels
and every jump goes forward by construction.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from spm_sandbox.native.libc import address_of, system_call

if TYPE_CHECKING:
    from collections.abc import Sequence

LOAD = 0x20
AND = 0x54
RETURN = 0x06
JUMP = 0x05
EQUAL = 0x15
GREATER_OR_EQUAL = 0x35
ANY_BIT = 0x45

ALLOW = 0x7FFF_0000
KILL = 0x8000_0000
NUMBER_OFFSET = 0
ARCHITECTURE_OFFSET = 4

_MODE_FILTER = 1
_FARTHEST = 255


class Instruction(NamedTuple):
    """One instruction: operation, steps to skip if true and if false, operand."""

    operation: int
    if_true: int
    if_false: int
    operand: int


Block = tuple[Instruction, ...]


class Segment(NamedTuple):
    """Consecutive numbers from ``first`` on that share one block."""

    first: int
    block: Block


def verdict(value: int) -> Block:
    """End with ``value``: ``ALLOW``, ``KILL`` or ``refuse(errno)``."""
    return (Instruction(RETURN, 0, 0, value),)


def refuse(code: int) -> Block:
    """End with the error ``code`` for the caller."""
    return verdict(0x0005_0000 | code)


def load(offset: int, following: Block) -> Block:
    """Load the 32-bit word of the call's data at ``offset``."""
    return (Instruction(LOAD, 0, 0, offset), *following)


def load_argument(index: int, following: Block) -> Block:
    """Load the low word of argument ``index`` (both architectures are little-endian)."""
    return load(16 + 8 * index, following)


def masked(mask: int, following: Block) -> Block:
    """Keep only the bits of ``mask`` of what is loaded."""
    return (Instruction(AND, 0, 0, mask), *following)


def branch(operation: int, operand: int, then: Block, otherwise: Block) -> Block:
    """Compare what is loaded with ``operand`` and go on in one of two blocks."""
    if len(then) <= _FARTHEST:
        return (Instruction(operation, 0, len(then), operand), *then, *otherwise)
    hop = Instruction(JUMP, 0, 0, len(then))
    return (Instruction(operation, 1, 0, operand), hop, *then, *otherwise)


def one_of(values: Sequence[int], then: Block, otherwise: Block) -> Block:
    """Go to ``then`` if what is loaded is one of ``values``."""
    for value in reversed(values):
        otherwise = branch(EQUAL, value, then, otherwise)
    return otherwise


def search(segments: Sequence[Segment]) -> Block:
    """Find the segment of the loaded number by halving; ``segments[0]`` starts at 0."""
    if len(segments) == 1:
        return segments[0].block
    middle = len(segments) // 2
    upper, lower = search(segments[middle:]), search(segments[:middle])
    return branch(GREATER_OR_EQUAL, segments[middle].first, upper, lower)


def assemble(program: Block) -> bytes:
    """Return the program as the kernel reads it, eight bytes an instruction."""
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in program)


def install(program: bytes) -> None:
    """Put the filter on this thread and all it starts, for ever; needs no_new_privs."""
    header = struct.pack("<HxxxxxxQ", len(program) // 8, address_of(program))
    system_call("seccomp", _MODE_FILTER, 0, header)
