"""The services of both kinds: echo and ping-pong are in the other scenarios."""
import re
import time

from parts import OTHER, Element, Part, Registrar, Terminal, registrar_options
from scenario import check, scenario


@scenario("ours", "rsplib")
def a_daytime_service_answers_users_of_the_other_kind(world, kind):
    """`kind` is the element's, and the user's is the other. rsplib's ends each session after its answer."""
    registrar = Registrar(world, "ours").serving()
    Element(world, kind, [registrar], service="daytime")
    registrar.resolves(1)
    user = Terminal(world, OTHER[kind], [registrar])
    user.process.write("what time is it?")
    user.process.wait_for(r"20\d\d-\d\d-\d\dT\d\d:\d\d" if kind == "ours" else r"[A-Z][a-z]+day, \d\d?-[A-Z][a-z]+-20\d\d")


@scenario("ours", "rsplib")
def a_discard_service_takes_all_and_says_nothing(world, kind):
    registrar = Registrar(world, "ours").serving()
    Element(world, kind, [registrar], service="discard")
    registrar.resolves(1)
    user = Terminal(world, OTHER[kind], [registrar], more=["--answer-timeout", "60s"] if kind == "rsplib" else [])
    for number in range(5):
        user.process.write(f"line {number}")
    time.sleep(5)
    check(user.process.child.poll() is None, "the user has ended")
    said = r"from PE" if kind == "ours" else r"(?m)^[^2]|failovers=[1-9]"
    check(not re.search(said, user.process.log()), f"something came back: {user.process.log()}")
    check(registrar.process.count("reported") == 0, "the element was reported")


@scenario("rsplib", seconds=5)
def a_character_generator_of_rsplib_s_does_not_start(world, kind):
    element = Element(world, kind, [], service="chargen")
    element.process.fails("Unknown Character Generator parameter: -chargen!")


@scenario("ours")
def a_character_generator_sends_lines_to_rsplib_s_users(world, kind):
    registrar = Registrar(world, "rsplib").serving()
    Element(world, kind, [registrar], service="chargen")
    registrar.resolves(1)
    user = Terminal(world, "rsplib", [registrar])
    for number in range(3):
        user.process.write(f"line {number}")
        user.process.wait_for("ABCDEFGHIJKLMNOPQRSTUVWXYZ", times=number + 1)


@scenario("ours", "rsplib")
def cookies_of_our_elements_come_back_from_users_of_rsplib_s(world, kind):
    """`kind` is the registrar's. The counter's state is in the cookie: it goes on where it was."""
    registrar = Registrar(world, kind).serving()
    elements = [Element(world, "ours", [registrar], service="counter", identifier=number) for number in (1, 2)]
    registrar.resolves(2)
    user = Terminal(world, "rsplib", [registrar])
    for number in range(1, 6):
        user.ask(str(number))
    serving = int(re.findall(r"from PE \$([0-9a-f]+)> 5", user.process.log())[-1], 16)
    elements[serving - 1].process.kill()
    user.ask("6")
    elements[2 - serving].process.wait_for("session_resumed")
    check(re.search(rf"from PE \$0*{3 - serving}> 6", user.process.log()), "the other element has not answered")


@scenario("ours")
def fractals_are_computed_and_go_on_elsewhere_when_an_element_is_killed(world, kind):
    registrar = Registrar(world, kind).serving()
    elements = [Element(world, "rsplib", [registrar], service="fractal") for _ in range(2)]
    registrar.resolves(2)
    user = Part(world, "rsplib")
    # No window is there to be shown.
    user.launch("user", "env", "QT_QPA_PLATFORM=offscreen", "fractalpooluser", "-poolhandle=pool", "-threads=1",
                "-interimagetime=0", *registrar_options("rsplib", [registrar]))
    images = r"Got Parameter"
    world.wait(lambda: sum(element.process.count(images) for element in elements) >= 2, "no image was asked for")
    elements[0].process.kill()
    elements[1].process.wait_for(images, times=elements[1].process.count(images) + 2)
    check(user.process.child.poll() is None, "the user has ended")


@scenario("ours")
def calculations_are_done_and_go_on_elsewhere_when_an_element_is_killed(world, kind):
    registrar = Registrar(world, kind).serving()
    elements = [Element(world, "rsplib", [registrar], service="calcapp", policy="LeastUsed", more=["-capcapacity=1000000"])
                for _ in range(2)]
    registrar.resolves(2)
    user = Part(world, "rsplib")
    user.launch("user", "calcappclient", "-poolhandle=pool", "-jobinterval=1", "-jobsize=500000",
                *registrar_options("rsplib", [registrar]))
    user.process.wait_for(r"Job #\d+ completed", times=2)
    elements[0].process.kill()
    user.process.wait_for(r"Job #\d+ completed", times=user.process.count(r"Job #\d+ completed") + 3)
