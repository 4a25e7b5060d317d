"""Trains a model on several machines; the first one reads its spectra and writes the files.

Run it on each machine with its own number and the addresses of all, its own among them:

    python several_machines.py 0 host-a:12345 host-b:12345
    python several_machines.py 1 host-a:12345 host-b:12345
"""

import argparse
import json
import os
from contextlib import nullcontext

parser = argparse.ArgumentParser(description="Trains on several machines under the monitor.")
parser.add_argument("task", type=int, help="which of the workers this is, from 0")
parser.add_argument("workers", nargs="+", help="host:port of all workers, the same everywhere")
parser.add_argument("--steps", type=int, default=100)
parser.add_argument("--log-dir", default="logs/machines")
parser.add_argument("--timeout", type=float, default=60, help="seconds to wait for a lost worker")
args = parser.parse_args()

cluster = {"cluster": {"worker": args.workers}, "task": {"type": "worker", "index": args.task}}
os.environ["TF_CONFIG"] = json.dumps(cluster)

# TensorFlow reads TF_CONFIG when it is loaded
import keras
import numpy as np
import tensorflow as tf

from nasmon import Monitor

# before anything else of TensorFlow; waits until all workers are there
strategy = tf.distribute.MultiWorkerMirroredStrategy(
    communication_options=tf.distribute.experimental.CommunicationOptions(
        implementation="RING", timeout_seconds=args.timeout
    )
)
keras.utils.set_random_seed(1)
with strategy.scope():
    inputs = keras.Input((8,))
    hidden = keras.layers.Dense(16, activation="relu", name="hidden")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(4, name="head")(hidden), name="example")
    optimizer = keras.optimizers.Adam(0.01)
    optimizer.build(model.trainable_variables)

# each worker has samples of its own
random = np.random.default_rng(args.task)
x = random.normal(size=(256, 8)).astype(np.float32)
y = np.tanh(x[:, :4] + x[:, 4:])


@tf.function
def train_step(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """A step of all workers; returns the mean of their losses."""

    def of_replica(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(x, training=True) - y))
            # the optimizer adds up what the workers have
            own = loss / strategy.num_replicas_in_sync
        gradients = tape.gradient(own, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return loss

    return strategy.reduce("MEAN", strategy.run(of_replica, args=(x, y)), axis=None)


chief = args.task == 0
csv_path = os.path.join(args.log_dir, "metrics.csv")
with (
    Monitor(model, x, log_dir=args.log_dir, csv_path=csv_path)
    if chief
    else nullcontext() as monitor
):
    for step in range(1, args.steps + 1):
        batch = random.integers(0, len(x), 32)
        loss = train_step(tf.constant(x[batch]), tf.constant(y[batch]))
        if monitor and step % 10 == 0:
            monitor.read(step)
            print(f"step {step}: loss {float(loss):.4f}", flush=True)
print(f"worker {args.task} is done")
