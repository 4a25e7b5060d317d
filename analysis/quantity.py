"""Counts of parameters and multiply-adds, and what of them is saved, as a person reads them."""

from nasmon.analysis.findings import Saving


def quantity(count: int) -> str:
    """A count: whole up to a million, then in millions or billions with three digits."""
    for size, letter in ((10**9, "G"), (10**6, "M")):
        if count >= size:
            return f"{float(f'{count / size:.3g}'):,g} {letter}"
    return f"{count:,}"


def saved(saving: Saving, params: int | None, macs: int | None) -> str:
    """What is saved, in numbers and as a share of the model; "" if that is not known."""
    parts = [
        f"{quantity(less)} {what}, {100 * less / whole:.1f} %"
        for less, whole, what in (
            (saving.params, params, "parameters"),
            (saving.macs, macs, "multiply-adds"),
        )
        if less is not None and whole
    ]
    return f"{'; '.join(parts)} of the model" if parts else ""
