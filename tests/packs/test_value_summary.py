"""Who writes the summary of a report: a model that the operator has configured, held to the facts."""

import pytest

from tests.e2e.conftest import Api
from tests.model_server import ModelRequest, ModelServer
from tests.packs.test_value_lifecycle import committed, file, read, rows, succeeded, value
from tests.packs.value_program import MEASUREMENTS

__all__ = ["value"]  # the fixture


@pytest.mark.parametrize(
    ("sentence", "by"),
    [
        ("Of 783,551 a year, 21,554 is realized; Fir Energy needs a decision.", "default"),
        ("We shall make 9,999,999 a year.", "template"),
    ],
)
async def test_a_model_writes_the_summary_from_the_facts_or_not_at_all(
    value: Api, model_server: ModelServer, sentence: str, by: str
) -> None:
    asked: list[ModelRequest] = []

    def answer(request: ModelRequest) -> str:
        asked.append(request)
        return sentence

    model_server.on(answer)
    program = f"told-by-{by}"
    await committed(value, program)

    run = await succeeded(
        value,
        "realization-tracking-v1",
        program=program,
        measurements=await file(value, MEASUREMENTS.read_bytes(), "measurements.csv"),
    )

    page = await read(value, run["output"]["report"])
    assert (run["output"]["summary_by"], sentence in page) == (by, by == "default")
    assert "at-risk" in asked[0].everything
    assert (await rows(value, "reports", program))["value:2026-09-30"]["narrative"] == by
    assert ("9999999" in page) == (by == "template")  # the page says why the model's text was not used
