"""What a person may choose on a page, and how queries use the choice. Everything is chosen at first."""

from dashboards_as_code.page import Variable

PROJECT = Variable(
    name="project", label="Project", query="label_values(penstock_runs_started_total, project)"
)
WORKFLOW = Variable(
    name="workflow",
    label="Workflow",
    query='label_values(penstock_runs_started_total{project=~"$project"}, workflow)',
)
AGENT = Variable(
    name="agent",
    label="Agent",
    query='label_values(penstock_nodes_ended_total{project=~"$project", workflow=~"$workflow"}, agent)',
)
POOL = Variable(name="pool", label="Pool", query="label_values(penstock_pool_runners, pool)")
JOB = Variable(
    name="job", label="Service", query='label_values(up{job=~"orchestrator|agent-runner|notifier"}, job)'
)

OF_PROJECT = 'project=~"$project"'
OF_WORKFLOW = f'{OF_PROJECT}, workflow=~"$workflow"'
OF_AGENT = f'{OF_WORKFLOW}, agent=~"$agent"'
OF_POOL = 'pool=~"$pool"'
OF_JOB = 'job=~"$job"'
