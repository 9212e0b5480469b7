"""What the process gives up before it opens the token: core dumps, tracers, internet sockets, readable files.

Sources: prctl(2), seccomp(2), linux/seccomp.h, linux/bpf_common.h. systemd can do the same from outside
(`docs/deploy/signer.service`); a signer that is started by hand does it as well.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import platform
import resource
import socket
import struct

from signer.errors import ConfigError

log = logging.getLogger("signer")

_PR_SET_DUMPABLE = 4
_PR_SET_SECCOMP = 22
_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_MODE_FILTER = 2
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_ARCHITECTURES = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
"""AUDIT_ARCH_* and the number of socket(2)."""
_IO_URING_SETUP = 425
"""The same everywhere; a ring makes sockets without calling socket(2)."""
_X32 = 0x40000000
"""x86's second set of call numbers begins here."""
_NR, _ARCH, _ARG0 = 0, 4, 16
"""Offsets in struct seccomp_data."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def _prctl(option: int, *values: int | ctypes.Structure) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    arguments = [ctypes.byref(v) if isinstance(v, ctypes.Structure) else ctypes.c_ulong(v) for v in values]
    arguments += [ctypes.c_ulong(0)] * (4 - len(arguments))
    if library.prctl(option, *arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _instruction(code: int, if_true: int, if_false: int, value: int) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def socket_filter(architecture: int, socket_call: int) -> bytes:
    """Return the filter: socket(2) only for AF_UNIX, no rings, everything else as before; other call tables die.

    Args:
        architecture: AUDIT_ARCH_* of this machine.
        socket_call: The number of socket(2) on it.
    """
    return b"".join(
        (
            _instruction(_LOAD, 0, 0, _ARCH),
            _instruction(_EQUAL, 0, 8, architecture),  # else: killed
            _instruction(_LOAD, 0, 0, _NR),
            _instruction(_AT_LEAST, 6, 0, _X32),  # then: killed
            _instruction(_EQUAL, 3, 0, _IO_URING_SETUP),  # then: denied
            _instruction(_EQUAL, 0, 3, socket_call),  # else: allowed
            _instruction(_LOAD, 0, 0, _ARG0),
            _instruction(_EQUAL, 1, 0, socket.AF_UNIX),  # then: allowed
            _instruction(_RETURN, 0, 0, _ERRNO | errno.EAFNOSUPPORT),
            _instruction(_RETURN, 0, 0, _ALLOW),
            _instruction(_RETURN, 0, 0, _KILL),
        )
    )


def give_up_internet() -> bool:
    """Let this process never make an internet socket again; False where we have no filter for the machine."""
    known = _ARCHITECTURES.get(platform.machine())
    if known is None:
        log.warning("no socket filter for %s: start this signer in an empty network namespace", platform.machine())
        return False
    code = socket_filter(*known)
    try:
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
        _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, _Program(len(code) // 8, code))
    except OSError as error:
        raise ConfigError(f"internet sockets cannot be given up: {error.strerror}") from error
    return True


_MCL_CURRENT, _MCL_FUTURE = 1, 2


def lock_memory() -> bool:
    """Keep this process's memory out of swap, where the host allows it (mlockall(2)); say so where it does not."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.mlockall(_MCL_CURRENT | _MCL_FUTURE) == 0:
        return True
    log.warning("memory is not locked (%s): raise RLIMIT_MEMLOCK, or have no swap", os.strerror(ctypes.get_errno()))
    return False


def harden(*, network: bool) -> None:
    """Give up what a signer does not need, before it reads a PIN.

    Args:
        network: True for a token that is reached over the network.

    Raises:
        ConfigError: If the kernel refuses.
    """
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        _prctl(_PR_SET_DUMPABLE, 0)
    except OSError as error:
        raise ConfigError(f"tracing cannot be forbidden: {error.strerror}") from error
    if not network:
        give_up_internet()
