"""The nine policies of RFC 5356: what is resolved, and what is carried of weights and loads. Variants: a policy, and the
registrar's kind; the elements are of the other kind."""
import collections

from parts import OTHER, Element, Registrar
from scenario import check, scenario

# The policy of each of three elements as ours and as rsplib's have it, and their shares of the first places. rsplib's echo service has
# no load.
EVEN = [1, 1, 1]
FIRST = [1, 0, 0]
POLICIES = {
    "round robin": (["rr"] * 3, EVEN, ["RoundRobin"] * 3, EVEN),
    "weighted round robin": (["wrr:5", "wrr:2", "wrr:1"], [5, 2, 1],
                             ["WeightedRoundRobin:5", "WeightedRoundRobin:2", "WeightedRoundRobin:1"], [5, 2, 1]),
    "random": (["rand"] * 3, EVEN, ["Random"] * 3, EVEN),
    "weighted random": (["wrand:5", "wrand:2", "wrand:1"], [5, 2, 1],
                        ["WeightedRandom:5", "WeightedRandom:2", "WeightedRandom:1"], [5, 2, 1]),
    "priority": (["prio:9", "prio:5", "prio:1"], FIRST, ["Priority:9", "Priority:5", "Priority:1"], FIRST),
    "least used": (["lu:10%", "lu:50%", "lu:90%"], FIRST, ["LeastUsed"] * 3, EVEN),
    "least used with degradation": (["lud:0%:1%"] * 3, EVEN, ["LeastUsedDegradation:0.01"] * 3, EVEN),
    "priority least used": (["plu:10%:5%", "plu:10%:20%", "plu:10%:50%"], FIRST,
                            ["PriorityLeastUsed:0.05", "PriorityLeastUsed:0.2", "PriorityLeastUsed:0.5"], FIRST),
    "randomized least used": (["rlu:0%", "rlu:50%", "rlu:90%"], [10, 5, 1], ["RandomizedLeastUsed"] * 3, EVEN),
}
TIMES = 500


@scenario(*(f"{policy}, {kind}" for policy in POLICIES for kind in ("ours", "rsplib")))
def elements_are_resolved_as_their_policy_says(world, variant):
    policy, kind = variant.split(", ")
    registrar = Registrar(world, kind).serving()
    ours, our_shares, theirs, their_shares = POLICIES[policy]
    values, shares = (theirs, their_shares) if kind == "ours" else (ours, our_shares)
    for number, value in enumerate(values):
        Element(world, OTHER[kind], [registrar], identifier=number + 1, policy=value)
    registrar.resolves(3)
    known = {element["id"]: element["policy"] for element in registrar.answers()}
    check({value["name"].replace("_", " ") for value in known.values()} == {policy}, f"the policy is {known}")
    for number, value in enumerate(values):
        carried(value, known[f"0x{number + 1:08x}"])
    first = collections.Counter(element["id"] for element in registrar.answers(more=f"--items 1 --times {TIMES}"))
    check(first.total() == TIMES, f"{first.total()} elements in {TIMES} answers of one")
    for number, share in enumerate(shares):
        is_, wanted = first[f"0x{number + 1:08x}"] / TIMES, share / sum(shares)
        # Five standard deviations of a random choice are 0.11 at most.
        check(abs(is_ - wanted) <= (0.11 if 0 < wanted < 1 else 0), f"{first}, and not as {shares}")


def carried(value, known):
    """Weights, priorities, loads and degradations are as they were registered."""
    _, *numbers = value.replace("%", "").split(":")
    names = [name for name in ("weight", "priority", "load", "degradation") if name in known]
    # rsplib's load is its own, and not to be given.
    if value[0].isupper() and "load" in names:
        names.remove("load")
    if value[0].isupper() and value.split(":")[0] in ("LeastUsedDegradation", "PriorityLeastUsed"):
        numbers = [float(numbers[0]) * 100]
    for name, number in zip(names, numbers):
        scale = 0xffffffff / 100 if name in ("load", "degradation") else 1
        check(abs(known[name] - float(number) * scale) <= scale / 1000, f"{name} of {value} has become {known[name]}")
