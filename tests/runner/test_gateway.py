"""What agents ask of the gateway: from inside real sandboxes, over the socket that reaches into them."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from penstock.contracts.agent import Reuse
from penstock.contracts.limits import CHECKPOINT_BYTES_MAX, STORE_WRITE_BYTES_MAX
from penstock.contracts.messages import Claim
from penstock.contracts.usage import ModelUsage
from tests.runner.artifact_server import ArtifactServer
from tests.runner.conftest import Agents, Start, Started
from tests.runner.peer import Peer, output_of

pytestmark = pytest.mark.sandbox

ASK = """
    import http.client, json, os, socket, sys

    def ask(method, path, body=None, key=os.environ["PENSTOCK_ATTEMPT_KEY"]):
        connection = http.client.HTTPConnection("gateway")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(os.environ["PENSTOCK_SOCKET"])
        connection.request(method, path, body, {"Penstock-Attempt": key})
        response = connection.getresponse()
        text = response.read().decode()
        return [response.status, json.loads(text) if text else None]

    given = json.load(sys.stdin)
    json.dump([ask(*request) for request in given["requests"]], sys.stdout)
"""


async def _ask(
    peer: Peer, *requests: Sequence[object], node: str = "n", **fields: object
) -> list[list[object]]:
    order = await peer.order("ask", {"requests": list(requests)}, node=node, **fields)
    result = await peer.result_of(order)
    assert result.failure is None
    answers: list[list[object]] = output_of(result)
    return answers


async def test_checkpoint_survives_the_attempt_that_saved_it(
    start: Start, peer: Peer, agents: Agents
) -> None:
    agents.add("ask", ASK)
    await start()

    first = await peer.order(
        "ask", {"requests": [["GET", "/checkpoint"], ["PUT", "/checkpoint", '{"done": 3}']]}
    )
    saved = await peer.result_of(first)
    again = [["GET", "/checkpoint"]]
    loaded = await _ask(peer, *again, run=first.run, attempt=2)

    assert [status for status, _ in output_of(saved)] == [404, 204]
    assert loaded == [[200, {"done": 3}]]


async def test_checkpoint_of_a_superseded_attempt_is_refused(
    start: Start, peer: Peer, agents: Agents
) -> None:
    agents.add("ask", ASK)
    await start()

    def grant_and_lose(claim: Claim) -> bool:
        peer.lost.add(claim.token)
        return True

    peer.grants = grant_and_lose

    answers = await _ask(peer, ["PUT", "/checkpoint", "1"])

    assert answers[0][0] == 409
    assert peer.checkpoints == {}


async def test_wrong_requests_are_answered_with_their_reason(
    start: Start, peer: Peer, agents: Agents
) -> None:
    agents.add("ask", ASK, secrets=("API_TOKEN",))
    await start(secrets={"other": {"API_TOKEN": "not yours"}})

    answers = await _ask(
        peer,
        ["PUT", "/checkpoint", "{nonsense"],
        ["PUT", "/checkpoint", '"' + "x" * CHECKPOINT_BYTES_MAX + '"'],
        ["POST", "/progress", '{"total": 3}'],
        ["GET", "/secrets/API_TOKN"],
        ["GET", "/secrets/API_TOKEN"],
        ["GET", "/artifacts/zzz"],
        ["GET", f"/artifacts/{'0' * 64}"],
        ["POST", "/artifacts?name=a/b", "x"],
        ["GET", "/nothing"],
        ["GET", "/", None, "another-key"],
    )

    assert [status for status, _ in answers] == [422, 413, 422, 403, 404, 422, 404, 422, 404, 401]
    assert "did you mean 'API_TOKEN'?" in str(answers[3][1])
    assert "project 'default'" in str(answers[4][1])


async def test_secret_and_identity_are_told(start: Start, peer: Peer, agents: Agents) -> None:
    agents.add("ask", ASK, secrets=("API_TOKEN",))
    await start(secrets={"default": {"API_TOKEN": "s3cr3t"}})

    secret, about = await _ask(peer, ["GET", "/secrets/API_TOKEN"], ["GET", "/"], node="who")

    assert secret == [200, {"value": "s3cr3t"}]
    assert about[0] == 200
    assert isinstance(about[1], dict)
    assert (about[1]["node"], about[1]["attempt"], about[1]["agent"]) == ("who", 1, "ask")


async def test_progress_is_passed_on_and_the_newest_wins(start: Start, peer: Peer, agents: Agents) -> None:
    agents.add("ask", ASK)
    await start()

    requests = [["POST", "/progress", f'{{"done": {n}, "total": 50}}'] for n in range(1, 51)]
    await _ask(peer, *requests)

    await peer.until(lambda: bool(peer.progress) and peer.progress[-1].done == 50)
    assert peer.progress[-1].total == 50
    assert len(peer.progress) < 50


async def test_what_models_used_is_summed_up_and_goes_out_with_the_result(
    start: Start, peer: Peer, agents: Agents
) -> None:
    agents.add("ask", ASK)
    await start()
    requests = [
        ["POST", "/v1/usage", '{"model": "m", "tokens_in": 100, "tokens_out": 5, "cost_dollars": 0.5}'],
        ["POST", "/v1/usage", '{"model": "m", "tokens_in": 10, "calls": 2}'],
        ["POST", "/v1/usage", '{"model": "own", "tokens_out": 1, "cost_dollars": 0}'],
    ]

    result = await peer.result_of(await peer.order("ask", {"requests": requests}))

    assert [status for status, _ in output_of(result)] == [204, 204, 204]
    assert result.usage == (
        ModelUsage("m", calls=3, tokens_in=110, tokens_out=5, cost_dollars=0.5, unpriced=2),
        ModelUsage("own", calls=1, tokens_out=1),
    )


async def test_usage_that_nobody_can_believe_is_refused_and_costs_the_attempt_nothing(
    start: Start, peer: Peer, agents: Agents
) -> None:
    agents.add("ask", ASK)
    await start()
    bodies = [
        '{"tokens_in": 1}',
        '{"model": "m", "tokens_in": -1}',
        '{"model": "m", "cost_dolars": 1}',
        '{"model": "", "tokens_in": 1}',
        '{"model": "m", "tokens_in": 1000000000000}',
        '{"model": "m", "tokens_in": 1}',
        *(f'{{"model": "m{n}"}}' for n in range(20)),
    ]

    order = await peer.order("ask", {"requests": [["POST", "/v1/usage", body] for body in bodies]})
    result = await peer.result_of(order)

    statuses = [status for status, _ in output_of(result)]
    assert statuses == [422, 422, 422, 422, 204, 422, *[204] * 19, 422]
    assert len(result.usage) == 20


async def test_artifacts_go_through_the_gateway(
    start: Start, peer: Peer, agents: Agents, artifact_server: ArtifactServer
) -> None:
    agents.add("ask", ASK)
    await start()
    sha256 = artifact_server.keep(b'{"kept": true}')

    stored, fetched = await _ask(
        peer, ["POST", "/artifacts?name=notes.txt", "hello"], ["GET", f"/artifacts/{sha256}"], project="blue"
    )

    assert stored[0] == 201
    assert isinstance(stored[1], dict)
    assert artifact_server.content(stored[1]["uri"]) == b"hello"
    assert stored[1]["uri"].endswith("/notes.txt")
    assert fetched == [200, {"kept": True}]
    assert artifact_server.projects == {"blue"}


async def test_a_key_is_good_at_its_own_socket_only(start: Start, peer: Peer, agents: Agents) -> None:
    source = """
        import time
        from penstock.agents import agent

        @agent
        def wait() -> None:
            time.sleep(600)

        if __name__ == "__main__":
            wait.run()
    """
    agents.add("wait", source, reuse=Reuse.FORK)
    started: Started = await start(slots=2)
    for project in ("blue", "green"):
        await peer.order("wait", project=project)
    await peer.until(lambda: sum(len(request.claims) for request in peer.claims) == 2)
    async with asyncio.timeout(10):
        while len(_sockets(started)) < 2:
            await asyncio.sleep(0.01)

    answers = set()
    for path in _sockets(started):
        async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(path))) as client:
            for held in started.runner.held:
                headers = {"Penstock-Attempt": held.attempt_key}
                answer = await client.get("http://gateway/", headers=headers)
                answers.add((str(path), held.order.project, answer.status_code))

    assert sorted(status for _, _, status in answers) == [200, 200, 401, 401]


def _sockets(started: Started) -> list[Path]:
    return [path for path in (started.work / "s").iterdir() if path.is_socket()]


async def test_an_agent_cannot_use_up_the_runners_descriptors(
    start: Start, peer: Peer, agents: Agents
) -> None:
    agents.add("flood", """
        import os, socket
        held = []
        for _ in range(500):
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(os.environ["PENSTOCK_SOCKET"])
            held.append(connection)
        refused = 0
        for connection in held:
            connection.settimeout(0.05)
            try:
                refused += connection.recv(1) == b""
            except TimeoutError:
                pass
            except ConnectionError:
                refused += 1
        print(refused)
    """)  # fmt: skip
    await start()

    result = await peer.result_of(await peer.order("flood"))

    assert output_of(result) >= 400


async def test_stores_that_the_agent_does_not_name_are_refused_and_others_passed_on(
    start: Start, peer: Peer, agents: Agents
) -> None:
    """Nobody answers the peer's store calls: what is passed on is told to try again."""
    agents.add("ask", ASK, stores=("worklog",))
    await start()

    answers = await _ask(
        peer,
        ["GET", "/store/worklgo/entries/a"],
        ["POST", "/store/worklog/query", '{"tabel": "entries"}'],
        ["POST", "/store/worklog/write", '{"operations": [{"do": "drop", "table": "t", "key": "k"}]}'],
        ["POST", "/store/worklog/write", '"' + "x" * STORE_WRITE_BYTES_MAX + '"'],
        ["POST", "/store/worklog/undo", '{"node": "a\\u0000"}'],
        ["GET", "/store/worklog/entries/a"],
        ["POST", "/store/worklog/undo", '{"node": "charge"}'],
    )

    assert [status for status, _ in answers] == [403, 422, 422, 413, 422, 503, 503]
    assert "`stores` in agent.yaml of ask does not name 'worklgo'; did you mean 'worklog'?" in str(answers[0])
