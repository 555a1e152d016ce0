"""What bad agents get: a clear error on their node, a consistent run, and nobody else disturbed."""

import pytest

from tests.e2e.conftest import Api, Json, node_of

# deed → (class of the error, words that its message must have)
DEEDS = {
    "no-json": ("validation", ["JSON"]),
    "wrong-shape": ("validation", ["object"]),
    "flood": ("resource", ["65,536 bytes"]),
    "write-usr": ("error", ["OSError", "Read-only file system"]),
    "fork": ("error", ["BlockingIOError"]),
    "allocate": ("resource", ["memory", "128 MiB"]),
    "sleep": ("timeout", ["2 s"]),
    "ignore-term": ("timeout", ["2 s"]),
    "open-socket": ("connection", ["ConnectionRefusedError"]),
    "exit-3": ("error", ["RuntimeError", "the third way out"]),
}


OURS = "PYTHONDONTWRITEBYTECODE"  # the runtime is read-only; set by the runner, whatever the host says


def bad(deed: str) -> Json:
    return {"agent": "villain", "with": {"deed": deed}, "retry": "none", "timeout": "2s"}


@pytest.mark.sandbox
@pytest.mark.parametrize("deed", DEEDS)
async def test_a_bad_deed_is_a_clear_error(api: Api, deed: str) -> None:
    neighbour = {"agent": "steady", "with": {"value": 1}}

    run = await api.run(
        {"name": f"deed-{deed}", "on_failure": "continue", "nodes": {"bad": bad(deed), "good": neighbour}}
    )

    failure = node_of(run, "bad")["failure"]
    error_class, words = DEEDS[deed]
    text = f"{failure['type']} {failure['message']} {failure.get('stack') or ''}"
    assert run["state"] == "failed"
    assert node_of(run, "good")["state"] == "succeeded"
    assert failure["error_class"] == error_class, text
    assert [word for word in words if word not in text] == [], text


@pytest.mark.sandbox
async def test_an_agent_sees_nothing_of_the_hosts_environment(api: Api) -> None:
    run = await api.run({"name": "curious", "nodes": {"look": bad("environment")}})

    names = node_of(run, "look")["output"]["environment"]
    foreign = [
        n
        for n in names
        if not n.startswith("PENSTOCK_") and n not in {"PATH", "HOME", "LANG", "TMPDIR", "PWD", OURS}
    ]
    assert foreign in ([], ["LC_CTYPE"])
    assert not any("PASSWORD" in name or "NATS" in name or "RUNNER" in name for name in names)


async def test_an_input_that_does_not_fit_the_agent_is_refused_before_it_starts(api: Api) -> None:
    run = await api.run(
        {"name": "unfit", "nodes": {"bad": {"agent": "villain", "with": {"dead": "typo"}, "retry": "none"}}}
    )

    failure = node_of(run, "bad")["failure"]
    assert failure["error_class"] == "validation"
    assert "deed" in failure["message"]
