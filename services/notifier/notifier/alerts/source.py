"""Who may send alerts, and what these may do: an Alertmanager with its token, its project, its rules."""

import hmac
from collections.abc import Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from hashlib import sha256

from penstock.contracts.names import is_name
from penstock.contracts.value import Value

HOLD_FIRING_DEFAULT = timedelta(0)
HOLD_RESOLVED_DEFAULT = timedelta(seconds=60)  # an alert that flaps once a minute switches nothing


class Verb(StrEnum):
    """What an alert may do to the engine; undoing it is the opposite."""

    OPEN_BREAKER = "open_breaker"
    CLOSE_BREAKER = "close_breaker"
    PAUSE_WORKFLOW = "pause_workflow"
    RESUME_WORKFLOW = "resume_workflow"


class Hold(Value, frozen=True, kw_only=True):
    """How long an alert must have been firing before it acts, and resolved before that is undone."""

    firing: timedelta = HOLD_FIRING_DEFAULT
    resolved: timedelta = HOLD_RESOLVED_DEFAULT


class Rule(Value, frozen=True, kw_only=True):
    """An alert with all labels of `match` does `verb` to `target`: a dependency or a workflow."""

    match: dict[str, str]
    verb: Verb
    target: str
    hold: Hold = Hold()

    def meets(self, labels: Mapping[str, str]) -> bool:
        return all(labels.get(name) == value for name, value in self.match.items())


class Source(Value, frozen=True, kw_only=True):
    """An Alertmanager. `project_label` names the label that holds an alert's project, if there is one."""

    name: str
    project: str
    token_digest: bytes
    project_label: str | None = None
    rules: tuple[Rule, ...] = ()

    def project_of(self, labels: Mapping[str, str]) -> str:
        """A label that is no name of a project counts as absent: the alert must not be lost."""
        labelled = labels.get(self.project_label, "") if self.project_label else ""
        return labelled if is_name(labelled) else self.project


def digest_of_token(token: str) -> bytes:
    return sha256(token.encode()).digest()


def source_of_token(sources: Sequence[Source], token: str) -> Source | None:
    """Whose token this is. Takes as long for a wrong one as for a right one."""
    digest = digest_of_token(token)
    found: Source | None = None
    for source in sources:
        if hmac.compare_digest(source.token_digest, digest):
            found = source
    return found
