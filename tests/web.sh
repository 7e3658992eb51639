#!/usr/bin/env bash
# The modules of web/ and the pages that `faceshader export page` makes: types, formatting, tests of the modules in Node
# (some by Dawn, npm's package webgpu), and the pages in Chromium. Both compute on SwiftShader (Debian: the package chromium).
#
#   bash tests/web.sh [TEST...]
set -euo pipefail
cd "$(dirname "$0")/.."
packages=(fflate@0.8.3 prettier@3.10.1 puppeteer-core@24.43.1 typescript@7.0.2 webgpu@0.6.2 @webgpu/types@0.1.74)
chromium=${CHROMIUM:-/usr/bin/chromium}
driver=/usr/lib/chromium/vk_swiftshader_icd.json
if command -v apt-get >/dev/null && ! { command -v node && command -v npm && [ -f "$driver" ]; } >/dev/null; then
    as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    "${as_root[@]}" apt-get update -qq && DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq \
        --no-install-recommends chromium nodejs npm || echo "chromium, nodejs and npm cannot be had"
fi
if ! command -v node >/dev/null || ! command -v npm >/dev/null || [ ! -x "$chromium" ] || [ ! -f "$driver" ]; then
    echo "SKIPPED: pages; they need node, npm and Chromium with SwiftShader ($chromium, $driver)"
    exit 0
fi
# Installed anew where another release is wanted.
modules=target/peers/web/node_modules
installed=target/peers/web/packages
if [ "$(cat "$installed" 2>/dev/null)" != "${packages[*]}" ]; then
    rm -rf "$modules"
    mkdir -p target/peers/web
    if ! npm install --silent --no-audit --no-fund --no-save --ignore-scripts --prefix target/peers/web "${packages[@]}"; then
        echo "SKIPPED: pages; npm's packages cannot be had: ${packages[*]}"
        exit 0
    fi
    echo "${packages[*]}" >"$installed"
fi
"$modules/.bin/tsc" -p web --typeRoots "$modules"
"$modules/.bin/prettier" --config web/.prettierrc.json --check 'web/**/*.js' '{tests,benches/peers}/{web,dawn,tfjs}/**/*.{js,mjs}' \
    '!web/vendor/**'
cargo build --release --locked --quiet
tests=("$@")
[ $# -gt 0 ] || tests=(tests/web/*.test.js)
NODE_PACKAGES=$modules WEBGPU=$modules/webgpu CHROMIUM=$chromium node --test "${tests[@]}"
