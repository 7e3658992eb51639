// What a device can do at most: arithmetic that never waits for memory.
//
//   multiply_add   output[i] = input[i], ROUNDS times multiplied by 1/2 and increased by 1/4
//
// In no rounds it is a copy: memory without arithmetic.
//
// input, output   (ELEMENTS)
//
// Invocations are numbered along one line. One computes the eight elements LANES apart from its number on:
// none waits for another, neighbours read neighbouring elements, and there are not so many that starting them
// takes longer than their work.

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;

override ELEMENTS: u32;
override LANES: u32;
override ROUNDS: u32;

const WORKGROUP: u32 = 64u;

// include parts/line_index.wgsl

fn load(index: u32) -> f32 {
    return input[min(index, ELEMENTS - 1u)];
}

fn store(index: u32, value: f32) {
    if index < ELEMENTS {
        output[index] = value;
    }
}

@compute @workgroup_size(WORKGROUP)
fn multiply_add(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = line_index(group, groups, lane);
    if index >= LANES {
        return;
    }
    var value_0 = load(index);
    var value_1 = load(index + LANES);
    var value_2 = load(index + 2u * LANES);
    var value_3 = load(index + 3u * LANES);
    var value_4 = load(index + 4u * LANES);
    var value_5 = load(index + 5u * LANES);
    var value_6 = load(index + 6u * LANES);
    var value_7 = load(index + 7u * LANES);
    for (var round = 0u; round < ROUNDS; round++) {
        value_0 = value_0 * 0.5 + 0.25;
        value_1 = value_1 * 0.5 + 0.25;
        value_2 = value_2 * 0.5 + 0.25;
        value_3 = value_3 * 0.5 + 0.25;
        value_4 = value_4 * 0.5 + 0.25;
        value_5 = value_5 * 0.5 + 0.25;
        value_6 = value_6 * 0.5 + 0.25;
        value_7 = value_7 * 0.5 + 0.25;
    }
    store(index, value_0);
    store(index + LANES, value_1);
    store(index + 2u * LANES, value_2);
    store(index + 3u * LANES, value_3);
    store(index + 4u * LANES, value_4);
    store(index + 5u * LANES, value_5);
    store(index + 6u * LANES, value_6);
    store(index + 7u * LANES, value_7);
}
