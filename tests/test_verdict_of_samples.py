"""Metrics by samples, the interval of a change, and what is accepted by it."""

from functools import partial
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import nasmon
from nasmon.narrowing.sampled import BLOCKS, CONFIDENCE, DRAWS, SampledMetrics
from nasmon.narrowing.verdict import Evaluation, accepted_by

RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((60, 5)).astype(np.float32)
Y = (X[:, 0] + 0.5 * RANDOM.standard_normal(60) > 0).astype(np.int32)
WEIGHT = RANDOM.random(60).astype(np.float32)


def classifier(seed: int = 0) -> keras.Model:
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((5,)), layers.Dense(2, name="head")])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, metrics=["accuracy"])
    return model


def total(sampled: SampledMetrics, model: keras.Model) -> dict[str, float]:
    found = sampled.blocks(model.predict_on_batch)
    assert found.additive == found.metrics.keys()
    return found.metrics


class Batches(keras.utils.PyDataset):
    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size

    def __len__(self) -> int:
        return -(-len(X) // self._size)

    def __getitem__(self, index: int) -> Any:
        part = slice(index * self._size, (index + 1) * self._size)
        return X[part], Y[part]


@pytest.mark.parametrize(
    "data",
    [
        (X, Y),
        (X, Y, WEIGHT),
        tf.data.Dataset.from_tensor_slices((X, Y)).batch(7),
        tf.data.Dataset.from_tensor_slices((X, Y)).batch(64).filter(lambda x, y: True),
        Batches(25),
    ],
    ids=["arrays", "weighted", "dataset", "of unknown length", "pydataset"],
)
def test_samples_add_up_to_what_keras_evaluates(data: Any) -> None:
    model = classifier()
    # Keras warns of data whose end it did not foresee
    unknown = isinstance(data, tf.data.Dataset) and data.cardinality() < 0
    by_keras = Evaluation(model, (X, Y) if unknown else data).of(model)
    found = total(SampledMetrics(model, data), model)
    assert found["accuracy"] == pytest.approx(by_keras["accuracy"], abs=1e-6)
    if not isinstance(data, tuple) or len(data) == 2:
        assert found == pytest.approx(by_keras, abs=1e-6)


def test_several_outputs_of_any_structure_are_judged() -> None:
    x = keras.Input((5,))
    outputs = {
        "p": layers.Dense(3, activation="softmax", name="p")(x),
        "q": layers.Dense(1, name="q")(x),
    }
    model = keras.Model(x, outputs)
    losses = {"p": "sparse_categorical_crossentropy", "q": "mse"}
    model.compile("sgd", losses, metrics={"p": ["accuracy"], "q": ["mae"]})
    labels = {"p": RANDOM.integers(0, 3, 60), "q": RANDOM.standard_normal((60, 1))}
    found = total(SampledMetrics(model, (X, labels)), model)
    by_keras = model.evaluate(X, labels, verbose=0, return_dict=True, batch_size=60)
    assert found == pytest.approx(by_keras, abs=1e-5)


def test_the_interval_is_that_of_a_bootstrap_over_the_samples() -> None:
    one, other = classifier(0), classifier(1)
    sampled = SampledMetrics(one, (X, Y))
    first, last = (sampled.blocks(model.predict_on_batch) for model in (one, other))
    assert first.samples == 60
    assert len(first.labels) == 60
    found = sampled.interval("accuracy", [first], [last])
    assert found is not None
    right = [model.predict(X, verbose=0).argmax(1) == Y for model in (one, other)]
    difference = right[1].astype(float) - right[0].astype(float)
    assert found.change == pytest.approx(difference.mean(), abs=1e-6)
    drawn = np.random.default_rng(5).choice(difference, (20_000, 60)).mean(1)
    edges = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    assert (found.low, found.high) == pytest.approx(edges, abs=0.03)
    assert str(found).startswith(f"{found.change:+.4f} (95 % interval ")
    assert found == sampled.interval("accuracy", [first], [last])
    assert DRAWS >= 1000


def test_the_interval_holds_what_is_true_about_as_often_as_it_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("nasmon.narrowing.sampled.DRAWS", 200)
    model = classifier()
    sampled = SampledMetrics(model, (X, Y))
    sums = sampled.blocks(model.predict_on_batch)
    held = 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        # both are right in half of all cases: loss, accuracy, and how many
        pair = [
            sums._replace(sums=np.stack([np.ones(60), np.ones(60), right, np.ones(60)], 1))
            for right in random.integers(0, 2, (2, 60))
        ]
        found = sampled.interval("accuracy", pair[:1], pair[1:])
        assert found is not None
        held += found.low <= 0 <= found.high
    assert held >= 34


def test_the_interval_of_several_trainings_is_over_them_too() -> None:
    model = classifier()
    sampled = SampledMetrics(model, (X, Y))
    sums = sampled.blocks(model.predict_on_batch)

    def right_in(share: float) -> Any:
        right = (np.arange(60) < 60 * share).astype(float)
        columns = np.stack([np.ones(60), np.ones(60), right, np.ones(60)], 1)
        return sums._replace(sums=columns, metrics={"accuracy": share})

    # where all are alike, samples cannot change it; else the mean of three varies by its own error
    for spread in (0.0, 0.2):
        trainings = [right_in(0.5 + spread * step) for step in (-1, 0, 1)]
        found = sampled.interval("accuracy", [right_in(0.5)], trainings)
        assert found is not None
        assert found.change == pytest.approx(0, abs=1e-6)
        assert "over 60 samples and 3 trainings)" in str(found)
        expected = 1.96 * spread / 3**0.5
        assert (found.high - found.low) / 2 == pytest.approx(expected, rel=0.25, abs=1e-6)


def test_the_mean_of_trainings_is_judged() -> None:
    model = classifier()
    evaluation = Evaluation(model, (X, Y))
    right = keras.utils.to_categorical(Y, 2)
    good, bad = (evaluation.predicted(partial(_outputs, of)) for of in (right, 1 - right))
    assert accepted_by(None, evaluation, good, [good, good]).accepted is True
    told = accepted_by(None, evaluation, good, [good, bad])
    assert told.accepted is False
    assert told.decided_by.startswith("accuracy 1 -> 0.5 in the mean of 2 trainings (1, 0), -0.5")
    same = accepted_by(None, evaluation, good, [good, good]).decided_by
    assert "in each of 2 trainings, which do not depend on the seed" in same
    given = accepted_by(lambda first, last: last["accuracy"] == 0.5, evaluation, good, [good, bad])
    assert given.accepted is True


def _outputs(outputs: np.ndarray, x: Any) -> np.ndarray:
    place = {X[i].tobytes(): 10 * outputs[i] for i in range(len(X))}
    return np.stack([place[row.tobytes()] for row in np.asarray(x)])


def test_nothing_is_said_of_other_samples_or_of_few() -> None:
    model = classifier()
    sampled, reordered = SampledMetrics(model, (X, Y)), SampledMetrics(model, (X[::-1], Y[::-1]))
    first, last = (one.blocks(model.predict_on_batch) for one in (sampled, reordered))
    assert sampled.interval("accuracy", [first], [first]) is not None
    assert sampled.interval("accuracy", [first], [last]) is None
    few = SampledMetrics(model, (X[:9], Y[:9]))
    assert few.interval("accuracy", *[[few.blocks(model.predict_on_batch)]] * 2) is None


class Largest(keras.metrics.Metric):
    """No sum over samples."""

    def __init__(self, name: str = "largest", **settings: Any) -> None:
        super().__init__(name=name, **settings)
        self.most = self.add_weight(name="most", initializer="zeros")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.most.assign(keras.ops.maximum(self.most, keras.ops.max(y_pred)))

    def result(self) -> Any:
        return self.most


def test_what_is_no_sum_over_samples_has_no_interval() -> None:
    model = classifier()
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=[Largest()])
    evaluation = Evaluation(model, (X, Y))
    judged = evaluation.judged(model)
    assert judged.blocks is not None
    assert "largest" not in judged.blocks.additive
    found = accepted_by("largest >= 0", evaluation, judged, [judged])
    assert (found.accepted, found.interval) == (True, None)


