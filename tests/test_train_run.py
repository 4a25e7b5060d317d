"""Whole trainings, as small as they come: what they save, repeat, refuse, and survive."""

import errno
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from nasmon.errors import UsageError
from nasmon.record.run import read_record
from nasmon.train import train
from nasmon.train.cli import build_parser
from nasmon.train.models import BLOCK_NAMES, build_model
from nasmon.train.outputs import save_model

CONFIG = """
terrain: {train_images: 24, val_images: 8}
training: {batch_size: 8, widths: [2, 3, 4, 5]}
nas: {samples: 8, overhead_budget: null}
"""


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with a config for small runs, whose scenes are painted once."""
    folder = tmp_path_factory.mktemp("train")
    (folder / "small.yaml").write_text(f"{CONFIG}\n")
    return folder


@pytest.fixture(scope="module", autouse=True)
def cache(workplace):
    """Keeps the scenes away from the user's cache, in commands and in this process."""
    earlier = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(workplace / "cache")
    yield
    if earlier is None:
        del os.environ["XDG_CACHE_HOME"]
    else:
        os.environ["XDG_CACHE_HOME"] = earlier


def environment():
    """This process's, without what TensorFlow or a test may have set for its messages."""
    return {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}


def command(workplace, module, *arguments):
    return subprocess.run(
        [sys.executable, "-m", module, "--config", "small.yaml", *arguments],
        cwd=workplace,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def watched(workplace):
    """One run of ``python -m train.with_nas`` with all at its place by default."""
    done = command(workplace, "nasmon.train.with_nas", "--epochs", "2")
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def plain(workplace):
    """The same run without the monitor, in this process."""
    return train(
        "nano_u", epochs=2, config=workplace / "small.yaml", output_dir=workplace / "plain"
    )


def test_a_watched_run_saves_everything_in_its_place(watched, workplace):
    logs = workplace / "logs"
    assert {path.name for path in logs.iterdir()} == {"nano_u.keras", "nano_u_history.csv", "nas"}
    assert {path.name for path in (logs / "nas").iterdir()} == {
        "nano_u_nas_metrics.csv",
        "nano_u_nas_metrics_layers.csv",
        "nano_u_nas_metrics_run.json",
        "nano_u_nas_metrics_spectra.npz",
        "nano_u_nas_metrics_widths.csv",
        "nano_u_nas_metrics_widths.npz",
        "nano_u",
    }
    assert list((logs / "nas" / "nano_u").glob("events.out.tfevents.*"))
    assert len(pd.read_csv(logs / "nas" / "nano_u_nas_metrics.csv")) == 2


def test_the_record_tells_how_to_train_it_with_other_widths(watched, workplace):
    record = read_record(workplace / "logs" / "nas" / "nano_u_nas_metrics_run.json")
    assert (record.model_name, record.status, record.seed) == ("nano_u", "ended", 0)
    assert record.params == build_model("nano_u", (2, 3, 4, 5)).count_params()
    assert record.history is not None
    assert record.history.resolve() == (workplace / "logs" / "nano_u_history.csv").resolve()
    rebuild = record.rebuild
    assert rebuild is not None
    assert rebuild.layers == tuple(f"{block}_pointwise" for block in BLOCK_NAMES)
    flags = [part for place in rebuild.places for part in place]
    typed = [*rebuild.command[3:], rebuild.flag, *("4" * len(rebuild.layers)), *flags]
    assert rebuild.command[:3] == ("python", "-m", "nasmon.train")
    parsed = build_parser().parse_args(typed)
    assert parsed.config == "small.yaml"
    assert vars(parsed)["training.epochs"] == "2"


def test_the_history_has_a_row_per_epoch(watched, workplace):
    history = pd.read_csv(workplace / "logs" / "nano_u_history.csv")
    assert list(history.columns) == [
        "epoch",
        "loss",
        "miou",
        "val_loss",
        "val_miou",
        "learning_rate",
        "seconds",
    ]
    assert list(history["epoch"]) == [0, 1]
    assert np.isfinite(history).all(axis=None)


def test_it_prints_progress_the_table_and_the_next_commands(watched):
    assert "composed from photographs" in watched.stdout
    before, after = watched.stdout.split("\ntraining: 2 epochs of 3 steps\n")
    assert before.splitlines()[-1].startswith("device: ")
    assert after.startswith("Epoch 1/2\n")
    assert "loss:" in watched.stdout
    epochs = [line for line in watched.stdout.splitlines() if "val_miou:" in line]
    assert len(epochs) == 2
    # of the monitor's values one
    assert all(line.count("nas_redundancy_score: 0.") == line.count("nas_") == 1 for line in epochs)
    assert "bottleneck_block2_pointwise" in watched.stdout
    assert "-m nasmon.analysis.recommend --csv logs/nas/" in watched.stdout
    assert watched.stdout.endswith("\n  make tensorboard\n")
    assert watched.stderr == ""


def test_a_second_run_is_refused_and_told_the_remedy(watched, workplace):
    model = workplace / "logs" / "nano_u.keras"
    before = model.read_bytes()
    second = command(workplace, "nasmon.train", "--epochs", "2")
    assert second.returncode == 2
    assert "pass --overwrite" in second.stderr
    assert model.read_bytes() == before


def test_with_and_without_the_monitor_the_weights_are_the_same_bits(watched, plain, workplace):
    """Also that the same seed gives the same run, in another process."""
    import keras

    other = keras.models.load_model(workplace / "logs" / "nano_u.keras")
    for here, there in zip(plain.model.get_weights(), other.get_weights(), strict=True):
        assert np.array_equal(here, there)


def test_the_function_returns_what_it_saved(plain, workplace):
    assert plain.callback is None
    assert len(plain.history["val_miou"]) == 2
    assert plain.outputs.model == workplace / "plain" / "nano_u.keras"
    saved = pd.read_csv(plain.outputs.history)
    # pandas before 3.0 reads the last digit of a float less exactly
    assert list(saved["val_miou"]) == pytest.approx(plain.history["val_miou"], rel=1e-15)


def test_miou_is_the_mean_of_both_classes_over_the_whole_set(plain, workplace):
    from nasmon.train.data.terrain import load_terrain

    data = load_terrain(24, 8)
    found = plain.model.predict(data.x_val / np.float32(255), verbose=0) >= 0
    truth = data.y_val == 1
    expected = np.mean(
        [np.sum(a & b) / np.sum(a | b) for a, b in ((found, truth), (~found, ~truth))]
    )
    # Keras divides the counts in float32.
    assert plain.history["val_miou"][-1] == pytest.approx(expected, rel=1e-6)


def test_another_seed_gives_another_run(plain, workplace):
    other = train(epochs=1, seed=1, config=workplace / "small.yaml", output_dir=workplace / "seed1")
    assert other.history["loss"][0] != plain.history["loss"][0]


def test_the_function_raises_what_the_command_prints(plain, workplace):
    with pytest.raises(FileExistsError, match="is from an earlier run"):
        train(config=workplace / "small.yaml", output_dir=workplace / "plain")
    with pytest.raises(ValueError, match="^epochs is 0; use a whole number"):
        train(epochs=0)


def test_ctrl_c_in_training_saves_everything_and_exits_130(workplace):
    """With the files of an earlier run in the way, which it was told to replace."""
    history = workplace / "stopped" / "nano_u_history.csv"
    history.parent.mkdir()
    history.write_text("earlier")
    (workplace / "stopped" / "nano_u.keras").write_text("earlier")
    arguments = ("--enable-nas", "--epochs", "9999", "--overwrite", "--output-dir", "stopped")
    process = start(workplace, *arguments)
    wait_until(process, lambda: history.exists() and history.read_text().count("\n") >= 3)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130
    assert stderr.strip().splitlines()[-1].startswith("train: interrupted after ")
    assert "Traceback" not in stderr
    epochs = pd.read_csv(history)["epoch"]
    assert list(epochs) == list(range(len(epochs)))
    readings = pd.read_csv(workplace / "stopped" / "nas" / "nano_u_nas_metrics.csv")
    assert len(readings) == len(epochs)
    record = workplace / "stopped" / "nas" / "nano_u_nas_metrics_run.json"
    assert read_record(record).status == "interrupted"

    import keras

    model = keras.models.load_model(workplace / "stopped" / "nano_u.keras")
    assert model.optimizer.iterations.numpy() >= 3 * len(epochs)
    assert not [path for path in (workplace / "stopped").iterdir() if path.name.startswith(".")]


def test_layers_that_do_not_exist_are_refused_and_leave_no_file(workplace):
    (workplace / "layers.yaml").write_text(f"{CONFIG.rstrip()[:-1]}, layers: [nowhere]}}\n")
    with pytest.raises(UsageError, match="nowhere"):
        train(
            enable_nas_monitoring=True,
            config=workplace / "layers.yaml",
            output_dir=workplace / "refused",
            nas_log_dir=workplace / "refused" / "nas",
        )
    assert not [path for path in (workplace / "refused").rglob("*") if path.is_file()]


@pytest.mark.parametrize("name", ["nano_u.keras", "nano_u_history.csv", "nas/nano_u_run.json"])
def test_what_is_no_file_is_refused_before_anything_is_written(workplace, tmp_path, name):
    """With --overwrite a device would have been replaced, and a FIFO waited for."""
    (tmp_path / "nas").mkdir()
    os.mkfifo(tmp_path / name)
    with pytest.raises(UsageError, match=r"is a pipe, not a file; give another --output-dir, "):
        train(
            "nano_u",
            config=workplace / "small.yaml",
            output_dir=tmp_path,
            nas_log_dir=tmp_path / "nas",
            nas_csv_path=tmp_path / "nas" / "nano_u.csv",
            enable_nas_monitoring=True,
            overwrite=True,
        )
    assert [path for path in tmp_path.rglob("*") if path.name != "nas"] == [tmp_path / name]


def test_a_model_half_saved_leaves_the_earlier_one(tmp_path):
    class Full:
        def save(self, path):
            path.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "nano_u.keras"
    path.write_text("earlier")
    with pytest.raises(OSError, match="No space left"):
        save_model(Full(), path)
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [(path.name, "earlier")]


@pytest.mark.parametrize("delay", [0.3, 2.0])
def test_ctrl_c_during_start_up_ends_with_one_line(workplace, delay):
    process = start(workplace, "--output-dir", f"early{delay}")
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130
    assert stderr == "\ntrain: interrupted\n"


def start(workplace, *arguments):
    nas = ["--nas-log-dir", f"{arguments[-1]}/nas"] if "--enable-nas" in arguments else []
    return subprocess.Popen(
        [sys.executable, "-m", "nasmon.train", "--config", "small.yaml", *arguments, *nas],
        cwd=workplace,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(process, happened):
    for _ in range(1200):
        if happened():
            return
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.1)
    raise AssertionError("it took more than two minutes")
