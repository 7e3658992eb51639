// Stochastic gradient descent with momentum.
//
//   m      = MOMENTUM * m + grad
//   param -= factor * LEARNING_RATE * m
//
// where factor is what the schedule makes of the learning rate.
//
// param, grad, m  (ELEMENTS)
// batch           see BATCH_WORDS in src/ops/batch.rs: [4] bits of the factor
//
// Invocations are numbered along one line; one computes an element.

@group(0) @binding(0) var<storage, read_write> param: array<f32>;
@group(0) @binding(1) var<storage, read> grad: array<f32>;
@group(0) @binding(2) var<storage, read_write> m: array<f32>;
@group(0) @binding(3) var<storage, read> batch: array<u32>;

override ELEMENTS: u32;
override LEARNING_RATE: f32;
override MOMENTUM: f32;

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
    let velocity = m[index] * MOMENTUM + grad[index];
    param[index] = param[index] - bitcast<f32>(batch[4]) * LEARNING_RATE * velocity;
    m[index] = velocity;
}
