"""Every channel is held to the same: it tells, it says why it could not, it never raises, and it keeps secrets."""

from collections.abc import AsyncIterator
from ipaddress import ip_network
from typing import Any

import pytest

from notifier.channels.kinds import CHANNELS, Means
from notifier.channels.outbound import Outbound
from notifier.channels.port import Channel
from notifier.channels.reading import API
from notifier.channels.threads import Threads
from penstock.contracts.workflow import Json
from penstock.definition.fields import Fields
from penstock.definition.report import Report
from penstock_cli.embedded.ports import free_port
from tests.deliveries.builders import SECRET, message
from tests.deliveries.targets import Reply, SmtpServer, Target

SECRETS = (SECRET, "topic-of-mine", "T0K3N/B0T/s3cr3t", "glsa_token", "pa55word")


def options_of(kind: str, port: int) -> dict[str, Json]:
    url = f"http://127.0.0.1:{port}"
    given: dict[str, dict[str, Json]] = {
        "webhook": {"url": f"{url}/hook", "secret": SECRET},
        "slack": {"url": f"{url}/services/T0K3N/B0T/s3cr3t"},
        "email": {
            "host": "127.0.0.1",
            "port": port,
            "security": "none",
            "from": "penstock@example.org",
            "to": ["ops@example.org"],
        },
        "apprise": {"url": f"ntfy://127.0.0.1:{port}/topic-of-mine"},
        "alertmanager": {"url": url},
        "grafana": {"url": url, "token": "glsa_token"},
    }
    return given[kind]


def channel_of(kind: str, options: dict[str, Json], means: Means) -> Channel:
    report = Report()
    read = CHANNELS[kind].read(Fields(options, (kind,), report), API)
    assert report.problems == ()
    return CHANNELS[kind].build(read, means)


@pytest.fixture
async def means() -> AsyncIterator[Means]:
    made = Means(Outbound([ip_network("127.0.0.0/8")]), Threads())
    yield made
    made.outbound.close()


@pytest.fixture
async def strict_means() -> AsyncIterator[Means]:
    made = Means(Outbound(), Threads())
    yield made
    made.outbound.close()


@pytest.fixture
async def server(kind: str) -> AsyncIterator[Any]:
    """What the channel speaks to."""
    async with SmtpServer() if kind == "email" else Target() as started:
        yield started


every_channel = pytest.mark.parametrize("kind", CHANNELS)


@every_channel
async def test_a_channel_tells(kind: str, server: Any, means: Means) -> None:
    told = await channel_of(kind, options_of(kind, server.port), means).send(message())

    assert told.ok, told.error
    assert len(server.letters if kind == "email" else server.requests) == 1
    assert not told.is_gone


@every_channel
async def test_a_channel_says_why_it_was_refused(kind: str, server: Any, means: Means) -> None:
    if kind == "email":
        server.refuse = frozenset({"ops@example.org"})
    else:
        server.reply = lambda request: Reply(status=403, body=b"not you")
    told = await channel_of(kind, options_of(kind, server.port), means).send(message())

    assert not told.ok
    assert told.error
    assert not any(secret in told.error for secret in SECRETS)


@every_channel
async def test_a_channel_survives_that_nobody_is_there(kind: str, means: Means) -> None:
    told = await channel_of(kind, options_of(kind, free_port()), means).send(message())

    assert not told.ok
    assert told.error
    assert not any(secret in told.error for secret in SECRETS)


@every_channel
async def test_a_channel_calls_no_private_address(kind: str, server: Any, strict_means: Means) -> None:
    told = await channel_of(kind, options_of(kind, server.port), strict_means).send(message())

    assert not told.ok
    assert (server.letters if kind == "email" else server.requests) == []


@every_channel
async def test_a_channel_shows_its_target_without_secrets(kind: str, means: Means) -> None:
    target = channel_of(kind, options_of(kind, 9), means).target

    assert target
    assert not any(secret in target for secret in SECRETS)


@every_channel
async def test_a_channel_refuses_options_that_it_does_not_know(kind: str) -> None:
    report = Report()
    CHANNELS[kind].read(Fields({**options_of(kind, 9), "uri": "x"}, ("channel", kind), report), API)

    assert [problem.path for problem in report.problems] == [f"channel.{kind}.uri"]


@every_channel
async def test_a_channel_of_the_api_names_no_file(kind: str) -> None:
    report = Report()
    key = {
        "webhook": "secret_file",
        "slack": "url_file",
        "email": "password_file",
        "apprise": "url_file",
    }.get(kind, "token_file")
    CHANNELS[kind].read(Fields({key: "/etc/passwd"}, (kind,), report), API)

    said = next(problem.message for problem in report.problems if problem.path == f"{kind}.{key}")
    assert "configuration file" in said or kind == "alertmanager"


async def test_a_secret_that_http_cannot_carry_is_not_shown(means: Means) -> None:
    told = await channel_of(
        "grafana", {"url": "http://127.0.0.1:9", "token": "glsa_token\r\nX: y"}, means
    ).send(message())

    assert not told.ok
    assert "glsa_token" not in told.error


async def test_slack_gets_blocks_with_nothing_that_mentions_everybody(means: Means) -> None:
    async with Target() as target:
        data = {"failure": {"message": "<!channel> a & b"}}
        await channel_of("slack", options_of("slack", target.port), means).send(message(data=data))

    document = target.requests[0].document
    assert "run.failed in default/release: &lt;!channel&gt; a &amp; b" in document["text"]
    assert [block["type"] for block in document["blocks"]] == ["section", "context"]


async def test_grafana_gets_an_annotation_at_the_moment_of_the_event(means: Means) -> None:
    """Against a server that keeps to Grafana's protocol, not a Grafana: none can be installed here."""
    sent = message()
    async with Target() as grafana:
        options = {**options_of("grafana", grafana.port), "tags": ["prod"], "dashboard": "abc"}
        await channel_of("grafana", options, means).send(sent)

    (request,) = grafana.requests
    assert request.path == "/api/annotations"
    assert request.headers["authorization"] == "Bearer glsa_token"
    assert request.document == {
        "time": int(sent.happened_at.timestamp() * 1000),
        "tags": ["penstock", "run.failed", "default", "release", "prod"],
        "text": "run.failed in default/release: it took too long",
        "dashboardUID": "abc",
    }


async def test_a_letter_says_what_happened_and_can_be_told_from_its_repetition(means: Means) -> None:
    async with SmtpServer() as server:
        data = {"failure": {"message": "first\r\nBcc: everybody@example.org"}}
        await channel_of("email", options_of("email", server.port), means).send(message(data=data))

    (letter,) = server.letters
    head, _, body = letter.partition("\r\n\r\n")
    assert "Subject: [Penstock] run.failed in default/release: first\r\n" in head
    assert "Message-ID: <msg_1@penstock>" in head
    assert "Bcc" not in head
    assert "run.failed of default/release" in body
