"""Widths found by trying: what may be won is won, and nothing is claimed that was not judged."""

import csv
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import nasmon
from nasmon.errors import UsageError
from nasmon.narrowing.labelled import Labelled, read_labelled
from nasmon.narrowing.planner import Choices
from nasmon.narrowing.search import Search, searched
from nasmon.narrowing.seen import Seen
from nasmon.narrowing.trainings import Course, Trainings
from nasmon.narrowing.tries_file import TRY_COLUMNS

Data = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def task() -> Data:
    """Sixteen numbers to find again: what narrow layers lose is lost."""
    random = np.random.default_rng(0)
    mixing = random.standard_normal((16, 4)).astype(np.float32)
    x = random.standard_normal((512, 16)).astype(np.float32)
    return x, np.tanh(x @ mixing)


@pytest.fixture(scope="module")
def trained(task: Data) -> keras.Model:
    return fit(dense(keras.layers.BatchNormalization), task)


def dense(between: Any) -> keras.Model:
    """Two hidden layers, of which the second one needs little width."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((16,)),
            layers.Dense(24, name="one"),
            between(name="norm"),
            layers.ReLU(),
            layers.Dense(24, activation="relu", name="two"),
            layers.Dense(4, name="head"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.01), "mse")
    return model


def fit(model: keras.Model, task: Data) -> keras.Model:
    model.fit(*task, epochs=10, verbose=0)
    return model


def choices(model: keras.Model, task: Data, params: float = 0.4) -> Choices:
    return Choices(Seen(model, task[0]), {"params": params})


def parts(task: Data) -> list[Labelled]:
    return read_labelled(task).parts((0.6, 0.2), 0)


def test_a_search_keeps_the_budget_and_leaves_the_model_alone(trained: Any, task: Any) -> None:
    weights = [np.array(weight) for weight in trained.weights]
    np.random.seed(3)
    expected = np.random.random()
    np.random.seed(3)
    result = nasmon.shrink(trained, task, params=0.4, search=6, verbose=False)
    assert np.random.random() == expected
    assert result.model.count_params() <= 0.4 * trained.count_params()
    assert result.searched is not None
    tries = [one for one in result.searched.tries if one.stage == "try"]
    assert len(tries) == 7
    assert len({tuple(one.widths.values()) for one in tries}) == 7
    assert result.seconds["search"] > 0
    for weight, value in zip(trained.weights, weights, strict=True):
        np.testing.assert_array_equal(np.array(weight), value)


def test_others_than_uniform_widths_come_back_only_if_they_won_with_every_seed(
    trained: Any, task: Any
) -> None:
    may = choices(trained, task)
    widths, found = searched(may, task, Search(tries=8, seeds=2), None)
    finals = [one for one in found.tries if one.stage == "final"]
    uniform = [one.loss for one in finals if one.widths == may.widths()]
    chosen = [one.loss for one in finals if one.widths == widths]
    if found.won:
        assert widths != may.widths()
        assert all(a < b for a, b in zip(chosen, uniform, strict=True))
    else:
        assert widths == may.widths()
    assert found.words


def test_what_is_clearly_better_is_found(task: Any) -> None:
    # of the second layer one channel is used: uniform widths give it half of what there is
    model = fit(dense(keras.layers.BatchNormalization), task)
    keras.utils.set_random_seed(1)
    x = task[0]
    y = np.tanh(x[:, :8] @ np.ones((8, 1), np.float32)) * np.ones((1, 4), np.float32)
    model.fit(x, y, epochs=10, verbose=0)
    may = choices(model, (x, y), 0.15)
    widths, found = searched(may, (x, y), Search(tries=15, learning_rate=0.01), None)
    tries = [one for one in found.tries if one.stage == "try"]
    assert min(one.loss for one in tries[1:]) < tries[0].loss
    assert found.won == (widths != may.widths())


def test_a_search_that_was_cut_short_goes_on(trained: Any, task: Any, tmp_path: Path) -> None:
    file = tmp_path / "tries.csv"
    options = Search(tries=5, finalists=1, seeds=1, final_epochs=1, file=file)
    may = choices(trained, task)
    first = searched(may, task, options._replace(tries=3), None)
    kept = file.read_text()
    # killed in the middle of a row
    file.write_text(kept + 'abc,try,"{""on')
    widths, found = searched(may, task, options, None)
    with open(file, newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert file.read_text().startswith(kept)
    assert [one.loss for one in found.tries[:3]] == [one.loss for one in first[1].tries[:3]]
    assert [one.seconds for one in found.tries[:3]] == [
        pytest.approx(one.seconds, abs=1e-3) for one in first[1].tries[:3]
    ]
    assert len(rows) >= 5
    again, same = searched(may, task, options, None)
    assert again == widths
    assert [one.loss for one in same.tries] == [one.loss for one in found.tries]
    # of another model's search nothing is taken, and nothing is lost
    other = fit(dense(keras.layers.BatchNormalization), (task[0], -task[1]))
    searched(choices(other, task), task, options._replace(tries=1), None)
    with open(file, newline="") as opened:
        assert len({row["search"] for row in csv.DictReader(opened)}) == 2


@pytest.mark.parametrize(
    ("between", "shared"),
    [(keras.layers.BatchNormalization, True), (keras.layers.LayerNormalization, False)],
)
def test_zeros_stand_for_what_is_left_out_where_they_may(
    task: Any, between: Any, shared: bool
) -> None:
    model = fit(dense(between), task)
    may = choices(model, task)
    alive = may.seen.alive(may.widths())
    train, judge, _ = parts(task)
    course = Course(train, judge, 1, 0)
    trainings = Trainings(may.seen, None, 0.01)
    loss = trainings.loss(alive, course)
    assert (trainings._whole is not None) is shared
    anew = trainings._made_anew(alive, course)
    assert loss == pytest.approx(anew, rel=1e-3)
    # the same again, whatever was trained between
    trainings.loss(may.seen.alive({**may.widths(), "one": 3}), course)
    assert trainings.loss(alive, course) == pytest.approx(loss, rel=1e-3)


def test_what_is_not_zero_without_input_is_made_anew(task: Any) -> None:
    """A sigmoid of 0 is a half, which weights that were 0 would be trained on."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((16,)),
            keras.layers.Dense(24, activation="sigmoid", name="one"),
            keras.layers.Dense(4, name="head"),
        ]
    )
    model.compile("adam", "mse")
    may = choices(fit(model, task), task)
    trainings = Trainings(may.seen, None, None)
    train, judge, _ = parts(task)
    trainings.loss(may.seen.alive(may.widths()), Course(train, judge, 1, 0))
    assert trainings._whole is None


