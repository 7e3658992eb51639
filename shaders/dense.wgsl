// A fully connected layer with bias, and its gradients.
//
//   output[n,o]   = bias[o] + sum over i of weight[o,i] * input[n,i]; with RELU max(that, 0)
//   d_input[n,i]  = sum over o of weight[o,i] * d_output[n,o]
//   d_weight[o,i] = sum over n of d_output[n,o] * input[n,i]
//   d_bias[o]     = sum over n of d_output[n,o]
//
// input, d_input    (BATCH, IN_FEATURES)
// weight, d_weight  (OUT_FEATURES, IN_FEATURES)
// bias, d_bias      (OUT_FEATURES)
// output, d_output  (BATCH, OUT_FEATURES)
// packed            for forward_rows the input as (block of 32 samples, input, sample in the block), for
//                   backward_weight d_output as (block of 32 outputs, sample, output in the block), for
//                   backward_input d_output as (block of 32 samples, output, sample in the block)
//
// where packed rows are padded to an even number a block. A dispatch of the latter two sees ROWS rows from
// FIRST_ROW on of the block of columns from FIRST_COLUMN on, as a uniform buffer: all lanes need the same
// factor at the same time. Of the block's 32 columns only VECTORS * 4 are computed. Beyond the first rows
// it adds to what is there. For forward_rows packed is a row of windows of HEIGHT rows, of which the first two
// are a head: what else would be constants of a dispatch, and would ask for a pipeline each, stands there. A
// dispatch sees one of the windows.
//
// Of several layers side by side everything lies one after the other, a layer after the other. Where z numbers
// workgroups, it numbers the layers.
//
// A workgroup of forward computes 8 samples and 4 outputs: neighbours read neighbouring inputs and weights,
// and their sums are added in workgroup memory. Otherwise, invocations are numbered along one line, and one
// computes
//   forward_rows     in place of forward, for software adapters: two outputs of 32 samples; neighbours
//                    differ in the outputs
//   pack_for_forward, pack_for_weight, pack_for_input  one element of a packed input or gradient
//   backward_weight  the weights of one input for 32 outputs; neighbours differ in the input, and the
//                    one after the last is the bias
//   backward_input   one input of 32 samples; neighbours differ in the input

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;
@group(0) @binding(4) var<storage, read> d_output: array<f32>;
@group(0) @binding(5) var<storage, read_write> d_input: array<f32>;
@group(0) @binding(6) var<storage, read_write> d_weight: array<f32>;
@group(0) @binding(7) var<storage, read_write> d_bias: array<f32>;
@group(0) @binding(8) var<storage, read_write> packed: array<f32>;
@group(0) @binding(9) var<uniform> packed_uniform: array<vec4f, 4096>;

override BATCH: u32;
override IN_FEATURES: u32;
override OUT_FEATURES: u32;
override FIRST_COLUMN: u32;
override VECTORS: u32;
override FIRST_ROW: u32;
override ROWS: u32;
override RELU: u32;
override HEIGHT: u32;
override LAYERS: u32;

const WORKGROUP: u32 = 64u;
const OUTS: u32 = 32u;
// Rows of the head of a window, and the most that it shows behind it.
const HEAD: u32 = 2u;
const SHOWN: u32 = 510u;

// include parts/line_index.wgsl

// What is stored of an output.
fn activated(sum: f32) -> f32 {
    return select(sum, max(sum, 0.0), RELU > 0u);
}

// include parts/sum_of_lanes.wgsl

fn store_tile(sum: f32, layer: u32, sample: u32, out_feature: u32, lane: u32) {
    let sample_of = sample + lane / 4u;
    let out_of = out_feature + lane % 4u;
    if lane < 16u && sample_of < BATCH && out_of < OUT_FEATURES {
        let at = (layer * BATCH + sample_of) * OUT_FEATURES + out_of;
        output[at] = activated(sum + bias[layer * OUT_FEATURES + out_of]);
    }
}

