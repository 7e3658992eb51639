// The gradients of a fully connected layer and Adam's step with them; see dense.wgsl and adam.wgsl.
//
//   d_input[n,i] = sum over o of weight[o,i] * d_output[n,o], with the weights before the step; with RELU,
//                  which says that input is what a ReLU gave, 0 where that is not above 0
//   grad[o,i]   = sum over n of d_output[n,o] * input[n,i]
//   d_bias[o]   = sum over n of d_output[n,o]
//   m           = BETA1 * m + (1 - BETA1) * grad
//   v           = BETA2 * v + (1 - BETA2) * grad^2
//   weight     -= factor * (DECAY * weight + LEARNING_RATE * (m * c1) / (sqrt(v * c2) + EPSILON))
//
// input, d_input (BATCH, IN_FEATURES)
// d_output       (BATCH, OUT_FEATURES)
// weight, m, v   (OUT_FEATURES, IN_FEATURES)
// d_bias         (OUT_FEATURES)
// batch          see BATCH_WORDS in src/ops/batch.rs: [4] [5] [6] bits of the factor, c1 and c2
// packed         d_output, for update as (block of 32 outputs, sample, output in the block), for backward as
//                (output, sample)
//
// where packed rows are padded to an even number a block. A dispatch of update sees the blocks from
// FIRST_COLUMN on as a uniform buffer, and one of backward the ROWS outputs from FIRST_ROW on: all lanes
// need the same gradient at the same time. Of a block's 32 columns only VECTORS * 4 are computed. Beyond
// the first rows backward adds to the d_input that is there.
//
// Of several layers side by side everything but batch and packed lies one after the other, a layer after the
// other: backward_tile does all of them, where z numbers them; the others do the one that is LAYER.
//
// One invocation computes
//   pack_for_update, pack_for_backward  one element of the packed gradient; that of an output's first
//             sample computes d_bias as well
//   update         the weights of one input for 32 outputs; z numbers the blocks of outputs
//   backward       two inputs of all samples, at most 32, and their weights for all outputs that are seen
//   backward_tile  in place of backward, for GPUs: one input of all samples, and its weights for all outputs.
//                  Nothing is packed before: each workgroup stages d_output itself, CHUNK outputs at a time, and
//                  the first one of a layer computes d_bias. Of more than 20 samples the input is read again for
//                  every four outputs
//
// where invocations are numbered along one line.

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> d_output: array<f32>;
@group(0) @binding(2) var<storage, read_write> weight: array<f32>;
@group(0) @binding(3) var<storage, read_write> m: array<f32>;
@group(0) @binding(4) var<storage, read_write> v: array<f32>;
@group(0) @binding(5) var<storage, read> batch: array<u32>;
@group(0) @binding(6) var<storage, read_write> d_bias: array<f32>;
@group(0) @binding(7) var<storage, read_write> packed: array<f32>;
@group(0) @binding(8) var<uniform> packed_uniform: array<vec4f, 4096>;
@group(0) @binding(9) var<storage, read_write> d_input: array<f32>;

override BATCH: u32;
override IN_FEATURES: u32;
override OUT_FEATURES: u32;
override FIRST_COLUMN: u32;
override VECTORS: u32;
override FIRST_ROW: u32;
override ROWS: u32;
override RELU: u32;
override CHUNK: u32;
override LAYER: u32;
override LEARNING_RATE: f32;
override DECAY: f32;
override BETA1: f32;
override BETA2: f32;
override ONE_MINUS_BETA1: f32;
override ONE_MINUS_BETA2: f32;
override EPSILON: f32;

const WORKGROUP: u32 = 64u;
const OUTS: u32 = 32u;

// include parts/line_index.wgsl

// What is to be packed for an output of a sample. For the first sample it stores the bias's gradient, too.
fn pack(sample: u32, out_feature: u32) -> f32 {
    if sample >= BATCH || out_feature >= OUT_FEATURES {
        return 0.0;
    }
    if sample == 0u {
        var sum = 0.0;
        for (var other = 0u; other < BATCH; other++) {
            sum += d_output[(LAYER * BATCH + other) * OUT_FEATURES + out_feature];
        }
        d_bias[LAYER * OUT_FEATURES + out_feature] = sum;
    }
    return d_output[(LAYER * BATCH + sample) * OUT_FEATURES + out_feature];
}

// An element of a packed matrix of rows x columns: (row, column).
fn packed_place(index: u32, rows: u32) -> vec2u {
    let stride = rows + rows % 2u;
    return vec2u(index / OUTS % stride, index / (OUTS * stride) * OUTS + index % OUTS);
}

@compute @workgroup_size(WORKGROUP)
fn pack_for_update(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = line_index(group, groups, lane);
    if index >= (OUT_FEATURES + OUTS - 1u) / OUTS * (BATCH + BATCH % 2u) * OUTS {
        return;
    }
    let place = packed_place(index, BATCH);
    packed[index] = pack(place.x, place.y);
}

