"""What is tried. Each scenario is a sentence; `kinds` says who plays which part."""
from parts import OTHER, Element, PingPong, Registrar, Terminal
from world import Failure

ALL = []


class Scenario:
    def __init__(self, function, variant, causes, seconds):
        self.function, self.variant, self.causes, self.seconds = function, variant, causes, seconds
        self.sentence = function.__name__.replace("_", " ")
        self.name = f"{self.sentence} ({variant})"


def scenario(*variants, causes=(), seconds=20):
    """Registers a scenario, to be played with each of the variants. `causes` are the error causes that it provokes; `seconds`
    is about how long it takes."""
    def register(function):
        for variant in variants:
            ALL.append(Scenario(function, variant, set(causes), seconds))
        return function
    return register


def check(is_so, what):
    if not is_so:
        raise Failure(what)


UNKNOWN_POOL_HANDLE = 9


@scenario("ours", "rsplib", causes=[UNKNOWN_POOL_HANDLE])
def elements_and_users_of_the_other_kind_use_a_registrar(world, kind):
    registrar = Registrar(world, kind).serving()
    elements = [Element(world, OTHER[kind], [registrar]) for _ in range(2)]
    registrar.resolves(2)
    user = Terminal(world, OTHER[kind], [registrar])
    for number in range(5):
        user.ask(f"line {number}")
    check(user.process.end() in (0, -2, 130), "the user has failed")
    for element in elements:
        element.process.end()
    registrar.resolves(0)


@scenario("ours", "rsplib")
def users_of_the_other_kind_talk_to_an_element(world, kind):
    registrar = Registrar(world, OTHER[kind]).serving()
    Element(world, kind, [registrar])
    registrar.resolves(1)
    user = Terminal(world, OTHER[kind], [registrar])
    for number in range(20):
        user.ask(f"line {number}")


@scenario("ours", "rsplib")
def a_session_with_elements_of_the_other_kind_goes_on_when_one_is_killed(world, kind):
    """`kind` is the user's."""
    registrar = Registrar(world, kind).serving()
    elements = [Element(world, OTHER[kind], [registrar]) for _ in range(2)]
    registrar.resolves(2)
    user = Terminal(world, kind, [registrar])
    user.ask("before")
    # Whoever serves is one of them, so each is killed in turn, with another one started in between.
    elements[0].process.kill()
    user.ask("with one")
    Element(world, OTHER[kind], [registrar])
    registrar.resolves(2)
    elements[1].process.kill()
    user.ask("with another")


@scenario("ours", "rsplib")
def cookies_carry_a_session_of_rsplib_to_the_next_element(world, kind):
    """`kind` is the registrar's."""
    registrar = Registrar(world, kind).serving()
    elements = [Element(world, "rsplib", [registrar], service="pingpong", identifier=number) for number in (1, 2)]
    registrar.resolves(2)
    client = PingPong(world, [registrar])
    _, serving, _ = client.answered(10)[-1]
    elements[int(serving, 16) - 1].process.kill()
    before = len(client.answers())
    answers = client.answered(before + 10)
    check(answers[-1][1] != serving, "a dead element answers")
    replies = [reply for _, _, reply in answers]
    check(replies == sorted(replies) and replies[-1] > 10, f"the replies' numbers begin anew: {replies}")


@scenario("ours", "rsplib")
def a_dead_element_is_found_out_and_leaves_the_pool(world, kind):
    registrar = Registrar(world, kind).serving()
    element = Element(world, OTHER[kind], [registrar])
    Element(world, OTHER[kind], [registrar])
    registrar.resolves(2)
    element.process.kill()
    registrar.resolves(1)


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
    world.wait(lambda: len(first.table()) == len(second.table()) == 4, 40, "not all elements are known to both")
    check(first.table() == second.table(), f"{first.table()} is not {second.table()}")
    elements[0].process.end()
    elements[1].process.end()
    first.resolves(2)
    second.resolves(2)
    check(first.table() == second.table(), f"{first.table()} is not {second.table()}")


@scenario("ours", "rsplib")
def a_registrar_takes_over_from_one_of_the_other_kind_that_is_killed(world, kind):
    survivor = Registrar(world, kind).serving()
    victim = Registrar(world, OTHER[kind], peers=[survivor]).serving()
    # They know no other if the survivor finds them; an rsplib registrar that is alone after the death gives up its takeover
    # ("0 outstanding acknowledgements"), so elements have to come by themselves.
    known = [victim] if kind == "ours" else [victim, survivor]
    for each, number in (("ours", 0x21), ("rsplib", 0x22)):
        Element(world, each, known, identifier=number)
    survivor.resolves(2)
    before = {home for _, _, home in survivor.table()}
    victim.process.kill()
    world.wait(lambda: len(after := {home for _, _, home in survivor.table()}) == 1 and after != before, 60,
               lambda: f"no takeover: before {before}, now {survivor.table()}")
    survivor.resolves(2)
    user = Terminal(world, OTHER[kind], [survivor])
    user.ask("after the takeover")
