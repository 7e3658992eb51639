// Gradient clipping by the global norm (Pascanu, Mikolov and Bengio, 2013).
//
//   begin  squares  = sum of grad^2
//   add    squares += sum of grad^2
//   scale  grad    *= min(1, MAX_NORM / (sqrt(squares) + 1e-6))
//
// grad     (ELEMENTS)
// squares  (1)
// partial  (PIECES): sums of squares
//
// square       one workgroup a partial sum: lanes stride over all elements, and their sums are added as a tree
// begin, add   one workgroup: lanes stride over the partial sums, and their sums are added as a tree
// scale        invocations are numbered along one line; one computes an element

@group(0) @binding(0) var<storage, read_write> grad: array<f32>;
@group(0) @binding(1) var<storage, read_write> squares: array<f32>;
@group(0) @binding(2) var<storage, read_write> partial: array<f32>;

override ELEMENTS: u32;
override PIECES: u32;
override MAX_NORM: f32;

const WORKGROUP: u32 = 64u;
const EPSILON: f32 = 1e-6;

// include parts/sum_of_halves.wgsl
// include parts/line_index.wgsl

@compute @workgroup_size(WORKGROUP)
fn square(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let piece = group.y * groups.x + group.x;
    if piece >= PIECES {
        return;
    }
    var sum = 0.0;
    for (var index = piece * WORKGROUP + lane; index < ELEMENTS; index += PIECES * WORKGROUP) {
        sum += grad[index] * grad[index];
    }
    let all = sum_of_halves(lane, sum);
    if lane == 0u {
        partial[piece] = all;
    }
}

// The sum of all partial sums, in every lane.
fn total(lane: u32) -> f32 {
    var sum = 0.0;
    for (var piece = lane; piece < PIECES; piece += WORKGROUP) {
        sum += partial[piece];
    }
    return sum_of_halves(lane, sum);
}

@compute @workgroup_size(WORKGROUP)
fn begin(@builtin(local_invocation_index) lane: u32) {
    let sum = total(lane);
    if lane == 0u {
        squares[0] = sum;
    }
}

@compute @workgroup_size(WORKGROUP)
fn add(@builtin(local_invocation_index) lane: u32) {
    let sum = total(lane);
    if lane == 0u {
        squares[0] += sum;
    }
}

@compute @workgroup_size(WORKGROUP)
fn scale(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = line_index(group, groups, lane);
    if index >= ELEMENTS {
        return;
    }
    grad[index] *= min(1.0, MAX_NORM / (sqrt(squares[0]) + EPSILON));
}
