# ruff: noqa: PTH101, PTH102, PTH103, PTH104, PTH115, PTH123, PTH207, PTH208, PTH211, S103, SIM115
# mypy: ignore-errors
# pyright: basic
"""Attacks from inside a tool. Each returns what it got, or raises, or returns None.

The same functions run outside a sandbox first, to show that they would succeed there.
`facts` comes from the test: paths, ports and processes of the host, system call numbers.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import socket
import struct
import subprocess

LIBC = ctypes.CDLL(None, use_errno=True)


def run(names, facts):
    outcomes = {}
    for name in names:
        try:
            got = globals()[name](facts)
        except BaseException as error:  # noqa: BLE001
            outcomes[name] = f"stopped: {type(error).__name__}: {str(error)[:80]}"
        else:
            outcomes[name] = "nothing" if got is None else f"HIT: {str(got)[:80]}"
    return outcomes


def works(facts):
    """What an ordinary tool does; a suite in which nothing works proves nothing."""
    import json
    import sqlite3
    import tempfile
    import threading

    done = []
    thread = threading.Thread(target=done.append, args=(1,))
    thread.start()
    thread.join()
    with tempfile.TemporaryFile() as file:
        file.write(b"x")
    sqlite3.connect(":memory:").execute("select 1").fetchone()
    if facts["may_fork"]:
        done += subprocess.run(
            ["sh", "-c", "echo 2"], capture_output=True, check=True
        ).stdout.split()
    return json.dumps([str(one) for one in done])


def system_call(facts, name, *arguments):
    words = [
        ctypes.c_char_p(argument) if isinstance(argument, bytes) else ctypes.c_long(argument)
        for argument in arguments
    ]
    result = LIBC.syscall(ctypes.c_long(facts["numbers"][name]), *words)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{name}: {errno.errorcode[ctypes.get_errno()]}")
    return result


def read(path):
    with open(path, "rb") as file:
        return file.read(100) or None


# Reading


def read_a_file_of_the_home(facts):
    return read(facts["home"] + "/.ssh/id_secret")


def read_another_skill_of_the_store(facts):
    return read(facts["other_skill"] + "/SKILL.md")


def list_the_home(facts):
    return os.listdir(facts["home"]) or None


def read_host_passwords(facts):
    return read("/etc/shadow")


def read_host_users(facts):
    text = (read("/etc/passwd") or b"").decode()
    return text if "root:" in text else None


def read_through_the_root_of_pid_1(facts):
    return read("/proc/1/root" + facts["home"] + "/.ssh/id_secret")


def read_through_the_folder_of_pid_1(facts):
    return os.listdir("/proc/1/cwd/") if os.readlink("/proc/1/cwd") else None


def read_memory_of_pid_1(facts):
    return read("/proc/1/mem")


def read_environments_of_all_processes(facts):
    for process in os.listdir("/proc"):
        if process.isdigit():
            try:
                data = open(f"/proc/{process}/environ", "rb").read()
            except OSError:
                continue
            if facts["canary"].encode() in data:
                return data
    return None


def read_own_environment(facts):
    return next((n for n, v in os.environ.items() if facts["canary"] in v), None)


def read_the_command_line_of_pid_1(facts):
    return read("/proc/1/cmdline")


def find_paths_of_the_host_in_processes(facts):
    for process in os.listdir("/proc"):
        if process.isdigit():
            command = open(f"/proc/{process}/cmdline", "rb").read()
            if facts["home"].rpartition("/")[0].encode() in command or b"/root/" in command:
                return command
    return None


def read_kernel_settings(facts):
    return os.listdir("/proc/sys") or None


def read_kernel_memory(facts):
    return read("/proc/kcore")


def read_kernel_log(facts):
    return system_call(facts, "syslog", 10, 0, 0) or None


def read_system_information(facts):
    return os.listdir("/sys") or None


def read_site_packages_of_the_host(facts):
    import glob

    found = glob.glob("/usr/lib/python3/dist-packages/*") + glob.glob(
        "/python/lib/python3.*/site-packages/*"
    )
    return found or None


def climb_out_with_chroot(facts):
    os.mkdir("/tmp/jail")
    os.chroot("/tmp/jail")
    return os.listdir("../../../../..")


def climb_out_with_inherited_descriptors(facts):
    for descriptor in range(3, 1024):
        try:
            os.fstat(descriptor)
            inside = os.open("../../../../.." + facts["home"], os.O_RDONLY, dir_fd=descriptor)
        except OSError:
            continue
        return os.listdir(inside)
    return None


def find_inherited_descriptors(facts):
    found = {}
    for descriptor in range(3, 1024):
        try:
            target = os.readlink(f"/proc/self/fd/{descriptor}")
        except OSError:
            continue
        if not (descriptor in (3, 4) and target.startswith("pipe:")):
            found[descriptor] = target
    return found or None


def open_a_file_by_handle(facts):
    handle = struct.pack("<IiQ", 8, 1, 2)
    return system_call(facts, "open_by_handle_at", -100, handle, 0)


# Writing


def write_into_the_skill(facts):
    return open(facts["skill"] + "/src/new.py", "w").write("x")


def write_bytecode_into_the_skill(facts):
    os.makedirs(facts["skill"] + "/src/__pycache__", exist_ok=True)
    return open(facts["skill"] + "/src/__pycache__/probes.pyc", "wb").write(b"x")


def change_the_mode_of_the_skill(facts):
    os.chmod(facts["skill"] + "/SKILL.md", 0o777)
    return "changed"


def change_the_times_of_the_skill(facts):
    os.utime(facts["skill"] + "/SKILL.md", (1, 1))
    return "changed"


def rename_a_file_of_the_skill(facts):
    os.rename(facts["skill"] + "/SKILL.md", facts["skill"] + "/GONE.md")
    os.rename(facts["skill"] + "/GONE.md", facts["skill"] + "/SKILL.md")
    return "renamed"


def write_outside(facts):
    return open(facts["outside"] + "/written", "w").write("x")


def write_through_a_symbolic_link(facts):
    link = facts["tmp"] + "/link"
    os.symlink(facts["outside"] + "/linked", link)
    return open(link, "w").write("x")


def write_beside_the_root(facts):
    return open("/new", "w").write("x")


def write_into_the_system(facts):
    return open("/usr/bin/new", "w").write("x")


def write_into_the_worker(facts):
    return open("/spm/spm_sandbox/worker/codec.pyc", "wb").write(b"x")


def write_kernel_settings(facts):
    return open("/proc/sys/kernel/core_pattern", "w").write("|/tmp/x")


def make_a_device(facts):
    os.mknod(facts["tmp"] + "/device", 0o600 | 0o020000, os.makedev(1, 1))
    return "made"


def make_a_fifo(facts):
    os.mkfifo(facts["tmp"] + "/fifo")
    return "made"


def link_the_skill_into_scratch(facts):
    os.link(facts["skill"] + "/SKILL.md", facts["tmp"] + "/hard")
    return "linked"


def set_user_id_on_a_file(facts):
    copy = facts["tmp"] + "/sh"
    open(copy, "wb").write(open("/bin/sh", "rb").read())
    os.chmod(copy, 0o4755)
    return subprocess.run([copy, "-c", "id -u"], capture_output=True, check=True).stdout


def run_a_program_from_scratch(facts):
    path = facts["tmp"] + "/program"
    open(path, "wb").write(open("/bin/true", "rb").read())
    os.chmod(path, 0o755)
    return subprocess.run([path], check=True)


def find_other_devices(facts):
    usual = {"null", "zero", "full", "random", "urandom", "fd", "stdin", "stdout", "stderr", "shm"}
    return sorted(set(os.listdir("/dev")) - usual) or None


# Processes


def see_the_host_process(facts):
    return read(f"/proc/{facts['victim']}/cmdline")


def signal_the_host_process(facts):
    os.kill(facts["victim"], signal.SIGUSR1)
    return "sent"


def signal_by_descriptor(facts):
    signal.pidfd_send_signal(os.pidfd_open(facts["victim"]), signal.SIGUSR1)
    return "sent"


def limit_another_process(facts):
    import resource

    return resource.prlimit(facts["victim"], resource.RLIMIT_NOFILE, (9, 9))


def renice_another_process(facts):
    os.setpriority(os.PRIO_PROCESS, facts["victim"], 19)
    return "reniced"


def renice_pid_1(facts):
    os.setpriority(os.PRIO_PROCESS, 1, 19)
    return "reniced"


def pin_another_process(facts):
    os.sched_setaffinity(facts["victim"], {0})
    return "pinned"


def trace_another_process(facts):
    ptrace_seize = 0x4206
    return f"traced {system_call(facts, 'ptrace', ptrace_seize, facts['victim'], 0, 0)}"


def read_memory_of_another_process(facts):
    buffer = ctypes.create_string_buffer(8)
    vector = struct.pack("<QQ", ctypes.addressof(buffer), 8)
    return (
        f"read {system_call(facts, 'process_vm_readv', facts['victim'], vector, 1, vector, 1, 0)}"
    )


def steal_a_descriptor(facts):
    descriptor = os.pidfd_open(1)
    return system_call(facts, "pidfd_getfd", descriptor, 0, 0)


def become_root(facts):
    os.setuid(0)
    return f"root {os.getuid()}"


def get_capabilities(facts):
    header = struct.pack("<Ii", 0x20080522, 0)
    return f"set {system_call(facts, 'capset', header, struct.pack('<6I', *[0xFFFF] * 6))}"


def have_capabilities(facts):
    for line in open("/proc/self/status"):
        if line.startswith(("CapEff", "CapPrm", "CapBnd")) and int(line.split()[1], 16):
            return line
    return None


def gain_privileges_later(facts):
    return "may gain" if LIBC.prctl(39, 0, 0, 0, 0) == 0 else None


def start_a_program(facts):
    return subprocess.run(["/bin/true"], check=True)


def start_a_process(facts):
    child = os.fork()
    if child == 0:
        os._exit(0)
    return os.waitpid(child, 0)


def replace_this_program(facts):
    child = system_call(facts, "vfork") if "vfork" in facts["numbers"] else os.fork()
    return f"forked {child}" if child >= 0 else None


# Network


def reach_a_service_of_the_host(facts):
    with socket.create_connection(("127.0.0.1", facts["tcp"]), timeout=2) as connection:
        return connection.recv(10)


def send_a_datagram(facts):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        return one.sendto(b"x", ("127.0.0.1", facts["udp"]))


def reach_a_unix_socket(facts):
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(facts["unix"])
        return one.recv(10)


def reach_an_abstract_socket(facts):
    with socket.socket(socket.AF_UNIX) as one:
        one.connect("\0" + facts["abstract"])
        return one.recv(10)


def listen_on_a_port(facts):
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        return one.getsockname()


def resolve_a_name(facts):
    return socket.getaddrinfo("example.org", 80)


def ask_the_kernel_by_netlink(facts):
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as one:
        return one.getsockname()


def use_a_raw_socket(facts):
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, 1) as one:
        return one.fileno()


def use_a_packet_socket(facts):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as one:
        return one.fileno()


def use_the_hypervisor_socket(facts):
    with socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM) as one:
        return one.fileno()


def use_kernel_cryptography(facts):
    with socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET, 0) as one:
        return one.fileno()


def find_network_interfaces(facts):
    lines = open("/proc/net/dev").read().splitlines()[2:]
    return [line for line in lines if not line.strip().startswith("lo:")] or None


# The kernel


def make_a_user_namespace(facts):
    child = os.fork() if facts["may_fork"] else 0
    if child:
        return "made" if os.waitpid(child, 0)[1] == 0 else None
    try:
        system_call(facts, "unshare", 0x10000000)
    except OSError:
        if facts["may_fork"]:
            os._exit(1)
        raise
    if facts["may_fork"]:
        os._exit(0)
    return "made"


def make_a_namespace_by_clone(facts):
    child = system_call(facts, "clone", 0x10000000 | signal.SIGCHLD, 0, 0, 0, 0)
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return "made"


def make_a_namespace_by_clone3(facts):
    arguments = struct.pack("<11Q", 0x10000000, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, 0, 0, 0)
    child = system_call(facts, "clone3", arguments, 88)
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return "made"


def join_a_namespace(facts):
    descriptor = os.open("/proc/1/ns/net", os.O_RDONLY)
    return f"joined {system_call(facts, 'setns', descriptor, 0)}"


def mount_a_file_system(facts):
    return f"mounted {system_call(facts, 'mount', b'none', b'/tmp', b'tmpfs', 0, 0)}"


def make_the_skill_writable(facts):
    return f"remounted {system_call(facts, 'mount', b'none', b'/skill', b'', 32 | 4096, 0)}"


def unmount_the_skill(facts):
    return f"unmounted {system_call(facts, 'umount2', b'/skill', 2)}"


def move_the_root(facts):
    return f"moved {system_call(facts, 'pivot_root', b'/tmp', b'/tmp')}"


def open_a_file_system(facts):
    return system_call(facts, "fsopen", b"tmpfs", 0)


def copy_a_mount(facts):
    return system_call(facts, "open_tree", -100, b"/", 1)


def read_the_session_keyring(facts):
    return system_call(facts, "keyctl", 0, -3, 0)


def add_a_key(facts):
    return system_call(facts, "add_key", b"user", b"spm", b"x", 1, -2)


def load_a_kernel_program(facts):
    return f"loaded {system_call(facts, 'bpf', 0, bytes(72), 72)}"


def watch_performance(facts):
    return system_call(
        facts, "perf_event_open", struct.pack("<II", 1, 112) + bytes(104), 0, -1, -1, 0
    )


def handle_page_faults(facts):
    return system_call(facts, "userfaultfd", 1)


def use_io_uring(facts):
    return system_call(facts, "io_uring_setup", 1, bytes(120))


def use_asynchronous_io(facts):
    return f"set up {system_call(facts, 'io_setup', 1, bytes(8))}"


def make_memory_files(facts):
    return system_call(facts, "memfd_create", b"x", 0)


def make_secret_memory(facts):
    return system_call(facts, "memfd_secret", 0)


def make_shared_memory(facts):
    return f"made {system_call(facts, 'shmget', 0, 4096, 0o1600)}"


def make_a_message_queue(facts):
    return f"made {system_call(facts, 'msgget', 0, 0o1600)}"


def change_personality(facts):
    return f"changed {system_call(facts, 'personality', 0x0040000)}"


def set_the_clock(facts):
    return f"set {system_call(facts, 'clock_settime', 0, struct.pack('<qq', 1, 0))}"


def rename_the_host(facts):
    return f"renamed {system_call(facts, 'sethostname', b'x', 1)}"


def load_a_module(facts):
    return f"loaded {system_call(facts, 'finit_module', -1, b'', 0)}"


def swap_to_a_file(facts):
    return f"swapped {system_call(facts, 'swapon', b'/tmp/x', 0)}"


def write_executable_memory(facts):
    import mmap

    with mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC) as memory:
        return len(memory)


def push_text_into_the_terminal(facts):
    import fcntl

    for path in ("/dev/tty", "/proc/self/fd/0", "/proc/self/fd/1"):
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
        except OSError:
            continue
        fcntl.ioctl(descriptor, 0x5412, b"x")
        return path
    return None


def push_text_anywhere(facts):
    import fcntl

    fcntl.ioctl(1, 0x5412, b"x")
    return "pushed"


def hide_from_the_memory_limit_in_pipes(facts):
    import fcntl

    reading, _ = os.pipe()
    return fcntl.fcntl(reading, 1031, 1 << 20)


def call_a_number_of_the_future(facts):
    return LIBC.syscall(ctypes.c_long(999)) if LIBC.syscall(ctypes.c_long(999)) >= 0 else None
