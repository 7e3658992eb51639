// The mask of dropout, drawn by Philox 4x32-10.
//
//   element e of a sample is dropped where word(e) < THRESHOLD
//
// word(e) is word e % 4 of Philox's draw with counter (e / 4, number of the sample, epoch, STREAM + layer) and
// the seed as key, where layers side by side are numbered from 0: Salmon, Moraes, Dror and Shaw, "Parallel
// Random Numbers: As Easy as 1, 2, 3", SC'11.
// The Rust twin of the generator is src/rng.rs. The shader that includes this binds
//
// sample  (BATCH), the number of each sample in its set
// batch   see BATCH_WORDS in src/ops/batch.rs: [1] epoch, [2] [3] seed

override THRESHOLD: u32;
override STREAM: u32;

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

// Which of the four elements of a block of a layer's sample n are dropped.
fn dropped(n: u32, block: u32, layer: u32) -> vec4<bool> {
    let words = philox(vec4u(block, sample[n], batch[1], STREAM + layer), vec2u(batch[2], batch[3]));
    return words < vec4u(THRESHOLD);
}
