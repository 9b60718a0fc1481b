"""A column's numbers and pictures for pages: words, small histograms as SVG paths, and Plotly's figures as JSON.

Colours are the page's: a trace's `meta` names its tone, and the browser paints it.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from datastores.comparing import Overlaid
from datastores.sources import ColumnType
from datastores.tabular.column_profiles import ColumnProfile

SPARK_WIDTH, SPARK_HEIGHT = 120, 28
LABEL_CHARACTERS = 28
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def number_text(value: float | None) -> str:
    """A measure for people: six digits that matter, thousands apart."""
    if value is None:
        return "–"
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    if not 1e-4 <= abs(value) < 1e15:
        return f"{value:.4g}"
    # “g” alone would write a million and a half as 1.5e+06.
    return f"{float(f'{value:.6g}'):,.10f}".rstrip("0").rstrip(".")


def value_text(value: float | None, column_type: ColumnType) -> str:
    """A quantile or a mean, as a value of its column: times are kept as seconds."""
    if value is None:
        return "–"
    if column_type not in {"date", "time", "timestamp"}:
        return number_text(value)
    instant = _instant(value)
    if instant is None:
        return number_text(value)
    if column_type == "time":
        return instant.strftime("%H:%M:%S")
    text = f"{instant.year:04}-{instant:%m-%d}"
    return text if column_type == "date" else f"{text} {instant:%H:%M:%S}"


def extreme_text(text: str | None, column_type: ColumnType) -> str:
    """A smallest or largest value: whole numbers exactly, however many digits they have."""
    if text is None:
        return "–"
    if column_type == "integer" and text.lstrip("-").isdecimal():
        return f"{int(text):,}" if len(text) < 40 else text
    if column_type == "number":
        try:
            return number_text(float(text))
        except (ValueError, OverflowError):
            return text
    return text


def spark(column: ColumnProfile) -> str:
    """The distribution as the path of an SVG of `SPARK_WIDTH` by `SPARK_HEIGHT`; empty where there is none."""
    if column.histogram:
        return bars(column.histogram.counts)
    return bars([top.count for top in column.top], most=10)


def bars(counts: Sequence[float], *, most: int = 0, highest: float = 0.0) -> str:
    """A path of upright bars; one of `highest` (else the highest of them) is as high as the picture.

    `most`: room for so many, though there be fewer.
    """
    highest = highest or max(counts, default=0)
    if highest <= 0:
        return ""
    width = SPARK_WIDTH / max(len(counts), most)
    gap = 1.0 if width > 4 else 0.4 if width > 2 else 0.0
    drawn = []
    for number, count in enumerate(counts):
        if count > 0:
            height = max(1.0, SPARK_HEIGHT * count / highest)
            drawn.append(f"M{number * width:.2f} {SPARK_HEIGHT}v-{height:.2f}h{width - gap:.2f}v{height:.2f}z")
    return "".join(drawn)


def distribution(column: ColumnProfile) -> str:
    """The figure of one column, as JSON; empty where there is nothing to draw."""
    if column.histogram:
        histogram = column.histogram
        figure = _figure()
        figure.add_bar(
            **_bins(histogram.edges, column.type),
            y=histogram.counts,
            customdata=_spans(histogram.edges, column.type),
            hovertemplate="%{customdata}: %{y:,}<extra></extra>",
            meta={"tone": "accent"},
        )
        figure.update_layout(**_layout(column.type, height=240), bargap=0)
    elif column.top:
        figure = _figure()
        figure.add_bar(
            x=[top.count for top in reversed(column.top)],
            y=_labels([top.value for top in reversed(column.top)]),
            orientation="h",
            hovertemplate="%{y}: %{x:,}<extra></extra>",
            meta={"tone": "accent"},
        )
        figure.update_layout(**_ranking(len(column.top)))
    else:
        return ""
    return str(figure.to_json())


def overlay(laid: Overlaid, column_type: ColumnType, names: tuple[str, str]) -> str:
    """The figure of two distributions over each other, as JSON."""
    figure = _figure()
    for name, shares, tone in ((names[0], laid.before, "text-3"), (names[1], laid.after, "accent")):
        percents = [round(share * 100, 4) for share in shares]
        if laid.edges is not None:
            figure.add_bar(
                **_bins(laid.edges, column_type),
                y=percents,
                name=name,
                opacity=0.6,
                customdata=_spans(laid.edges, column_type),
                hovertemplate="%{customdata}: %{y:.3~g} %<extra>%{fullData.name}</extra>",
                meta={"tone": tone},
            )
        else:
            figure.add_bar(
                x=percents[::-1],
                y=_labels((laid.values or [])[::-1]),
                orientation="h",
                name=name,
                hovertemplate="%{y}: %{x:.3~g} %<extra>%{fullData.name}</extra>",
                meta={"tone": tone},
            )
    if laid.edges is not None:
        figure.update_layout(**_layout(column_type, height=280), bargap=0, barmode="overlay")
        figure.update_yaxes(ticksuffix=" %")
    else:
        figure.update_layout(**_ranking(2 * len(laid.values or [])), barmode="group")
        figure.update_xaxes(ticksuffix=" %")
    figure.update_layout(
        showlegend=True, legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}, margin={"t": 34}
    )
    return str(figure.to_json())


def _figure() -> Any:
    import plotly.graph_objects as go  # late: half a second that only a plot needs

    return go.Figure()


def _bins(edges: Sequence[float], column_type: ColumnType) -> dict[str, Any]:
    """The places and widths of bars: dates where a browser can write them."""
    instants = [_instant(edge) for edge in edges] if column_type in {"date", "timestamp"} else []
    pairs = list(pairwise(edges))
    if instants and all(instants):
        starts = [instant.replace(tzinfo=None).isoformat() for instant in instants[:-1] if instant]
        return {"x": starts, "width": [(end - start) * 1000 for start, end in pairs], "offset": 0}
    return {"x": [start for start, _ in pairs], "width": [end - start for start, end in pairs], "offset": 0}


def _spans(edges: Sequence[float], column_type: ColumnType) -> list[str]:
    """What lies in each bin, in words."""
    if column_type == "integer" and all(edge % 1 == 0.5 for edge in edges) and edges[1] - edges[0] == 1:
        return [number_text(edge + 0.5) for edge in edges[:-1]]
    texts = [value_text(edge, column_type) for edge in edges]
    return [f"{start} to {end}" for start, end in pairwise(texts)]


def _layout(column_type: ColumnType, *, height: int) -> dict[str, Any]:
    kind: dict[str, Any] = {"type": "date"} if column_type in {"date", "timestamp"} else {}
    if column_type == "time":
        hours = range(0, 25, 3)
        kind = {"tickvals": [hour * 3600 for hour in hours], "ticktext": [f"{hour}:00" for hour in hours]}
    return {
        "template": "none",
        "height": height,
        "margin": {"l": 52, "r": 12, "t": 12, "b": 32},
        "showlegend": False,
        "xaxis": {"fixedrange": True, "showgrid": False, "nticks": 8, **kind},
        "yaxis": {"fixedrange": True, "rangemode": "tozero", "nticks": 5},
        "hovermode": "closest",
    }


def _ranking(many: int) -> dict[str, Any]:
    return {
        "template": "none",
        "height": 70 + 24 * many,
        "margin": {"l": 8, "r": 12, "t": 12, "b": 32},
        "showlegend": False,
        "xaxis": {"fixedrange": True, "rangemode": "tozero", "nticks": 5},
        "yaxis": {"fixedrange": True, "type": "category", "automargin": True, "showgrid": False},
        "hovermode": "closest",
        "bargap": 0.3,
    }


def _labels(values: Sequence[str]) -> list[str]:
    """Values as Plotly's labels, each different: it would take some of HTML for its own, and equal ones for one."""
    labels: list[str] = []
    for value in values:
        plain = value.translate(_NO_MARKUP) or "(empty text)"
        label = plain if len(plain) <= LABEL_CHARACTERS else f"{plain[: LABEL_CHARACTERS - 1]}…"
        while label in labels:
            label += "\u200b"
        labels.append(label)
    return labels


# Plotly draws <b>, <a href> and others in labels; it has no other way to be told that a text is a text.
_NO_MARKUP = {ord("<"): "‹", ord(">"): "›", ord("&"): "＆", ord("\n"): " ", ord("\r"): " "}


def _instant(seconds: float) -> datetime | None:
    """None beyond the years that there are names for."""
    try:
        return _EPOCH + timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        return None
