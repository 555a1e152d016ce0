"""Which providers answer, and whether they have the models that are named: for `penstock doctor`."""

import asyncio
from collections.abc import Sequence

import httpx
import msgspec

from agent_runner.models.configured import Models, Provider
from agent_runner.models.providers import headers_of
from agent_runner.sandbox.doctor import Finding
from penstock.contracts.names import did_you_mean

PATIENCE_S = 5.0
_KEY_REFUSED = (401, 403)


async def examine_models(models: Models) -> list[Finding]:
    """A finding for each provider, by `GET /models` with its key."""
    async with httpx.AsyncClient(timeout=PATIENCE_S) as client:
        found = await asyncio.gather(
            *(_examined(client, provider, models) for provider in models.providers())
        )
    return list(found)


async def _examined(client: httpx.AsyncClient, provider: Provider, models: Models) -> Finding:
    wanted = [
        model.model for model in map(models.get, models.names()) if model and model.provider == provider
    ]
    name = f"provider {provider.name}"
    try:
        answer = await client.get(f"{provider.url}/models", headers=headers_of(provider))
    except httpx.HTTPError as error:
        reason = str(error) or type(error).__name__
        return Finding(name, False, f"{provider.url} does not answer: {reason}", "start it, or mend its url")
    if answer.status_code in _KEY_REFUSED:
        hint = "look at what key_file or key_env gives"
        return Finding(name, False, f"{provider.url} refuses the key ({answer.status_code})", hint)
    known = _names(answer)
    if known is None:
        detail = f"{provider.url} answers {answer.status_code} to /models, and lists none"
        return Finding(name, answer.status_code < 500, detail, "not every server lists its models")
    if missing := [model for model in wanted if model not in known]:
        hint = "; ".join(f"'{model}'{did_you_mean(model, known)}" for model in missing)
        return Finding(name, False, f"{provider.url} has no model {hint}", "pull it there, or name another")
    return Finding(name, True, f"{provider.url} answers and has {', '.join(wanted)}")


def _names(answer: httpx.Response) -> Sequence[str] | None:
    try:
        return [str(row["id"]) for row in msgspec.json.decode(answer.content)["data"]]
    except (msgspec.DecodeError, KeyError, TypeError, UnicodeDecodeError):
        return None
