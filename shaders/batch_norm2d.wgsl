// Batch normalisation over the samples and pixels of each channel, and its gradients
// (Ioffe and Szegedy, 2015, https://arxiv.org/abs/1502.03167, algorithms 1 and 2).
//
//   mean[c]     = sum of input / M                      over the M = batch[0] * PIXELS real elements
//   variance[c] = sum of (input - mean[c])^2 / M
//   scale[c]    = 1 / sqrt(variance[c] + EPSILON)
//   x           = (input - mean[c]) * scale[c]
//   output      = x * weight[c] + bias[c]
//   d_weight[c] = sum of d_output * x
//   d_bias[c]   = sum of d_output
//   d_input     = weight[c] * scale[c] * (d_output - (d_bias[c] + x * d_weight[c]) / M)
//
// Elements of samples that are not real count for nothing: their output and d_input are 0. The running
// statistics move by MOMENTUM towards the mean and the unbiased variance, as PyTorch's do.
//
// input, output, d_output, d_input                        (SAMPLES, CHANNELS, PIXELS)
// weight, bias, d_weight, d_bias, running_mean, running_var  (CHANNELS)
// statistics                                              (2, CHANNELS): mean, then scale
// partial                                                 (2, SAMPLES, CHANNELS): for measure the sum of a
//                         plane's pixels and of their squared distances from its mean, for backward_weight a plane's
//                         sums for d_weight and d_bias
// batch                                                   see BATCH_WORDS in src/ops/batch.rs: [0] number of real samples
//
// measure_planes, sum_planes  one workgroup a plane, a channel of a sample: lanes stride over its pixels, and
//                             their sums are added as a tree, always in the same order
// measure, backward_weight    one invocation a channel, over the planes of the real samples in order; the
//                             variance of all is put together from those of the planes (Chan, Golub and
//                             LeVeque, 1983)
// recall                      one invocation a channel: statistics from the running ones
// forward, backward_input     one invocation an element

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> batch: array<u32>;
@group(0) @binding(4) var<storage, read_write> running_mean: array<f32>;
@group(0) @binding(5) var<storage, read_write> running_var: array<f32>;
@group(0) @binding(6) var<storage, read_write> statistics: array<f32>;
@group(0) @binding(7) var<storage, read_write> output: array<f32>;
@group(0) @binding(8) var<storage, read> d_output: array<f32>;
@group(0) @binding(9) var<storage, read_write> d_weight: array<f32>;
@group(0) @binding(10) var<storage, read_write> d_bias: array<f32>;
@group(0) @binding(11) var<storage, read_write> d_input: array<f32>;
@group(0) @binding(12) var<storage, read_write> partial: array<f32>;

override SAMPLES: u32;
override CHANNELS: u32;
override PIXELS: u32;
override EPSILON: f32;
override MOMENTUM: f32;

const WORKGROUP: u32 = 64u;

// include parts/sum_of_halves.wgsl
// include parts/line_index.wgsl

fn real_samples() -> u32 {
    return min(batch[0], SAMPLES);
}

fn real_elements() -> f32 {
    return f32(real_samples() * PIXELS);
}

@compute @workgroup_size(WORKGROUP)
fn measure_planes(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let plane = group.y * groups.x + group.x;
    if plane >= SAMPLES * CHANNELS {
        return;
    }
    let first = plane * PIXELS;
    var sum = 0.0;
    for (var pixel = lane; pixel < PIXELS; pixel += WORKGROUP) {
        sum += input[first + pixel];
    }
    let all = sum_of_halves(lane, sum);
    let mean = all / f32(PIXELS);

    var squares = 0.0;
    for (var pixel = lane; pixel < PIXELS; pixel += WORKGROUP) {
        let deviation = input[first + pixel] - mean;
        squares += deviation * deviation;
    }
    let all_squares = sum_of_halves(lane, squares);

    if lane == 0u {
        partial[plane] = all;
        partial[SAMPLES * CHANNELS + plane] = all_squares;
    }
}

