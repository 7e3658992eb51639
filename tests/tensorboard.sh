#!/usr/bin/env bash
# Trains with `train --tensorboard`, stops, goes on, and has TensorBoard's own reader read what is logged: every epoch
# once, with the numbers of results.csv, and the pictures. TensorBoard comes from PyPI.
#
#   bash tests/tensorboard.sh
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/python.sh
python_with tensorboard tensorboard==2.21.0 setuptools==80.9.0 || exit 0

cargo build --release --locked --quiet
program=$PWD/target/release/faceshader
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
{
    "$program" data synth "$folder/faces" --count 30 --size 24 &&
        "$program" train --model tests/assets/tiny.toml --data "$folder/faces" --epochs 2 --adapter cpu --tensorboard \
            --out "$folder/run" &&
        "$program" train --resume "$folder/run" --epochs 3 --adapter cpu --tensorboard
} >"$folder/log" 2>&1 || { cat "$folder/log" && exit 1; }
"$python" - "$folder/run" 2>"$folder/log" <<'PYTHON' || { cat "$folder/log" && exit 1; }
import csv, struct, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer

run = sys.argv[1]
rows = list(csv.DictReader(open(run + "/results.csv")))
compared = 0
for side, prefix in (("train", "train_"), ("validation", "val_")):
    log = EventAccumulator(f"{run}/tensorboard/{side}").Reload()
    tags = log.Tags()
    for tag in tags["scalars"]:
        events = log.Scalars(tag)
        assert [event.step for event in events] == [1, 2, 3], (side, tag, events)
        if prefix + tag in rows[0]:
            known = [struct.unpack("f", struct.pack("f", float(row[prefix + tag])))[0] for row in rows]
            assert [event.value for event in events] == known, (side, tag)
            compared += 1
    assert ("learning_rate" in tags["scalars"]) == (side == "train")
    pictures = {tag: [event.step for event in log.Images(tag)] for tag in tags["images"]}
    assert pictures == ({} if side == "train" else {"predictions": [2, 3], "confusion": [2, 3]}), pictures
assert compared == 6, compared
# What the web page asks for.
page = EventMultiplexer().AddRunsFromDirectory(run + "/tensorboard").Reload()
assert sorted(page.Runs()) == ["train", "validation"], page.Runs()
assert [event.step for event in page.Tensors("validation", "loss")] == [1, 2, 3]
print(f"TensorBoard reads 3 epochs, {compared} columns of results.csv and {len(pictures)} pictures")
PYTHON