@compute @workgroup_size(WORKGROUP)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let sample_blocks = (BATCH + 7u) / 8u;
    let index = group.y * groups.x + group.x;
    if index >= (OUT_FEATURES + 3u) / 4u * sample_blocks {
        return;
    }
    // Workgroups beside each other read the same weights, which are many.
    let sample = index % sample_blocks * 8u;
    let out_feature = index / sample_blocks * 4u;
    // Beyond the last sample or output the last one again; what it gives is not stored.
    let last_sample = vec4u(BATCH - 1u - sample);
    let last_out = vec4u(OUT_FEATURES - 1u - out_feature);
    let layer = group.z;
    let low = (layer * BATCH + sample + min(vec4u(0u, 1u, 2u, 3u), last_sample)) * IN_FEATURES;
    let high = (layer * BATCH + sample + min(vec4u(4u, 5u, 6u, 7u), last_sample)) * IN_FEATURES;
    let rows = (layer * OUT_FEATURES + out_feature + min(vec4u(0u, 1u, 2u, 3u), last_out)) * IN_FEATURES;

    // The four outputs of a sample in each vector.
    var sums_0 = vec4f();
    var sums_1 = vec4f();
    var sums_2 = vec4f();
    var sums_3 = vec4f();
    var sums_4 = vec4f();
    var sums_5 = vec4f();
    var sums_6 = vec4f();
    var sums_7 = vec4f();
    for (var i = lane; i < IN_FEATURES; i += WORKGROUP) {
        let weights = vec4f(weight[rows.x + i], weight[rows.y + i], weight[rows.z + i], weight[rows.w + i]);
        sums_0 += input[low.x + i] * weights;
        sums_1 += input[low.y + i] * weights;
        sums_2 += input[low.z + i] * weights;
        sums_3 += input[low.w + i] * weights;
        sums_4 += input[high.x + i] * weights;
        sums_5 += input[high.y + i] * weights;
        sums_6 += input[high.z + i] * weights;
        sums_7 += input[high.w + i] * weights;
    }

    store_tile(sum_of_lanes(lane, mat4x4f(sums_0, sums_1, sums_2, sums_3)), layer, sample, out_feature, lane);
    store_tile(sum_of_lanes(lane, mat4x4f(sums_4, sums_5, sums_6, sums_7)), layer, sample + 4u, out_feature, lane);
}

// Sums for the 32 columns of a block.
struct Sums {
    sum_0: vec4f,
    sum_1: vec4f,
    sum_2: vec4f,
    sum_3: vec4f,
    sum_4: vec4f,
    sum_5: vec4f,
    sum_6: vec4f,
    sum_7: vec4f,
}

// Adds the products of a factor and a packed row.
fn add_row(value: f32, row: u32, sums: ptr<function, Sums>) {
    let at = row * 8u;
    (*sums).sum_0 += value * packed_uniform[at];
    if VECTORS > 1u {
        (*sums).sum_1 += value * packed_uniform[at + 1u];
    }
    if VECTORS > 2u {
        (*sums).sum_2 += value * packed_uniform[at + 2u];
    }
    if VECTORS > 3u {
        (*sums).sum_3 += value * packed_uniform[at + 3u];
    }
    if VECTORS > 4u {
        (*sums).sum_4 += value * packed_uniform[at + 4u];
    }
    if VECTORS > 5u {
        (*sums).sum_5 += value * packed_uniform[at + 5u];
    }
    if VECTORS > 6u {
        (*sums).sum_6 += value * packed_uniform[at + 6u];
    }
    if VECTORS > 7u {
        (*sums).sum_7 += value * packed_uniform[at + 7u];
    }
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
    let held = HEIGHT - HEAD;
    let windows = (IN_FEATURES + held - 1u) / held;
    let size = (BATCH + OUTS - 1u) / OUTS * windows * HEIGHT * OUTS;
    if index >= size {
        return;
    }
    let window = index / (HEIGHT * OUTS);
    let row = index / OUTS % HEIGHT;
    let first_row = window % windows * held;
    let first_column = window / windows * OUTS;
    var value = 0.0;
    if row < HEAD {
        let head = vec4u(first_row, min(held, IN_FEATURES - first_row), first_column, group.z);
        value = f32(head[index % 4u]);
    } else {
        let in_feature = first_row + row - HEAD;
        let sample = first_column + index % OUTS;
        if in_feature < IN_FEATURES && sample < BATCH {
            value = input[(group.z * BATCH + sample) * IN_FEATURES + in_feature];
        }
    }
    packed[group.z * size + index] = value;
}

// What a window of forward_rows shows.
struct Head {
    first_row: u32,
    rows: u32,
    first_column: u32,
    layer: u32,
}