@compute @workgroup_size(WORKGROUP)
fn measure(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let channel = line_index(group, groups, lane);
    if channel >= CHANNELS {
        return;
    }
    var sum = 0.0;
    for (var sample = 0u; sample < real_samples(); sample++) {
        sum += partial[sample * CHANNELS + channel];
    }
    let mean = sum / real_elements();

    var squares = 0.0;
    for (var sample = 0u; sample < real_samples(); sample++) {
        let deviation = partial[sample * CHANNELS + channel] / f32(PIXELS) - mean;
        squares += partial[(SAMPLES + sample) * CHANNELS + channel] + f32(PIXELS) * (deviation * deviation);
    }

    statistics[channel] = mean;
    statistics[CHANNELS + channel] = 1.0 / sqrt(squares / real_elements() + EPSILON);
    let unbiased = squares / max(real_elements() - 1.0, 1.0);
    running_mean[channel] += (mean - running_mean[channel]) * MOMENTUM;
    running_var[channel] += (unbiased - running_var[channel]) * MOMENTUM;
}

@compute @workgroup_size(WORKGROUP)
fn recall(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let channel = line_index(group, groups, lane);
    if channel >= CHANNELS {
        return;
    }
    statistics[channel] = running_mean[channel];
    statistics[CHANNELS + channel] = 1.0 / sqrt(running_var[channel] + EPSILON);
}

@compute @workgroup_size(WORKGROUP)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = line_index(group, groups, lane);
    if index >= SAMPLES * CHANNELS * PIXELS {
        return;
    }
    let channel = index / PIXELS % CHANNELS;
    let x = (input[index] - statistics[channel]) * statistics[CHANNELS + channel];
    let is_real = index / (PIXELS * CHANNELS) < real_samples();
    output[index] = select(0.0, x * weight[channel] + bias[channel], is_real);
}

@compute @workgroup_size(WORKGROUP)
fn sum_planes(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let plane = group.y * groups.x + group.x;
    if plane >= SAMPLES * CHANNELS {
        return;
    }
    let first = plane * PIXELS;
    let mean = statistics[plane % CHANNELS];
    let scale = statistics[CHANNELS + plane % CHANNELS];
    var products = 0.0;
    var sum = 0.0;
    for (var pixel = lane; pixel < PIXELS; pixel += WORKGROUP) {
        let d = d_output[first + pixel];
        products += d * ((input[first + pixel] - mean) * scale);
        sum += d;
    }
    let all_products = sum_of_halves(lane, products);
    let all = sum_of_halves(lane, sum);
    if lane == 0u {
        partial[plane] = all_products;
        partial[SAMPLES * CHANNELS + plane] = all;
    }
}

@compute @workgroup_size(WORKGROUP)
fn backward_weight(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let channel = line_index(group, groups, lane);
    if channel >= CHANNELS {
        return;
    }
    var products = 0.0;
    var sum = 0.0;
    for (var sample = 0u; sample < real_samples(); sample++) {
        products += partial[sample * CHANNELS + channel];
        sum += partial[(SAMPLES + sample) * CHANNELS + channel];
    }
    d_weight[channel] = products;
    d_bias[channel] = sum;
}

@compute @workgroup_size(WORKGROUP)
fn backward_input(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = line_index(group, groups, lane);
    if index >= SAMPLES * CHANNELS * PIXELS {
        return;
    }
    let channel = index / PIXELS % CHANNELS;
    let scale = statistics[CHANNELS + channel];
    let x = (input[index] - statistics[channel]) * scale;
    let shared_part = (d_bias[channel] + x * d_weight[channel]) / real_elements();
    let is_real = index / (PIXELS * CHANNELS) < real_samples();
    d_input[index] = select(0.0, weight[channel] * scale * (d_output[index] - shared_part), is_real);
}
