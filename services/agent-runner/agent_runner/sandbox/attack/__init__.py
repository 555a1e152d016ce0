"""A program that tries to leave its own sandbox: `python -m agent_runner.sandbox.attack`, targets on stdin.

Standard library only: it runs inside, on a bare interpreter.
"""
