// backward_tile of dense_adam.wgsl.

// d_output of CHUNK outputs: (four samples, output). With 4 KiB a workgroup, AMD's GCN holds as many of them as the
// registers allow.
var<workgroup> staged: array<vec4f, 256>; // at least VECTORS * CHUNK

// The gradients of an output of four samples; zeros beyond the last. Beyond the last output the last one again.
fn gradients(layer: u32, sample: u32, out_feature: u32) -> vec4f {
    let samples = sample + vec4u(0u, 1u, 2u, 3u);
    let rows = layer * BATCH + min(samples, vec4u(BATCH - 1u));
    let at = rows * OUT_FEATURES + min(out_feature, OUT_FEATURES - 1u);
    let ds = vec4f(d_output[at.x], d_output[at.y], d_output[at.z], d_output[at.w]);
    return select(vec4f(), ds, samples < vec4u(BATCH));
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

// The gradient of the weight of an input for a staged output. Adds what the weight gives to the gradients of the
// input at once, so that what is staged is read only once.
fn both_gradients(row: u32, before: f32, x: Block, sums: ptr<function, Block>) -> f32 {
    var ds = staged[row];
    var grad = dot(x.b_0, ds);
    (*sums).b_0 += before * ds;
    if VECTORS > 1u {
        ds = staged[1u * CHUNK + row];
        grad += dot(x.b_1, ds);
        (*sums).b_1 += before * ds;
    }
    if VECTORS > 2u {
        ds = staged[2u * CHUNK + row];
        grad += dot(x.b_2, ds);
        (*sums).b_2 += before * ds;
    }
    if VECTORS > 3u {
        ds = staged[3u * CHUNK + row];
        grad += dot(x.b_3, ds);
        (*sums).b_3 += before * ds;
    }
    if VECTORS > 4u {
        ds = staged[4u * CHUNK + row];
        grad += dot(x.b_4, ds);
        (*sums).b_4 += before * ds;
    }
    if VECTORS > 5u {
        ds = staged[5u * CHUNK + row];
        grad += dot(x.b_5, ds);
        (*sums).b_5 += before * ds;
    }
    if VECTORS > 6u {
        ds = staged[6u * CHUNK + row];
        grad += dot(x.b_6, ds);
        (*sums).b_6 += before * ds;
    }
    if VECTORS > 7u {
        ds = staged[7u * CHUNK + row];
        grad += dot(x.b_7, ds);
        (*sums).b_7 += before * ds;
    }
    return grad;
}

// The step of a weight that was loaded before.
fn tile_step(
    first: u32,
    row: u32,
    at: u32,
    old: vec3f,
    x: Block,
    now: vec3f,
    sums: ptr<function, Block>,
) {
    if first + row < OUT_FEATURES {
        step(at, old.x, old.y, old.z, both_gradients(row, old.x, x, sums), now);
    }
}

// The steps of the weights of four staged outputs, which are loaded at once. The weight of output 0 lies at
// `first_weight`.
fn tile_steps(first: u32, row: u32, first_weight: u32, x: Block, now: vec3f, sums: ptr<function, Block>) {
    let old = weights_of(first + row, first_weight);
    tile_step(first, row, old.at.x, vec3f(old.before.x, old.mean.x, old.squared.x), x, now, sums);
    tile_step(first, row + 1u, old.at.y, vec3f(old.before.y, old.mean.y, old.squared.y), x, now, sums);
    tile_step(first, row + 2u, old.at.z, vec3f(old.before.z, old.mean.z, old.squared.z), x, now, sums);
    tile_step(first, row + 3u, old.at.w, vec3f(old.before.w, old.mean.w, old.squared.w), x, now, sums);
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
    let first_input = layer * BATCH * IN_FEATURES + min(in_feature, IN_FEATURES - 1u);
    let first_weight = layer * OUT_FEATURES * IN_FEATURES + in_feature;
    let now = all_rates();
    let x = samples(first_input);

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
                tile_steps(first, row, first_weight, x, now, &sums);
            }
        }
    }

    if is_input {
        store_d_inputs(sums, x, first_input);
    }
}
