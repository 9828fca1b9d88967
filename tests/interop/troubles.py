"""Networks that lose, delay, and are cut, and programs that hang."""
import signal
import time

from parts import OTHER, Element, Registrar, Terminal, agree, cluster, populate
from scenario import scenario


@scenario("ours", "rsplib", seconds=45)
def all_goes_well_with_five_percent_loss_and_twenty_milliseconds(world, kind):
    first = Registrar(world, kind)
    first.host.trouble(5, 20)
    first.serving()
    second = Registrar(world, OTHER[kind], peers=[first])
    second.host.trouble(5, 20)
    second.serving()
    elements = [Element(world, each, [registrar]) for each in ("ours", "rsplib") for registrar in (first, second)]
    for element in elements:
        element.host.trouble(5, 20)
    agree([first, second], 4)
    for each, registrar in ((kind, second), (OTHER[kind], first)):
        user = Terminal(world, each, [registrar])
        user.host.trouble(5, 20)
        for number in range(10):
            user.ask(f"line {number}")
    elements[0].process.end()
    elements[3].process.end()
    agree([first, second], 2)


def three(world, kind):
    """A registrar of the kind, two of the other kind, and elements of both at each."""
    registrars = cluster(world, [kind, OTHER[kind], OTHER[kind]])
    populate(world, registrars, know_all=True)
    return registrars


@scenario("ours", "rsplib", seconds=90)
def a_registrar_that_hangs_is_taken_over_and_comes_back(world, kind):
    """`kind` is the kind of the one that hangs; the others are of the other kind."""
    hanging, *others = three(world, kind)
    hanging.process.signal(signal.SIGSTOP)
    time.sleep(25)
    agree(others, 6)
    hanging.process.signal(signal.SIGCONT)
    agree([hanging, *others], 6)


@scenario("ours", "rsplib", seconds=90)
def a_registrar_that_was_cut_off_is_one_of_them_again_when_the_network_heals(world, kind):
    cut, *others = three(world, kind)
    cut.host.link("down")
    time.sleep(25)
    agree(others, 6)
    cut.host.link("up")
    agree([cut, *others], 6)
