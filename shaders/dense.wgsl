// A fully connected layer with bias, and its gradients.
//
//   output[n,o]   = bias[o] + sum over i of weight[o,i] * input[n,i]
//   d_input[n,i]  = sum over o of weight[o,i] * d_output[n,o]
//   d_weight[o,i] = sum over n of d_output[n,o] * input[n,i]
//   d_bias[o]     = sum over n of d_output[n,o]
//
// input, d_input    (BATCH, IN_FEATURES)
// weight, d_weight  (OUT_FEATURES, IN_FEATURES)
// bias, d_bias      (OUT_FEATURES)
// output, d_output  (BATCH, OUT_FEATURES)
// partial           (BATCH, OUT_FEATURES, LANES)
//
// Invocations are numbered along one line. One computes
//   forward_partial  every LANES-th term of 8 samples' sums for one output; neighbours read
//                    neighbouring weights
//   forward          one output of one sample: the sum of its LANES partial sums, in their order
//   backward_input   one input of 8 samples; neighbours differ in the input
//   backward_weight  the weights of one input for 8 outputs; neighbours differ in the input, and the
//                    one after the last is the bias

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;
@group(0) @binding(4) var<storage, read_write> partial: array<f32>;
@group(0) @binding(5) var<storage, read> d_output: array<f32>;
@group(0) @binding(6) var<storage, read_write> d_input: array<f32>;
@group(0) @binding(7) var<storage, read_write> d_weight: array<f32>;
@group(0) @binding(8) var<storage, read_write> d_bias: array<f32>;

override BATCH: u32;
override IN_FEATURES: u32;
override OUT_FEATURES: u32;
override LANES: u32;

const WORKGROUP: u32 = 64u;
const BLOCK: u32 = 8u;

fn line_index(group: vec3u, groups: vec3u, lane: u32) -> u32 {
    return (group.y * groups.x + group.x) * WORKGROUP + lane;
}

@compute @workgroup_size(WORKGROUP)
fn forward_partial(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let blocks = (BATCH + BLOCK - 1u) / BLOCK;
    let index = line_index(group, groups, lane);
    if index >= blocks * OUT_FEATURES * LANES {
        return;
    }
    let first = index % LANES;
    let out_feature = index / LANES % OUT_FEATURES;
    let sample = index / (LANES * OUT_FEATURES) * BLOCK;
    // Beyond the last sample the last one again.
    let last = BATCH - 1u - sample;
    let rows_low = (sample + min(vec4u(0u, 1u, 2u, 3u), vec4u(last))) * IN_FEATURES;
    let rows_high = (sample + min(vec4u(4u, 5u, 6u, 7u), vec4u(last))) * IN_FEATURES;

    var low = vec4f();
    var high = vec4f();
    for (var i = first; i < IN_FEATURES; i += LANES) {
        let w = weight[out_feature * IN_FEATURES + i];
        low += w * vec4f(
            input[rows_low.x + i],
            input[rows_low.y + i],
            input[rows_low.z + i],
            input[rows_low.w + i],
        );
        high += w * vec4f(
            input[rows_high.x + i],
            input[rows_high.y + i],
            input[rows_high.z + i],
            input[rows_high.w + i],
        );
    }

    for (var i = 0u; i < min(BLOCK, BATCH - sample); i++) {
        let sum = select(high[i & 3u], low[i & 3u], i < 4u);
        partial[((sample + i) * OUT_FEATURES + out_feature) * LANES + first] = sum;
    }
}

@compute @workgroup_size(WORKGROUP)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = line_index(group, groups, lane);
    if index >= BATCH * OUT_FEATURES {
        return;
    }
    var sum = bias[index % OUT_FEATURES];
    for (var i = 0u; i < LANES; i++) {
        sum += partial[index * LANES + i];
    }
    output[index] = sum;
}

@compute @workgroup_size(WORKGROUP)
fn backward_input(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let blocks = (BATCH + BLOCK - 1u) / BLOCK;
    let index = line_index(group, groups, lane);
    if index >= blocks * IN_FEATURES {
        return;
    }
    let in_feature = index % IN_FEATURES;
    let sample = index / IN_FEATURES * BLOCK;
    let last = BATCH - 1u - sample;
    let rows_low = (sample + min(vec4u(0u, 1u, 2u, 3u), vec4u(last))) * OUT_FEATURES;
    let rows_high = (sample + min(vec4u(4u, 5u, 6u, 7u), vec4u(last))) * OUT_FEATURES;

    var low = vec4f();
    var high = vec4f();
    for (var o = 0u; o < OUT_FEATURES; o++) {
        let w = weight[o * IN_FEATURES + in_feature];
        low += w * vec4f(
            d_output[rows_low.x + o],
            d_output[rows_low.y + o],
            d_output[rows_low.z + o],
            d_output[rows_low.w + o],
        );
        high += w * vec4f(
            d_output[rows_high.x + o],
            d_output[rows_high.y + o],
            d_output[rows_high.z + o],
            d_output[rows_high.w + o],
        );
    }

    for (var i = 0u; i < min(BLOCK, BATCH - sample); i++) {
        d_input[(sample + i) * IN_FEATURES + in_feature] = select(high[i & 3u], low[i & 3u], i < 4u);
    }
}

@compute @workgroup_size(WORKGROUP)
fn backward_weight(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let columns = IN_FEATURES + 1u;
    let blocks = (OUT_FEATURES + BLOCK - 1u) / BLOCK;
    let index = line_index(group, groups, lane);
    if index >= blocks * columns {
        return;
    }
    let in_feature = index % columns;
    let out_feature = index / columns * BLOCK;
    let is_bias = in_feature == IN_FEATURES;
    let last = OUT_FEATURES - 1u - out_feature;

    var low = vec4f();
    var high = vec4f();
    for (var n = 0u; n < BATCH; n++) {
        var value = 1.0;
        if !is_bias {
            value = input[n * IN_FEATURES + in_feature];
        }
        let at = n * OUT_FEATURES + out_feature;
        low += value * vec4f(
            d_output[at],
            d_output[at + min(1u, last)],
            d_output[at + min(2u, last)],
            d_output[at + min(3u, last)],
        );
        high += value * vec4f(
            d_output[at + min(4u, last)],
            d_output[at + min(5u, last)],
            d_output[at + min(6u, last)],
            d_output[at + min(7u, last)],
        );
    }

    for (var i = 0u; i < min(BLOCK, OUT_FEATURES - out_feature); i++) {
        let sum = select(high[i & 3u], low[i & 3u], i < 4u);
        if is_bias {
            d_bias[out_feature + i] = sum;
        } else {
            d_weight[(out_feature + i) * IN_FEATURES + in_feature] = sum;
        }
    }
}