// Adds an output of four samples to what earlier rows left, or to the bias.
fn store_output(sum: vec4f, head: Head, column: u32, out_feature: u32) {
    let sample = head.first_column + column;
    for (var i = 0u; i < 4u && sample + i < BATCH; i++) {
        let at = (head.layer * BATCH + sample + i) * OUT_FEATURES + out_feature;
        var value = sum[i];
        if head.first_row == 0u {
            value += bias[head.layer * OUT_FEATURES + out_feature];
        } else {
            value += output[at];
        }
        // Earlier rows leave a part of the sum.
        if head.first_row + head.rows == IN_FEATURES {
            value = activated(value);
        }
        output[at] = value;
    }
}

fn store_outputs(sums: Sums, head: Head, out_feature: u32) {
    store_output(sums.sum_0, head, 0u, out_feature);
    store_output(sums.sum_1, head, 4u, out_feature);
    store_output(sums.sum_2, head, 8u, out_feature);
    store_output(sums.sum_3, head, 12u, out_feature);
    store_output(sums.sum_4, head, 16u, out_feature);
    store_output(sums.sum_5, head, 20u, out_feature);
    store_output(sums.sum_6, head, 24u, out_feature);
    store_output(sums.sum_7, head, 28u, out_feature);
}

// Whatever stands there: nothing else may be read or written.
fn head_of_window() -> Head {
    let head = vec4u(packed_uniform[0]);
    let rows = min(head.y, min(SHOWN, IN_FEATURES));
    return Head(min(head.x, IN_FEATURES - rows), rows, min(head.z, BATCH - 1u), min(head.w, LAYERS - 1u));
}

@compute @workgroup_size(WORKGROUP)
fn forward_rows(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let out_feature = line_index(group, groups, lane) * 2u;
    if out_feature >= OUT_FEATURES {
        return;
    }
    // Beyond the last output the last one again; what it gives is not stored.
    let other_feature = min(out_feature + 1u, OUT_FEATURES - 1u);
    let head = head_of_window();
    let first = (head.layer * OUT_FEATURES + out_feature) * IN_FEATURES + head.first_row;
    let other_first = (head.layer * OUT_FEATURES + other_feature) * IN_FEATURES + head.first_row;

    var sums = Sums();
    var others = Sums();
    for (var row = 0u; row < head.rows; row++) {
        add_row(weight[first + row], row + HEAD, &sums);
        add_row(weight[other_first + row], row + HEAD, &others);
    }

    store_outputs(sums, head, out_feature);
    if out_feature + 1u < OUT_FEATURES {
        store_outputs(others, head, out_feature + 1u);
    }
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
    packed[index] = value;
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
    packed[index] = value;
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

    var sums = Sums();
    for (var row = 0u; row < ROWS; row++) {
        var value = 1.0;
        if in_feature < IN_FEATURES {
            value = input[(FIRST_ROW + row) * IN_FEATURES + in_feature];
        }
        add_row(value, row, &sums);
    }

    store_d_weight(sums.sum_0, FIRST_COLUMN + 0u, in_feature);
    store_d_weight(sums.sum_1, FIRST_COLUMN + 4u, in_feature);
    store_d_weight(sums.sum_2, FIRST_COLUMN + 8u, in_feature);
    store_d_weight(sums.sum_3, FIRST_COLUMN + 12u, in_feature);
    store_d_weight(sums.sum_4, FIRST_COLUMN + 16u, in_feature);
    store_d_weight(sums.sum_5, FIRST_COLUMN + 20u, in_feature);
    store_d_weight(sums.sum_6, FIRST_COLUMN + 24u, in_feature);
    store_d_weight(sums.sum_7, FIRST_COLUMN + 28u, in_feature);
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

    var sums = Sums();
    for (var row = 0u; row < ROWS; row++) {
        let value = weight[(FIRST_ROW + row) * IN_FEATURES + in_feature];
        add_row(value, row, &sums);
    }

    store_d_input(sums.sum_0, FIRST_COLUMN + 0u, in_feature);
    store_d_input(sums.sum_1, FIRST_COLUMN + 4u, in_feature);
    store_d_input(sums.sum_2, FIRST_COLUMN + 8u, in_feature);
    store_d_input(sums.sum_3, FIRST_COLUMN + 12u, in_feature);
    store_d_input(sums.sum_4, FIRST_COLUMN + 16u, in_feature);
    store_d_input(sums.sum_5, FIRST_COLUMN + 20u, in_feature);
    store_d_input(sums.sum_6, FIRST_COLUMN + 24u, in_feature);
    store_d_input(sums.sum_7, FIRST_COLUMN + 28u, in_feature);
}
