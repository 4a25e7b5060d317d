"""From a trained model to a smaller one that is as good, or is said not to be."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import nasmon
from nasmon.errors import UsageError


@pytest.fixture(scope="module")
def task() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    x = random.standard_normal((512, 8)).astype(np.float32)
    return x, (x[:, 0] * x[:, 1] > 0).astype(np.int32)


@pytest.fixture(scope="module")
def trained(task: tuple[np.ndarray, np.ndarray]) -> keras.Model:
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(32, activation="relu", name="one"),
            layers.Dense(32, activation="relu", name="two"),
            layers.Dense(2, name="head"),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    model.fit(*task, epochs=20, verbose=0)
    return model


def test_a_quarter_of_the_parameters_does_as_well(trained: Any, task: Any) -> None:
    before = [np.array(weight) for weight in trained.weights]
    result = nasmon.shrink(
        trained, task, params=0.25, fine_tune=lambda m: m.fit(*task, epochs=8, verbose=0)
    )
    assert result.model.count_params() <= 0.25 * trained.count_params()
    assert result.accepted, result.decided_by
    assert result.before["accuracy"] > 0.95
    assert result.after["accuracy"] >= result.before["accuracy"] - 0.01
    assert "accuracy" in result.decided_by
    assert min(result.seconds[name] for name in ("narrow", "fine_tune", "evaluate")) > 0
    for weight, value in zip(trained.weights, before, strict=True):
        np.testing.assert_array_equal(np.array(weight), value)


def test_without_training_it_is_what_was_carried_over(trained: Any, task: Any) -> None:
    result = nasmon.shrink(trained, task, params=0.1)
    assert result.after == result.carried
    assert result.carried["accuracy"] < result.before["accuracy"] - 0.01
    assert result.accepted is False


@pytest.mark.parametrize(
    ("rule", "accepted"),
    [
        ("accuracy >= -1", True),
        ("accuracy >= 0.5", False),
        ("loss <= 100", True),
        (lambda before, after: after["loss"] < before["loss"], False),
    ],
)
def test_the_callers_rule_decides(trained: Any, task: Any, rule: Any, accepted: bool) -> None:
    validation = tf.data.Dataset.from_tensor_slices(task).batch(64)
    result = nasmon.shrink(trained, task[0], params=0.1, validation=validation, accept=rule)
    assert result.accepted is accepted


def test_without_labels_nothing_is_judged(trained: Any, task: Any) -> None:
    result = nasmon.shrink(trained, task[0], params=0.5)
    assert (result.before, result.after, result.accepted) == ({}, {}, None)
    assert "no labels" in result.decided_by


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"accept": "accuracy"}, "use a metric, >= or <="),
        ({"accept": "miou >= 0"}, "'miou', which is not measured; there are accuracy, loss"),
        ({"params": 0}, "params is 0; use"),
        ({"params": 1.5}, "params is 1.5; a share is at most 1"),
        ({"params": 3}, "params=3 cannot be met"),
        ({"keep": ["tow"]}, "'tow', which matches no layer; there are one, two, head"),
        ({"round_to": 0}, "round_to is 0"),
        ({"samples": 0}, "samples is 0"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(
    trained: Any, task: Any, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError) as error:
        nasmon.shrink(trained, task, **{"params": 0.5, **settings})
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_verdict_on_int8_is_of_both_models_as_int8(trained: Any, task: Any) -> None:
    result = nasmon.shrink(
        trained,
        task,
        flash=0.7,
        fine_tune=lambda m: m.fit(*task, epochs=6, verbose=0),
        accept="accuracy >= -0.05",
        accept_on="int8",
        verbose=False,
    )
    int8 = result.int8
    assert int8 is not None
    assert int8.model.flash == len(int8.model.file) <= 1.02 * (result.plan.after.flash or 0)
    assert int8.model.ram == result.plan.after.ram
    assert result.interval is not None
    change = int8.after["accuracy"] - int8.before["accuracy"]
    assert result.interval.change == pytest.approx(change)
    assert int8.before["accuracy"] == pytest.approx(result.before["accuracy"], abs=0.02)
    assert result.accepted is True
    with pytest.raises(UsageError, match="accept_on is \"?'?int4"):
        nasmon.shrink(trained, task, accept_on="int4")  # type: ignore[arg-type]


def test_rivals_are_trained_as_the_model_was(trained: Any, task: Any) -> None:
    trainings: list[int] = []

    def fine_tune(small: keras.Model) -> None:
        trainings.append(small.count_params())
        small.fit(*task, epochs=2, verbose=0)

    result = nasmon.shrink(trained, task, params=0.5, fine_tune=fine_tune, verbose=False)
    (rival,) = result.rivals(fine_tune)
    assert rival.name == "from scratch"
    assert trainings == [result.model.count_params()] * 2
    assert rival.metrics["accuracy"] < result.after["accuracy"]
    assert "does worse; from it to this model +" in rival.words
    assert rival.interval is not None
    assert rival.interval.low > 0
    (same,) = result.rivals(lambda small: small.set_weights(result.model.get_weights()))
    assert "cannot be told apart on these samples" in same.words

    def spoil(small: keras.Model) -> None:
        small.set_weights([np.full_like(weight, np.nan) for weight in small.get_weights()])

    # with no metric but the loss
    model = keras.models.clone_model(trained)
    model.set_weights(trained.get_weights())
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    judged = nasmon.shrink(model, task, params=0.5, verbose=False)
    assert judged.decided_by.startswith("loss ")
    (broken,) = judged.rivals(spoil)
    assert broken.words.endswith(" nan: did not train")
    unlabelled = nasmon.shrink(model, task[0], params=0.5, verbose=False)
    with pytest.raises(UsageError, match="there is nothing to judge rivals by"):
        unlabelled.rivals(spoil)


def test_several_trainings_begin_alike_and_their_mean_is_judged(trained: Any, task: Any) -> None:
    begun: list[np.ndarray] = []
    drawn: list[float] = []

    def fine_tune(small: keras.Model) -> None:
        begun.append(np.array(small.layers[0].kernel))
        drawn.append(float(keras.random.uniform(())))
        small.fit(*task, epochs=1, verbose=0)

    result = nasmon.shrink(trained, task, params=0.5, fine_tune=fine_tune, seeds=3, verbose=False)
    assert len(begun) == len(result.trainings) == 3
    assert len(set(drawn)) == 3
    for one in begun:
        np.testing.assert_array_equal(one, begun[0])
    assert result.trainings[0] == result.after
    measured = result.model.evaluate(*task, verbose=0, return_dict=True)
    assert measured["accuracy"] == pytest.approx(result.after["accuracy"])
    accuracies = [one["accuracy"] for one in result.trainings]
    assert len(set(accuracies)) > 1
    assert result.interval is not None
    assert result.interval.trainings == 3
    change = np.mean(accuracies) - result.before["accuracy"]
    assert result.interval.change == pytest.approx(change, abs=1e-6)
    assert "in the mean of 3 trainings (" in result.decided_by
    begun.clear()
    (rival,) = result.rivals(fine_tune)
    assert len(begun) == 3
    assert "and 3 trainings)" in rival.words
    with pytest.raises(UsageError, match="seeds is 2, and there is no training to repeat"):
        nasmon.shrink(trained, task, params=0.5, seeds=2)


def test_int8_that_cannot_be_is_said_before_anything_is_trained(trained: Any, task: Any) -> None:
    def never(small: keras.Model) -> None:
        raise AssertionError("it was trained")

    x = np.random.default_rng(0).standard_normal((40, 6, 3)).astype(np.float32)
    layers = keras.layers
    loop = keras.Sequential([keras.Input((6, 3)), layers.GRU(4), layers.Dense(2)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    loop.compile("sgd", loss, metrics=["accuracy"])
    sequences = (x, np.zeros(40, np.int32))
    for data, model, words in (
        (sequences, loop, "computes in a loop"),
        (task[0], trained, "there is nothing to judge by"),
    ):
        with pytest.raises(UsageError, match=words):
            nasmon.shrink(model, data, params=0.9, fine_tune=never, accept_on="int8", verbose=False)
    half = keras.Sequential([keras.Input((8,)), layers.Dense(4, dtype="mixed_float16")])
    with pytest.raises(UsageError, match="dense.* computes in float16"):
        nasmon.to_int8(half, task[0])
