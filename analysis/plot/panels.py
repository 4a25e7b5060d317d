"""A grid of small panels under a title and a legend, placed by inches."""

from collections.abc import Sequence

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

MOST_PANELS = 120
"""More of them do not fit into one picture; ``Options.layers`` chooses."""

_COLUMNS = 4

_WIDTH, _PANEL, _LARGE_PANEL = 10.0, 1.35, 2.6  # inches: of the figure; of a panel's height

_ABOVE, _BELOW, _BETWEEN = 1.3, 0.5, 0.68  # inches: title and legend, x label, between rows

_LEFT, _RIGHT = 0.75, 0.7


def columns_of(count: int) -> int:
    """How many panels stand side by side."""
    return min(3 if count in (5, 6, 9) else _COLUMNS, count)


def name_room(columns: int) -> float:
    """Inches that a panel's name has."""
    return (_WIDTH - _LEFT - _RIGHT) / columns * 0.9


def grid_of(count: int) -> tuple[Figure, list[Axes]]:
    """Empty panels: constrained layout takes minutes for a hundred of them."""
    columns = columns_of(count)
    rows = -(-count // columns)
    height = _LARGE_PANEL if rows == 1 else _PANEL
    whole_height = _ABOVE + rows * height + (rows - 1) * _BETWEEN + _BELOW
    figure = Figure(figsize=(_WIDTH, whole_height))
    grid = figure.add_gridspec(
        rows,
        columns,
        left=_LEFT / _WIDTH,
        right=1 - _RIGHT / _WIDTH,
        top=1 - _ABOVE / whole_height,
        bottom=_BELOW / whole_height,
        hspace=_BETWEEN / height,
        wspace=0.1,
    )
    places = (divmod(index, columns) for index in range(count))
    return figure, [figure.add_subplot(grid[row, column]) for row, column in places]


def head(figure: Figure, title: str, entries: Sequence[tuple[Artist, str]]) -> None:
    """The title, and below it the legend."""
    height = figure.get_figheight()
    left = _LEFT / _WIDTH
    figure.text(left, 1 - 0.12 / height, title, va="top", fontsize=12, fontweight="bold")
    figure.legend(
        [handle for handle, _ in entries],
        [words for _, words in entries],
        loc="upper left",
        bbox_to_anchor=(left, 1 - 0.32 / height),
        ncols=2,
        borderaxespad=0,
        borderpad=0.2,
    )
