"""The PromQL that panels ask again and again. Grafana fills in `$__range`, the time shown, and `$__rate_interval`."""


def rate(metric: str, *, by: str = "", where: str = "") -> str:
    """How much a counter grows in a second."""
    return _sum(f"rate({_chosen(metric, where)}[$__rate_interval])", by)


def growth(metric: str, *, by: str = "", where: str = "") -> str:
    """How much a counter grew in the time shown."""
    return _sum(f"increase({_chosen(metric, where)}[$__range])", by)


def quantile(at: float, metric: str, *, by: str = "", where: str = "") -> str:
    """Of a histogram, over the time shown."""
    buckets = growth(f"{metric}_bucket", by=_with_bounds(by), where=where)
    return f"histogram_quantile({at}, {buckets})"


def moving_quantile(at: float, metric: str, *, by: str = "", where: str = "") -> str:
    """Of a histogram, at each moment."""
    buckets = rate(f"{metric}_bucket", by=_with_bounds(by), where=where)
    return f"histogram_quantile({at}, {buckets})"


def ratio(part: str, whole: str) -> str:
    return f"{part} / {whole}"


def present(expr: str) -> str:
    """Without the lines that are zero."""
    return f"{expr} > 0"


def _sum(series: str, by: str) -> str:
    return f"sum by ({by}) ({series})" if by else f"sum({series})"


def _chosen(metric: str, where: str) -> str:
    return f"{metric}{{{where}}}" if where else metric


def _with_bounds(by: str) -> str:
    return f"{by}, le" if by else "le"