@compute @workgroup_size(WORKGROUP)
fn pack_for_backward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = line_index(group, groups, lane);
    if index >= (OUT_FEATURES + OUT_FEATURES % 2u) * OUTS {
        return;
    }
    let place = packed_place(index, OUT_FEATURES);
    packed[index] = pack(place.y, place.x);
}

// What changes a weight, beside its gradient: the factor, and the corrections of mean and squared mean.
fn all_rates() -> vec3f {
    return bitcast<vec3f>(vec3u(batch[4], batch[5], batch[6]));
}

// The weights of one input for four outputs, and their moments. All loads come before the first store:
// waiting for them one by one would take far longer.
struct Weights {
    at: vec4u,
    before: vec4f,
    mean: vec4f,
    squared: vec4f,
}

// The weights of an input from an output on; beyond the last the last one again. That of output 0 lies at `first`.
fn weights_of(out_feature: u32, first: u32) -> Weights {
    let outs = min(out_feature + vec4u(0u, 1u, 2u, 3u), vec4u(OUT_FEATURES - 1u));
    let at = first + outs * IN_FEATURES;
    return Weights(
        at,
        vec4f(weight[at.x], weight[at.y], weight[at.z], weight[at.w]),
        vec4f(m[at.x], m[at.y], m[at.z], m[at.w]),
        vec4f(v[at.x], v[at.y], v[at.z], v[at.w]),
    );
}

// Adam's step of one weight.
fn step(at: u32, before: f32, old_mean: f32, old_squared: f32, grad: f32, now: vec3f) {
    let mean = old_mean * BETA1 + grad * ONE_MINUS_BETA1;
    let squared = old_squared * BETA2 + grad * grad * ONE_MINUS_BETA2;
    let root = sqrt(squared * now.z) + EPSILON;
    let decayed = before - before * (now.x * DECAY);
    weight[at] = decayed - now.x * LEARNING_RATE * (mean * now.y) / root;
    m[at] = mean;
    v[at] = squared;
}

// The steps of the weights of one input for four outputs, as far as these exist.
fn steps(grads: vec4f, out_feature: u32, first: u32, now: vec3f) {
    if out_feature >= OUT_FEATURES {
        return;
    }
    let old = weights_of(out_feature, first);
    step(old.at.x, old.before.x, old.mean.x, old.squared.x, grads.x, now);
    if out_feature + 1u < OUT_FEATURES {
        step(old.at.y, old.before.y, old.mean.y, old.squared.y, grads.y, now);
    }
    if out_feature + 2u < OUT_FEATURES {
        step(old.at.z, old.before.z, old.mean.z, old.squared.z, grads.z, now);
    }
    if out_feature + 3u < OUT_FEATURES {
        step(old.at.w, old.before.w, old.mean.w, old.squared.w, grads.w, now);
    }
}

// A value for each of 32 outputs or samples.
struct Block {
    b_0: vec4f,
    b_1: vec4f,
    b_2: vec4f,
    b_3: vec4f,
    b_4: vec4f,
    b_5: vec4f,
    b_6: vec4f,
    b_7: vec4f,
}

// Adds the products of a factor and the packed row that begins at `at`.
fn add_row(value: f32, at: u32, sums: ptr<function, Block>) {
    (*sums).b_0 += value * packed_uniform[at];
    if VECTORS > 1u {
        (*sums).b_1 += value * packed_uniform[at + 1u];
    }
    if VECTORS > 2u {
        (*sums).b_2 += value * packed_uniform[at + 2u];
    }
    if VECTORS > 3u {
        (*sums).b_3 += value * packed_uniform[at + 3u];
    }
    if VECTORS > 4u {
        (*sums).b_4 += value * packed_uniform[at + 4u];
    }
    if VECTORS > 5u {
        (*sums).b_5 += value * packed_uniform[at + 5u];
    }
    if VECTORS > 6u {
        (*sums).b_6 += value * packed_uniform[at + 6u];
    }
    if VECTORS > 7u {
        (*sums).b_7 += value * packed_uniform[at + 7u];
    }
}

@compute @workgroup_size(WORKGROUP)
fn update(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let in_feature = line_index(group, groups, lane);
    if in_feature >= IN_FEATURES {
        return;
    }
    let packed_row = group.z * (BATCH + BATCH % 2u) * 8u;

    var grads = Block();
    for (var row = 0u; row < BATCH; row++) {
        let at = (LAYER * BATCH + row) * IN_FEATURES + in_feature;
        add_row(input[at], packed_row + row * 8u, &grads);
    }

    let now = all_rates();
    let out_feature = FIRST_COLUMN + group.z * OUTS;
    let first = LAYER * OUT_FEATURES * IN_FEATURES + in_feature;
    steps(grads.b_0, out_feature + 0u, first, now);
    steps(grads.b_1, out_feature + 4u, first, now);
    steps(grads.b_2, out_feature + 8u, first, now);
    steps(grads.b_3, out_feature + 12u, first, now);
    steps(grads.b_4, out_feature + 16u, first, now);
    steps(grads.b_5, out_feature + 20u, first, now);
    steps(grads.b_6, out_feature + 24u, first, now);
    steps(grads.b_7, out_feature + 28u, first, now);
}

