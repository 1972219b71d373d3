"""Hosts on this machine: network namespaces with an address each, joined by a switch that can be unplugged.

Belongs here: making them, running commands in them, and what happens to hosts: they die, or lose their network.
What runs in a host has a host name and process numbers of its own, as in a container. The file system is shared.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import PROJECT_DIR

_SWITCH = "kpi-switch"
_NET = "10.213.0"


@dataclass(frozen=True)
class Host:
    """A network namespace."""

    name: str
    address: str

    @property
    def network(self) -> list[str]:
        """The beginning of a command line that runs the rest of it in this network only."""
        return ["ip", "netns", "exec", f"kpi-{self.name}"]

    def inside(self, *command: str) -> list[str]:
        """The command line that runs `command` there. What it starts ends with it."""
        alone = ["unshare", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child"]
        named = ["sh", "-c", f'hostname {self.name}; exec "$@"', "sh"]
        return [*self.network, *alone, *named, *command]

    def run(self, *command: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run a command there, and wait for its end."""
        return subprocess.run(
            self.inside(*command), cwd=PROJECT_DIR, env=environment, capture_output=True, text=True, check=False
        )

    def start(self, *command: str, environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
        """Start a command there."""
        with log.open("ab") as file:
            return subprocess.Popen(self.inside(*command), cwd=PROJECT_DIR, env=environment, stdout=file, stderr=file)

    def die(self) -> None:
        """Kill all that runs there."""
        for process in _ip("netns", "pids", f"kpi-{self.name}").split():
            try:
                os.kill(int(process), signal.SIGKILL)
            except ProcessLookupError:
                continue

    def unplug(self) -> None:
        """Cut the network; what runs there goes on."""
        _ip("-n", _SWITCH, "link", "set", self.name, "down")

    def plug_in(self) -> None:
        """End that."""
        _ip("-n", _SWITCH, "link", "set", self.name, "up")


@contextmanager
def hosts(*names: str) -> Iterator[dict[str, Host]]:
    """Hosts with these names, of at most 15 letters, which see each other and nothing else."""
    if not (shutil.which("ip") and shutil.which("unshare") and os.geteuid() == 0):
        pytest.skip("Hosts need root, iproute2 and util-linux: apt-get install --no-install-recommends iproute2")
    with ExitStack() as made:
        _namespace(made, _SWITCH)
        _ip("-n", _SWITCH, "link", "add", "name", "switch", "type", "bridge")
        _ip("-n", _SWITCH, "link", "set", "switch", "up")
        found = {}
        for number, name in enumerate(names, start=1):
            host = Host(name, f"{_NET}.{number}")
            _namespace(made, f"kpi-{name}")
            made.callback(host.die)
            _ip(
                "-n",
                _SWITCH,
                "link",
                "add",
                "name",
                name,
                "type",
                "veth",
                "peer",
                "name",
                "eth0",
                "netns",
                f"kpi-{name}",
            )
            _ip("-n", _SWITCH, "link", "set", name, "master", "switch")
            _ip("-n", _SWITCH, "link", "set", name, "up")
            _ip("-n", f"kpi-{name}", "addr", "add", f"{host.address}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                _ip("-n", f"kpi-{name}", "link", "set", device, "up")
            found[name] = host
        yield found


def _namespace(made: ExitStack, name: str) -> None:
    subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)  # of tests that were killed
    try:
        _ip("netns", "add", name)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this machine allows no network namespaces: {error.stderr}")
    made.callback(_ip, "netns", "del", name)


def _ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], capture_output=True, text=True, check=True).stdout
