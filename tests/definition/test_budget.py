"""The key `budget` of a workflow."""

import msgspec
import pytest

from penstock.contracts.budget import Allowance, BudgetDefinition, OnSpent
from penstock.contracts.errors import InvalidInput
from penstock.definition import load
from penstock.definition.schema import workflow_schema

TALK = "name: talk\nnodes: {a: {agent: talker}}\nbudget: "


def test_a_budget_is_of_a_run_a_day_or_for_ever() -> None:
    text = "{run: {dollars: 2.5, tokens: 200000}, day: {dollars: 20}, total: {tokens: 9}, on_limit: ask}"

    budget = load(TALK + text).definition.budget

    assert budget == BudgetDefinition(
        run=Allowance(2.5, 200_000), day=Allowance(20.0), total=Allowance(tokens=9), on_limit=OnSpent.ASK
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("5", "budget: expected a mapping with `run`, `day` or `total`, got the number 5"),
        ("{on_limit: fail}", "a budget is of something: expected `run`, `day` or `total`"),
        ("{run: {}}", "budget.run: nothing is limited: expected a mapping with `dollars`, `tokens` or both"),
        ("{run: 3}", "budget.run: expected a mapping with `dollars`, `tokens` or both, got the number 3"),
        ("{rum: {dollars: 1}}", "unknown key 'rum'; did you mean 'run'?"),
        ("{run: {dollar: 1}}", "unknown key 'dollar'; did you mean 'dollars'?"),
        ("{run: {dollars: -1}}", "budget.run.dollars: expected a number from 0 to 1e+09"),
        ("{run: {tokens: 1.5}}", "budget.run.tokens: expected a whole number from 0 to 1000000000000"),
        ("{run: {tokens: 1}, on_limit: aks}", "budget.on_limit: expected one of fail, pause, ask; got 'aks'"),
    ],
)
def test_what_is_wrong_with_a_budget_is_said(text: str, said: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        load(TALK + text)

    problems = [f"{problem.path}: {problem.message}" for problem in refused.value.problems]
    assert any(said in problem for problem in problems), problems


def test_the_schema_takes_what_the_reader_takes() -> None:
    import jsonschema_rs

    schema = jsonschema_rs.validator_for(workflow_schema()["properties"]["budget"])

    assert schema.is_valid(msgspec.yaml.decode("{run: {dollars: 2.5}, on_limit: pause}"))
    for wrong in ("{on_limit: ask}", "{run: {}}", "{run: {dollars: -1}}", "{day: {dollars: 1}, other: 2}"):
        assert not schema.is_valid(msgspec.yaml.decode(wrong)), wrong
