#!/usr/bin/env bash
# Installs what the tests need and runs them all: formatting, lints, documentation, tests.
# Every adapter that is found is tested; where none is, a software Vulkan driver is installed.
set -euo pipefail
cd "$(dirname "$0")/.."

# Whether a Vulkan driver is registered. Where there is none, Mesa's software driver is installed:
# a test that skips the GPU proves nothing.
has_vulkan_driver() {
    compgen -G '/usr/share/vulkan/icd.d/*.json' >/dev/null || compgen -G '/etc/vulkan/icd.d/*.json' >/dev/null ||
        [ -n "${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-}" ] || [ "$(uname -s)" != Linux ]
}
has_loaders() {
    [ "$(uname -s)" != Linux ] && return
    local libraries
    libraries=$(ldconfig -p 2>/dev/null) || return
    [[ $libraries == *libvulkan.so.1* && $libraries == *libEGL.so.1* ]]
}
install_packages() {
    local as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    "${as_root[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "$@"
}
if ! has_vulkan_driver || ! has_loaders; then
    if command -v apt-get >/dev/null; then
        install_packages mesa-vulkan-drivers libvulkan1 libegl1 libgles2 libgl1-mesa-dri
    else
        echo "There is no Vulkan driver. Install Mesa's software driver and run this again:" >&2
        echo "  Fedora: mesa-vulkan-drivers vulkan-loader   Arch: vulkan-swrast vulkan-icd-loader" >&2
        exit 1
    fi
fi

# What looks at translated shaders; the tests say so where it is not there.
if command -v apt-get >/dev/null && ! { command -v spirv-val && command -v g++; } >/dev/null; then
    install_packages spirv-tools g++ || echo "spirv-val and g++ cannot be had"
fi

cargo fmt --check
# Modules that a macro declares are not found by cargo fmt.
find build.rs src tests examples -name '*.rs' -exec rustfmt --edition 2024 --check {} +
cargo clippy --release --all-targets --locked -- -D warnings
RUSTDOCFLAGS='-D warnings' cargo doc --release --no-deps --locked --quiet

# Adapters that are known to be there have to be among those that are tested.
expected=()
compgen -G '/usr/share/vulkan/icd.d/lvp_icd*.json' >/dev/null && [ -z "${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-}" ] &&
    expected+=(vulkan:llvmpipe)
[ "$(uname -s)" = Linux ] && expected+=(gl:)
EXPECTED_ADAPTERS="${expected[*]}" cargo test --release --locked

# What an AMD chip would run, where Mesa's AMD driver is installed: it compiles without one. Only what
# lies outside of the table is shown; a pipeline that spills or fills too little of the chip fails.
if compgen -G '/usr/share/vulkan/icd.d/radeon_icd*.json' >/dev/null ||
    compgen -G '/etc/vulkan/icd.d/radeon_icd*.json' >/dev/null; then
    cargo run --release --locked --quiet --example amd -- --strict \
        --chip renoir --chip navi21 --chip rembrandt --chip gfx1100 | grep -v '%$'
else
    echo "no AMD driver (radeon_icd*.json): its machine code is not looked at"
fi

# The kernels once more on SwiftShader, a second and independent software driver, where it is
# installed (Debian: the package chromium). VK_ICD_FILENAMES hides all other Vulkan drivers, and WGPU_BACKEND what is
# not Vulkan.
for driver in /usr/lib/chromium/vk_swiftshader_icd.json; do
    if [ -f "$driver" ]; then
        echo "kernels and trainings on SwiftShader ($driver)"
        export VK_ICD_FILENAMES=$driver WGPU_BACKEND=vulkan EXPECTED_ADAPTERS=vulkan:SwiftShader
        # Run-time checks are what naga adds to any kernel; llvmpipe has seen them.
        cargo test --release --locked --test kernels gpu_ -- --skip run_time_checks
        cargo test --release --locked --test train
    fi
done
