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
// forward_packed    (blocks of 32 samples, input, sample in the block): the input for forward_rows
// weight_packed     (blocks of 32 outputs, sample, output in the block): d_output for backward_weight
// input_packed      (blocks of 32 samples, output, sample in the block): d_output for backward_input
//
// where packed rows are padded to an even number a block. A dispatch of forward_rows, backward_weight or
// backward_input sees ROWS rows from FIRST_ROW on of the block of columns from FIRST_COLUMN on, as a
// uniform buffer: all lanes need the same factor at the same time. Of the block's 32 columns only
// VECTORS * 4 are computed. Beyond the first rows it adds to what is there.
//
// Invocations are numbered along one line. One computes
//   forward_partial  every LANES-th term of the sums of 8 samples and 8 outputs; neighbours read
//                    neighbouring inputs and weights
//   forward          one output of one sample: the sum of its LANES partial sums, in their order
//   forward_rows     in place of these two, for software adapters: one output of 32 samples; neighbours
//                    differ in the output
//   pack_for_forward, pack_for_weight, pack_for_input  one element of a packed input or gradient
//   backward_weight  the weights of one input for 32 outputs; neighbours differ in the input, and the
//                    one after the last is the bias
//   backward_input   one input of 32 samples; neighbours differ in the input

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;
@group(0) @binding(4) var<storage, read_write> partial: array<f32>;
@group(0) @binding(5) var<storage, read> d_output: array<f32>;
@group(0) @binding(6) var<storage, read_write> d_input: array<f32>;
@group(0) @binding(7) var<storage, read_write> d_weight: array<f32>;
@group(0) @binding(8) var<storage, read_write> d_bias: array<f32>;
@group(0) @binding(9) var<storage, read_write> weight_packed: array<f32>;
@group(0) @binding(10) var<storage, read_write> input_packed: array<f32>;
@group(0) @binding(11) var<uniform> weight_packed_uniform: array<vec4f, 4096>;
@group(0) @binding(12) var<uniform> input_packed_uniform: array<vec4f, 4096>;
@group(0) @binding(13) var<storage, read_write> forward_packed: array<f32>;
@group(0) @binding(14) var<uniform> forward_packed_uniform: array<vec4f, 4096>;

override BATCH: u32;
override IN_FEATURES: u32;
override OUT_FEATURES: u32;
override LANES: u32;
override FIRST_COLUMN: u32;
override VECTORS: u32;
override FIRST_ROW: u32;
override ROWS: u32;

const WORKGROUP: u32 = 64u;
const BLOCK: u32 = 8u;
const OUTS: u32 = 32u;

fn line_index(group: vec3u, groups: vec3u, lane: u32) -> u32 {
    return (group.y * groups.x + group.x) * WORKGROUP + lane;
}

fn store_partial(low: vec4f, high: vec4f, sample: u32, out_feature: u32, first: u32) {
    if sample >= BATCH {
        return;
    }
    for (var i = 0u; i < min(BLOCK, OUT_FEATURES - out_feature); i++) {
        let sum = select(high[i & 3u], low[i & 3u], i < 4u);
        partial[(sample * OUT_FEATURES + out_feature + i) * LANES + first] = sum;
    }
}

