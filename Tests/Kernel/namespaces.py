# SPDX-License-Identifier: MIT
"""Two network namespaces of our own with a veth pair between them: a link whose rate we choose."""
import os
import re
import subprocess

from tracer import Skip, require_command

SERVER_ADDRESS, CLIENT_ADDRESS = "10.213.7.1", "10.213.7.2"
NAME = re.compile(r"trk(\d+)[scm]")


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def names():
    return [line.split()[0] for line in run("ip", "netns", "list").splitlines() if line]


def remove_abandoned():
    """What a killed run left: its process id is in the name."""
    for name in names():
        match = NAME.fullmatch(name)
        if match and not os.path.exists("/proc/" + match.group(1)):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


class Namespaces:
    """`with Namespaces() as link:` runs servers with prefix=link.server, clients with prefix=link.client."""

    def __init__(self):
        for command in ("ip", "tc"):
            require_command(command)
        if os.geteuid() != 0:
            raise Skip("needs root")
        self.server_name, self.client_name = ("trk%d%s" % (os.getpid(), side) for side in "sc")
        self.server = ["ip", "netns", "exec", self.server_name]
        self.client = ["ip", "netns", "exec", self.client_name]

    def __enter__(self):
        remove_abandoned()
        try:
            self.build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def build(self):
        try:
            run("ip", "netns", "add", self.server_name)
            run("ip", "netns", "add", self.client_name)
            run("ip", "link", "add", "way", "netns", self.server_name, "type", "veth",
                "peer", "name", "way", "netns", self.client_name)
        except subprocess.CalledProcessError as error:
            raise Skip("no network namespaces here: " + error.stderr.strip()) from None
        self.address()

    def address(self):
        for name, address in ((self.server_name, SERVER_ADDRESS), (self.client_name, CLIENT_ADDRESS)):
            run("ip", "-n", name, "addr", "add", address + "/24", "dev", "way")
            run("ip", "-n", name, "link", "set", "lo", "up")
            run("ip", "-n", name, "link", "set", "way", "up")

    def limit(self, rate, burst="8kb", queue="8mb"):
        """A token bucket on the server's side, with a queue deep enough that nothing is dropped."""
        try:
            run(*self.server, "tc", "qdisc", "replace", "dev", "way", "root", "tbf",
                "rate", rate, "burst", burst, "limit", queue)
        except subprocess.CalledProcessError as error:
            raise Skip("no tbf here: " + error.stderr.strip()) from None

    def queue_statistics(self):
        """(bytes waiting now, packets dropped so far) of the token bucket."""
        text = run(*self.server, "tc", "-s", "qdisc", "show", "dev", "way")
        backlog = re.search(r"backlog (\d+)([KM]?)b", text)
        dropped = re.search(r"dropped (\d+)", text)
        return int(backlog.group(1)) * {"": 1, "K": 1024, "M": 1048576}[backlog.group(2)], int(dropped.group(1))

    def socket_statistics(self, port):
        """`ss -ti` of the server's connections, one line each."""
        return run(*self.server, "ss", "-tinHO", "state", "established", "sport", "=", ":%d" % port).splitlines()

    def __exit__(self, *_):
        for name in (self.server_name, self.client_name):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


class Switched(Namespaces):
    """The same with a switch between the two, in a namespace of its own: what it loses is lost on the way, not at the server."""

    def __init__(self):
        super().__init__()
        self.switch_name = "trk%dm" % os.getpid()
        self.switch = ["ip", "netns", "exec", self.switch_name]

    def build(self):
        try:
            for name in (self.server_name, self.client_name, self.switch_name):
                run("ip", "netns", "add", name)
            run("ip", "-n", self.switch_name, "link", "add", "switch", "type", "bridge")
            for name, port in ((self.server_name, "server"), (self.client_name, "client")):
                run("ip", "link", "add", "way", "netns", name, "type", "veth", "peer", "name", port, "netns", self.switch_name)
                run("ip", "-n", self.switch_name, "link", "set", port, "master", "switch", "up")
            run("ip", "-n", self.switch_name, "link", "set", "switch", "up")
        except subprocess.CalledProcessError as error:
            raise Skip("no network namespaces with a bridge here: " + error.stderr.strip()) from None
        self.address()

    def __exit__(self, *_):
        super().__exit__()
        subprocess.run(["ip", "netns", "del", self.switch_name], check=False, capture_output=True)
