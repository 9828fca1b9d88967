"""How scenarios are written down: a function whose name is a sentence, with its variants."""
from world import Failure

ALL = []

INVALID_VALUES, UNKNOWN_POOL_HANDLE = 3, 9


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