@compute @workgroup_size(WORKGROUP)
fn forward_partial(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let out_blocks = (OUT_FEATURES + BLOCK - 1u) / BLOCK;
    let index = line_index(group, groups, lane);
    if index >= (BATCH + BLOCK - 1u) / BLOCK * out_blocks * LANES {
        return;
    }
    let first = index % LANES;
    let out_feature = index / LANES % out_blocks * BLOCK;
    let sample = index / (LANES * out_blocks) * BLOCK;
    // Beyond the last sample or output the last one again; what it gives is not stored.
    let last_sample = vec4u(BATCH - 1u - sample);
    let last_out = vec4u(OUT_FEATURES - 1u - out_feature);
    let first_samples = (sample + min(vec4u(0u, 1u, 2u, 3u), last_sample)) * IN_FEATURES;
    let other_samples = (sample + min(vec4u(4u, 5u, 6u, 7u), last_sample)) * IN_FEATURES;
    let low_rows = (out_feature + min(vec4u(0u, 1u, 2u, 3u), last_out)) * IN_FEATURES;
    let high_rows = (out_feature + min(vec4u(4u, 5u, 6u, 7u), last_out)) * IN_FEATURES;

    // Four outputs of a sample in each vector: the first four in low, the others in high.
    var low_0 = vec4f();
    var high_0 = vec4f();
    var low_1 = vec4f();
    var high_1 = vec4f();
    var low_2 = vec4f();
    var high_2 = vec4f();
    var low_3 = vec4f();
    var high_3 = vec4f();
    var low_4 = vec4f();
    var high_4 = vec4f();
    var low_5 = vec4f();
    var high_5 = vec4f();
    var low_6 = vec4f();
    var high_6 = vec4f();
    var low_7 = vec4f();
    var high_7 = vec4f();
    for (var i = first; i < IN_FEATURES; i += LANES) {
        let low = vec4f(weight[low_rows.x + i], weight[low_rows.y + i], weight[low_rows.z + i], weight[low_rows.w + i]);
        let high = vec4f(weight[high_rows.x + i], weight[high_rows.y + i], weight[high_rows.z + i], weight[high_rows.w + i]);
        let x = vec4f(input[first_samples.x + i], input[first_samples.y + i], input[first_samples.z + i], input[first_samples.w + i]);
        let y = vec4f(input[other_samples.x + i], input[other_samples.y + i], input[other_samples.z + i], input[other_samples.w + i]);
        low_0 += x.x * low;
        high_0 += x.x * high;
        low_1 += x.y * low;
        high_1 += x.y * high;
        low_2 += x.z * low;
        high_2 += x.z * high;
        low_3 += x.w * low;
        high_3 += x.w * high;
        low_4 += y.x * low;
        high_4 += y.x * high;
        low_5 += y.y * low;
        high_5 += y.y * high;
        low_6 += y.z * low;
        high_6 += y.z * high;
        low_7 += y.w * low;
        high_7 += y.w * high;
    }

    store_partial(low_0, high_0, sample + 0u, out_feature, first);
    store_partial(low_1, high_1, sample + 1u, out_feature, first);
    store_partial(low_2, high_2, sample + 2u, out_feature, first);
    store_partial(low_3, high_3, sample + 3u, out_feature, first);
    store_partial(low_4, high_4, sample + 4u, out_feature, first);
    store_partial(low_5, high_5, sample + 5u, out_feature, first);
    store_partial(low_6, high_6, sample + 6u, out_feature, first);
    store_partial(low_7, high_7, sample + 7u, out_feature, first);
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

// An element of a packed matrix of rows x columns: (row, column).
fn packed_place(index: u32, rows: u32) -> vec2u {
    let stride = rows + rows % 2u;
    return vec2u(index / OUTS % stride, index / (OUTS * stride) * OUTS + index % OUTS);
}

@compute @workgroup_size(WORKGROUP)
fn pack_for_forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = line_index(group, groups, lane);
    if index >= (BATCH + OUTS - 1u) / OUTS * (IN_FEATURES + IN_FEATURES % 2u) * OUTS {
        return;
    }
    let place = packed_place(index, IN_FEATURES);
    var value = 0.0;
    if place.x < IN_FEATURES && place.y < BATCH {
        value = input[place.y * IN_FEATURES + place.x];
    }
    forward_packed[index] = value;
}

// Adds an output of four samples to what earlier rows left, or to the bias.
fn store_output(sum: vec4f, sample: u32, out_feature: u32) {
    for (var i = 0u; i < 4u && sample + i < BATCH; i++) {
        let at = (sample + i) * OUT_FEATURES + out_feature;
        if FIRST_ROW == 0u {
            output[at] = sum[i] + bias[out_feature];
        } else {
            output[at] += sum[i];
        }
    }
}

