"""One registrar, elements and users of both kinds."""
from parts import OTHER, Element, PingPong, Registrar, Terminal
from scenario import UNKNOWN_POOL_HANDLE, check, scenario


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
    world.wait(lambda: client.answers()[-1][1] != serving, "the other element does not answer")
    answers = client.answered(len(client.answers()) + 10)
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
