#!/usr/bin/env bash
# Replays a few training steps, an evaluation and a prediction of every built-in model by Dawn, another implementation
# of WebGPU, and compares all that they write with what wgpu computed on the same driver, bit for bit. Dawn comes with
# the npm package webgpu, the driver is SwiftShader (Debian: the package chromium).
#
#   bash tests/dawn.sh [MODEL...]
set -euo pipefail
cd "$(dirname "$0")/.."
release=webgpu@0.6.2
driver=${VK_ICD_FILENAMES:-/usr/lib/chromium/vk_swiftshader_icd.json}
models=("$@")
[ $# -gt 0 ] || models=(face face-plus review review-plus)
if ! command -v node >/dev/null || ! command -v npm >/dev/null || [ ! -f "$driver" ]; then
    echo "SKIPPED: Dawn; it needs node, npm and SwiftShader ($driver)"
    exit 0
fi
webgpu=target/peers/dawn/node_modules/webgpu
if [ ! -d "$webgpu" ]; then
    mkdir -p target/peers/dawn
    if ! npm install --silent --no-audit --no-fund --no-save --ignore-scripts --prefix target/peers/dawn "$release"; then
        echo "SKIPPED: Dawn; npm's $release cannot be had"
        exit 0
    fi
fi

export VK_ICD_FILENAMES=$driver
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cargo build --release --locked --quiet
for model in "${models[@]}"; do
    # SwiftShader trains about seven photos a second.
    case $model in face*) batch=4 ;; *) batch=16 ;; esac
    for kernels in gpu software; do
        target/release/faceshader export program --model "$model" --batch "$batch" --kernels "$kernels" --steps 3 \
            --adapter vulkan --out "$folder/$model-$kernels" >"$folder/log" 2>&1 || (cat "$folder/log" && false)
    done
done
cd "$folder"
node "$OLDPWD/tests/dawn/replay.js" "$OLDPWD/$webgpu" $(ls -d */ | tr -d /)
