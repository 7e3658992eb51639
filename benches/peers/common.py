"""What the Python peers share: options, random data of the two networks' shapes, clock, line of JSON."""

import argparse
import json
import os
import statistics
import time

import numpy as np

THREADS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
PARAMETERS = {"face": 12_894_242, "review": 528_493}
BATCH = {"face": 20, "review": 32}
# Samples predicted at once: about as many as faceshader takes.
LARGE_BATCH = {"face": 32, "review": 100}
LENGTH, VOCABULARY = 550, 3425
WARM_UP = 2


def data(model, count):
    """Photos with ages and genders, or the numbers of words with sentiments."""
    random = np.random.default_rng(0)
    if model == "review":
        words = random.integers(0, VOCABULARY, (count, LENGTH), np.int32)
        return words, [random.integers(0, 2, count).astype(np.float32)]
    photos = random.integers(0, 256, (count, 128, 128, 3), np.uint8)
    ages = random.integers(1, 100, count).astype(np.float32)
    return photos, [ages, random.integers(0, 2, count).astype(np.float32)]


def peak_memory_bytes():
    """What the process has held at most, as Linux tells."""
    try:
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) << 10 for line in file if line.startswith("VmHWM:"))
    except OSError:
        return None


def run(peer, version, build, devices=("cpu",)):
    """Measures `build(model, device)`: the number of parameters, and the functions `train(x, y)` and `predict(x)`.

    Both take NumPy arrays and return when the result is there.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", choices=BATCH, default="face")
    parser.add_argument("--steps", type=int, default=5, help="steps measured; the medians count")
    parser.add_argument("--device", choices=devices, default=devices[0])
    arguments = parser.parse_args()
    model, batch = arguments.model, BATCH[arguments.model]
    parameters, train, predict = build(model, arguments.device)
    assert parameters == PARAMETERS[model], f"{parameters} parameters"
    samples, labels = data(model, batch)
    many, _ = data(model, LARGE_BATCH[model])
    training, prediction = [], []
    for _ in range(WARM_UP + arguments.steps):
        for seconds, call in [(training, lambda: train(samples, labels)), (prediction, lambda: predict(many))]:
            start = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - start)
    print(
        json.dumps(
            {
                "peer": peer,
                "version": version,
                "backend": arguments.device,
                "model": model,
                "batch": batch,
                "train_images_per_s": batch / statistics.median(training[WARM_UP:]),
                "predict_images_per_s": LARGE_BATCH[model] / statistics.median(prediction[WARM_UP:]),
                "peak_memory_bytes": peak_memory_bytes(),
            }
        )
    )
