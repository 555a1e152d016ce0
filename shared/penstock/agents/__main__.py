"""`python -m penstock.agents TARGET` runs an agent; `… schema TARGET` prints what its types say."""

import os
import sys

USAGE = """usage: python -m penstock.agents TARGET          run it: input JSON on stdin, output JSON on stdout
       python -m penstock.agents schema TARGET   print what its types say, for agent.yaml
TARGET is FILE.py, FILE.py:FUNCTION or a module's name, such as scanner.main:FUNCTION"""


def main() -> None:
    arguments = sys.argv[1:]
    if arguments[:1] == ["schema"] and len(arguments) == 2:
        _print_schema(arguments[1])
    elif len(arguments) == 1 and not arguments[0].startswith("-"):
        _run(arguments[0])
    else:
        print(USAGE, file=sys.stderr)
        sys.exit(0 if arguments in (["-h"], ["--help"]) else 2)


def _run(target: str) -> None:
    """Whatever loading the file prints or raises is kept off the answer, too."""
    if os.environ.get("PENSTOCK_HOST"):  # the runner tells a worker that cannot load from its stderr
        from penstock.agents.loading import load

        load(target).run()
        return
    from penstock.agents.program import be_program

    be_program(target)


def _print_schema(target: str) -> None:
    from contextlib import redirect_stdout

    from penstock.agents.loading import NoAgent, load
    from penstock.agents.manifest import as_yaml, parts

    try:
        with redirect_stdout(sys.stderr):  # what the file prints while it loads is no manifest
            document = parts(load(target), command=["python", "-m", "penstock.agents", target])
    except (NoAgent, TypeError) as error:
        sys.exit(f"{target}: {error}")
    sys.stdout.write(as_yaml(document))


main()
