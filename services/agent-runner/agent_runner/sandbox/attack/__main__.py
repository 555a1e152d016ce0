"""Try every escape in turn and print one JSON line for each: name, held, detail."""

import json
import sys

from agent_runner.sandbox.attack import files, kernel, reach
from agent_runner.sandbox.attack.escape import ESCAPES, Targets, attempt

MODULES = (files, kernel, reach)  # imported for what they register

_CAP_SYS_ADMIN = 21


def main() -> None:
    targets = Targets(**json.load(sys.stdin))
    if kernel.capabilities()[0] >> _CAP_SYS_ADMIN & 1:
        # Some of the attempts would now harm the machine, and the case is lost anyway.
        print(json.dumps({"name": "hold the rights of root", "held": False, "detail": "CAP_SYS_ADMIN"}))
        return
    for name, function in ESCAPES.items():
        held, detail = attempt(function, targets)
        print(json.dumps({"name": name, "held": held, "detail": detail}), flush=True)


if __name__ == "__main__":
    main()
