"""Other processes on this machine: whether one exists, and which one listens on a port.

Belongs here: querying the operating system. Does not belong here: what follows from the result.
"""

import os
import socket
from dataclasses import dataclass
from pathlib import Path

_LISTENING = "0A"  # in /proc/net/tcp
_EXITING = 0x4  # Linux's PF_EXITING: the process ends, and may have released its locks already
_PROC = Path("/proc")


@dataclass(frozen=True)
class Listener:
    """The process that listens on a port.

    Attributes:
        name: the process, as `process 123 (python)`.
        command: its command line; empty if we may not see it.
    """

    name: str
    command: str = ""


def is_alive(process: int) -> bool:
    """Whether there is a process of this number that has not begun to end."""
    if os.name != "posix":
        return True  # signal 0 asks on POSIX; elsewhere it ends the process
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_ending(process)


def _is_ending(process: int) -> bool:
    """Whether Linux says that a process is ending, or has ended and its parent has not taken note of it yet."""
    try:
        state, *rest = (_PROC / str(process) / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return False
    return state in ("Z", "X") or bool(int(rest[5]) & _EXITING)


def listener(port: int) -> Listener | None:
    """The process that listens on a port of the loopback interface, or None. Only Linux tells which process it is."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        if probe.connect_ex(("127.0.0.1", port)) != 0:
            return None
    sockets = {Path(f"socket:[{inode}]") for inode in _listening_sockets(port)}
    for process in _PROC.glob("[0-9]*") if sockets else ():
        try:
            if any(handle.readlink() in sockets for handle in (process / "fd").iterdir()):
                name = f"process {process.name} ({(process / 'comm').read_text().strip()})"
                return Listener(name, (process / "cmdline").read_bytes().decode(errors="replace").replace("\0", " "))
        except OSError:  # it has ended, or belongs to somebody else
            continue
    return Listener("a process that this user cannot see")


def _listening_sockets(port: int) -> set[str]:
    inodes = set()
    for table in (_PROC / "net" / "tcp", _PROC / "net" / "tcp6"):
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            _, address, _, state, *rest = line.split()
            if state == _LISTENING and int(address.rpartition(":")[2], 16) == port:
                inodes.add(rest[5])
    return inodes
