"""Registrations: renewal, lives in seconds and in milliseconds, their ends; long pool handles."""
import signal
import time

from parts import Element, Registrar, cluster
from scenario import INVALID_VALUES, UNKNOWN_POOL_HANDLE, check, scenario

REGISTRATION = 1
LONG = "x" * 33


@scenario("ours", "rsplib", seconds=35)
def registrations_are_renewed_as_long_as_an_element_lives(world, kind):
    """`kind` is the registrar's."""
    registrar = Registrar(world, kind).serving()
    if kind == "ours":
        # A life of 9 s.
        Element(world, "rsplib", [registrar], more=["-rereginterval=3000"])
    else:
        # T4-reregistration is half of a short life.
        Element(world, "ours", [registrar], more=["--life", "8"])
    registrar.resolves(1)
    # Half of a life goes by several times.
    time.sleep(14)
    check(len(registrar.resolve()) == 1, "the element is gone")
    sent = [message for message in world.messages() if message["protocol"] == "asap" and message["type"] == REGISTRATION]
    check(len(sent) >= 3, f"{len(sent)} registrations in 14 s")


@scenario("ours", causes=[UNKNOWN_POOL_HANDLE], seconds=60)
def a_registration_that_is_not_renewed_ends(world, kind):
    """A life of 30 s. The registrar's keep-alives come too late to find out that the element is dead."""
    registrar = Registrar(world, kind, more=["--set", "keep-alive-interval=600s"]).serving()
    element = Element(world, "rsplib", [registrar], more=["-rereginterval=10000"])
    registrar.resolves(1)
    element.process.signal(signal.SIGSTOP)
    time.sleep(5)
    check(len(registrar.resolve()) == 1, "the element is gone too early")
    registrar.resolves(0)


@scenario("rsplib", seconds=45)
def a_registrar_of_rsplib_s_keeps_registrations_beyond_their_lives(world, kind):
    """Only its keep-alives tell it that an element is gone."""
    registrar = Registrar(world, kind, more=["-endpointkeepalivetransmissioninterval=600000"]).serving()
    element = Element(world, "ours", [registrar], more=["--life", "12"])
    registrar.resolves(1)
    element.process.signal(signal.SIGSTOP)
    time.sleep(25)
    check(len(registrar.resolve()) == 1, "the registration has ended")


@scenario("ours", seconds=30)
def lives_in_milliseconds_and_in_seconds_are_told_apart_without_the_profile(world, kind):
    registrar = Registrar(world, kind, profile="rfc").serving()
    Element(world, "rsplib", [registrar], identifier=1)
    Element(world, "ours", [registrar], identifier=2, profile="rfc", more=["--life", "300"])
    registrar.resolves(2)
    lives = {element["id"]: element["life_s"] for element in registrar.answers(profile="rfc")}
    check(lives == {"0x00000001": 90.0, "0x00000002": 300.0}, f"lives of 90 s and 300 s are read as {lives}")
    # It goes on beyond a keep-alive or two of both.
    time.sleep(12)
    check(len(registrar.resolve()) == 2, "an element is gone")


@scenario("ours", seconds=30)
def elements_of_the_rfcs_live_at_a_registrar_with_the_profile(world, kind):
    registrar = Registrar(world, kind).serving()
    Element(world, "ours", [registrar], profile="rfc", more=["--life", "300"])
    registrar.resolves(1)
    time.sleep(8)
    check(len(registrar.resolve()) == 1, "the element is gone")


@scenario("rsplib", seconds=15)
def a_registrar_of_rsplib_s_ends_at_a_pool_handle_of_more_than_32_octets(world, kind):
    registrar = Registrar(world, kind).serving()
    Element(world, "ours", [registrar], pool=LONG, profile="rfc")
    registrar.process.fails("MAX_POOLHANDLESIZE is not satisfied")


@scenario("ours", causes=[INVALID_VALUES], seconds=25)
def with_the_profile_such_elements_are_refused_and_peers_of_rsplib_s_live_on(world, kind):
    registrar, peer = cluster(world, [kind, "rsplib"])
    Element(world, "ours", [registrar], pool=LONG, profile="rfc")
    registrar.process.wait_for("registration refused")
    Element(world, "ours", [registrar])
    peer.resolves(1)
