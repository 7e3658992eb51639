// Inverted dropout and its gradient, with the mask drawn anew by Philox 4x32-10.
//
//   output[n,e]  = 0 where word(n,e) < THRESHOLD, else input[n,e] * SCALE
//   d_input[n,e] = 0 where word(n,e) < THRESHOLD, else d_output[n,e] * SCALE
//
// word(n,e) is word e % 4 of Philox's draw with counter (e / 4, sample[n], epoch, STREAM) and the
// seed as key: Salmon, Moraes, Dror and Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC'11.
// The Rust twin of the generator is src/rng.rs.
//
// input, output, d_output, d_input  (BATCH, FEATURES)
// sample                            (BATCH), the number of each sample in its set
// batch                             see BATCH_WORDS in src/ops/mod.rs: [1] epoch, [2] [3] seed
//
// Invocations are numbered along one line; one computes four elements of one sample.

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> sample: array<u32>;
@group(0) @binding(2) var<storage, read> batch: array<u32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;
@group(0) @binding(4) var<storage, read> d_output: array<f32>;
@group(0) @binding(5) var<storage, read_write> d_input: array<f32>;

override BATCH: u32;
override FEATURES: u32;
override THRESHOLD: u32;
override SCALE: f32;
override STREAM: u32;

const WORKGROUP: u32 = 64u;

fn line_index(group: vec3u, groups: vec3u, lane: u32) -> u32 {
    return (group.y * groups.x + group.x) * WORKGROUP + lane;
}

// The upper 32 bits of a product, from products of 16-bit halves.
fn multiply_high(a: u32, b: u32) -> u32 {
    let low = (a & 0xffffu) * (b & 0xffffu);
    let middle_a = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
    let middle_b = (a & 0xffffu) * (b >> 16u) + (middle_a & 0xffffu);
    return (a >> 16u) * (b >> 16u) + (middle_a >> 16u) + (middle_b >> 16u);
}

fn philox(first_counter: vec4u, first_key: vec2u) -> vec4u {
    var counter = first_counter;
    var key = first_key;
    for (var i = 0; i < 10; i++) {
        counter = vec4u(
            multiply_high(0xcd9e8d57u, counter.z) ^ counter.y ^ key.x,
            0xcd9e8d57u * counter.z,
            multiply_high(0xd2511f53u, counter.x) ^ counter.w ^ key.y,
            0xd2511f53u * counter.x,
        );
        key += vec2u(0x9e3779b9u, 0xbb67ae85u);
    }
    return counter;
}

fn words(n: u32, block: u32) -> vec4u {
    return philox(vec4u(block, sample[n], batch[1], STREAM), vec2u(batch[2], batch[3]));
}

@compute @workgroup_size(WORKGROUP)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let blocks = (FEATURES + 3u) / 4u;
    let index = line_index(group, groups, lane);
    if index >= BATCH * blocks {
        return;
    }
    let n = index / blocks;
    let block = index % blocks;
    let draw = words(n, block);
    for (var i = 0u; i < min(4u, FEATURES - 4u * block); i++) {
        let at = n * FEATURES + 4u * block + i;
        output[at] = select(input[at] * SCALE, 0.0, draw[i] < THRESHOLD);
    }
}

@compute @workgroup_size(WORKGROUP)
fn backward_input(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let blocks = (FEATURES + 3u) / 4u;
    let index = line_index(group, groups, lane);
    if index >= BATCH * blocks {
        return;
    }
    let n = index / blocks;
    let block = index % blocks;
    let draw = words(n, block);
    for (var i = 0u; i < min(4u, FEATURES - 4u * block); i++) {
        let at = n * FEATURES + 4u * block + i;
        d_input[at] = select(d_output[at] * SCALE, 0.0, draw[i] < THRESHOLD);
    }
}
