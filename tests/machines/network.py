"""Hosts on one bridge: network namespaces of this machine, which no packet leaves."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count

import psutil

PROGRAMS = {"ip": "iproute2", "nft": "nftables", "haproxy": "haproxy", "faketime": "faketime"}
"""What is needed, and Debian's packages."""

OWN_TMP = 'case "$PWD/" in /tmp/*) ;; *) mount -t tmpfs tmpfs /tmp ;; esac && exec "$@"'
"""Unless it would hide the checkout."""


def why_not() -> str | None:
    """Why there can be no such hosts here; None if there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    missing = [package for name, package in PROGRAMS.items() if shutil.which(name) is None]
    if missing:
        return f"{' and '.join(missing)} must be installed"
    try:
        with network() as probe:
            host = probe.host("probe")
            host.drop_from("10.0.0.1")
            _run(*host.inside, "true")
    except subprocess.CalledProcessError as error:
        return f"there can be no network namespaces: {error.stderr.strip()}"
    return None


_links = count(1)


class Host:
    """A machine's place in the network, and what can happen to it there."""

    def __init__(self, space: str, link: str, address: str) -> None:
        self._space, self._link = space, link
        self.address = address

    @property
    def inside(self) -> Sequence[str]:
        """What a command begins with that runs there, with a `/tmp` of its own."""
        return ("ip", "netns", "exec", self._space, "sh", "-c", OWN_TMP, "sh")

    def cut(self) -> None:
        """Pulls out the cable."""
        _run("ip", "link", "set", self._link, "down")

    def drop_from(self, *addresses: str) -> None:
        """Loses every packet that arrives from there; those that go there are sent."""
        self._add_rules(*(f"ip saddr {each} drop" for each in addresses))

    def count_pushed_from(self, *addresses: str) -> None:
        """Counts the packets from there that end what somebody had to say, as requests do."""
        self._add_rules(*(f"ip saddr {each} tcp flags & psh == psh counter" for each in addresses))

    def counted(self) -> int:
        """How many of them have come."""
        told = self._nft("list ruleset\n")
        return sum(map(int, re.findall(r"counter packets (\d+)", told)))

    def heal(self) -> None:
        """Ends all of that."""
        _run("ip", "link", "set", self._link, "up")
        self._nft("flush ruleset\n")

    def _add_rules(self, *rules: str) -> None:
        chain = "add chain inet faults arriving { type filter hook input priority 0; }\n"
        added = "".join(f"add rule inet faults arriving {rule}\n" for rule in rules)
        self._nft(f"add table inet faults\n{chain}{added}")

    def _nft(self, commands: str) -> str:
        return _run("ip", "netns", "exec", self._space, "nft", "-f", "-", given=commands)


class Network:
    """A bridge; this process has an address there, too."""

    def __init__(self, number: int) -> None:
        """
        Args:
            number: Which no other network here has: the id of this process.
        """
        self._number = number
        self._prefix = f"10.{64 + number // 256 % 64}.{number % 256}"
        self._hosts = 0
        self._bridge = f"xcb{number}"
        _run("ip", "link", "add", self._bridge, "type", "bridge")
        _run("ip", "address", "add", f"{self._prefix}.1/24", "dev", self._bridge)
        _run("ip", "link", "set", self._bridge, "up")

    def host(self, name: str) -> Host:
        """Adds one."""
        self._hosts += 1
        address = f"{self._prefix}.{self._hosts + 1}"
        # Of its own: the kernel takes a while to remove the links of a network before this one.
        space, link = f"xc-{self._number}-{name}", f"xc{self._number}-{next(_links)}"
        _run("ip", "netns", "add", space)
        _run(*("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", space))
        _run("ip", "link", "set", link, "master", self._bridge, "up")
        there = ("ip", "-n", space)
        _run(*there, "address", "add", f"{address}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            _run(*there, "link", "set", device, "up")
        return Host(space, link, address)


@contextmanager
def network() -> Iterator[Network]:
    """A network of this process, which is gone afterwards, with all that runs in its hosts."""
    _remove_what_is_left()
    try:
        yield Network(os.getpid())
    finally:
        _remove(os.getpid())


def _remove_what_is_left() -> None:
    """Networks of processes that were killed."""
    found = _run("ip", "netns", "list") + _run("ip", "-o", "link", "show", "type", "bridge")
    for number in set(re.findall(r"\bxc(?:-|b)(\d+)\b", found)):
        if not psutil.pid_exists(int(number)):
            _remove(int(number))


def _remove(number: int) -> None:
    for space in re.findall(rf"^xc-{number}-\S+", _run("ip", "netns", "list"), re.MULTILINE):
        for pid in _run("ip", "netns", "pids", space).split():
            with suppress(psutil.NoSuchProcess):
                psutil.Process(int(pid)).kill()
        _run("ip", "netns", "delete", space)
    with suppress(subprocess.CalledProcessError):  # it may not have come so far
        _run("ip", "link", "delete", f"xcb{number}")


def _run(*command: str, given: str | None = None) -> str:
    done = subprocess.run(
        command, input=given, check=True, capture_output=True, text=True, timeout=30
    )
    return done.stdout
