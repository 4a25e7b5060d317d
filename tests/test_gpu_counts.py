"""What programs launch on a GPU: counted in XLA's text, and held below bounds without a GPU."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench.gpu.cost import BY_THE_HOST, IN_GRAPHS, launched, launching
from bench.gpu.export import Writer, export_network
from bench.gpu.networks import NETWORKS
from bench.gpu.page import PAGE, page
from bench.gpu.page_tables import READING, standing
from bench.gpu.tables import COUNTED, MEASURED, Counted, Measured, append, read, replace
from bench.gpu.thunks import Counts, counts

ROOT = Path(__file__).parent.parent

MOST = {"absorb": 15, "measure": 350}
"""What nano_u's programs may launch: a tenth above what they did when this was written."""

SEQUENCE = """\
001: kCopy         [source       | next=002 (1)] kCopy
002: kCustomKernel [prev=001 (1) | next=003 (1)] input_reduce_fusion_6 grid: [16, 1, 1]
003: kWhile        [prev=002 (1) | next=015 (1)]
condition:
    006: kCustomKernel [source | sink] loop_compare_fusion_1 grid: [1, 1, 1]
  body:
    000: kCommandBuffer [source | sink]
        007: kCopy         [source       | next=008 (1)] kCopy
        008: kCustomKernel [prev=007 (1) | next=010 (2)] input_reduce_fusion_1 grid: [2, 1, 1]
    038: kWhile         [prev=000 (1) | next=042 (1)]
condition:
        039: kCustomKernel [source | sink] loop_compare_fusion grid: [1, 1, 1]
      body:
        040: kKernel       [source       | next=041 (1)] loop_add_select_fusion grid: [8, 1, 1]
        041: kMemzero      [prev=040 (1) | sink        ]
    042: kCustomKernel  [prev=038 (1) | sink        ] loop_add_fusion_1 grid: [8, 1, 1]
044: kConvolution  [prev=030 (1) | sink        ]
"""

METADATA = """\
thunk_metadata {
  thunk_info {
    profile_annotation: "while.7"
    thunk_id: 3
  }
  thunk_kind: "kWhile"
}
thunk_metadata {
  thunk_info {
    profile_annotation: "while.8"
    thunk_id: 38
  }
  thunk_kind: "kWhile"
}
"""

OUTER = (
    '%while.7 = (s32[], f64[8]) while(%t), body=%b, backend_config={"known_trip_count":{"n":"5"}}'
)
INNER = OUTER.replace("while.7", "while.8").replace('"5"', '"3"')


def test_loops_count_once_a_trip_and_their_conditions_not_at_all() -> None:
    found = counts(SEQUENCE, METADATA, f"  {OUTER}\n  {INNER}\n")
    assert found == Counts(
        kernels=1 + 5 * (1 + 3 + 1),
        copies=1 + 5 * (1 + 3),
        calls=1,
        graphed=5 * 2,
        graphs=5,
        unknown_loops=0,
    )
    assert found.launched == 48
    assert found.submissions == 48 - 10 + 5


def test_loops_of_unknown_length_count_once_with_their_conditions() -> None:
    found = counts(SEQUENCE, METADATA, f"  {OUTER}\n")
    assert found.unknown_loops == 1
    assert found.kernels == 1 + 5 * (1 + 2 + 1)


def test_nothing_launches_nothing() -> None:
    assert counts("", "", "") == Counts()


def counting_python() -> Path | None:
    """An interpreter that has JAX with its plugin for NVIDIA GPUs: ours, or that of make."""
    for python in (Path(sys.executable), ROOT / ".venv-gpu" / "bin" / "python"):
        asked = [str(python), "-c", "import jax, jax_plugins.xla_cuda13"]
        if python.exists() and not subprocess.run(asked, capture_output=True).returncode:
            return python
    return None


def test_nano_u_launches_no_more_than_it_did(tmp_path: Path) -> None:
    python = counting_python()
    if python is None:
        pytest.skip("JAX's plugin for NVIDIA GPUs is not installed; make bench-gpu does it")
    export_network(Writer(tmp_path, checked=False), "nano_u", NETWORKS["nano_u"]())
    table = tmp_path / "counts.csv"
    command = [str(python), "-m", "bench.gpu.count", str(tmp_path), "--csv", str(table)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {row.part: row for row in read(table, Counted)}
    assert rows.keys() == READING.keys()
    for part, most in MOST.items():
        assert 0 < launched(rows[part]) <= most, part
        # for each of which the host would be asked again at every trip
        assert rows[part].unknown_loops == "0", part


def counted(part: str, **others: str) -> Counted:
    row = Counted(*[""] * len(Counted._fields))
    numbers = {"kernels": "900", "copies": "90", "calls": "10", "graphed": "500", "graphs": "1"}
    return row._replace(of="nano_u", part=part, program="abc", **(numbers | others))


def measured(part: str, **others: str) -> Measured:
    row = Measured(*[""] * len(Measured._fields))
    return row._replace(of="nano_u", part=part, variant="nasmon", milliseconds="2", **others)


def test_launching_is_cheaper_in_graphs() -> None:
    assert launching(counted("measure")) == pytest.approx(IN_GRAPHS)
    apart = counted("forward", graphed="0", graphs="0")
    assert launching(apart) == pytest.approx((BY_THE_HOST, BY_THE_HOST))


def test_the_present_program_is_told_by_its_fingerprint() -> None:
    present = [counted("measure")]
    assert standing(measured("measure", program="abc"), present) == "now"
    assert standing(measured("measure", program="abd"), present) == "earlier"
    assert standing(measured("absorb", program="abc"), present) == "earlier"
    assert standing(measured("measure")._replace(variant="prototype"), present) == "prototype"
    assert standing(measured("eigenvalues")._replace(variant="cuSOLVER batched"), present) == ""


def test_a_reading_measured_whole_stands_beside_its_prediction() -> None:
    counts = [counted(part) for part in READING]
    rows = [measured(part, program="abc") for part in READING]
    assert "| 10.0 |" in page(rows, counts)
    assert "| 10.0 |" not in page(rows[:2], counts)
    assert "None of it yet" in page([], counts)


def test_counts_replace_those_of_the_same_programs(tmp_path: Path) -> None:
    table = tmp_path / "counts.csv"
    replace(table, [counted("absorb"), counted("measure")])
    replace(table, [counted("absorb", kernels="1"), counted("forward")])
    rows = read(table, Counted)
    assert [(row.part, row.kernels) for row in rows] == [
        *(("absorb", "1"), ("measure", "900"), ("forward", "900")),
    ]


def test_measurements_are_added(tmp_path: Path) -> None:
    table = tmp_path / "gpu.csv"
    rows = [measured("absorb"), measured("measure", note='a, "b"')]
    for row in rows:
        append(table, row)
    assert read(table, Measured) == rows


def test_the_page_is_what_the_command_writes() -> None:
    text = page(read(MEASURED, Measured), read(COUNTED, Counted))
    assert PAGE.read_text("utf-8") == text, "run python -m bench.gpu.page"
