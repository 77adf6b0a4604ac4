"""The generated filters, interpreted for every number of every architecture."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

from spm_sandbox.native.seccomp import ALLOW, KILL
from spm_sandbox.native.seccomp_policy import (
    ALLOWED,
    AUDIT_ARCHITECTURE,
    EAFNOSUPPORT,
    ENOSYS,
    EPERM,
    REFUSED,
    X32_BIT,
    no_processes_filter,
    sandbox_filter,
)
from spm_sandbox.native.syscalls import ARCHITECTURES, numbers_of

ERRNO = 0x0005_0000
EVERY_NUMBER = range(600)
HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}


def judge(program: bytes, architecture: int, number: int, *arguments: int) -> int:
    """Run a filter as the kernel does (linux/filter.h) and return its verdict."""
    padded = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    data = struct.pack("<IIQ6Q", number, architecture, 0, *padded)
    instructions = list(struct.iter_unpack("<HBBI", program))
    at, accumulator = 0, 0
    while True:
        operation, if_true, if_false, operand = instructions[at]
        at += 1
        match operation:
            case 0x20:
                (accumulator,) = struct.unpack_from("<I", data, operand)
            case 0x54:
                accumulator &= operand
            case 0x05:
                at += operand
            case 0x15:
                at += if_true if accumulator == operand else if_false
            case 0x35:
                at += if_true if accumulator >= operand else if_false
            case 0x45:
                at += if_true if accumulator & operand else if_false
            case 0x06:
                return int(operand)
            case _:
                pytest.fail(f"instruction {operation:#x}")


class Filter:
    """One architecture's filter, asked by name."""

    def __init__(self, architecture: str) -> None:
        self.numbers = numbers_of(architecture)
        self.audit = AUDIT_ARCHITECTURE[architecture]
        self.program = sandbox_filter(architecture)

    def __call__(self, name: str, *arguments: int) -> int:
        return judge(self.program, self.audit, self.numbers[name], *arguments)


@pytest.fixture(params=ARCHITECTURES)
def judged(request: pytest.FixtureRequest) -> Filter:
    return Filter(request.param)


def test_every_number_has_the_verdict_of_the_policy(judged: Filter) -> None:
    by_number = {number: name for name, number in judged.numbers.items()}
    for number in EVERY_NUMBER:
        name = by_number.get(number)
        verdict = judge(judged.program, judged.audit, number)
        if name in ALLOWED:
            assert verdict == ALLOW, name
        elif name in REFUSED:
            assert verdict == ERRNO | EPERM, name
        elif name is None or name in {"clone3", "memfd_create"}:
            assert verdict == ERRNO | ENOSYS, (number, name)


def test_no_name_is_both_allowed_and_refused_and_every_name_is_known() -> None:
    known = set[str]().union(*(numbers_of(architecture) for architecture in ARCHITECTURES))

    assert not ALLOWED & REFUSED
    assert not (ALLOWED | REFUSED) - known


def test_a_filter_fits_into_the_kernel_s_limit(judged: Filter) -> None:
    assert len(judged.program) // 8 < 4096


@pytest.mark.parametrize("foreign", [0x4000_0003, 0x4000_0028, 0xC000_00F3, 0])
def test_another_architecture_s_entry_ends_the_process(judged: Filter, foreign: int) -> None:
    assert {judge(judged.program, foreign, number) for number in EVERY_NUMBER} == {KILL}


def test_the_x32_entry_ends_the_process() -> None:
    program = sandbox_filter("x86_64")
    verdicts = {
        judge(program, AUDIT_ARCHITECTURE["x86_64"], X32_BIT | number) for number in EVERY_NUMBER
    }

    assert verdicts == {KILL}


@pytest.mark.parametrize(
    ("name", "arguments", "verdict"),
    [
        ("clone", (0x0005_0F00 | 0x1_0000,), ALLOW),
        ("clone", (17,), ALLOW),
        ("clone", (0x1000_0000 | 17,), ERRNO | EPERM),
        ("clone", (0x0002_0000,), ERRNO | EPERM),
        ("clone", (0x80,), ERRNO | EPERM),
        ("ioctl", (0, 0x5413), ALLOW),
        ("ioctl", (0, 0x5412), ERRNO | EPERM),
        ("ioctl", (0, 0x541C), ERRNO | EPERM),
        ("fcntl", (0, 1), ALLOW),
        ("fcntl", (0, 1031), ERRNO | EPERM),
        ("socket", (1, 1), ERRNO | EAFNOSUPPORT),
        ("socket", (2, 1), ERRNO | EAFNOSUPPORT),
        ("socket", (16, 3), ERRNO | EAFNOSUPPORT),
        ("socketpair", (1, 1), ALLOW),
        ("socketpair", (1, 0x80801), ALLOW),
        ("socketpair", (1, 3), ERRNO | EAFNOSUPPORT),
        ("socketpair", (16, 1), ERRNO | EAFNOSUPPORT),
        ("prlimit64", (0, 7), ALLOW),
        ("prlimit64", (1, 7), ERRNO | EPERM),
        ("setpriority", (0, 0, 5), ALLOW),
        ("setpriority", (0, 1, 5), ERRNO | EPERM),
        ("sched_setaffinity", (1,), ERRNO | EPERM),
    ],
)
def test_arguments_are_judged(
    judged: Filter, name: str, arguments: tuple[int, ...], verdict: int
) -> None:
    assert judged(name, *arguments) == verdict


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_second_filter_leaves_only_threads(architecture: str) -> None:
    program, numbers = no_processes_filter(architecture), numbers_of(architecture)
    audit = AUDIT_ARCHITECTURE[architecture]
    starting = [
        numbers[name] for name in ("execve", "execveat", "fork", "vfork") if name in numbers
    ]

    assert {judge(program, audit, number) for number in starting} == {ERRNO | EPERM}
    assert judge(program, audit, numbers["clone"], 17) == ERRNO | EPERM
    assert judge(program, audit, numbers["clone"], 0x1_0000) == ALLOW
    assert judge(program, audit, numbers["read"]) == ALLOW


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_numbers_are_those_of_the_kernel_s_headers(architecture: str) -> None:
    header = HEADERS[architecture]
    if not header.exists():
        pytest.skip(f"no {header}")
    pattern = re.compile(r"#define __NR(?:3264)?_(\w+)\s+(\d+)\s*$", re.MULTILINE)
    in_header = {name: int(number) for name, number in pattern.findall(header.read_text())}

    numbers = numbers_of(architecture)

    assert {name: numbers[name] for name in numbers.keys() & in_header.keys()} == {
        name: in_header[name] for name in numbers.keys() & in_header.keys()
    }
    assert len(numbers.keys() & in_header.keys()) > 250
