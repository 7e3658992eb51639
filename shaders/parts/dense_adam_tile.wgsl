// backward_tile of dense_adam.wgsl.

// d_output of CHUNK outputs: (four samples, output). With 4 KiB a workgroup, AMD's GCN holds as many of them as the
// registers allow.
var<workgroup> staged: array<vec4f, 256>; // at least VECTORS * CHUNK

// The gradients of an output of four samples; zeros beyond the last sample or output.
fn gradients(layer: u32, sample: u32, out_feature: u32) -> vec4f {
    let samples = sample + vec4u(0u, 1u, 2u, 3u);
    let rows = layer * BATCH + min(samples, vec4u(BATCH - 1u));
    let at = rows * OUT_FEATURES + min(out_feature, OUT_FEATURES - 1u);
    let ds = vec4f(d_output[at.x], d_output[at.y], d_output[at.z], d_output[at.w]);
    return select(vec4f(), ds, (samples < vec4u(BATCH)) & vec4<bool>(out_feature < OUT_FEATURES));
}

// Stages the outputs of a layer from `first` on. All invocations of a workgroup have to call it together.
fn stage(layer: u32, first: u32, lane: u32) {
    workgroupBarrier();
    for (var i = lane; i < VECTORS * CHUNK; i += WORKGROUP) {
        staged[i] = gradients(layer, i / CHUNK * 4u, first + i % CHUNK);
    }
    workgroupBarrier();
}

// The gradient of the bias of a staged output.
fn bias_gradient(row: u32) -> f32 {
    var sum = 0.0;
    for (var i = 0u; i < VECTORS; i++) {
        let ds = staged[i * CHUNK + row];
        sum = sum + ds.x + ds.y + ds.z + ds.w;
    }
    return sum;
}

// Of so many vectors of samples registers hold the inputs beside the sums: GCN has 64 for each of four subgroups.
const HELD: u32 = 5u;

// One input of four samples, which is read again where registers do not hold those of all samples.
fn held(x: vec4f, sample: u32, first_input: u32) -> vec4f {
    if VECTORS > HELD {
        return inputs(sample, first_input);
    }
    return x;
}

// Adds what four samples give to the gradients of the weights of four outputs, which are staged from `at` on. Gives
// `sum` and what the weights add to the gradients of the input, at once, so that what is staged is read only once.
fn with_samples(at: u32, before: vec4f, x: vec4f, sum: vec4f, grads: ptr<function, vec4f>) -> vec4f {
    let d_0 = staged[at];
    (*grads).x += dot(x, d_0);
    let sum_0 = sum + before.x * d_0;
    let d_1 = staged[at + 1u];
    (*grads).y += dot(x, d_1);
    let sum_1 = sum_0 + before.y * d_1;
    let d_2 = staged[at + 2u];
    (*grads).z += dot(x, d_2);
    let sum_2 = sum_1 + before.z * d_2;
    let d_3 = staged[at + 3u];
    (*grads).w += dot(x, d_3);
    return sum_2 + before.w * d_3;
}

// The steps of the weights of four staged outputs, which are loaded at once. The weight of output 0 lies at
// `first_weight`, the input of sample 0 at `first_input`. Where the weights are stored is computed anew: four places
// kept since the loads would take four registers.
fn tile_steps(
    first: u32,
    row: u32,
    first_weight: u32,
    first_input: u32,
    x: Block,
    now: vec3f,
    sums: ptr<function, Block>,
) {
    let out_feature = first + row;
    let old = weights_of(out_feature, first_weight);
    var grads = vec4f();
    (*sums).b_0 = with_samples(row, old.before, held(x.b_0, 0u, first_input), (*sums).b_0, &grads);
    if VECTORS > 1u {
        (*sums).b_1 = with_samples(row + 1u * CHUNK, old.before, held(x.b_1, 4u, first_input), (*sums).b_1, &grads);
    }
    if VECTORS > 2u {
        (*sums).b_2 = with_samples(row + 2u * CHUNK, old.before, held(x.b_2, 8u, first_input), (*sums).b_2, &grads);
    }
    if VECTORS > 3u {
        (*sums).b_3 = with_samples(row + 3u * CHUNK, old.before, held(x.b_3, 12u, first_input), (*sums).b_3, &grads);
    }
    if VECTORS > 4u {
        (*sums).b_4 = with_samples(row + 4u * CHUNK, old.before, held(x.b_4, 16u, first_input), (*sums).b_4, &grads);
    }
    if VECTORS > 5u {
        (*sums).b_5 = with_samples(row + 5u * CHUNK, old.before, held(x.b_5, 20u, first_input), (*sums).b_5, &grads);
    }
    if VECTORS > 6u {
        (*sums).b_6 = with_samples(row + 6u * CHUNK, old.before, held(x.b_6, 24u, first_input), (*sums).b_6, &grads);
    }
    if VECTORS > 7u {
        (*sums).b_7 = with_samples(row + 7u * CHUNK, old.before, held(x.b_7, 28u, first_input), (*sums).b_7, &grads);
    }
    let at = first_weight + out_feature * IN_FEATURES;
    step(at, old.before.x, old.mean.x, old.squared.x, grads.x, now);
    if out_feature + 1u < OUT_FEATURES {
        step(at + IN_FEATURES, old.before.y, old.mean.y, old.squared.y, grads.y, now);
    }
    if out_feature + 2u < OUT_FEATURES {
        step(at + 2u * IN_FEATURES, old.before.z, old.mean.z, old.squared.z, grads.z, now);
    }
    if out_feature + 3u < OUT_FEATURES {
        step(at + 3u * IN_FEATURES, old.before.w, old.mean.w, old.squared.w, grads.w, now);
    }
}

@compute @workgroup_size(WORKGROUP)
fn backward_tile(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    // Invocations beyond the last input stage what others need.
    let in_feature = line_index(group, groups, lane);
    let is_input = in_feature < IN_FEATURES;
    let is_first = in_feature == lane;
    let layer = group.z;
    let layer_inputs = layer * BATCH * IN_FEATURES;
    let layer_weights = layer * OUT_FEATURES * IN_FEATURES;
    let now = all_rates();
    let x = samples(layer_inputs + min(in_feature, IN_FEATURES - 1u));

    var sums = Block();
    for (var first = 0u; first < OUT_FEATURES; first += CHUNK) {
        stage(layer, first, lane);
        let rows = min(CHUNK, OUT_FEATURES - first);
        if is_first {
            for (var row = lane; row < rows; row += WORKGROUP) {
                d_bias[layer * OUT_FEATURES + first + row] = bias_gradient(row);
            }
        }
        if is_input {
            for (var row = 0u; row < rows; row += 4u) {
                tile_steps(first, row, layer_weights + in_feature, layer_inputs + in_feature, x, now, &sums);
            }
        }
    }

    if is_input {
        let first_input = layer_inputs + in_feature;
        var kept = x;
        if VECTORS > HELD {
            kept = samples(first_input);
        }
        store_d_inputs(sums, kept, first_input);
    }
}
