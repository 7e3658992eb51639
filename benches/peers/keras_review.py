"""The network of assets/models/review.toml in Keras: accuracy by seed, and seconds an epoch.

    python3 -m venv venv
    venv/bin/pip install keras tensorflow-cpu nltk
    venv/bin/python benches/peers/keras_review.py car_reviews.csv car_reviews-split.csv --seeds 8

An epoch's time is that of the training steps and the validation after them, as faceshader counts it in
the `seconds` of `train --json`. The first epoch is left out: it holds TensorFlow's compilation.
"""

import argparse
import csv
import os
import statistics
import time
from collections import Counter
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np
from keras import layers
from nltk.stem.porter import PorterStemmer

LENGTH = 550
MIN_COUNT = 5
STOP_WORDS = Path(__file__).parents[2] / "assets/text/stop_words.txt"


def read(path, split):
    """The numbers of the words (reviews x LENGTH), the labels, and which reviews are to train on."""
    stop = set(STOP_WORDS.read_text().splitlines())
    stem = PorterStemmer().stem
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    words = [[stem(w) for w in row["Review"].lower().split() if w.isalpha() and w not in stop] for row in rows]
    train = np.zeros(len(rows), bool)
    with open(split, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            train[int(row["row"])] = row["split"] == "train"
    counts = Counter(word for review, use in zip(words, train) if use for word in review)
    kept = sorted((w for w in counts if counts[w] >= MIN_COUNT), key=lambda w: (-counts[w], w))
    numbers = {word: number for number, word in enumerate(kept, 1)}
    tokens = np.zeros((len(rows), LENGTH), np.int32)
    for row, review in zip(tokens, words):
        known = [numbers[word] for word in review if word in numbers][:LENGTH]
        row[: len(known)] = known
    return tokens, np.array([row["Sentiment"] == "Pos" for row in rows], np.float32), train


def network(vocabulary):
    return keras.Sequential(
        [
            layers.Input((LENGTH,)),
            layers.Embedding(vocabulary, 120),
            layers.Conv1D(32, 8, activation="relu"),
            layers.MaxPooling1D(2),
            layers.Flatten(),
            layers.Dense(10, activation="relu"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )


class Clock(keras.callbacks.Callback):
    """Takes the time of every epoch."""

    def __init__(self):
        super().__init__()
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self.start)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("split")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=4)
    arguments = parser.parse_args()
    x, y, train = read(arguments.data, arguments.split)
    print(f"keras {keras.__version__}, {keras.backend.backend()}; {train.sum()} + {(~train).sum()} reviews, {x.max()} words")
    accuracies, seconds = [], []
    for seed in range(arguments.seeds):
        keras.utils.set_random_seed(seed)
        model, clock = network(int(x.max()) + 1), Clock()
        model.compile(keras.optimizers.Adam(0.001), "binary_crossentropy", metrics=["accuracy"])
        history = model.fit(
            x[train],
            y[train],
            batch_size=32,
            epochs=arguments.epochs,
            validation_data=(x[~train], y[~train]),
            callbacks=[clock],
            verbose=0,
        ).history
        accuracies.append(history["val_accuracy"][-1])
        seconds += clock.seconds[1:]
        print(f"seed {seed}: val_accuracy {accuracies[-1]:.4f}, seconds {[round(s, 2) for s in clock.seconds]}", flush=True)
    print(f"mean val_accuracy {statistics.mean(accuracies):.4f}, median seconds {statistics.median(seconds):.2f}")


if __name__ == "__main__":
    main()