@pytest.mark.parametrize("kind", ["arrays", "dataset", "sequence"])
def test_data_with_labels_are_read_whole(kind: str) -> None:
    x, y = np.arange(10.0)[:, None], np.arange(10)

    class Batches(keras.utils.PyDataset):
        def __len__(self) -> int:
            return 3

        def __getitem__(self, index: int) -> Any:
            return x[4 * index : 4 * index + 4], y[4 * index : 4 * index + 4]

    shuffled = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(10, seed=0).batch(4)
    given = {"arrays": (x, y), "dataset": shuffled, "sequence": Batches()}[kind]
    found = read_labelled(given)
    assert found.batch == (32 if kind == "arrays" else 4)
    assert sorted(found.arrays[1].tolist()) == list(range(10))
    np.testing.assert_array_equal(found.arrays[0][:, 0], found.arrays[1])
    three = found.parts((0.6, 0.2), 1)
    assert [part.samples for part in three] == [6, 2, 2]
    assert sorted(np.concatenate([part.arrays[1] for part in three])) == list(range(10))


@pytest.mark.parametrize(
    ("data", "settings", "words"),
    [
        ("inputs", {}, "needs labels"),
        ("generator", {}, "needs labels"),
        ("endless", {}, "repeat without an end"),
        ("both", {"tries": 0}, "tries is 0; use a whole number of at least 1"),
        ("both", {"learning_rate": -1}, "learning_rate is -1"),
        ("both", {"file": "a/folder/that/is/not.csv"}, "cannot be used (No such file"),
        ("two", {}, "there are 2 samples"),
    ],
)
def test_what_a_search_cannot_do_is_said_in_a_line(
    trained: Any, task: Any, data: str, settings: dict[str, Any], words: str
) -> None:
    given = {
        "inputs": task[0],
        "generator": iter([task]),
        "endless": tf.data.Dataset.from_tensor_slices(task).batch(8).repeat(),
        "both": task,
        "two": (task[0][:2], task[1][:2]),
    }[data]
    with pytest.raises(UsageError) as error:
        searched(choices(trained, task), given, Search(tries=2)._replace(**settings), None)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_another_file_is_not_written_to(trained: Any, task: Any, tmp_path: Path) -> None:
    for name, content in (("text.csv", b"a,b\n1,2\n"), ("bytes.csv", b"\xff\xfe\x00")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UsageError, match="give another one"):
            searched(choices(trained, task), task, Search(tries=2, file=tmp_path / name), None)
        assert (tmp_path / name).read_bytes() == content


def test_a_model_that_is_not_compiled_is_refused(task: Any) -> None:
    model = keras.Sequential([keras.Input((16,)), keras.layers.Dense(8), keras.layers.Dense(4)])
    with pytest.raises(UsageError, match="needs a model that is compiled"):
        searched(choices(model, task), task, Search(tries=2), None)


def test_what_is_tried_stays_near_uniform_widths(trained: Any, task: Any) -> None:
    may = choices(trained, task)
    _, found = searched(may, task, Search(tries=6, finalists=1, seeds=1, final_epochs=1), None)
    uniform = may.widths()
    tries = [one for one in found.tries if one.stage == "try"]
    assert len({tuple(one.widths.values()) for one in tries}) == len(tries) > 2
    for one in tries:
        ratios = [one.widths[name] / width for name, width in uniform.items()]
        assert max(ratios) / min(ratios) <= 4.5


def test_the_columns_are_those_that_are_read() -> None:
    assert TRY_COLUMNS == ("search", "stage", "number", "seed", "loss", "seconds", "widths")
