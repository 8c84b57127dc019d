"""What a process that reads hostile bytes gives up: files to write, programs to start, the network, memory, time.

Three fences, each where the system has it: resource limits (POSIX), a filter of system calls (Linux on x86-64 and
arm64, seccomp(2)), and an audit hook (Python code on every system, PEP 578). There is no way back.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import struct
import sys
from collections.abc import Mapping
from typing import NamedTuple

_PR_SET_PDEATHSIG = 1
_PR_SET_SECCOMP = 22
_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_MODE_FILTER = 2
_SECCOMP_RET_ERRNO = 0x00050000
_SECCOMP_RET_ALLOW = 0x7FFF0000
_EPERM, _ENOSYS = 1, 38
_LOAD, _JUMP_IF_EQUAL, _JUMP_IF_SET, _RETURN = 0x20, 0x15, 0x45, 0x06
_CLONE_THREAD = 0x10000
_CLONE3, _OPENAT2 = 435, 437
_EVERYWHERE = (424, 425, 426, 427)  # pidfd_send_signal, io_uring_setup, io_uring_enter, io_uring_register


class _Architecture(NamedTuple):
    """Numbers of system calls. `opens` maps a call that opens files to the place of its flags among the arguments."""

    audit: int
    clone: int
    opens: Mapping[int, int]
    network: tuple[int, ...]
    programs: tuple[int, ...]
    files: tuple[int, ...]


_ARCHITECTURES = {
    "x86_64": _Architecture(
        0xC000003E,
        56,
        {2: 1, 257: 2},  # open, openat
        (41, 42, 49, 50, 43, 44),  # socket, connect, bind, listen, accept, sendto
        (57, 58, 59, 322, 101, 62, 200, 311),  # fork, vfork, execve, execveat, ptrace, kill, tkill, process_vm_writev
        # unlink, unlinkat, rmdir, rename(at, at2), mkdir(at), link(at), symlink(at), mknod(at), creat, truncate,
        # chmod, fchmod(at), chown, lchown, fchownat, setxattr, utimensat, mount
        (
            87,
            263,
            84,
            82,
            264,
            316,
            83,
            258,
            86,
            265,
            88,
            266,
            133,
            259,
            85,
            76,
            90,
            91,
            268,
            92,
            94,
            260,
            188,
            280,
            165,
        ),
    ),
    "aarch64": _Architecture(
        0xC00000B7,
        220,
        {56: 2},  # openat
        (198, 203, 200, 201, 202, 206),
        (221, 281, 117, 129, 130, 271),
        # unlinkat, renameat, renameat2, mkdirat, linkat, symlinkat, mknodat, truncate, fchmod, fchmodat, fchownat,
        # setxattr, utimensat, mount
        (35, 38, 276, 34, 37, 36, 33, 45, 52, 53, 54, 5, 88, 40),
    ),
}
_DENIED_EVENTS = (
    "socket.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.system", "os.remove", "os.rename",
    "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.chmod", "os.chown", "os.truncate", "os.kill", "shutil.",
    "pty.", "urllib.", "ftplib.", "smtplib.", "http.client",
)  # fmt: skip
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def die_with_parent(parent: int, hangup: int = signal.SIGHUP) -> None:
    """On Linux this process is sent `hangup` when the thread that started it ends, however it ends."""
    if sys.platform == "linux":
        _libc().prctl(_PR_SET_PDEATHSIG, hangup, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)  # it ended before we asked


def limit_resources(memory_bytes: int) -> None:
    """At most `memory_bytes` of address space; no core dumps; no byte written to any file."""
    for limit, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_AS, memory_bytes),
    ):
        _, hard = resource.getrlimit(limit)
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(limit, (bound, bound))
        except (ValueError, OSError):
            if limit != resource.RLIMIT_AS or sys.platform == "linux":
                raise  # macOS refuses to bound the address space; everything else must hold


def limit_time(cpu_s: float, wall_s: float) -> None:
    """From now: the kernel ends this process after `cpu_s` of processor time or `wall_s` on the clock. 0 lifts it."""
    signal.setitimer(signal.ITIMER_PROF, cpu_s)
    signal.setitimer(signal.ITIMER_REAL, wall_s)


def deny_system() -> None:
    """No sockets, no programs, no writing to files, from here on."""
    _filter_system_calls()
    sys.addaudithook(_audit)


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open":
        flags = arguments[2]
        if isinstance(flags, int) and flags & _WRITING and arguments[0] != os.devnull:
            raise PermissionError("a parser may not write files")
    elif event.startswith(_DENIED_EVENTS):
        raise PermissionError(f"a parser may not use {event}")


def _filter_system_calls() -> None:
    architecture = _ARCHITECTURES.get(platform.machine())
    if sys.platform != "linux" or architecture is None:
        return
    program = _program(architecture)
    instructions = b"".join(struct.pack("HBBI", *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(instructions, len(instructions))
    header = struct.pack("HxxxxxxP", len(program), ctypes.addressof(buffer))
    libc = _libc()
    # A kernel or a container without seccomp leaves the other two fences.
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0:
        libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.create_string_buffer(header, len(header)), 0, 0)


def _program(architecture: _Architecture) -> list[tuple[int, int, int, int]]:
    """Berkeley packet filter instructions over `struct seccomp_data`: (code, jump if true, jump if false, value)."""
    allow, deny = _SECCOMP_RET_ALLOW, _SECCOMP_RET_ERRNO | _EPERM
    program = [
        (_LOAD, 0, 0, 4),  # seccomp_data.arch
        (_JUMP_IF_EQUAL, 1, 0, architecture.audit),
        (_RETURN, 0, 0, deny),
        (_LOAD, 0, 0, 0),  # seccomp_data.nr
    ]
    for call in (*architecture.network, *architecture.programs, *architecture.files, *_EVERYWHERE):
        program += [(_JUMP_IF_EQUAL, 0, 1, call), (_RETURN, 0, 0, deny)]
    # The C library takes "no such call" as a hint to use the older one, whose flags can be seen here.
    for call in (_CLONE3, _OPENAT2):
        program += [(_JUMP_IF_EQUAL, 0, 1, call), (_RETURN, 0, 0, _SECCOMP_RET_ERRNO | _ENOSYS)]
    for call, place in architecture.opens.items():
        program += [
            (_JUMP_IF_EQUAL, 0, 4, call),
            (_LOAD, 0, 0, 16 + 8 * place),  # the low half of the flags
            (_JUMP_IF_SET, 0, 1, _WRITING),
            (_RETURN, 0, 0, deny),
            (_RETURN, 0, 0, allow),
        ]
    return [
        *program,
        (_JUMP_IF_EQUAL, 0, 3, architecture.clone),
        (_LOAD, 0, 0, 16),  # the low half of its first argument
        (_JUMP_IF_SET, 1, 0, _CLONE_THREAD),  # threads may start, processes not
        (_RETURN, 0, 0, deny),
        (_RETURN, 0, 0, allow),
    ]


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
