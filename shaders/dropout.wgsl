// Inverted dropout and its gradient, with the mask drawn anew; see parts/philox.wgsl.
//
//   output[n,e]  = 0 where element e of sample n is dropped, else input[n,e] * SCALE
//   d_input[n,e] = 0 where it is, else d_output[n,e] * SCALE
//
// input, output, d_output, d_input  (BATCH, FEATURES)
// sample                            (BATCH), the number of each sample in its set
// batch                             see BATCH_WORDS in src/ops/batch.rs: [1] epoch, [2] [3] seed
//
// Invocations are numbered along one line; one computes four elements of one sample.

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> sample: array<u32>;
@group(0) @binding(2) var<storage, read> batch: array<u32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;
@group(0) @binding(4) var<storage, read> d_output: array<f32>;
@group(0) @binding(5) var<storage, read_write> d_input: array<f32>;

override BATCH: u32;
override FEATURES: u32;
override SCALE: f32;

const WORKGROUP: u32 = 64u;

// include parts/line_index.wgsl
// include parts/philox.wgsl

@compute @workgroup_size(WORKGROUP)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let blocks = (FEATURES + 3u) / 4u;
    let index = line_index(group, groups, lane);
    if index >= BATCH * blocks {
        return;
    }
    let n = index / blocks;
    let block = index % blocks;
    let drop = dropped(n, block, 0u);
    for (var i = 0u; i < min(4u, FEATURES - 4u * block); i++) {
        let at = n * FEATURES + 4u * block + i;
        output[at] = select(input[at] * SCALE, 0.0, drop[i]);
    }
}

@compute @workgroup_size(WORKGROUP)
fn backward_input(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let blocks = (FEATURES + 3u) / 4u;
    let index = line_index(group, groups, lane);
    if index >= BATCH * blocks {
        return;
    }
    let n = index / blocks;
    let block = index % blocks;
    let drop = dropped(n, block, 0u);
    for (var i = 0u; i < min(4u, FEATURES - 4u * block); i++) {
        let at = n * FEATURES + 4u * block + i;
        d_input[at] = select(d_output[at] * SCALE, 0.0, drop[i]);
    }
}