@compute @workgroup_size(WORKGROUP)
fn forward_rows(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let out_feature = line_index(group, groups, lane);
    if out_feature >= OUT_FEATURES {
        return;
    }
    let first = out_feature * IN_FEATURES + FIRST_ROW;

    var sum_0 = vec4f();
    var sum_1 = vec4f();
    var sum_2 = vec4f();
    var sum_3 = vec4f();
    var sum_4 = vec4f();
    var sum_5 = vec4f();
    var sum_6 = vec4f();
    var sum_7 = vec4f();
    for (var row = 0u; row < ROWS; row++) {
        let value = weight[first + row];
        let at = row * 8u;
        sum_0 += value * forward_packed_uniform[at];
        if VECTORS > 1u {
            sum_1 += value * forward_packed_uniform[at + 1u];
        }
        if VECTORS > 2u {
            sum_2 += value * forward_packed_uniform[at + 2u];
        }
        if VECTORS > 3u {
            sum_3 += value * forward_packed_uniform[at + 3u];
        }
        if VECTORS > 4u {
            sum_4 += value * forward_packed_uniform[at + 4u];
        }
        if VECTORS > 5u {
            sum_5 += value * forward_packed_uniform[at + 5u];
        }
        if VECTORS > 6u {
            sum_6 += value * forward_packed_uniform[at + 6u];
        }
        if VECTORS > 7u {
            sum_7 += value * forward_packed_uniform[at + 7u];
        }
    }

    store_output(sum_0, FIRST_COLUMN + 0u, out_feature);
    store_output(sum_1, FIRST_COLUMN + 4u, out_feature);
    store_output(sum_2, FIRST_COLUMN + 8u, out_feature);
    store_output(sum_3, FIRST_COLUMN + 12u, out_feature);
    store_output(sum_4, FIRST_COLUMN + 16u, out_feature);
    store_output(sum_5, FIRST_COLUMN + 20u, out_feature);
    store_output(sum_6, FIRST_COLUMN + 24u, out_feature);
    store_output(sum_7, FIRST_COLUMN + 28u, out_feature);
}

@compute @workgroup_size(WORKGROUP)
fn pack_for_weight(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = line_index(group, groups, lane);
    if index >= (OUT_FEATURES + OUTS - 1u) / OUTS * (BATCH + BATCH % 2u) * OUTS {
        return;
    }
    let place = packed_place(index, BATCH);
    var value = 0.0;
    if place.x < BATCH && place.y < OUT_FEATURES {
        value = d_output[place.x * OUT_FEATURES + place.y];
    }
    weight_packed[index] = value;
}

@compute @workgroup_size(WORKGROUP)
fn pack_for_input(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = line_index(group, groups, lane);
    if index >= (BATCH + OUTS - 1u) / OUTS * (OUT_FEATURES + OUT_FEATURES % 2u) * OUTS {
        return;
    }
    let place = packed_place(index, OUT_FEATURES);
    var value = 0.0;
    if place.x < OUT_FEATURES && place.y < BATCH {
        value = d_output[place.y * OUT_FEATURES + place.x];
    }
    input_packed[index] = value;
}

// Adds the gradients of four outputs' weights, or of their biases, to what earlier rows left.
fn store_d_weight(sum: vec4f, out_feature: u32, in_feature: u32) {
    for (var i = 0u; i < 4u && out_feature + i < OUT_FEATURES; i++) {
        if in_feature == IN_FEATURES {
            let at = out_feature + i;
            d_bias[at] = sum[i] + select(d_bias[at], 0.0, FIRST_ROW == 0u);
        } else {
            let at = (out_feature + i) * IN_FEATURES + in_feature;
            d_weight[at] = sum[i] + select(d_weight[at], 0.0, FIRST_ROW == 0u);
        }
    }
}

