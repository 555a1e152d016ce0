"""`python -m agent_runner` runs the service; `python -m agent_runner doctor` says what this machine can enforce."""

import sys

if __name__ == "__main__":
    if sys.argv[1:] == ["doctor"]:
        from agent_runner.doctor import main
    else:
        from agent_runner.main import main
    sys.exit(main())
