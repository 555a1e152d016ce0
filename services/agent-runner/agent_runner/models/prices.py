"""What a call costs: by the operator's price, else by the known prices of hosted providers, else unknown.

Unknown is None and never 0. A price is looked up for a provider and a model together: a model of the same name on a
server of one's own costs something else.
"""

from contextlib import suppress

from agent_runner.models.configured import Model, Models
from agent_runner.models.took import Tokens


def cost_of(model: Model, tokens: Tokens) -> float | None:
    """Dollars. What was not used costs nothing, whatever the price."""
    if not tokens.tokens_in and not tokens.tokens_out:
        return 0.0
    if model.price is not None:
        return model.price.of(tokens_in=tokens.tokens_in, tokens_out=tokens.tokens_out)
    return _known_cost(model, tokens)


def read_known_ones(models: Models) -> None:
    """At the start, if a model needs them: it takes half a second, for which no call should wait."""
    named = (models.get(name) for name in models.names())
    for model in [each for each in named if each is not None and each.price is None][:1]:
        _known_cost(model, Tokens(tokens_in=1))


def _known_cost(model: Model, tokens: Tokens) -> float | None:
    from genai_prices import Usage, calc_price  # slow: only those without a price of their own pay

    usage = Usage(input_tokens=tokens.tokens_in, output_tokens=tokens.tokens_out)
    with suppress(LookupError):
        return float(calc_price(usage, model.model, provider_id=model.provider.kind).total_price)
    with suppress(LookupError):
        return float(calc_price(usage, model.model, provider_api_url=model.provider.url).total_price)
    return None