@compute @workgroup_size(WORKGROUP)
fn backward_weight(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let in_feature = line_index(group, groups, lane);
    if in_feature > IN_FEATURES {
        return;
    }

    var sum_0 = vec4f();
    var sum_1 = vec4f();
    var sum_2 = vec4f();
    var sum_3 = vec4f();
    var sum_4 = vec4f();
    var sum_5 = vec4f();
    var sum_6 = vec4f();
    var sum_7 = vec4f();
    for (var row = 0u; row < ROWS; row++) {
        var value = 1.0;
        if in_feature < IN_FEATURES {
            value = input[(FIRST_ROW + row) * IN_FEATURES + in_feature];
        }
        let at = row * 8u;
        sum_0 += value * weight_packed_uniform[at];
        if VECTORS > 1u {
            sum_1 += value * weight_packed_uniform[at + 1u];
        }
        if VECTORS > 2u {
            sum_2 += value * weight_packed_uniform[at + 2u];
        }
        if VECTORS > 3u {
            sum_3 += value * weight_packed_uniform[at + 3u];
        }
        if VECTORS > 4u {
            sum_4 += value * weight_packed_uniform[at + 4u];
        }
        if VECTORS > 5u {
            sum_5 += value * weight_packed_uniform[at + 5u];
        }
        if VECTORS > 6u {
            sum_6 += value * weight_packed_uniform[at + 6u];
        }
        if VECTORS > 7u {
            sum_7 += value * weight_packed_uniform[at + 7u];
        }
    }

    store_d_weight(sum_0, FIRST_COLUMN + 0u, in_feature);
    store_d_weight(sum_1, FIRST_COLUMN + 4u, in_feature);
    store_d_weight(sum_2, FIRST_COLUMN + 8u, in_feature);
    store_d_weight(sum_3, FIRST_COLUMN + 12u, in_feature);
    store_d_weight(sum_4, FIRST_COLUMN + 16u, in_feature);
    store_d_weight(sum_5, FIRST_COLUMN + 20u, in_feature);
    store_d_weight(sum_6, FIRST_COLUMN + 24u, in_feature);
    store_d_weight(sum_7, FIRST_COLUMN + 28u, in_feature);
}

// Adds the gradients of one input of four samples to what earlier rows left.
fn store_d_input(sum: vec4f, sample: u32, in_feature: u32) {
    for (var i = 0u; i < 4u && sample + i < BATCH; i++) {
        let at = (sample + i) * IN_FEATURES + in_feature;
        d_input[at] = sum[i] + select(d_input[at], 0.0, FIRST_ROW == 0u);
    }
}

@compute @workgroup_size(WORKGROUP)
fn backward_input(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let in_feature = line_index(group, groups, lane);
    if in_feature >= IN_FEATURES {
        return;
    }

    var sum_0 = vec4f();
    var sum_1 = vec4f();
    var sum_2 = vec4f();
    var sum_3 = vec4f();
    var sum_4 = vec4f();
    var sum_5 = vec4f();
    var sum_6 = vec4f();
    var sum_7 = vec4f();
    for (var row = 0u; row < ROWS; row++) {
        let value = weight[(FIRST_ROW + row) * IN_FEATURES + in_feature];
        let at = row * 8u;
        sum_0 += value * input_packed_uniform[at];
        if VECTORS > 1u {
            sum_1 += value * input_packed_uniform[at + 1u];
        }
        if VECTORS > 2u {
            sum_2 += value * input_packed_uniform[at + 2u];
        }
        if VECTORS > 3u {
            sum_3 += value * input_packed_uniform[at + 3u];
        }
        if VECTORS > 4u {
            sum_4 += value * input_packed_uniform[at + 4u];
        }
        if VECTORS > 5u {
            sum_5 += value * input_packed_uniform[at + 5u];
        }
        if VECTORS > 6u {
            sum_6 += value * input_packed_uniform[at + 6u];
        }
        if VECTORS > 7u {
            sum_7 += value * input_packed_uniform[at + 7u];
        }
    }

    store_d_input(sum_0, FIRST_COLUMN + 0u, in_feature);
    store_d_input(sum_1, FIRST_COLUMN + 4u, in_feature);
    store_d_input(sum_2, FIRST_COLUMN + 8u, in_feature);
    store_d_input(sum_3, FIRST_COLUMN + 12u, in_feature);
    store_d_input(sum_4, FIRST_COLUMN + 16u, in_feature);
    store_d_input(sum_5, FIRST_COLUMN + 20u, in_feature);
    store_d_input(sum_6, FIRST_COLUMN + 24u, in_feature);
    store_d_input(sum_7, FIRST_COLUMN + 28u, in_feature);
}
