"""Follows a run to its end: a live view of its nodes on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, Protocol, TypeVar

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from penstock_cli import formats
from penstock_cli.api import Api
from penstock_cli.errors import Unreachable
from penstock_cli.output import people, say
from penstock_cli.parts import item_counts, undoing, waits_for, what_waits_for_people

P = ParamSpec("P")
T = TypeVar("T")

AWAY_S_MAX = 60.0
AWAY_PAUSE_S = 0.5
POLL_S = 1.0  # one long poll: short, because the caller has something to do in between
REFRESH_PER_S = 8
NAME_COLUMNS_MAX = 32
_LINES_BESIDE_NODES = 6
_SPEAKING = (
    "suspended",
    "running",
    "compensating",
    "compensation_failed",
    "failed",
    "backoff",
    "ready",
    "cancelled",
    "compensated",
    "succeeded",
    "skipped",
    "waiting",
)

_TELLING = ("runner", "reason", "by", "comment", "workflow", "message", "type", "until", "items", "run")

Run = dict[str, Any]
Between = Callable[[Run], None]


class View(Protocol):
    def show(self, run: Run, events: list[dict[str, Any]]) -> None: ...


def follow(api: Api, run_id: str, *, between: Between = lambda run: None, poll_s: float = POLL_S) -> Run:
    """Show the run until it has ended; calls `between` after each look at it. Returns the ended run.

    What waits for a person is said once, with the command that answers it.
    """
    with _view(people) as view:
        run = api.run(run_id)
        seen = 0
        told: set[str] = set()
        while True:
            page = patiently(api.events, run_id, after=seen)
            seen = max([seen, *(event["seq"] for event in page["items"])])
            view.show(run, page["items"])
            if run["state"] in formats.ENDED and seen >= run["seq"]:
                return run
            for line in what_waits_for_people(run):
                if line not in told:
                    say(line)
                    told.add(line)
            between(run)
            run = patiently(api.run, run_id, wait_s=poll_s, after=run["seq"])


def patiently(ask: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The answer; an orchestrator that is away for a while is waited for: the run goes on meanwhile."""
    deadline = time.monotonic() + AWAY_S_MAX
    told = False
    while True:
        try:
            return ask(*args, **kwargs)
        except Unreachable:
            if time.monotonic() > deadline:
                raise
            if not told:
                say("the orchestrator does not answer; still trying")
                told = True
            time.sleep(AWAY_PAUSE_S)


@contextmanager
def _view(console: Console) -> Iterator[View]:
    if not console.is_terminal:
        yield PlainView(console)
        return
    live = LiveView(console)
    with Live(console=console, get_renderable=live.render, refresh_per_second=REFRESH_PER_S, transient=True):
        yield live


class PlainView:
    """One line for each fact, as in a log."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def show(self, run: Run, events: list[dict[str, Any]]) -> None:
        for event in events:
            self._console.print(event_line(event), markup=False, soft_wrap=True)


class LiveView:
    """The DAG's nodes with state, attempt and time; drawn again several times a second."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._run: Run | None = None

    def show(self, run: Run, events: list[dict[str, Any]]) -> None:
        self._run = run

    def render(self) -> RenderableType:
        return run_picture(self._run, lines_max=self._console.height) if self._run else Text("")


def run_picture(run: Run, *, lines_max: int | None = None) -> RenderableType:
    """A run's head and its nodes; with `lines_max`, the nodes that matter most now and a count of the rest."""
    nodes: list[dict[str, Any]] = run["nodes"]
    shown = nodes if lines_max is None else _most_telling(nodes, lines_max - _LINES_BESIDE_NODES)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    names = max((len(node["name"]) for node in shown), default=0)
    # The least widths keep what matters on a narrow terminal; the note gives way first.
    for heading, width in (
        ("node", min(names, NAME_COLUMNS_MAX)),
        ("state", 11),
        ("attempt", 7),
        ("time", 8),
    ):
        number = heading in ("attempt", "time")
        table.add_column(heading, no_wrap=True, min_width=width, justify="right" if number else "left")
    table.add_column("does", no_wrap=True)
    table.add_column("", no_wrap=True)
    for node in shown:
        table.add_row(*_node_row(node))
    parts: list[RenderableType] = [run_head(run), table]
    if len(shown) < len(nodes):
        parts.append(Text(f"… and {len(nodes) - len(shown)} nodes more", style="dim"))
    return Group(*parts)


