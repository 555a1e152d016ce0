"""What Grafana makes of a page: its JSON, by grafana-foundation-sdk."""

import json
from collections.abc import Callable, Iterator
from typing import TypeAlias

from grafana_foundation_sdk.builders import (
    common,
    dashboard,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as shapes
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from dashboards_as_code.links import PROMETHEUS
from dashboards_as_code.page import Kind, Page, Panel, Query, Row, Threshold, Variable

TAG = "penstock"
SOURCE = models.DataSourceRef(type_val="prometheus", uid=PROMETHEUS)
ORCHESTRATOR_URL = "http://127.0.0.1:9002"
NUMBER_HEIGHT, TABLE_HEIGHT, HEIGHT = 4, 8, 7
STATE_COLOURS = {2: ("red", "green"), 3: ("green", "yellow", "red")}  # by how many states there are

Drawn: TypeAlias = stat.Panel | timeseries.Panel | table.Panel | statetimeline.Panel


def draw(page: Page) -> str:
    """The dashboard's JSON, with keys in order, so that a change shows as what it is."""
    drawn = (
        dashboard.Dashboard(page.title)
        .uid(page.uid)
        .description(page.tells)
        .tags([TAG])
        .editable()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .time("now-1h", "now")
        .refresh("30s")
        .timezone("browser")
        .link(_others())
        .annotation(_firing())
    )
    for variable in page.variables:
        drawn.with_variable(_variable(variable))
    drawn.with_variable(
        dashboard.TextBoxVariable("penstock").label("Penstock's URL").default_value(ORCHESTRATOR_URL)
    )
    for row in page.rows:
        drawn.with_row(dashboard.Row(row.title))
        for panel in _panels(row):
            drawn.with_panel(panel)
    return json.dumps(drawn.build(), cls=JSONEncoder, indent=1, sort_keys=True) + "\n"


def _others() -> dashboard.DashboardLink:
    """The other dashboards, at the same time and with the same choices."""
    return (
        dashboard.DashboardLink("Penstock")
        .type(models.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .as_dropdown(True)
        .include_vars(True)
        .keep_time(True)
    )


def _firing() -> dashboard.AnnotationQuery:
    """Alerts that fire, marked on every line: since when."""
    return (
        dashboard.AnnotationQuery()
        .name("Alerts")
        .datasource(SOURCE)
        .enable(True)
        .icon_color("red")
        .expr('ALERTS{alertname=~"Penstock.*", alertstate="firing"}')
    )


def _variable(variable: Variable) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(variable.name)
        .label(variable.label)
        .datasource(SOURCE)
        .query(variable.query)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .include_all(True)
        .all_value(".*")
        .multi(True)
        .current(models.VariableOption(text="All", value="$__all", selected=True))
    )


def _panels(row: Row) -> Iterator[Drawn]:
    for panel in row.panels:
        drawn = _KINDS[panel.kind](panel)
        drawn.title(panel.title).description(panel.tells).datasource(SOURCE).span(panel.width)
        drawn.unit(panel.unit)
        if panel.links:
            drawn.data_links(
                [dashboard.DashboardLink(link.title).url(link.url).target_blank(True) for link in panel.links]
            )
        for place, query in enumerate(panel.queries):
            drawn.with_target(_target(query, panel).ref_id(chr(ord("A") + place)))
        yield drawn


def _target(query: Query, panel: Panel) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(query.expr).datasource(SOURCE)
    if panel.kind is Kind.TABLE:
        return target.instant().format(PromQueryFormat.TABLE)
    if "$__range" in query.expr:  # the same for every moment: asked once
        target.instant()
    else:
        target.range()
    return target.legend_format(query.legend).exemplar(panel.exemplars)


def _number(panel: Panel) -> stat.Panel:
    drawn = (
        stat.Panel()
        .height(NUMBER_HEIGHT)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .graph_mode(shapes.BigValueGraphMode.AREA)
        .no_value("–")
    )
    return drawn.thresholds(_steps(panel.thresholds)) if panel.thresholds else drawn


def _lines(panel: Panel) -> timeseries.Panel:
    drawn = (
        timeseries.Panel()
        .height(HEIGHT)
        .fill_opacity(10)
        .tooltip(common.VizTooltipOptions().mode(shapes.TooltipDisplayMode.MULTI))
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(shapes.LegendDisplayMode.LIST)
            .placement(shapes.LegendPlacement.BOTTOM)
        )
    )
    if panel.kind is Kind.AREAS:
        drawn.stacking(common.StackingConfig().mode(shapes.StackingMode.NORMAL)).fill_opacity(40)
    return drawn


def _table(panel: Panel) -> table.Panel:
    """One row for each set of labels: the queries' answers are merged, their values named."""
    names = {f"Value #{chr(ord('A') + place)}": query.legend for place, query in enumerate(panel.queries)}
    if len(panel.queries) == 1:
        names["Value"] = panel.queries[0].legend
    hidden = {"Time": True, "__name__": True}
    drawn = table.Panel().height(TABLE_HEIGHT)
    drawn.with_transformation(models.DataTransformerConfig(id_val="merge", options={}))
    drawn.with_transformation(
        models.DataTransformerConfig(
            id_val="organize", options={"renameByName": names, "excludeByName": hidden}
        )
    )
    for query in panel.queries:
        if query.unit:
            unit = models.DynamicConfigValue(id_val="unit", value=query.unit)
            drawn.override_by_name(query.legend, [unit])
    return drawn


def _states(panel: Panel) -> statetimeline.Panel:
    colours = STATE_COLOURS[len(panel.texts)]
    words = {
        str(value): models.ValueMappingResult(text=text, color=colours[value], index=value)
        for value, text in enumerate(panel.texts)
    }
    return statetimeline.Panel().height(HEIGHT).mappings([models.ValueMap(options=words)])


def _steps(thresholds: tuple[Threshold, ...]) -> dashboard.ThresholdsConfig:
    steps = [models.Threshold(value=None, color="green")]
    steps += [models.Threshold(value=each.value, color=each.colour) for each in thresholds]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)


_KINDS: dict[Kind, Callable[[Panel], Drawn]] = {
    Kind.NUMBER: _number,
    Kind.LINES: _lines,
    Kind.AREAS: _lines,
    Kind.TABLE: _table,
    Kind.STATES: _states,
}
