#!/usr/bin/env bash
# Exports every built-in model as ONNX after a short training, and four that have every layer with odd attributes.
# onnx's checker has to accept the files, and onnxruntime to compute what `faceshader predict --json` tells: within 1e-3
# of a number's unit and 1e-4 of a probability. Token ids of texts are made in Python, by the rules that are exported
# beside the model. The packages come from PyPI.
#
#   bash tests/onnx.sh [MODEL...]
set -euo pipefail
cd "$(dirname "$0")/.."
packages=(onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6 pillow==13.0.0 nltk==3.10.4 uniseg==0.10.1)
photo_models=(face face-plus photo tests/onnx/photo_layers.toml)
text_models=(review review-plus tests/onnx/text_layers.toml tests/onnx/text_rows.toml tests/onnx/text_mean.toml)
models=("${photo_models[@]}" "${text_models[@]}")
[ $# -eq 0 ] || models=("$@")
. tests/python.sh
python_with onnx "${packages[@]}" || exit 0

cargo build --release --locked --quiet
program=$PWD/target/release/faceshader
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$program" data synth "$folder/faces" --count 40 --size 64 >/dev/null 2>&1
# Exports a model, and compares it.
check() {
    local model=$1 name data=() samples=$folder/faces
    name=$(basename "$model" .toml)
    case " ${text_models[*]} " in
    *" $model "*) samples=tests/onnx/reviews.txt ;;
    *) data=(--data "$folder/faces") ;;
    esac
    local run=$folder/$name log=$folder/$name.log
    {
        "$program" train --model "$model" "${data[@]}" --epochs 1 --adapter cpu --out "$run" &&
            "$program" export onnx "$run" --out "$run.onnx"
    } >"$log" 2>&1 || { cat "$log" && return 1; }
    "$python" tests/onnx/compare.py "$program" "$run" "$run.onnx" "$samples" 2>"$log" || { cat "$log" && return 1; }
}
for model in "${models[@]}"; do
    check "$model"
done
