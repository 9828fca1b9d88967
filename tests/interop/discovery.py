"""Nobody is told where the registrars are."""
from parts import OTHER, Element, Registrar, Terminal, agree
from scenario import scenario

GROUPS = {4: ("239.0.0.50:3863", "239.0.0.51:9901"), 6: ("[ff05::1234]:3863", "[ff05::1235]:9901")}


def announcing(world, kind, peers=()):
    asap, enrp = GROUPS[world.family]
    if kind == "ours":
        return Registrar(world, kind, peers, more=["--announce", *ours(world)])
    return Registrar(world, kind, peers, more=[f"-asapannounce={asap}", f"-enrpannounce={enrp}"])


def ours(world):
    asap, enrp = GROUPS[world.family]
    more = ["--asap-group", asap, "--enrp-group", enrp]
    return more + (["--interface6", "eth0"] if world.family == 6 else [])


@scenario("ours", "rsplib", seconds=30)
def elements_and_users_of_the_other_kind_find_a_registrar_by_its_announcements(world, kind):
    registrar = announcing(world, kind).serving()
    other = OTHER[kind]
    more = ours(world) if other == "ours" else [f"-asapannounce={GROUPS[world.family][0]}"]
    Element(world, other, [], more=more)
    registrar.resolves(1)
    transport = ["--transport", "sctp" if world.transport == "sctp" else "sctp+udp"]
    user = Terminal(world, other, [], more=[*more, *transport] if other == "ours" else more)
    user.ask("hello")


@scenario("ours", "rsplib", seconds=30)
def registrars_of_both_kinds_find_each_other_by_their_announcements(world, kind):
    first = announcing(world, kind).serving()
    Element(world, OTHER[kind], [first])
    first.resolves(1)
    second = announcing(world, OTHER[kind]).serving()
    agree([first, second], 1)
    Element(world, kind, [second])
    agree([first, second], 2)
