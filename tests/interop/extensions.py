"""What rsplib has beyond the RFCs."""
from parts import OTHER, Element, Part, Registrar, Terminal, agree
from scenario import UNKNOWN_POOL_HANDLE, check, scenario


@scenario("ours", "rsplib")
def a_user_gets_as_many_elements_as_it_asks_for(world, kind):
    registrar = Registrar(world, kind).serving()
    for number in range(4):
        Element(world, OTHER[kind], [registrar], identifier=number + 1)
    registrar.resolves(3)
    for items in (1, 2, 3):
        found = len(registrar.answers(more=f"--items {items}"))
        check(found == items, f"{found} elements, {items} were asked for")


@scenario("ours", "rsplib", seconds=50)
def an_element_moves_to_a_registrar_of_the_other_kind_that_is_suggested_to_take_it(world, kind):
    """`kind` is the registrar that suggests."""
    flag = {"ours": "--takeover-suggestions", "rsplib": "-supporttakeoversuggestion"}
    first = Registrar(world, kind, more=[flag[kind]]).serving()
    elements = []
    for number, each in enumerate(("ours", "rsplib", "ours", "rsplib")):
        again = ["-rereginterval=5000"] if each == "rsplib" else ["--life", "25"]
        elements.append(Element(world, each, [first], identifier=number + 1, more=again))
    first.resolves(3)
    # rsplib's suggests elements to the registrar with the greatest identifier, so that they may come back as well.
    named = ["--id", "fffffffe"] if kind == "rsplib" else []
    second = Registrar(world, OTHER[kind], peers=[first], more=[flag[OTHER[kind]], *named]).serving()
    moved = "another registrar is the home now|replacing home registrar"
    world.wait(lambda: any(element.process.count(moved) for element in elements), "nobody moves")
    agree([first, second], 4)


@scenario("ours", "rsplib", seconds=20)
def elements_of_both_kinds_share_pools_with_rsplib_s_own_policies(world, kind):
    """`kind` is the registrar's. To a pool come elements only with the pool's policy."""
    registrar = Registrar(world, kind).serving()
    policies = [("plud:0%:10%", "PriorityLeastUsedDegradation:0.1"), ("lu-dpf:0%:10%", "LeastUsedDPF:0.1"),
                ("wrand-dpf:3:10%", "WeightedRandomDPF:3:0.1")]
    for number, (ours, theirs) in enumerate(policies):
        Element(world, "ours", [registrar], pool=f"pool-{number}", policy=ours)
        Element(world, "rsplib", [registrar], pool=f"pool-{number}", policy=theirs)
    for number, (ours, _) in enumerate(policies):
        registrar.resolves(2, pool=f"pool-{number}")
        # The distance is for registrars to measure, and rsplib's does.
        found = [{**element["policy"], "distance": 0} for element in registrar.answers(f"pool-{number}")]
        check(found[0] == found[1], f"{ours}: {found}")


@scenario("mixed", causes=[UNKNOWN_POOL_HANDLE], seconds=35)
def rsplib_s_monitor_shows_our_registrars_elements_and_users(world, _):
    monitor = Part(world, "rsplib")
    monitor.process = world.start(monitor.host, "monitor", "cspmonitor")
    csp = ["--csp-server", f"{monitor.host.literal}:2960", "--csp-interval", "500ms"]
    registrar = Registrar(world, "ours", more=csp).serving()
    element = Element(world, "ours", [registrar], identifier=0xabc, policy="lu:50%", more=csp)
    registrar.resolves(1)
    user = Terminal(world, "ours", [registrar], more=csp)
    user.ask("hello")
    process = monitor.process
    process.wait_for("1 PRs.*1 PEs.*1 PUs")
    process.wait_for(r"PR \$[0-9a-f]+ .*1 element, 1 its own, in 1 pool; 0 peers")
    process.wait_for(r"PE \$0*abc .*A=1.*L= *50%.*1 session")
    process.wait_for(r"PU \$[0-9a-f]+ .*A=1.*1 session")
    element.process.end()
    # The last report takes it off the screen.
    process.wait_for(r"(?s)1 PEs.*0 PEs")
