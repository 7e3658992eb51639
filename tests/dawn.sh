#!/usr/bin/env bash
# Replays a few training steps, an evaluation and a prediction of every built-in model by Dawn, another implementation
# of WebGPU, and compares all that they write with what wgpu computed on the same driver, bit for bit. Dawn comes with
# the npm package webgpu, the driver is SwiftShader (Debian: the package chromium).
#
#   bash tests/dawn.sh [MODEL:BATCH:KERNELS...]
set -euo pipefail
cd "$(dirname "$0")/.."
release=webgpu@0.6.2
driver=${VK_ICD_FILENAMES:-/usr/lib/chromium/vk_swiftshader_icd.json}
# The convolutions for software adapters compile slowly here: those of a small model do.
models=(face-plus:2:gpu face:2:gpu review-plus:16:gpu review:16:gpu
    tests/assets/tiny.toml:6:software review-plus:16:software)
[ $# -eq 0 ] || models=("$@")
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
# Records a model, NAME:BATCH:KERNELS, and replays it. SwiftShader trains about seven photos a second, and takes
# longer to compile.
check() {
    IFS=: read -r model batch kernels <<<"$1"
    local recorded
    recorded=$folder/$(basename "$model" .toml)-$kernels
    target/release/faceshader export program --model "$model" --batch "$batch" --kernels "$kernels" --steps 3 \
        --adapter vulkan --out "$recorded" >"$recorded.log" 2>&1 || { cat "$recorded.log" && return 1; }
    node tests/dawn/replay.js "$webgpu" "$recorded" 2>"$recorded.log" || { cat "$recorded.log" && return 1; }
}
export -f check
export folder webgpu
printf '%s\n' "${models[@]}" | xargs -P "$(nproc)" -I MODEL bash -c 'set -euo pipefail; check MODEL'
