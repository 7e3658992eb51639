#!/usr/bin/env bash
# Sends the HLSL of every pipeline, as wgpu has naga write it for DX12, through DXC, Microsoft's compiler: to DXIL and
# to SPIR-V, which spirv-val has to accept. DXC comes with PyPI's source package compushady, for Linux on x86-64.
# Without --all, it is those of the built-in models in all variants, and one of each other entry point.
#
#   bash tests/hlsl.sh [--all] [PROFILE]
set -euo pipefail
cd "$(dirname "$0")/.."
all=false
[ "${1:-}" != --all ] || { all=true && shift; }
profile=${1:-cs_6_0}
release=compushady-0.17.5
if [ "$(uname -sm)" != "Linux x86_64" ]; then
    echo "SKIPPED: HLSL; the package with DXC's library is for Linux on x86-64"
    exit 0
fi
if ! command -v g++ >/dev/null || ! command -v spirv-val >/dev/null; then
    echo "SKIPPED: HLSL; it needs g++ and spirv-val (Debian: spirv-tools)"
    exit 0
fi
dxc=target/peers/dxc
if [ ! -d "$dxc" ]; then
    mkdir -p target/peers
    download=$(mktemp -d target/peers/download.XXXXXX)
    trap 'rm -rf "$download"' EXIT
    if ! python3 -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: --dest "$download" \
        "${release/-/==}" >"$download/log" 2>&1; then
        tail -n 3 "$download/log"
        echo "SKIPPED: HLSL; PyPI's $release cannot be had"
        exit 0
    fi
    mkdir "$download/dxc"
    inside=$release/compushady/backends
    tar -xzf "$download/$release.tar.gz" -C "$download/dxc" --strip-components=3 \
        "$inside/dxcapi.h" "$inside/WinAdapter.h" "$inside/libdxcompiler_x86_64.so.3.7"
    mv "$download/dxc/libdxcompiler_x86_64.so.3.7" "$download/dxc/libdxcompiler.so.3.7"
    mv "$download/dxc" "$dxc"
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
g++ -std=c++17 -O1 -I "$dxc" tests/hlsl/dxc.cpp "$dxc/libdxcompiler.so.3.7" -Wl,-rpath,"$PWD/$dxc" -o "$folder/dxc"
mkdir "$folder/texts"
TRANSLATIONS=$folder/texts cargo test --release --locked --quiet --test translate every_pipeline
cd "$folder/texts"

! "$all" || cat other_entry_points.txt >>entry_points.txt
# One process a core.
split --number=r/"$(nproc)" entry_points.txt part.
processes=()
for part in part.*; do
    "$folder/dxc" . "$profile" <"$part" &
    processes+=($!)
done
failed=0
for process in "${processes[@]}"; do
    wait "$process" || failed=1
done
[ "$failed" -eq 0 ]
find . -name '*.hlsl.spv' -print0 | xargs -0 -n 1 spirv-val --target-env vulkan1.1
pipelines=$(wc -l <entry_points.txt)
compiled=$(find . -name '*.hlsl.dxil' | wc -l)
[ "$pipelines" -gt 0 ] && [ "$compiled" -eq "$pipelines" ]
echo "DXC compiles the HLSL of $pipelines pipelines for $profile, and spirv-val accepts its SPIR-V"
