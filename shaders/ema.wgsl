// An exponential moving average of a parameter (Polyak and Juditsky, 1992).
//
//   average += (param - average) * share
//
// share is 1 in the first step, and 1 - decay once the average is old enough.
//
// param, average  (ELEMENTS)
// batch           see BATCH_WORDS in src/ops/batch.rs: [7] bits of the share
//
// Invocations are numbered along one line; one computes an element.

@group(0) @binding(0) var<storage, read> param: array<f32>;
@group(0) @binding(1) var<storage, read_write> average: array<f32>;
@group(0) @binding(2) var<storage, read> batch: array<u32>;

override ELEMENTS: u32;

const WORKGROUP: u32 = 64u;

// include parts/line_index.wgsl

@compute @workgroup_size(WORKGROUP)
fn update(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = line_index(group, groups, lane);
    if index >= ELEMENTS {
        return;
    }
    average[index] += (param[index] - average[index]) * bitcast<f32>(batch[7]);
}