// One input of four samples. Beyond the last sample the last one again; its gradients are packed as zeros. That of
// sample 0 lies at `first`.
fn inputs(sample: u32, first: u32) -> vec4f {
    let at = first + min(sample + vec4u(0u, 1u, 2u, 3u), vec4u(BATCH - 1u)) * IN_FEATURES;
    return vec4f(input[at.x], input[at.y], input[at.z], input[at.w]);
}

// One input of all samples.
fn samples(first: u32) -> Block {
    return Block(
        inputs(0u, first),
        inputs(4u, first),
        inputs(8u, first),
        inputs(12u, first),
        inputs(16u, first),
        inputs(20u, first),
        inputs(24u, first),
        inputs(28u, first),
    );
}

// The gradient of the weight of an input for the output of a row.
fn gradient(row: u32, x: Block) -> f32 {
    let at = row * 8u;
    var grad = dot(x.b_0, packed_uniform[at]);
    if VECTORS > 1u {
        grad += dot(x.b_1, packed_uniform[at + 1u]);
    }
    if VECTORS > 2u {
        grad += dot(x.b_2, packed_uniform[at + 2u]);
    }
    if VECTORS > 3u {
        grad += dot(x.b_3, packed_uniform[at + 3u]);
    }
    if VECTORS > 4u {
        grad += dot(x.b_4, packed_uniform[at + 4u]);
    }
    if VECTORS > 5u {
        grad += dot(x.b_5, packed_uniform[at + 5u]);
    }
    if VECTORS > 6u {
        grad += dot(x.b_6, packed_uniform[at + 6u]);
    }
    if VECTORS > 7u {
        grad += dot(x.b_7, packed_uniform[at + 7u]);
    }
    return grad;
}

// The step of the weight of a row, and what it gives to the gradients of its input.
fn backward_step(row: u32, in_feature: u32, x: Block, now: vec3f, sums: ptr<function, Block>) {
    let grad = gradient(row, x);
    let at = (LAYER * OUT_FEATURES + FIRST_ROW + row) * IN_FEATURES + in_feature;
    let before = weight[at];
    step(at, before, m[at], v[at], grad, now);
    add_row(before, row * 8u, sums);
}

// Adds the gradients of one input of four samples to what earlier rows left. That of sample 0 lies at `first`.
fn store_d_input(sum: vec4f, x: vec4f, sample: u32, first: u32) {
    var kept = sum;
    if RELU > 0u {
        kept = select(vec4f(), sum, x > vec4f());
    }
    for (var i = 0u; i < 4u && sample + i < BATCH; i++) {
        let at = first + (sample + i) * IN_FEATURES;
        if FIRST_ROW == 0u {
            d_input[at] = kept[i];
        } else {
            d_input[at] += kept[i];
        }
    }
}

fn store_d_inputs(sums: Block, x: Block, first: u32) {
    store_d_input(sums.b_0, x.b_0, 0u, first);
    store_d_input(sums.b_1, x.b_1, 4u, first);
    store_d_input(sums.b_2, x.b_2, 8u, first);
    store_d_input(sums.b_3, x.b_3, 12u, first);
    store_d_input(sums.b_4, x.b_4, 16u, first);
    store_d_input(sums.b_5, x.b_5, 20u, first);
    store_d_input(sums.b_6, x.b_6, 24u, first);
    store_d_input(sums.b_7, x.b_7, 28u, first);
}

@compute @workgroup_size(WORKGROUP)
fn backward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let in_feature = line_index(group, groups, lane) * 2u;
    if in_feature >= IN_FEATURES {
        return;
    }
    let now = all_rates();
    let is_pair = in_feature + 1u < IN_FEATURES;
    let first = LAYER * BATCH * IN_FEATURES + in_feature;
    let x = samples(first);
    var y = x;
    if is_pair {
        y = samples(first + 1u);
    }

    var sums = Block();
    var others = Block();
    for (var row = 0u; row < ROWS; row++) {
        backward_step(row, in_feature, x, now, &sums);
        if is_pair {
            backward_step(row, in_feature + 1u, y, now, &others);
        }
    }

    store_d_inputs(sums, x, first);
    if is_pair {
        store_d_inputs(others, y, first + 1u);
    }
}

// include parts/dense_adam_tile.wgsl
