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
if ! command -v node >/dev/null || ! command -v npm >/dev/null || [ ! -x "$chromium" ] || [ ! -f "$driver" ]; then
    echo "SKIPPED: pages; they need node, npm and Chromium with SwiftShader ($chromium, $driver)"
    exit 0
fi
modules=target/peers/web/node_modules
if [ ! -d "$modules/puppeteer-core" ]; then
    mkdir -p target/peers/web
    if ! npm install --silent --no-audit --no-fund --no-save --ignore-scripts --prefix target/peers/web "${packages[@]}"; then
        echo "SKIPPED: pages; npm's packages cannot be had: ${packages[*]}"
        exit 0
    fi
fi
"$modules/.bin/tsc" -p web --typeRoots "$modules"
"$modules/.bin/prettier" --config web/.prettierrc.json --check 'web/**/*.js' 'tests/{web,dawn}/**/*.js' '!web/vendor/**'
cargo build --release --locked --quiet
tests=("$@")
[ $# -gt 0 ] || tests=(tests/web/*.test.js)
NODE_PACKAGES=$modules WEBGPU=$modules/webgpu CHROMIUM=$chromium node --test "${tests[@]}"
