"""Hosts as network namespaces on one bridge, processes on them, and a capture of all that they say to each other."""
import json
import pathlib
import re
import signal
import subprocess
import tempfile
import time

# How long is waited for what has to happen. It is many times as long as it takes: a busy machine is no failure.
LIMIT = 150


class Failure(Exception):
    """A scenario has failed."""


def command(*arguments, check=True):
    done = subprocess.run([str(argument) for argument in arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if check and done.returncode:
        raise Failure(f"{' '.join(map(str, arguments))}: {done.stdout}")
    return done.stdout


class Process:
    """A process on a host, and what it has said."""

    def __init__(self, world, host, name, arguments, stdin=False):
        self.name, self.arguments = name, arguments
        self.path = world.work / f"{name}.log"
        output = self.path.open("wb")
        self.child = subprocess.Popen(
            ["ip", "netns", "exec", host.namespace, *map(str, arguments)],
            # Some of rsplib's leave files where they run.
            cwd=world.work, stdin=subprocess.PIPE if stdin else subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            bufsize=0)
        world.processes.append(self)

    def log(self):
        return self.path.read_text(errors="replace")

    def count(self, pattern):
        return len(re.findall(pattern, self.log()))

    def wait_for(self, pattern, times=1, limit=LIMIT):
        end = time.monotonic() + limit
        while self.count(pattern) < times:
            if time.monotonic() > end:
                raise Failure(f"{self.name} has not said '{pattern}' {times} times")
            if self.child.poll() is not None and self.count(pattern) < times:
                raise Failure(f"{self.name} has ended with {self.child.returncode}, and has not said '{pattern}'")
            time.sleep(0.05)

    def fails(self, pattern):
        """It ends by itself, with a status that is not 0, and has said why."""
        self.wait_for(pattern)
        if self.child.wait(LIMIT) == 0:
            raise Failure(f"{self.name} has ended with 0")

    def write(self, line):
        self.child.stdin.write(line.encode() + b"\n")

    def signal(self, number):
        self.child.send_signal(number)

    def kill(self):
        self.child.kill()
        self.child.wait()

    def end(self, limit=LIMIT):
        """Ends it in order, and gives its status."""
        if self.child.stdin:
            self.child.stdin.close()
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGINT)
        try:
            return self.child.wait(limit)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failure(f"{self.name} does not end") from None


def literal(address):
    """As it stands in front of a port."""
    return f"[{address}]" if ":" in address else address


class Host:
    """A host. `encapsulated`: its kernel's SCTP goes over UDP."""

    def __init__(self, world, number, family, encapsulated):
        self.namespace, self.number, self.outside = f"w{world}h{number}", number, f"w{world}v{number}"
        self.family, self.encapsulated, self.addresses = family, encapsulated, 0
        self.address = self.add_address(first=True)
        command("ip", "netns", "add", self.namespace)
        command("ip", "link", "add", self.outside, "type", "veth", "peer", "name", "eth0", "netns", self.namespace)
        command("ip", "link", "set", self.outside, "master", f"w{world}br", "up")
        # With the other family, too, rsplib would register addresses of both.
        lines = ["ip link set lo up", "ip link set eth0 up multicast on"]
        if family == 4:
            lines += ["echo 1 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6", "ip route add 224.0.0.0/4 dev eth0"]
        lines.append(f"ip addr add {self.with_prefix(self.address)} dev eth0")
        if encapsulated:
            lines += [f"echo 9899 >/proc/sys/net/sctp/{variable}" for variable in ("udp_port", "encap_port")]
        self.run("sh", "-ec", "\n".join(lines))

    @property
    def literal(self):
        return literal(self.address)

    def with_prefix(self, address):
        return f"{address}/16" if self.family == 4 else f"{address}/64 nodad"

    def add_address(self, first=False):
        """One more address, for one more program that wants a UDP port of its own."""
        address = f"10.20.{self.addresses}.{self.number}" if self.family == 4 else f"fd00:20::{self.addresses + 1:x}:{self.number:x}"
        self.addresses += 1
        if not first:
            self.run("ip", "addr", "add", *self.with_prefix(address).split(), "dev", "eth0")
        return address

    def run(self, *arguments):
        return command("ip", "netns", "exec", self.namespace, *arguments)

    def link(self, state):
        """Its network, up or down."""
        command("ip", "link", "set", self.outside, state)

    def trouble(self, loss, delay):
        """Loss in percent and delay in milliseconds of what it sends."""
        self.run("tc", "qdisc", "add", "dev", "eth0", "root", "netem", "loss", f"{loss}%", "delay", f"{delay}ms")


class World:
    """All of a scenario. Several may be there at a time: each has its number."""

    def __init__(self, number, program, transport, family, work, whole):
        self.number, self.bridge = number, f"w{number}br"
        self.program, self.transport, self.family, self.whole = program, transport, family, whole
        self.work = pathlib.Path(tempfile.mkdtemp(prefix=f"{number}-", dir=work))
        self.processes, self.hosts, self.watcher = [], [], None
        command("ip", "link", "add", self.bridge, "type", "bridge", "mcast_snooping", "0")
        command("ip", "link", "set", self.bridge, "up")
        self.capture = self.work / "all.pcap"
        self.tcpdump = subprocess.Popen(["tcpdump", "-q", "-Z", "root", "-U", "-n", "-i", self.bridge, "-w", str(self.capture)],
                                        stderr=subprocess.DEVNULL)
        end = time.monotonic() + 10
        while not self.capture.exists() and time.monotonic() < end:
            time.sleep(0.05)

    @property
    def reader(self):
        """A host of ours from which is looked at the others."""
        if self.watcher is None:
            self.watcher = self.host("ours")
        return self.watcher

    def host(self, kind):
        host = Host(self.number, len(self.hosts) + 1, self.family, self.transport == "udp" and kind == "rsplib")
        self.hosts.append(host)
        return host

    def start(self, host, name, *arguments, stdin=False):
        return Process(self, host, f"{name}-{host.number}-{len(self.processes)}", arguments, stdin)

    def endpoint(self, host, port, address=None):
        scheme = "sctp" if self.transport == "sctp" else "sctp+udp"
        return f"{scheme}://{literal(address or host.address)}:{port}"

    def wait(self, is_so, what, pause=0.5, limit=LIMIT):
        """Waits until it is so."""
        end = time.monotonic() + limit
        while not is_so():
            if time.monotonic() > end:
                raise Failure(what() if callable(what) else what)
            time.sleep(pause)

    def stop(self):
        for process in self.processes:
            if process.child.poll() is None:
                process.child.send_signal(signal.SIGCONT)
                process.kill()
        time.sleep(0.2)
        self.tcpdump.terminate()
        self.tcpdump.wait()
        for host in self.hosts:
            # A kernel of the lab's age keeps the UDP socket of its SCTP beyond the end of the namespace, where it is in the way of
            # the next namespace that happens to have the same address in memory.
            if host.encapsulated:
                command("ip", "netns", "exec", host.namespace, "sh", "-c", "echo 0 >/proc/sys/net/sctp/udp_port", check=False)
            command("ip", "link", "del", host.outside, check=False)
            command("ip", "netns", "del", host.namespace, check=False)
        command("ip", "link", "del", self.bridge, check=False)

    def messages(self):
        """All ASAP and ENRP messages on the bridge, as our decoder has them."""
        lines = command(self.program, "decode", "--json", self.capture, check=False).splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def tail(self):
        return "\n".join(f"== {process.name}: {' '.join(map(str, process.arguments))}\n{process.log()[-1500:]}"
                         for process in self.processes)
