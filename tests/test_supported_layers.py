"""Layers of every kind: what is read of them, and that it changes nothing."""

import keras
import numpy as np
import pytest

import nasmon
from nasmon import Monitor
from nasmon.errors import UsageError
from tests.oracle import assert_metrics
from tests.support import FAMILIES, PAGE, SAMPLES, Family, layers_table, width_of, with_tables

each_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


@each_family
def test_metrics_are_those_of_the_activations_and_the_training_is_the_same(family: Family) -> None:
    names, (x, y) = list(family.make()), family.data()
    states = []
    for watched in (False, True):
        model = family.model()
        with Monitor(model, x, layers=names, samples=SAMPLES, chunk=SAMPLES // 2) as monitor:
            for step in range(2 if watched else 0):
                reading = monitor.read(step)
                assert reading is not None
                assert [layer.name for layer in reading.layers] == names
                outputs = [model.get_layer(name).output for name in names]
                read = keras.Model(model.inputs, outputs)
                read.compile(jit_compile=family.jit_compile)
                for name, found in zip(names, read.predict(x, verbose=0), strict=True):
                    rows = np.moveaxis(found, family.axis, -1)
                    assert_metrics(reading[name], rows.reshape(-1, rows.shape[-1]))
                model.train_on_batch(x, y)
        for _ in range(0 if watched else 2):
            model.train_on_batch(x, y)
        states.append([np.array(v) for v in (*model.variables, *model.optimizer.variables)])
    for plain, other in zip(*states, strict=True):
        np.testing.assert_array_equal(plain, other)


@each_family
def test_a_narrower_model_has_the_widths_that_were_planned(family: Family) -> None:
    model, (x, _) = family.model(), family.data()
    kept = nasmon.plan_widths(model, params=model.count_params())
    if not any(width_of(model, kept, name) == "can be narrowed" for name in family.make()):
        with pytest.raises(UsageError, match="these stay as they are"):
            nasmon.plan_widths(model, params=0.8)
        return
    plan = nasmon.plan_widths(model, x, params=0.8, samples=SAMPLES)
    small = nasmon.narrow(model, plan, x, samples=SAMPLES)
    assert small.count_params() == plan.after.params <= 0.8 * model.count_params()
    assert small.predict(x, verbose=0).shape == (SAMPLES, 2 * len(family.make()))


def test_the_page_lists_them() -> None:
    page = PAGE.read_text("utf-8")
    assert with_tables(page, {"layers": layers_table()}) == page
