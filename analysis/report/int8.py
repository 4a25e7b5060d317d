"""The section of a report that says what a model became in 8-bit integers."""

from typing import NamedTuple

from nasmon.analysis.words import number
from nasmon.record.exported import ExportedRecord
from nasmon.terminal import printable


class Int8Section(NamedTuple):
    """What the section holds, all of it text."""

    file: str
    change: str
    rows: list[list[str]]  # of a table: a metric or a size a row
    operations: str


INT8 = ("quantity", "float32", "int8", "predicted")


def int8_of(record: ExportedRecord) -> Int8Section:
    """What is said of an exported model."""
    rows = [
        [printable(name), number(value), number(record.int8[name]), ""]
        for name, value in record.float32.items()
    ]
    for name, size, predicted in record.sizes:
        rows.append([name, "", f"{size:,}", "" if predicted is None else f"{predicted:,}"])
    return Int8Section(
        file=printable(str(record.file)),
        change=printable(f"{record.change}; most RAM is needed at a {record.busiest}"),
        rows=rows,
        operations=printable(", ".join(f"{n} {kind}" for kind, n in record.operations.items())),
    )
