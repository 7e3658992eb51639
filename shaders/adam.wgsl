// The optimiser Adam (Kingma and Ba, 2015), with decoupled weight decay (Loshchilov and Hutter, 2019).
//
//   advance:  step    += 1
//             rates[0] = 1 / (1 - BETA1^step)
//             rates[1] = 1 / (1 - BETA2^step)
//             rates[2] = factor
//   update:   m      = BETA1 * m + (1 - BETA1) * grad
//             v      = BETA2 * v + (1 - BETA2) * grad^2
//             param -= factor * (DECAY * param
//                      + LEARNING_RATE * (m * rates[0]) / (sqrt(v * rates[1]) + EPSILON))
//
// DECAY is the learning rate times the weight decay; factor is what the schedule makes of both.
//
// param, grad, m, v  (ELEMENTS)
// step               (1)
// rates              (3)
// batch              see BATCH_WORDS in src/ops/mod.rs: [4] bits of the factor
//
// advance runs in one invocation. In update, invocations are numbered along one line and one computes
// an element.

@group(0) @binding(0) var<storage, read_write> step: array<u32>;
@group(0) @binding(1) var<storage, read_write> rates: array<f32>;
@group(0) @binding(2) var<storage, read_write> param: array<f32>;
@group(0) @binding(3) var<storage, read> grad: array<f32>;
@group(0) @binding(4) var<storage, read_write> m: array<f32>;
@group(0) @binding(5) var<storage, read_write> v: array<f32>;
@group(0) @binding(6) var<storage, read> batch: array<u32>;

override ELEMENTS: u32;
override LEARNING_RATE: f32;
override DECAY: f32;
override BETA1: f32;
override BETA2: f32;
override ONE_MINUS_BETA1: f32;
override ONE_MINUS_BETA2: f32;
override EPSILON: f32;

const WORKGROUP: u32 = 64u;

fn line_index(group: vec3u, groups: vec3u, lane: u32) -> u32 {
    return (group.y * groups.x + group.x) * WORKGROUP + lane;
}

// 1 - beta^exponent, by repeated squaring of pairs (beta^k, 1 - beta^k): nothing is subtracted.
fn one_minus_power(beta: f32, one_minus_beta: f32, exponent: u32) -> f32 {
    var square = vec2f(beta, one_minus_beta);
    var result = vec2f(1.0, 0.0);
    var rest = exponent;
    while rest > 0u {
        if (rest & 1u) == 1u {
            result = vec2f(result.x * square.x, result.y + result.x * square.y);
        }
        square = vec2f(square.x * square.x, square.y + square.x * square.y);
        rest >>= 1u;
    }
    return result.y;
}

@compute @workgroup_size(1)
fn advance() {
    let now = step[0] + 1u;
    step[0] = now;
    rates[0] = 1.0 / one_minus_power(BETA1, ONE_MINUS_BETA1, now);
    rates[1] = 1.0 / one_minus_power(BETA2, ONE_MINUS_BETA2, now);
    rates[2] = bitcast<f32>(batch[4]);
}

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
    let factor = rates[2];
    let gradient = grad[index];
    let mean = m[index] * BETA1 + gradient * ONE_MINUS_BETA1;
    let squared = v[index] * BETA2 + gradient * gradient * ONE_MINUS_BETA2;
    let root = sqrt(squared * rates[1]) + EPSILON;
    let decayed = param[index] - param[index] * (factor * DECAY);
    param[index] = decayed - factor * LEARNING_RATE * (mean * rates[0]) / root;
    m[index] = mean;
    v[index] = squared;
}
