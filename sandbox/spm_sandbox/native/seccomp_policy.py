"""Which system calls a skill may make.

An allow-list: what is not named here does not exist for a skill (ENOSYS), what is
named as refused answers EPERM, and the foreign entry points of the architecture end
the process. Sources: the default profile of moby/profiles without what no runtime
needs, flatpak's and Codex's refusals, and the kernel's ``unistd`` headers.
"""

from __future__ import annotations

from spm_sandbox.native.seccomp import (
    ALLOW,
    ANY_BIT,
    ARCHITECTURE_OFFSET,
    EQUAL,
    GREATER_OR_EQUAL,
    KILL,
    NUMBER_OFFSET,
    Block,
    Segment,
    assemble,
    branch,
    load,
    load_argument,
    masked,
    one_of,
    refuse,
    search,
    verdict,
)
from spm_sandbox.native.syscalls import numbers_of

EPERM = 1
ENOSYS = 38
EAFNOSUPPORT = 97

AUDIT_ARCHITECTURE = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
X32_BIT = 0x4000_0000

ALLOWED = frozenset(
    """
    access brk cachestat chdir chmod chown clock_getres clock_gettime clock_nanosleep close
    close_range copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl
    epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 execve execveat exit exit_group
    faccessat faccessat2 fadvise64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchownat
    fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat fstatfs fsync
    ftruncate futex futex_requeue futex_wait futex_waitv futex_wake futimesat getcpu getcwd
    getdents getdents64 getegid geteuid getgid getgroups getitimer getpgid getpgrp getpid
    getppid getpriority getrandom getresgid getresuid getrlimit get_robust_list getrusage
    getsid gettid gettimeofday getuid getxattr getxattrat inotify_add_watch inotify_init
    inotify_init1 inotify_rm_watch ioprio_get kill capget landlock_add_rule
    landlock_create_ruleset landlock_restrict_self lchown lgetxattr link linkat listxattr
    listxattrat llistxattr lremovexattr lseek lsetxattr lstat madvise map_shadow_stack
    membarrier mincore mkdir mkdirat mlock mlock2 mlockall mmap mprotect mremap mseal msync
    munlock munlockall munmap nanosleep newfstatat open openat openat2 pause pidfd_open
    pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll prctl pread64
    preadv preadv2 pselect6 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv
    removexattr removexattrat rename renameat renameat2 restart_syscall rmdir rseq
    rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend
    rt_sigtimedwait rt_tgsigqueueinfo sched_getaffinity sched_getattr sched_getparam
    sched_get_priority_max sched_get_priority_min sched_getscheduler sched_rr_get_interval
    sched_yield seccomp select sendfile setitimer setpgid setrlimit set_robust_list setsid
    set_tid_address setxattr setxattrat sigaltstack signalfd signalfd4 splice stat statfs
    statx symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill time timer_create
    timer_delete timer_getoverrun timer_gettime timer_settime timerfd_create timerfd_gettime
    timerfd_settime times tkill truncate umask uname unlink unlinkat utime utimensat utimes
    vfork wait4 waitid write writev arch_prctl alarm accept accept4 bind connect getpeername
    getsockname getsockopt listen recvfrom recvmmsg recvmsg sendmmsg sendmsg sendto setsockopt
    shutdown
    """.split()  # noqa: SIM905 - words, not a list of 300 literals
)
"""Allowed whatever the arguments; sockets only ever come from ``socketpair``."""

REFUSED = frozenset(
    """
    ptrace process_vm_readv process_vm_writev process_madvise process_mrelease kcmp
    pidfd_getfd keyctl add_key request_key bpf perf_event_open userfaultfd io_uring_setup
    io_uring_enter io_uring_register io_setup io_submit io_cancel io_destroy io_getevents
    io_pgetevents mount umount2 pivot_root chroot setns unshare open_tree open_tree_attr
    move_mount fsopen fsconfig fsmount fspick mount_setattr statmount listmount
    name_to_handle_at open_by_handle_at fanotify_init fanotify_mark kexec_load kexec_file_load
    init_module finit_module delete_module reboot swapon swapoff acct quotactl quotactl_fd
    settimeofday clock_settime clock_adjtime adjtimex sethostname setdomainname syslog vhangup
    iopl ioperm modify_ldt personality lookup_dcookie uselib sysfs ustat _sysctl mbind
    set_mempolicy get_mempolicy migrate_pages move_pages set_mempolicy_home_node memfd_secret
    vmsplice remap_file_pages lsm_get_self_attr lsm_set_self_attr lsm_list_modules mknod
    mknodat mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr shmat
    shmctl shmdt shmget semctl semget semop semtimedop msgctl msgget msgrcv msgsnd setuid
    setgid setreuid setregid setresuid setresgid setgroups setfsuid setfsgid capset
    """.split()  # noqa: SIM905 - words, not a list of 300 literals
)
"""Known and refused with EPERM, whatever the arguments."""

