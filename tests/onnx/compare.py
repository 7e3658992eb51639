"""Checks an exported model and compares it with `faceshader predict --json` on the same photos or texts.

    compare.py FACESHADER RUN MODEL.onnx SAMPLES

SAMPLES is a folder of photos, or a file with a text a line. Photos are brought to the model's size and saved as PNG
first, so that both sides see the same bytes.
"""

import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime

MAX_NUMBER, MAX_PROBABILITY = 1e-3, 1e-4
BATCH = 7


def predict(program, run, arguments):
    command = [program, "predict", run, *arguments, "--adapter", "cpu", "--json"]
    told = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    return [json.loads(line) for line in told.splitlines()]


def photos(program, run, source, shape):
    """The photos as (N, H, W, 3) bytes, and what the program predicts of them."""
    from PIL import Image

    height, width = shape[1:3]
    with tempfile.TemporaryDirectory() as folder:
        arrays, names = [], sorted(os.listdir(source))
        for number, name in enumerate(names):
            image = Image.open(os.path.join(source, name)).convert("RGB").resize((width, height))
            image.save(os.path.join(folder, f"{number:06}.png"))
            arrays.append(np.asarray(image))
        picture = ["--picture", os.path.join(folder, "predicted.png")]
        # As the exported model takes photos, which finds no faces in them.
        lines = predict(program, run, [folder, "--faces", "whole", *picture])
    assert len(lines) == len(names) and not any("error" in line for line in lines)
    return np.stack(arrays), sorted(lines, key=lambda line: line["file"])


def texts(program, run, source, rules):
    """The texts as (N, length) token ids, and what the program predicts of them."""
    from tokens import token_ids

    for example in rules["examples"]:
        ids, words = token_ids(example["text"], rules)
        assert ids[:words] == example["tokens"], example
    lines = [line.rstrip("\n") for line in open(source, encoding="utf-8") if line.strip()]
    ids = [token_ids(line, rules)[0] for line in lines]
    return np.array(ids, dtype=np.int64), predict(program, run, [source])


def largest_difference(target, classes, output, lines):
    """Between an output and the predictions of its target, and how large it may be."""
    assert np.ptp(output, axis=0).max() > 10 * MAX_PROBABILITY, f"{target} is the same for all samples"
    if classes is None:
        return max(abs(float(value) - line[target]) for value, line in zip(output, lines)), MAX_NUMBER
    largest = 0
    for row, line in zip(output, lines):
        label = line.get(target, line.get("label"))
        probability = line.get(f"{target}_probability", line.get("probability"))
        assert abs(row.sum() - 1) < 1e-5, row
        largest = max(largest, abs(float(row[classes.index(label)]) - probability))
    return largest, MAX_PROBABILITY


def main(program, run, file, source):
    model = onnx.load(file)
    onnx.checker.check_model(model, full_check=True)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    session = onnxruntime.InferenceSession(file)
    assert session.get_modelmeta().custom_metadata_map == metadata
    (given,) = session.get_inputs()
    if given.type == "tensor(uint8)":
        inputs, lines = photos(program, run, source, given.shape)
    else:
        with open(os.path.splitext(file)[0] + ".tokens.json", encoding="utf-8") as rules:
            inputs, lines = texts(program, run, source, json.load(rules))
    assert len(inputs) == len(lines) > 0
    names = [output.name for output in session.get_outputs()]
    assert names == json.loads(metadata["labels"])
    whole = session.run(names, {given.name: inputs})
    # Any batch gives the same, and one of a single sample, too.
    parts = [session.run(names, {given.name: inputs[at : at + BATCH]}) for at in range(0, len(inputs), BATCH)]
    session.run(names, {given.name: inputs[:1]})
    failed = False
    for place, name in enumerate(names):
        joined = np.concatenate([part[place] for part in parts])
        assert joined.shape == whole[place].shape and np.allclose(joined, whole[place], atol=1e-4), name
        classes = metadata.get(f"{name}.classes")
        classes = classes and json.loads(classes)
        differs, limit = largest_difference(name, classes, whole[place], lines)
        unit = metadata.get(f"{name}.unit", "")
        print(f"{metadata['model']:<12} {name:<8} {len(lines)} samples: off by {differs:.2e} {unit}, at most {limit:.0e}")
        failed |= not differs <= limit
    if failed:
        sys.exit(f"{file} computes something else than {run}")


main(*sys.argv[1:])
