// A row of a table for every number, and the gradient of the table.
//
//   output[p,w]   = weight[min(input[p], VOCABULARY-1),w]
//   d_weight[v,w] = sum of d_output[p,w] over the positions p with min(input[p], VOCABULARY-1) = v
//
// input             (POSITIONS) = (samples, length), whole numbers
// weight, d_weight  (VOCABULARY, WIDTH)
// output, d_output  (POSITIONS, WIDTH)
//
// Invocations are numbered along one line. One computes
//   forward          one element of one row
//   backward_weight  one element of the table, gathered from all positions in their order: no atomics,
//                    and the same sum every time

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;
@group(0) @binding(3) var<storage, read> d_output: array<f32>;
@group(0) @binding(4) var<storage, read_write> d_weight: array<f32>;

override POSITIONS: u32;
override VOCABULARY: u32;
override WIDTH: u32;

const WORKGROUP: u32 = 64u;

fn line_index(group: vec3u, groups: vec3u, lane: u32) -> u32 {
    return (group.y * groups.x + group.x) * WORKGROUP + lane;
}

@compute @workgroup_size(WORKGROUP)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = line_index(group, groups, lane);
    if index >= POSITIONS * WIDTH {
        return;
    }
    let row = min(input[index / WIDTH], VOCABULARY - 1u);
    output[index] = weight[row * WIDTH + index % WIDTH];
}

@compute @workgroup_size(WORKGROUP)
fn backward_weight(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = line_index(group, groups, lane);
    if index >= VOCABULARY * WIDTH {
        return;
    }
    let row = index / WIDTH;
    let column = index % WIDTH;
    var sum = 0.0;
    for (var position = 0u; position < POSITIONS; position++) {
        if min(input[position], VOCABULARY - 1u) == row {
            sum += d_output[position * WIDTH + column];
        }
    }
    d_weight[index] = sum;
}
