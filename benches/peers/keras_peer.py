"""Samples a second of the face and the review network in Keras 3 on TensorFlow, on the CPU.

    python3 -m venv venv
    venv/bin/pip install keras tensorflow-cpu
    venv/bin/python benches/peers/keras_peer.py --model face --steps 5

A step is `train_on_batch`: it converts the photos from bytes to float32, and ends when its loss is known.
`keras_review.py`, beside this file, measures how well the review network learns.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"
import keras
import tensorflow
from keras import layers

import common


def branch(x, name, activation):
    x = layers.Conv2D(64, 3, activation="relu")(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(x)
    x = layers.Dropout(0.5)(x)
    x = layers.Dense(512, activation="relu")(x)
    return layers.Dense(1, activation=activation, name=name)(x)


def face():
    photos = x = layers.Input((128, 128, 3), dtype="uint8")
    x = layers.Rescaling(1 / 255)(x)
    for _ in range(2):
        x = layers.Conv2D(32, 3, activation="relu")(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Dropout(0.25)(x)
    model = keras.Model(photos, [branch(x, "age", None), branch(x, "gender", "sigmoid")])
    model.compile(keras.optimizers.Adam(0.001), ["mse", "binary_crossentropy"], loss_weights=[1, 500])
    return model


def review():
    model = keras.Sequential(
        [
            layers.Input((common.LENGTH,), dtype="int32"),
            layers.Embedding(common.VOCABULARY, 120),
            layers.Conv1D(32, 8, activation="relu"),
            layers.MaxPooling1D(2),
            layers.Flatten(),
            layers.Dense(10, activation="relu"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.001), "binary_crossentropy")
    return model


def build(name, _device):
    keras.utils.set_random_seed(0)
    model = face() if name == "face" else review()

    def train(x, y):
        y = [labels[:, None] for labels in y]
        return model.train_on_batch(x, y if len(y) > 1 else y[0])

    return model.count_params(), train, model.predict_on_batch


if __name__ == "__main__":
    version = f"{keras.__version__}, TensorFlow {tensorflow.__version__}"
    common.run("Keras", version, build)