def run_head(run: Run) -> Text:
    """`▶ running  repository-guard 1  3 of 6 nodes  4.2 s  <id>`."""
    progress = run["progress"]
    spent = formats.duration(formats.seconds_between(run["created_at"], run["ended_at"]))
    head = formats.state(run["state"])
    head.append(f"  {run['workflow']} v{run['version']}", style="bold")
    head.append(f"  {progress['done']} of {progress['total']} nodes  {spent}  ", style="default")
    head.append(run["id"], style="dim")
    return head


def event_line(event: dict[str, Any]) -> str:
    """`10:02:11  scan  succeeded  attempt 1  (0.8 s)`."""
    kind = event["kind"].partition(".")[2].replace("_", " ")
    subject = event["node"] or "run"
    attempt = f"  attempt {event['attempt']}" if event["attempt"] else ""
    detail = _event_detail(event["data"] or {})
    return f"{formats.clock(event['at'])}  {subject}  {kind}{attempt}{'  ' + detail if detail else ''}"


def _event_detail(data: dict[str, Any]) -> str:
    parts = [formats.failure(data.get("failure"))]
    if data.get("seconds") is not None:
        parts.append(f"({formats.duration(data['seconds'])})")
    if data.get("retry_in_s") is not None:
        parts.append(f"again in {formats.duration(data['retry_in_s'])}")
    parts += [f"{key} {data[key]}" for key in _TELLING if data.get(key)]
    return "  ".join(part for part in parts if part)


def _node_row(node: dict[str, Any]) -> tuple[RenderableType, ...]:
    spent = formats.duration(formats.seconds_between(node["started_at"], node["ended_at"]))
    attempt = str(node["attempt"]) if node["attempt"] else ""
    return (
        Text(node["name"]),
        formats.state(node["state"]),
        attempt,
        spent,
        Text(_work(node), "dim"),
        _note(node),
    )


def _work(node: dict[str, Any]) -> str:
    return node["agent"] or (node.get("kind") or "")


def _note(node: dict[str, Any]) -> Text:
    if node["state"] == "suspended":
        return Text(waits_for(node)[:80], style="yellow")
    if node["failure"]:
        return Text(formats.failure(node["failure"])[:80], style="red")
    if node.get("items"):
        return Text(item_counts(node["items"]), style="dim")
    if node.get("waiting_for"):
        return Text(waits_for(node)[:80], style="yellow")
    if node["state"] == "running" and node["runner"]:
        return Text(f"on {node['runner']}{_progress(node.get('progress'))}", style="dim")
    if node["state"] == "waiting" and node["needs"]:
        return Text(f"needs {', '.join(node['needs'])}"[:80], style="dim")
    if node.get("cached"):
        return Text(f"from the cache, put there by run {node['cached']['run']}", style="dim")
    if node.get("reused_from"):
        return Text(f"taken over from run {node['reused_from']}", style="dim")
    return Text(undoing(node.get("compensation")), style="dim")


def _progress(told: dict[str, Any] | None) -> str:
    """`: 3 of 10, pages pressed`: what the agent itself says."""
    if told is None:
        return ""
    of = f" of {told['total']:g}" if told["total"] is not None else ""
    message = f", {told['message']}" if told["message"] else ""
    return f": {told['done']:g}{of}{message}"[:80]


def _most_telling(nodes: list[dict[str, Any]], room: int) -> list[dict[str, Any]]:
    """At most `room` nodes in the author's order: what runs or failed before what has ended or waits."""
    if len(nodes) <= room:
        return nodes
    rank = {state: position for position, state in enumerate(_SPEAKING)}
    chosen = sorted(range(len(nodes)), key=lambda index: rank.get(nodes[index]["state"], 0))[: max(room, 1)]
    return [nodes[index] for index in sorted(chosen)]
