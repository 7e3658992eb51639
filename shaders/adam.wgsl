// The optimiser Adam (Kingma and Ba, 2015), with decoupled weight decay (Loshchilov and Hutter, 2019).
//
//   m      = BETA1 * m + (1 - BETA1) * grad
//   v      = BETA2 * v + (1 - BETA2) * grad^2
//   param -= factor * (DECAY * param + LEARNING_RATE * (m * c1) / (sqrt(v * c2) + EPSILON))
//
// DECAY is the learning rate times the weight decay; factor is what the schedule makes of both; the bias
// corrections c1 and c2 are 1 / (1 - BETA1^step) and 1 / (1 - BETA2^step).
//
// param, grad, m, v  (ELEMENTS)
// batch              see BATCH_WORDS in src/ops/batch.rs: [4] [5] [6] bits of the factor, c1 and c2
//
// Invocations are numbered along one line; one computes an element.

@group(0) @binding(0) var<storage, read_write> param: array<f32>;
@group(0) @binding(1) var<storage, read> grad: array<f32>;
@group(0) @binding(2) var<storage, read_write> m: array<f32>;
@group(0) @binding(3) var<storage, read_write> v: array<f32>;
@group(0) @binding(4) var<storage, read> batch: array<u32>;

override ELEMENTS: u32;
override LEARNING_RATE: f32;
override DECAY: f32;
override BETA1: f32;
override BETA2: f32;
override ONE_MINUS_BETA1: f32;
override ONE_MINUS_BETA2: f32;
override EPSILON: f32;

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
    let rates = bitcast<vec3f>(vec3u(batch[4], batch[5], batch[6]));
    let gradient = grad[index];
    let mean = m[index] * BETA1 + gradient * ONE_MINUS_BETA1;
    let squared = v[index] * BETA2 + gradient * gradient * ONE_MINUS_BETA2;
    let root = sqrt(squared * rates.z) + EPSILON;
    let decayed = param[index] - param[index] * (rates.x * DECAY);
    param[index] = decayed - rates.x * LEARNING_RATE * (mean * rates.y) / root;
    m[index] = mean;
    v[index] = squared;
}
