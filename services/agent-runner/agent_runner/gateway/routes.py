"""The shape of the gateway's endpoints: each is told whose attempt asks."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agent_runner.held import Held

Endpoint = Callable[[Request, Held], Awaitable[Response]]

MakeRoute = Callable[[str, str, Endpoint], Route]
"""Method, path, who answers → the route; who asks is looked up on the way."""
