#!/usr/bin/env bash
# Changes the shaders in a few hundred small ways, one at a time, and counts how many of the changes
# `faceshader verify` notices: operators, bounds, indices, constants, tile edges, missing statements.
#
#   bash tests/mutants.sh [ADAPTER [SEED [SHADER...]]]     on vulkan, with the draw (1) that docs/verification.md tells of
#
# A shader's draw does not depend on the others: naming shaders, after a change of these, tries a part of the whole.
# It fails if less than 95 % of the changes that matter are noticed, or if tests/mutants/known.toml lists
# one as harmless that is not.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo test --release --locked --quiet --test mutants -- all "${1:-vulkan}" "${@:2}"
[ $# -le 2 ] || exit 0

# Faults in the results instead of the shaders, at the models' own shapes.
cargo build --release --locked --quiet
for model in face face-plus review review-plus; do
    echo "planted faults: $model"
    target/release/faceshader verify --model "$model" --planted --adapter "${1:-vulkan}" | tail -n 12
done
