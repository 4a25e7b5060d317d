"""The picture of how a smaller model was made of another, for a page."""

import io

from nasmon.acceptance import main_metric
from nasmon.analysis.plot.front import Front, drawn
from nasmon.analysis.plot.picture import page_svg
from nasmon.analysis.plot.style import publication
from nasmon.analysis.shrunk import Origins
from nasmon.analysis.words import number
from nasmon.terminal import printable


def shrinking_svg(origins: Origins) -> str:
    """The picture as an <svg> element for a page, with a title and a description."""
    record = origins.record
    found = Front(
        record.plan.before.params or 1, record.curve, record.params, "this model", origins.beside
    )
    with publication("shrinking"):
        file = io.BytesIO()
        drawn(found).savefig(file, format="svg", metadata={"Date": None})
    title = f"Smaller models of {printable(record.model.name)}"
    return page_svg(file.getvalue().decode(), "shrinking", title, described(origins))


def described(origins: Origins) -> str:
    """What the picture shows, in words."""
    record = origins.record
    metric = main_metric(record.before)
    models = "; ".join(
        f"{one.params:,} parameters: {number(one.carried[metric])} as carried over, "
        f"{number(one.after[metric])} after training"
        for one in origins.beside
        if metric in one.before
    )
    before = f"{metric} before {number(record.before[metric])}" if metric in record.before else ""
    return f"{before}; {models}." if models else "No metric was measured."