def test_a_metric_that_cannot_be_made_anew_costs_the_interval_alone() -> None:
    def broken(y_true: Any, y_pred: Any) -> Any:
        assert y_pred.shape[0] != 1
        return keras.ops.mean(y_pred)

    model = keras.Sequential([keras.Input((5,)), layers.Dense(2)])
    model.compile("sgd", loss=broken, run_eagerly=True)
    judged = Evaluation(model, (X, Y)).judged(model)
    assert judged.blocks is None
    assert set(judged.metrics) == {"loss"}


def verdict_of(rule: Any, shift: float) -> Any:
    """Of a model that is right less often by a share of the samples."""
    model = classifier()
    evaluation = Evaluation(model, (X, Y))
    right = keras.utils.to_categorical(Y, 2)
    wrong = right.copy()
    wrong[: round(shift * len(Y))] = 1 - wrong[: round(shift * len(Y))]
    values = (right, wrong)
    before, after = (evaluation.predicted(partial(_outputs, of)) for of in values)
    return accepted_by(rule, evaluation, before, [after])


def test_a_rule_has_to_hold_for_the_whole_interval() -> None:
    same = verdict_of("accuracy >= -0.01", 0)
    assert same.accepted is True
    assert same.interval[:3] == (0, 0, 0)
    # 3 of 60 are fewer than were allowed, but another 60 might have shown more
    close = verdict_of("accuracy >= -0.06", 0.05)
    assert close.accepted is False
    assert close.decided_by.endswith("asked for is >= -0.06, which these samples do not show")
    assert "accuracy 1 -> 0.95, -0.0500 (95 % interval " in close.decided_by
    assert verdict_of("accuracy >= -0.2", 0.05).accepted is True
    far = verdict_of("accuracy >= -0.01", 0.5)
    assert far.accepted is False
    assert far.decided_by.endswith("asked for is >= -0.01")
    assert verdict_of(None, 0.05).accepted is False
    assert "0.01 worse is allowed" in verdict_of(None, 0.05).decided_by
    assert verdict_of("loss <= 0.1", 0).accepted is True
    assert verdict_of("loss <= 0.1", 0.5).accepted is False
    assert verdict_of(lambda a, b: b["accuracy"] < a["accuracy"], 0.5).accepted is True


