#!/usr/bin/env bash
# Runs a step of every built-in model in Chromium, by WebGPU on the software driver that it brings along. A browser
# takes WGSL by the letter, where wgpu is lenient, and grants no more than the default limits.
#
#   bash tests/browser.sh [CHROMIUM]
set -euo pipefail
cd "$(dirname "$0")/.."
chromium=${1:-chromium}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cargo build --release --locked --quiet
for model in face face-plus review review-plus; do
    target/release/faceshader export program --model "$model" --out "$folder/$model" >/dev/null 2>&1
done
cp tests/browser/page.html "$folder"

options=(--headless=new --no-sandbox --user-data-dir="$folder/profile" --allow-file-access-from-files
    --enable-unsafe-webgpu --use-webgpu-adapter=swiftshader --use-vulkan=swiftshader
    --enable-features=Vulkan --disable-vulkan-surface --enable-logging=stderr)
timeout 300 "$chromium" "${options[@]}" "file://$folder/page.html" >"$folder/log" 2>&1 &
browser=$!
until grep -q '"done: ' "$folder/log" || ! kill -0 "$browser" 2>/dev/null; do
    sleep 1
done
kill "$browser" 2>/dev/null || true
wait "$browser" 2>/dev/null || true
grep -o 'CONSOLE[^"]*"[^"]*' "$folder/log" | sed 's/^[^"]*"//'
grep -q '"done: 0 errors"' "$folder/log"