_UNKNOWN_TO_SKILLS = ("clone3", "memfd_create")
"""Answered with ENOSYS, so that C libraries fall back to what can be judged.

``clone3`` hides its flags behind a pointer; a ``memfd`` evades every memory limit.
"""

_NEW_NAMESPACES = 0x7E02_0000 | 0x80
_THREAD = 0x0001_0000
_TERMINAL_REQUESTS = (0x5412, 0x541C, 0x5423, 0x541D)  # TIOCSTI TIOCLINUX TIOCSETD TIOCCONS
_SET_PIPE_SIZE = 1031
_AF_UNIX = 1
_SOCKET_TYPES = (1, 2, 5)  # stream, datagram, sequenced packets

_YES = verdict(ALLOW)
_NO = refuse(EPERM)


def _only_oneself(index: int) -> Block:
    """Allow the call where argument ``index``, a process, is 0: the caller."""
    return load_argument(index, branch(EQUAL, 0, _YES, _NO))


_JUDGED: dict[str, Block] = {
    "clone": load_argument(0, branch(ANY_BIT, _NEW_NAMESPACES, _NO, _YES)),
    "ioctl": load_argument(1, one_of(_TERMINAL_REQUESTS, _NO, _YES)),
    "fcntl": load_argument(1, branch(EQUAL, _SET_PIPE_SIZE, _NO, _YES)),
    "socket": refuse(EAFNOSUPPORT),
    "socketpair": load_argument(
        0,
        branch(
            EQUAL,
            _AF_UNIX,
            load_argument(1, masked(0xF, one_of(_SOCKET_TYPES, _YES, refuse(EAFNOSUPPORT)))),
            refuse(EAFNOSUPPORT),
        ),
    ),
    "prlimit64": _only_oneself(0),
    "setpriority": _only_oneself(1),
    "ioprio_set": _only_oneself(1),
    "sched_setaffinity": _only_oneself(0),
    "sched_setattr": _only_oneself(0),
    "sched_setparam": _only_oneself(0),
    "sched_setscheduler": _only_oneself(0),
}
"""Allowed for some arguments."""


def verdicts(architecture: str) -> dict[int, Block]:
    """Map each known number of ``architecture`` to what is decided about it."""
    decided: dict[int, Block] = {}
    for name, number in numbers_of(architecture).items():
        if name in _JUDGED:
            decided[number] = _JUDGED[name]
        elif name in ALLOWED:
            decided[number] = _YES
        elif name in REFUSED:
            decided[number] = _NO
    for name in _UNKNOWN_TO_SKILLS:
        decided[numbers_of(architecture)[name]] = refuse(ENOSYS)
    return decided


def sandbox_filter(architecture: str) -> bytes:
    """Return the filter every worker runs under."""
    decided, absent = verdicts(architecture), refuse(ENOSYS)
    segments = [Segment(0, decided.get(0, absent))]
    for number in range(1, max(decided) + 2):
        block = decided.get(number, absent)
        if block != segments[-1].block:
            segments.append(Segment(number, block))
    by_number = search(segments)
    if architecture == "x86_64":
        by_number = branch(GREATER_OR_EQUAL, X32_BIT, verdict(KILL), by_number)
    native = load(NUMBER_OFFSET, by_number)
    expected = AUDIT_ARCHITECTURE[architecture]
    return assemble(load(ARCHITECTURE_OFFSET, branch(EQUAL, expected, native, verdict(KILL))))


def no_processes_filter(architecture: str) -> bytes:
    """Return the second filter: threads yes, programs and processes no."""
    numbers = numbers_of(architecture)
    starting = [
        numbers[name] for name in ("execve", "execveat", "fork", "vfork") if name in numbers
    ]
    threads = load_argument(0, branch(ANY_BIT, _THREAD, _YES, _NO))
    others = branch(EQUAL, numbers["clone"], threads, _YES)
    return assemble(load(NUMBER_OFFSET, one_of(starting, _NO, others)))
