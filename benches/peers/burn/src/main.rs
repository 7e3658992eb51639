//! Samples a second of the face and the review network in burn: on the CPU, or on a GPU over Vulkan.
//!
//!     cd benches/peers/burn
//!     RUSTFLAGS="-C target-cpu=native" cargo run --release -- --model face --steps 5
//!     cargo run --release --no-default-features --features vulkan -- --backend vulkan --model face --steps 200
//!
//! `cpu` is burn's own backend in Rust, flex; `vulkan` makes SPIR-V, and most of the crates come with it. A step
//! uploads the photos, converts them from bytes to float32, and ends when its loss is known.

#[path = "../../common.rs"]
mod common;

use burn::module::Module;
use burn::nn::conv::{Conv1d, Conv1dConfig, Conv2d, Conv2dConfig};
use burn::nn::loss::{BinaryCrossEntropyLossConfig, MseLoss, Reduction};
use burn::nn::pool::{MaxPool1dConfig, MaxPool2dConfig};
use burn::nn::{Dropout, DropoutConfig, Embedding, EmbeddingConfig, Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::activation::relu;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use common::{LENGTH, Measured, Random, VOCABULARY, WARM_UP, option, version};
use std::time::Instant;

#[derive(Module, Debug)]
struct Branch {
    conv: Conv2d,
    dropout: Dropout,
    dense1: Linear,
    dense2: Linear,
}

impl Branch {
    fn new(device: &Device) -> Self {
        Self {
            conv: Conv2dConfig::new([32, 64], [3, 3]).init(device),
            dropout: DropoutConfig::new(0.5).init(),
            dense1: LinearConfig::new(12544, 512).init(device),
            dense2: LinearConfig::new(512, 1).init(device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<1> {
        let x = self.dropout.forward(halve(relu(self.conv.forward(x))).flatten::<2>(1, 3));
        self.dense2.forward(relu(self.dense1.forward(x))).squeeze_dim(1)
    }
}

fn halve(x: Tensor<4>) -> Tensor<4> {
    MaxPool2dConfig::new([2, 2]).init().forward(x)
}

#[derive(Module, Debug)]
struct Face {
    conv1: Conv2d,
    conv2: Conv2d,
    dropout: Dropout,
    age: Branch,
    gender: Branch,
}

impl Face {
    fn forward(&self, photos: &[u8], device: &Device) -> [Tensor<1>; 2] {
        let data = TensorData::new(photos.to_vec(), [photos.len() / (3 * 128 * 128), 3, 128, 128]);
        let x = Tensor::<4, Int>::from_data(data, (device, DType::U8)).float() / 255.0;
        let x = halve(relu(self.conv1.forward(x)));
        let x = self.dropout.forward(halve(relu(self.conv2.forward(x))));
        [self.age.forward(x.clone()), self.gender.forward(x)]
    }
}

#[derive(Module, Debug)]
struct Review {
    embedding: Embedding,
    conv: Conv1d,
    dense1: Linear,
    dense2: Linear,
}

impl Review {
    fn forward(&self, words: &[i32], device: &Device) -> Tensor<1> {
        let data = TensorData::new(words.to_vec(), [words.len() / LENGTH, LENGTH]);
        let x = self.embedding.forward(Tensor::<2, Int>::from_data(data, device)).swap_dims(1, 2);
        let x = MaxPool1dConfig::new(2).init().forward(relu(self.conv.forward(x)));
        self.dense2.forward(relu(self.dense1.forward(x.flatten::<2>(1, 2)))).squeeze_dim(1)
    }
}

fn bce_with_logits(x: Tensor<1>, y: &[i32], device: &Device) -> Tensor<1> {
    let loss = BinaryCrossEntropyLossConfig::new().with_logits(true).init(device);
    loss.forward(x, Tensor::from_ints(y, device))
}

/// A network with its data: what is measured. Dropout acts where the device keeps gradients.
trait Network: Module {
    const NAME: &str;
    const BATCH: usize;
    /// Samples predicted at once: about as many as faceshader takes.
    const LARGE_BATCH: usize;
    const PARAMETERS: usize;
    type Samples;

    fn new(device: &Device) -> Self;
    fn samples(count: usize) -> Self::Samples;
    fn loss(&self, samples: &Self::Samples, device: &Device) -> Tensor<1>;
    fn predict(&self, samples: &Self::Samples, device: &Device) -> Vec<TensorData>;
}

impl Network for Face {
    const NAME: &str = "face";
    const BATCH: usize = 20;
    const LARGE_BATCH: usize = 32;
    const PARAMETERS: usize = 12_894_242;
    type Samples = (Vec<u8>, Vec<f32>, Vec<i32>);

    fn new(device: &Device) -> Self {
        Self {
            conv1: Conv2dConfig::new([3, 32], [3, 3]).init(device),
            conv2: Conv2dConfig::new([32, 32], [3, 3]).init(device),
            dropout: DropoutConfig::new(0.25).init(),
            age: Branch::new(device),
            gender: Branch::new(device),
        }
    }

    fn samples(count: usize) -> Self::Samples {
        let mut random = Random(1);
        let photos = (0..count * 3 * 128 * 128).map(|_| random.below(256) as u8).collect();
        let ages = (0..count).map(|_| 1.0 + random.below(99) as f32).collect();
        (photos, ages, (0..count).map(|_| random.below(2) as i32).collect())
    }

    fn loss(&self, (photos, ages, genders): &Self::Samples, device: &Device) -> Tensor<1> {
        let [age, gender] = self.forward(photos, device);
        let ages = Tensor::from_floats(ages.as_slice(), device);
        MseLoss::new().forward(age, ages, Reduction::Mean) + bce_with_logits(gender, genders, device) * 500.0
    }

    fn predict(&self, (photos, ..): &Self::Samples, device: &Device) -> Vec<TensorData> {
        self.forward(photos, device).map(Tensor::into_data).into()
    }
}

impl Network for Review {
    const NAME: &str = "review";
    const BATCH: usize = 32;
    const LARGE_BATCH: usize = 100;
    const PARAMETERS: usize = 528_493;
    type Samples = (Vec<i32>, Vec<i32>);

    fn new(device: &Device) -> Self {
        Self {
            embedding: EmbeddingConfig::new(VOCABULARY, 120).init(device),
            conv: Conv1dConfig::new(120, 32, 8).init(device),
            dense1: LinearConfig::new(8672, 10).init(device),
            dense2: LinearConfig::new(10, 1).init(device),
        }
    }

    fn samples(count: usize) -> Self::Samples {
        let mut random = Random(1);
        let words = (0..count * LENGTH).map(|_| random.below(VOCABULARY as u64) as i32).collect();
        (words, (0..count).map(|_| random.below(2) as i32).collect())
    }

    fn loss(&self, (words, sentiments): &Self::Samples, device: &Device) -> Tensor<1> {
        bce_with_logits(self.forward(words, device), sentiments, device)
    }

    fn predict(&self, (words, _): &Self::Samples, device: &Device) -> Vec<TensorData> {
        vec![self.forward(words, device).into_data()]
    }
}

fn measure<N: Network>(backend: &str, device: &Device, steps: usize) {
    let learning = device.clone().autodiff();
    let mut network = N::new(&learning);
    assert_eq!(network.num_params(), N::PARAMETERS);
    let mut optimizer = AdamConfig::new().with_epsilon(1e-8).init();
    let (samples, many) = (N::samples(N::BATCH), N::samples(N::LARGE_BATCH));
    let (mut training, mut prediction) = (Vec::new(), Vec::new());
    for step in 0..WARM_UP + steps {
        let start = Instant::now();
        let loss = network.loss(&samples, &learning);
        let gradients = GradientsParams::from_grads(loss.backward(), &network);
        network = optimizer.step(0.001, network, gradients);
        let loss = loss.into_scalar::<f32>();
        let trained = start.elapsed();
        assert!(loss.is_finite(), "a loss of {loss}");
        let frozen = network.valid();
        let start = Instant::now();
        frozen.predict(&many, device);
        if step >= WARM_UP {
            training.push(trained.as_secs_f64());
            prediction.push(start.elapsed().as_secs_f64());
        }
    }
    let measured = Measured {
        peer: "burn",
        version: version(include_str!("../Cargo.lock"), "burn"),
        backend: backend.into(),
        model: N::NAME,
        batches: [N::BATCH, N::LARGE_BATCH],
        training,
        prediction,
    };
    measured.print();
}

fn main() {
    let backend = option("--backend", "cpu");
    let device = match backend.as_str() {
        #[cfg(feature = "cpu")]
        "cpu" => Device::flex(),
        #[cfg(feature = "vulkan")]
        "vulkan" => Device::vulkan(Default::default()),
        other => panic!("no backend {other} in this build"),
    };
    let steps = option("--steps", "5").parse().expect("--steps takes a number");
    match option("--model", "face").as_str() {
        "face" => measure::<Face>(&backend, &device, steps),
        "review" => measure::<Review>(&backend, &device, steps),
        other => panic!("no model {other}"),
    }
}
