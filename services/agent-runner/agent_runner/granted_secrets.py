"""Secrets that the operator gave this runner, for agents whose manifest names them."""

import stat
from collections.abc import Mapping
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from agent_runner.redaction import NOTHING_SECRET, Redaction
from penstock.contracts.agent import AgentManifest

Secrets = Mapping[str, Mapping[str, str]]
"""Project → name → value."""


class UnsafeSecrets(Exception):
    """The secrets file cannot be used; the message says what to change."""


class GrantedSecrets:
    """What each agent may know, and how to keep it out of its log."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._redactions: dict[tuple[str, str], Redaction] = {}

    def value(self, project: str, name: str) -> str | None:
        """The value, whoever asks: the caller has looked into the manifest."""
        return self._secrets.get(project, {}).get(name)

    def redaction(self, project: str, manifest: AgentManifest) -> Redaction:
        """Hides every secret that an agent may have asked for."""
        if not manifest.secrets:
            return NOTHING_SECRET
        key = (project, manifest.name)
        redaction = self._redactions.get(key)
        if redaction is None:
            known = self._secrets.get(project, {})
            redaction = Redaction(known[name] for name in manifest.secrets if name in known)
            self._redactions[key] = redaction
        return redaction


def read_secrets(file: Path | None) -> GrantedSecrets:
    """The file's secrets (YAML or JSON: project → name → value), or UnsafeSecrets."""
    if file is None:
        return GrantedSecrets({})
    try:
        with file.open("rb") as opened:
            mode = stat.S_IMODE(file.stat().st_mode)
            document = YAML(typ="safe", pure=True).load(opened)
    except (OSError, YAMLError) as error:
        # A parser shows the line where it stumbled, which may hold a secret: name the kind of error only.
        reason = error.strerror if isinstance(error, OSError) else "it is neither YAML nor JSON"
        raise UnsafeSecrets(f"{file}: {reason}") from None
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        raise UnsafeSecrets(f"{file}: everybody on this machine may read it; chmod 600 it")
    return GrantedSecrets(_checked(document, file))


def _checked(document: object, file: Path) -> Secrets:
    if not isinstance(document, dict):
        raise UnsafeSecrets(f"{file}: expected a mapping of project → name → value")
    for project, names in document.items():
        if not isinstance(names, dict) or not all(isinstance(value, str) for value in names.values()):
            raise UnsafeSecrets(f"{file}: {project}: expected a mapping of names to strings")
    return document
