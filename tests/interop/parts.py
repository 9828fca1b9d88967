"""Registrars, elements and users of both kinds, "ours" and "rsplib", behind the same names."""
import json
import re
import time

from world import LIMIT, Failure

OTHER = {"ours": "rsplib", "rsplib": "ours"}


class Part:
    """`profile`: whose habits ours follows."""

    def __init__(self, world, kind, host=None, profile="rsplib"):
        self.world, self.kind, self.profile = world, kind, profile
        self.host = host or world.host(kind)

    def launch(self, name, *arguments, stdin=False):
        if self.kind == "ours":
            arguments = [self.world.program, *arguments, "--profile", self.profile]
        else:
            arguments = [*arguments, "-logcolor=off", "-loglevel=3"]
        self.process = self.world.start(self.host, f"{self.kind}-{name}", *arguments, stdin=stdin)


class Registrar(Part):
    def __init__(self, world, kind, peers=(), more=(), profile="rsplib"):
        super().__init__(world, kind, profile=profile)
        self.asap, self.enrp = world.endpoint(self.host, 3863), world.endpoint(self.host, 9901)
        self.start(peers, more)

    def start(self, peers=(), more=()):
        literal = self.host.literal
        if self.kind == "ours":
            named = [option for peer in peers for option in ("--peer", peer.enrp)]
            self.launch("registrar", "registrar", "--asap", self.asap, "--enrp", self.enrp, *named, *more)
        else:
            named = [f"-peer={peer.host.literal}:9901" for peer in peers]
            self.launch("registrar", "rspregistrar", f"-asap={literal}:3863", f"-enrp={literal}:9901", *named, *more)

    def serving(self):
        if self.kind == "ours":
            self.process.wait_for("start-up is over, serving")
        else:
            self.process.wait_for("The registrar is ready!")
        return self

    def identifier(self):
        """As tables have it."""
        found = re.search(r"registrar=0x([0-9a-f]{8})" if self.kind == "ours" else r"Server ID: +\$([0-9a-f]+)", self.process.log())
        return f"0x{int(found[1], 16):08x}"

    def answers(self, pool="pool", more="", profile="rsplib"):
        """What `resolve` tells of the pool's elements."""
        done = self.world.reader.run("sh", "-c", f"{self.world.program} resolve {pool} --registrar {self.asap} --json "
                                     f"--profile {profile} -q --timeout 5s {more} || true")
        return [json.loads(line) for line in done.splitlines() if line.startswith("{")]

    def resolve(self, pool="pool"):
        """The identifiers of the pool's elements."""
        return sorted(element["id"] for element in self.answers(pool))

    def resolves(self, count, pool="pool"):
        """Waits until it knows so many elements of the pool."""
        found = []

        def is_so():
            found[:] = self.resolve(pool)
            return len(found) == count

        self.world.wait(is_so, lambda: f"{self.process.name} resolves {found}, not {count} elements")
        return found

    def homes(self):
        """The homes of its elements, by identifier."""
        return {element: home for _, element, home in self.table()}

    def table(self):
        """Its handlespace as our reader has it: pool, identifier and home of each element."""
        for attempt in range(8):
            try:
                done = self.world.reader.run(self.world.program, "table", "--registrar", self.enrp, "--json",
                                             "--profile", "rsplib", "-q")
                break
            except Failure:
                # rsplib's may be busy with another peer.
                if attempt == 7:
                    raise
                time.sleep(1)
        entries = [json.loads(line) for line in done.splitlines() if line.startswith("{")]
        return sorted((entry["pool"], entry["id"], entry["home"]) for entry in entries)


def registrar_options(kind, registrars):
    if kind == "ours":
        return [option for registrar in registrars for option in ("--registrar", registrar.asap)]
    return [f"-registrar={registrar.host.literal}:3863" for registrar in registrars]


