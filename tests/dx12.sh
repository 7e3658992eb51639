#!/usr/bin/env bash
# Runs the kernels on DX12: builds faceshader.exe, and lets Wine run it in a Debian sid of its own, whose vkd3d plays
# DX12 on llvmpipe's Vulkan. Microsoft's compiler FXC, d3dcompiler_47.dll, comes with the npm package webgpu. Every
# operator is verified, and a short training has to end with the losses that it has on Vulkan, within 0.1 %.
#
# It is run by hand, as root on Debian 12: it takes 3 GB of disk and, on two cores, half an hour and more. Results
# are in docs/adapters.md.
#
#   bash tests/dx12.sh [WORK [SECONDS [OPERATOR...]]]
#
# WORK keeps what is downloaded and built (target/peers/dx12); an operator that has not ended after SECONDS (600) is
# named, and the script goes on.
set -euo pipefail
cd "$(dirname "$0")/.."
work=${1:-target/peers/dx12}
seconds=${2:-600}
operators=("${@:3}")
mkdir -p "$work"
work=$(realpath "$work")
[ "$(id -u)" -eq 0 ] || { echo "run this as root: it makes a chroot" >&2 && exit 1; }

step() { echo "== $* ($(date +%H:%M))"; }

step "compilers"
apt-get install -y -qq --no-install-recommends debootstrap gcc-mingw-w64-x86-64
rust=$work/rust/usr
if [ ! -x "$rust/bin/rustc" ]; then
    # Unpacked, not installed: rustup's compiler stays what it is. It has no library for Windows, so that is built.
    mkdir -p "$work/debs"
    (cd "$work/debs" && apt-get download rustc-web libstd-rust-web-1.96 libstd-rust-web-dev rust-web-src libllvm22)
    for package in "$work"/debs/*.deb; do
        dpkg -x "$package" "$work/rust"
    done
fi

step "faceshader.exe"
target=x86_64-pc-windows-gnu
# Optimised only a little: the kernels' time is the driver's, and a full build takes more than half an hour.
RUSTC_BOOTSTRAP=1 RUSTC=$rust/bin/rustc LD_LIBRARY_PATH=$rust/lib:$rust/lib/x86_64-linux-gnu \
    CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
    CARGO_TARGET_DIR=$work/target nice -n 19 cargo build --release --locked --bin faceshader \
    --target "$target" -Z build-std=std,panic_unwind

step "FXC"
webgpu=target/peers/dawn/node_modules/webgpu
[ -d "$webgpu" ] || npm install --silent --no-audit --no-fund --no-save --ignore-scripts \
    --prefix target/peers/dawn webgpu@0.6.2

step "Wine"
sid=$work/sid
[ -x "$sid/usr/bin/dpkg" ] || debootstrap --variant=minbase --include=ca-certificates sid "$sid"
within() { chroot "$sid" env HOME=/root WINEDEBUG=-all DISPLAY=:99 "$@"; }
# Ends every Windows program. Debian keeps Wine's server out of the PATH.
stop_windows() { within /usr/lib/x86_64-linux-gnu/wine/wineserver -k || true; }
if ! within sh -c 'command -v wine' >/dev/null; then
    # Of a mirror that serves an older state, its age may be let pass: APT_UPDATE='-o Acquire::Check-Valid-Until=false'
    within apt-get update -qq ${APT_UPDATE:-}
    within env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends wine wine64 \
        libwine libvulkan1 mesa-vulkan-drivers xvfb
fi
mkdir -p "$sid/faceshader"
cp "$work/target/$target/release/faceshader.exe" "$webgpu/dist/win32-x64/d3dcompiler_47.dll" "$sid/faceshader/"
mountpoint -q "$sid/proc" || mount -t proc proc "$sid/proc"
mountpoint -q "$sid/dev" || mount --bind /dev "$sid/dev"
chroot "$sid" Xvfb :99 -screen 0 640x480x24 >/dev/null 2>&1 &
screen=$!
finish() {
    stop_windows
    kill "$screen" 2>/dev/null || true
    wait "$screen" 2>/dev/null || true
    umount "$sid/dev" "$sid/proc" || true
}
trap finish EXIT
sleep 3
within wineboot -i
# windows SECONDS ARGUMENT...: the library beside the program goes before Wine's own compiler.
windows() {
    local limit=$1 status=0
    shift
    timeout "$limit" chroot "$sid" env HOME=/root WINEDEBUG=-all DISPLAY=:99 WINEDLLOVERRIDES=d3dcompiler_47=n \
        wine 'Z:\faceshader\faceshader.exe' "$@" || status=$?
    [ "$status" -ne 124 ] || stop_windows
    return "$status"
}

step "adapters"
within wine --version
windows 120 adapters

cargo build --release --locked --quiet
if [ ${#operators[@]} -eq 0 ]; then
    # The refusal names them all.
    known=$(target/release/faceshader verify --adapter cpu --op none 2>&1 || true)
    IFS=', ' read -r -a operators <<<"${known##*there are }"
fi
failed=()
for operator in "${operators[@]}"; do
    begin=$SECONDS
    status=0
    windows "$seconds" verify --op "$operator" --adapter dx12 >"$work/$operator.log" 2>&1 || status=$?
    case $status in
    0) echo "$operator: verified in $((SECONDS - begin)) s" ;;
    124) echo "$operator: has not ended after $seconds s" ;;
    *) failed+=("$operator") && echo "$operator: FAILED ($status)" && tail -n 3 "$work/$operator.log" ;;
    esac
done

step "a short training"
training=(train --model review-plus --epochs 1 --seed 1 --limit 400 --no-verify --json)
rm -rf "$sid/faceshader/run" "$work/run"
windows 3600 "${training[@]}" --adapter dx12 --out 'Z:\faceshader\run' >"$work/dx12.json"
target/release/faceshader "${training[@]}" --adapter vulkan --out "$work/run" >"$work/vulkan.json"
python3 - "$work/dx12.json" "$work/vulkan.json" <<'PYTHON'
import json, sys
dx12, vulkan = (json.loads(open(path).readlines()[-1]) for path in sys.argv[1:])
for name in ("train_loss", "val_loss"):
    print(f"{name}: {dx12[name]} on dx12, {vulkan[name]} on vulkan")
    assert abs(dx12[name] - vulkan[name]) <= 1e-3 * abs(vulkan[name]), "the losses differ"
PYTHON
[ ${#failed[@]} -eq 0 ]