def test_what_is_no_sum_is_judged_in_int8_as_keras_evaluates_it() -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((5,)), layers.Dense(2)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, metrics=[Largest()])
    result = nasmon.shrink(model, (X, Y), accept_on="int8", accept="largest >= -0.5", verbose=False)
    assert result.int8 is not None
    assert result.int8.before["largest"] == pytest.approx(result.before["largest"], rel=0.03)
    assert result.interval is None
    assert result.decided_by.endswith("how sure that is, is not known")


def test_a_regularizer_is_no_part_of_the_interval() -> None:
    model = keras.Sequential(
        [keras.Input((5,)), layers.Dense(2, kernel_regularizer=keras.regularizers.L2(1.0))]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, metrics=["accuracy"])
    evaluation = Evaluation(model, (X, Y, None))
    judged = evaluation.judged(model)
    assert judged.blocks is not None
    assert judged.blocks.additive == {"accuracy"}
    assert evaluation.interval("loss", [judged], [judged]) is None
    assert evaluation.interval("accuracy", [judged], [judged]) is not None


def test_many_batches_are_few_blocks_and_few_are_many() -> None:
    x, y = np.repeat(X, 30, 0), np.repeat(Y, 30)
    model = classifier()
    whole = model.evaluate(x, y, verbose=0, return_dict=True, batch_size=len(x))
    for batch in (1, 1800):
        data = tf.data.Dataset.from_tensor_slices((x, y)).batch(batch).prefetch(1)
        unknown = data.filter(lambda x, y: True)
        for one in (data, unknown):
            found = SampledMetrics(model, one).blocks(model.predict_on_batch)
            assert BLOCKS <= len(found.labels) == len(found.sums) < 2 * BLOCKS
            assert found.samples == 1800
            assert found.metrics == pytest.approx(whole, abs=1e-5)
            assert found.additive == {"loss", "accuracy"}