class Element(Part):
    """Of the pool "pool", unless another one is said. Several of ours on one host have an address each."""

    def __init__(self, world, kind, registrars, service="echo", identifier=None, policy=None, pool="pool", more=(), host=None,
                 address=None, profile="rsplib"):
        super().__init__(world, kind, host, profile)
        options = registrar_options(kind, registrars)
        if kind == "ours":
            named = ["--id", f"{identifier:x}"] if identifier else []
            named += ["--policy", policy] if policy else []
            self.launch("element", "element", "--pool", pool, "--serve", service, "--listen", world.endpoint(self.host, 7000, address),
                        *named, *options, *more)
        else:
            named = [f"-identifier={identifier}"] if identifier else []
            named += [f"-policy={policy}"] if policy else []
            self.launch("element", "rspserver", f"-{service}", f"-poolhandle={pool}", *named, *options, *more)


class Terminal(Part):
    """A user that sends lines, and shows what comes back."""

    def __init__(self, world, kind, registrars, pool="pool", more=()):
        super().__init__(world, kind)
        options = registrar_options(kind, registrars)
        if kind == "ours":
            self.launch("user", "user", "--pool", pool, *options, *more, stdin=True)
        else:
            self.launch("user", "rspterminal", f"-poolhandle={pool}", *options, *more, stdin=True)

    def ask(self, text):
        """Sends a line until it comes back: rsplib's terminal does not send again what a dead element took along."""
        pattern = rf"(?m)^(?:.*> )?{re.escape(text)}(?:\x1b\[0m)?\s*$"
        end = time.monotonic() + LIMIT
        while True:
            self.process.write(text)
            try:
                self.process.wait_for(pattern, limit=LIMIT if self.kind == "ours" else 4)
                return
            except Failure:
                if self.kind == "ours" or time.monotonic() > end:
                    raise


class PingPong(Part):
    """rsplib's client of its PingPong service, whose replies are numbered across failovers by a cookie."""

    def __init__(self, world, registrars, pool="pool"):
        super().__init__(world, "rsplib")
        self.launch("pingpong", "pingpongclient", f"-poolhandle={pool}", "-interval=100", *registrar_options("rsplib", registrars))

    def answers(self):
        return [(int(ack), pe, int(reply)) for ack, pe, reply in
                re.findall(r"Ack #(\d+) from PE \$([0-9a-f]+) \(reply #(\d+)\)", self.process.log())]

    def answered(self, count):
        """Waits until there are so many answers."""
        self.world.wait(lambda: len(self.answers()) >= count, lambda: f"{len(self.answers())} answers, not {count}", pause=0.1)
        return self.answers()


def cluster(world, kinds):
    """Registrars of these kinds, each of which knows those before it."""
    registrars = []
    for kind in kinds:
        registrars.append(Registrar(world, kind, peers=registrars[:]).serving())
    return registrars


def populate(world, registrars, know_all):
    """Elements of both kinds at each registrar, that know it alone, or all with it ahead."""
    for number, registrar in enumerate(registrars):
        others = [other for other in registrars if other is not registrar] if know_all else []
        for place, kind in enumerate(OTHER):
            Element(world, kind, [registrar, *others], identifier=0x10 * (number + 1) + place)
    agree(registrars, len(registrars) * len(OTHER))
    forget_readers()


def agree(registrars, count=None, limit=LIMIT):
    """Waits until the registrars' handlespaces are the same, and have so many elements. To rsplib's registrars each reader is a peer
    until it has been silent for too long, so they are not read often."""
    tables = []

    def is_so():
        tables[:] = [registrar.table() for registrar in registrars]
        return all(table == tables[0] for table in tables) and count in (None, len(tables[0]))

    registrars[0].world.wait(is_so, lambda: "the handlespaces differ: " + "; ".join(
        f"{registrar.process.name}: {len(table)} {table if len(table) < 12 else set(table) ^ set(tables[0])}"
        for registrar, table in zip(registrars, tables)), pause=3, limit=limit)
    return tables[0]


def forget_readers():
    """Waits until rsplib's registrars have buried whoever has read their tables: a takeover waits for all peers."""
    time.sleep(15)
