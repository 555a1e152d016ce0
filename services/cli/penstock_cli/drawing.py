"""A workflow's graph as text by layers, as Mermaid and as Graphviz dot."""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any

from penstock.contracts.duration import format_duration
from penstock.contracts.graph import edges, topological_order
from penstock.contracts.workflow import NodeDefinition, RunIf, WorkflowDefinition

CONDITION_CHARS_MAX = 60


class GraphFormat(StrEnum):
    TEXT = "text"
    MERMAID = "mermaid"
    DOT = "dot"


def layers(needs: Mapping[str, tuple[str, ...]]) -> list[list[str]]:
    """The nodes by layer: each node stands right below the lowest of those that it needs."""
    depth: dict[str, int] = {}
    for node in topological_order(needs):
        depth[node] = 1 + max((depth[upstream] for upstream in needs[node]), default=-1)
    found: list[list[str]] = [[] for _ in range(1 + max(depth.values(), default=-1))]
    for node in needs:  # the author's order within a layer
        found[depth[node]].append(node)
    return found


def as_text(definition: WorkflowDefinition) -> str:
    """One line for each node, one block for each layer:

    1 ─┬─ scan      security-scanner
       └─ licenses  license-checker
       │
    2 ─── review    code-reviewer     ◀ scan, licenses
    """
    needs = edges(definition)
    rows = layers(needs)
    nodes = {node.name: node for node in definition.nodes}
    name_width = max(map(len, nodes), default=0)
    work_width = max((len(_work(node)) for node in definition.nodes), default=0)
    margin = len(str(len(rows)))

    def line(number: int, index: int, name: str) -> str:
        layer = f"{number:>{margin}} ─" if index == 0 else " " * (margin + 2)
        joint = _joint(index, len(rows[number - 1]))
        node = nodes[name]
        text = f"{name:<{name_width}}  {_work(node):<{work_width}}  {_edges(node, needs)}"
        return f"{layer}{joint}─ {text}".rstrip()

    blocks = [
        "\n".join(line(number, index, name) for index, name in enumerate(row))
        for number, row in enumerate(rows, start=1)
    ]
    title = f"{definition.name}: {len(nodes)} nodes in {len(rows)} layers"
    return f"{title}\n\n" + f"\n{' ' * margin}  │\n".join(blocks)


def as_mermaid(definition: WorkflowDefinition) -> str:
    """For Markdown pages: GitHub and GitLab draw it."""
    needs = edges(definition)
    numbers = {name: f"n{index}" for index, name in enumerate(needs)}  # a name such as `end` is a keyword
    lines = [
        f'  {numbers[node.name]}["{node.name}<br/><small>{_work(node)}</small>"]' for node in definition.nodes
    ]
    lines += [f"  {numbers[upstream]} --> {numbers[node]}" for node in needs for upstream in needs[node]]
    return "\n".join(["flowchart TD", *lines])


def as_dot(definition: WorkflowDefinition) -> str:
    """For Graphviz: `penstock graph FILE --format dot | dot -Tsvg`."""
    needs = edges(definition)
    lines = [f'  "{node.name}" [label="{node.name}\\n{_work(node)}"];' for node in definition.nodes]
    lines += [f'  "{upstream}" -> "{node}";' for node in needs for upstream in needs[node]]
    head = f'digraph "{definition.name}" {{\n  node [shape=box, style=rounded, fontname="sans-serif"];'
    return "\n".join([head, *lines, "}"])


def as_document(definition: WorkflowDefinition) -> dict[str, Any]:
    """For programs."""
    needs = edges(definition)
    nodes = [
        {
            "name": node.name,
            "kind": str(node.kind),
            "agent": node.agent,
            "workflow": node.workflow,
            "needs": list(needs[node.name]),
        }
        for node in definition.nodes
    ]
    return {"name": definition.name, "layers": layers(needs), "nodes": nodes}


def _work(node: NodeDefinition) -> str:
    """What the node does, in a few words: `patcher × each`, `workflow deploy`, `wait for com.github.push`."""
    words = [_thing(node)]
    if node.foreach is not None:
        words.append("× each")
    if node.repeat is not None:
        words.append(f"↻ at most {node.repeat.max_}")
    return " ".join(words)


def _thing(node: NodeDefinition) -> str:
    if node.workflow is not None:
        version = f" version {node.workflow_version}" if node.workflow_version else ""
        return f"workflow {node.workflow}{version}"
    if node.approval is not None:
        return "approval"
    if node.wait is None:
        return node.agent or ""
    if node.wait.event is not None:
        return f"wait for {_plain(node.wait.event.type)}"
    if node.wait.until is not None:
        return f"wait until {_plain(node.wait.until)}"
    duration = node.wait.duration
    return f"wait {format_duration(duration) if isinstance(duration, timedelta) else _plain(duration or '')}"


def _plain(text: str) -> str:
    """An author's text where quotes and angle brackets would end a label."""
    short = " ".join(text.split())[:CONDITION_CHARS_MAX]
    return short.translate({ord(mark): "'" for mark in '"\\<>'})


def _joint(index: int, count: int) -> str:
    if count == 1:
        return "─"
    return "┬" if index == 0 else "└" if index == count - 1 else "├"


def _edges(node: NodeDefinition, needs: Mapping[str, tuple[str, ...]]) -> str:
    upstream = needs[node.name]
    parts = [f"◀ {', '.join(upstream)}"] if upstream else []
    if node.run_if is not RunIf.ALL_SUCCEEDED:
        parts.append(f"({node.run_if})")
    if node.if_:
        condition = " ".join(node.if_.split())
        parts.append(f"if {condition[:CONDITION_CHARS_MAX]}")
    return "  ".join(parts)
