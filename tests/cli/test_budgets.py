"""`penstock budgets`, against a real Penstock."""

from tests.cli.conftest import PRESS, Shell


def test_a_projects_budget_is_set_listed_and_cleared(penstock: Shell) -> None:
    set_ = penstock("budgets", "set", "--day-dollars", "1000000", "--on-limit", "ask", "-o", "json")
    listed = penstock("budgets", "ls").out
    document = penstock("budgets", "ls", "-o", "json").document
    cleared = penstock("budgets", "clear")
    again = penstock("budgets", "clear")

    assert set_.document["on_limit"] == "ask"
    assert [
        listed.splitlines()[-1].split()[0][:11],
        *listed.splitlines()[-1].split()[1:3],
    ] == ["project/day", "ask", "1000000.0000"]
    assert document["items"][-1]["scope"] == "project_day"
    assert (cleared.code, cleared.out) == (0, "")
    assert (again.code, "no budget of project named" in again.err) == (1, True)


def test_raising_says_what_is_wrong(penstock: Shell) -> None:
    unknown = penstock("budgets", "raise", "01890000-0000-7000-8000-000000000001", "--dollars", "5")

    assert (unknown.code, "no run named" in unknown.err) == (1, True)


def test_a_run_that_called_no_model_says_so(penstock: Shell) -> None:
    assert penstock("apply", penstock.write("press.yaml", PRESS)).code == 0
    run = penstock("run", "press-pages", "-i", "text=x", "--wait", "-o", "json").document["id"]

    told = penstock("runs", "models", run)

    assert (told.code, "no model was called" in told.err) == (0, True)
    assert penstock("runs", "models", run, "-o", "json").document == {"items": []}


def test_figures_are_by_agent_or_by_workflow(penstock: Shell) -> None:
    assert "cost of agent" in penstock("stats", "--by", "agent").out
    assert "cost of workflow" in penstock("stats").out
