"""Registrars of both kinds together."""
import random
import time

from parts import OTHER, Element, Registrar, Terminal, agree, cluster, populate
from scenario import check, scenario
from world import LIMIT


@scenario("ours", "rsplib")
def a_newcomer_of_the_other_kind_gets_the_table_and_news_go_both_ways(world, kind):
    first = Registrar(world, kind).serving()
    elements = [Element(world, each, [first], identifier=number) for each, number in (("ours", 0x11), ("rsplib", 0x12))]
    first.resolves(2)
    second = Registrar(world, OTHER[kind], peers=[first]).serving()
    second.resolves(2)
    Element(world, "ours", [second], identifier=0x13)
    Element(world, "rsplib", [second], identifier=0x14)
    # Both give three elements at a time.
    second.resolves(3)
    first.resolves(3)
    agree([first, second], 4)
    elements[0].process.end()
    elements[1].process.end()
    first.resolves(2)
    second.resolves(2)
    agree([first, second], 2)


@scenario("two of ours", "one of ours", "two of rsplib", seconds=45)
def registrars_take_over_from_one_of_the_other_kind_that_is_killed(world, variant):
    """The variant says who survives."""
    many, _, kind = variant.split()
    survivors = [Registrar(world, kind).serving()]
    if many == "two":
        survivors.append(Registrar(world, kind, peers=survivors[:]).serving())
    victim = Registrar(world, OTHER[kind], peers=survivors).serving()
    # They know no other home, so they have to be found by the survivors.
    elements = [Element(world, each, [victim]) for each in ("ours", "rsplib")]
    for registrar in survivors:
        registrar.resolves(2)
    # A keep-alive or two, by which rsplib's elements learn who their home is.
    time.sleep(7)
    # Nobody may read tables now: rsplib's takes the reader for a peer, waits for its acknowledgement, and gives up.
    victim.process.kill()
    elements[0].process.wait_for("another registrar is the home now")
    time.sleep(8)
    survivors[0].resolves(2)
    user = Terminal(world, OTHER[kind], survivors)
    user.ask("after the takeover")
    agree(survivors, 2)
    homes = survivors[0].homes()
    check(victim.identifier() not in homes.values(), f"the dead registrar is still the home: {homes}")


@scenario("rsplib", seconds=45)
def a_lone_registrar_of_rsplib_s_gives_up_its_takeover(world, kind):
    """It has nobody to wait for, and waits until it has waited for too long. Elements have to come by themselves."""
    survivor = Registrar(world, kind).serving()
    victim = Registrar(world, OTHER[kind], peers=[survivor]).serving()
    Element(world, "ours", [victim])
    survivor.resolves(1)
    time.sleep(5)
    victim.process.kill()
    survivor.process.wait_for("Takeover of peer .* has expired, 0 outstanding acknowledgements")


CLUSTERS = {"1+1": ["ours", "rsplib"], "2+2": ["ours", "rsplib", "ours", "rsplib"], "3+1": ["ours", "ours", "rsplib", "ours"],
            "1+3": ["rsplib", "rsplib", "ours", "rsplib"]}


@scenario("2+2", "3+1", "1+3", seconds=80)
def all_registrars_of_a_mixed_cluster_know_all_elements(world, variant):
    registrars = cluster(world, CLUSTERS[variant][:-1])
    elements = [Element(world, kind, [registrar], pool=f"pool-{kind}") for registrar in registrars for kind in OTHER]
    agree(registrars, len(elements))
    # One that comes late downloads from a mentor.
    registrars.append(Registrar(world, CLUSTERS[variant][-1], peers=registrars[:]).serving())
    agree(registrars, len(elements))
    for element in elements[::2]:
        element.process.end()
    agree(registrars, len(elements) // 2)


@scenario("2+2", seconds=80)
def one_registrar_of_each_kind_is_killed_at_once(world, variant):
    registrars = cluster(world, CLUSTERS[variant])
    populate(world, registrars, know_all=False)
    for victim in registrars[:2]:
        victim.process.kill()
    survivors = registrars[2:]
    # A reader would be in the way of rsplib's.
    ours = survivors[0]
    world.wait(lambda: len(set(ours.homes().values())) <= 2, lambda: f"no takeover: {ours.homes()}")
    agree(survivors, 8)


@scenario("1+1", "2+2", "3+1", seconds=130)
def checksums_agree_while_elements_come_and_go(world, variant):
    """With all that there are for ten minutes, or with fewer for half a minute."""
    duration, count = (600, 200) if world.whole else (30, 24)
    registrars = cluster(world, CLUSTERS[variant])
    hosts = {kind: world.host(kind) for kind in OTHER}
    spare = [hosts["ours"].address] + [hosts["ours"].add_address() for _ in range(count)]
    alive, dice, number = [], random.Random(1), 0

    def begin():
        nonlocal number
        number += 1
        kind = dice.choice(list(OTHER))
        address = spare.pop() if kind == "ours" else None
        element = Element(world, kind, [dice.choice(registrars)], identifier=number, pool=f"pool-{number % 10}", host=hosts[kind],
                          address=address)
        alive.append((element, address))

    for _ in range(count):
        begin()
    agree(registrars, count, limit=LIMIT + 2 * count)
    checked, end = time.monotonic(), time.monotonic() + duration
    while time.monotonic() < end:
        element, address = alive.pop(dice.randrange(len(alive)))
        # In order, or not.
        element.process.end() if dice.random() < 0.7 else element.process.kill()
        if address:
            spare.insert(0, address)
        begin()
        time.sleep(0.5)
        if time.monotonic() - checked > 60:
            agree(registrars)
            checked = time.monotonic()
    agree(registrars, count)
    for registrar in registrars:
        check("inconsistent" not in registrar.process.log(), f"{registrar.process.name} has found another checksum than its own")
    # rsplib's ask for the elements of one peer when its checksum is another one. Our reader asks for all.
    audits = [message for message in world.messages() if message["name"] == "ENRP_HANDLE_TABLE_REQUEST" and message["flags"]]
    check(not audits, f"checksums have differed: {len(audits)} audits, the first in frame {audits and audits[0]['frame']}")
