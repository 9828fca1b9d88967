#!/usr/bin/env python3
"""What `run` starts inside the lab's kernel: plays the scenarios of a plan, and tells what has come out, a JSON line each."""
import concurrent.futures
import json
import pathlib
import sys
import time
import traceback

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import scenarios  # noqa: E402
from world import Failure, World  # noqa: E402


def play(plan, play):
    scenario, start, problem = scenarios.ALL[play["index"]], time.monotonic(), None
    world = None
    try:
        world = World(play["number"], plan["program"], play["transport"], play["family"], plan["work"], plan["whole"])
        scenario.function(world, scenario.variant)
    except Failure as failure:
        problem = str(failure)
    except Exception:
        problem = traceback.format_exc()
    details = ""
    if world:
        world.stop()
        details = world.tail() if problem else ""
    print(json.dumps({"play": play, "problem": problem, "seconds": time.monotonic() - start, "details": details,
                      "capture": world and str(world.capture),
                      "reader": world and world.watcher and world.watcher.address}), flush=True)


def main():
    plan = json.loads(pathlib.Path(sys.argv[1]).read_text())
    with concurrent.futures.ThreadPoolExecutor(plan["parallel"]) as pool:
        for future in [pool.submit(play, plan, one) for one in plan["plays"]]:
            future.result()


main()
