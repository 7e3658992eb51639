//! Samples a second of the face and the review network in candle on the CPU.
//!
//!     cd benches/peers/candle
//!     RUSTFLAGS="-C target-cpu=native" cargo run --release -- --model face --steps 5
//!
//! A step converts the photos from bytes to float32, and ends when its loss is known. candle has no Adam: its
//! AdamW without weight decay is the same.

#[path = "../../common.rs"]
mod common;

use candle_core::{D, DType, Device, Result, Tensor};
use candle_nn::{
    AdamW, Conv1d, Conv2d, Embedding, Linear, Module, Optimizer, ParamsAdamW, VarBuilder, VarMap,
};
use candle_nn::{conv1d, conv2d, embedding, linear, ops::dropout};
use common::{LENGTH, Measured, Random, VOCABULARY, WARM_UP, option, version};
use std::time::Instant;

struct Branch {
    conv: Conv2d,
    dense1: Linear,
    dense2: Linear,
}

impl Branch {
    fn new(vars: VarBuilder) -> Result<Self> {
        Ok(Self {
            conv: conv2d(32, 64, 3, Default::default(), vars.pp("conv"))?,
            dense1: linear(12544, 512, vars.pp("dense1"))?,
            dense2: linear(512, 1, vars.pp("dense2"))?,
        })
    }

    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let x = self.conv.forward(x)?.relu()?.max_pool2d(2)?.flatten_from(1)?;
        let x = if train { dropout(&x, 0.5)? } else { x };
        self.dense2.forward(&self.dense1.forward(&x)?.relu()?)?.squeeze(D::Minus1)
    }
}

struct Face {
    conv1: Conv2d,
    conv2: Conv2d,
    age: Branch,
    gender: Branch,
}

impl Face {
    fn forward(&self, photos: &[u8], train: bool) -> Result<[Tensor; 2]> {
        let count = photos.len() / (3 * 128 * 128);
        let x = Tensor::from_slice(photos, (count, 3, 128, 128), &Device::Cpu)?;
        let x = (x.to_dtype(DType::F32)? / 255.0)?;
        let x = self.conv1.forward(&x)?.relu()?.max_pool2d(2)?;
        // candle's pooling passes gradients back rightly only from even sizes: row and column 61 go before it.
        let x = self.conv2.forward(&x)?.narrow(2, 0, 60)?.narrow(3, 0, 60)?.relu()?.max_pool2d(2)?;
        let x = if train { dropout(&x, 0.25)? } else { x };
        Ok([self.age.forward(&x, train)?, self.gender.forward(&x, train)?])
    }
}

struct Review {
    embedding: Embedding,
    conv: Conv1d,
    dense1: Linear,
    dense2: Linear,
}

impl Review {
    fn forward(&self, words: &[u32]) -> Result<Tensor> {
        let words = Tensor::from_slice(words, (words.len() / LENGTH, LENGTH), &Device::Cpu)?;
        let x = self.embedding.forward(&words)?.transpose(1, 2)?.contiguous()?;
        let x = self.conv.forward(&x)?.relu()?;
        // There is no 1-d pooling; of 543 the last is dropped, as above.
        let x = x.narrow(2, 0, 542)?.contiguous()?.unsqueeze(3)?.max_pool2d((2, 1))?.flatten_from(1)?;
        self.dense2.forward(&self.dense1.forward(&x)?.relu()?)?.squeeze(D::Minus1)
    }
}

/// The mean binary cross-entropy, without overflow.
fn bce_with_logits(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    let rest = (x.abs()?.neg()?.exp()? + 1.0)?.log()?;
    ((x.relu()? - (x * y)?)? + rest)?.mean_all()
}

fn labels(values: &[f32]) -> Result<Tensor> {
    Tensor::from_slice(values, values.len(), &Device::Cpu)
}

/// A network with its data: what is measured.
trait Network: Sized {
    const NAME: &str;
    const BATCH: usize;
    /// Samples predicted at once: about as many as faceshader takes.
    const LARGE_BATCH: usize;
    const PARAMETERS: usize;
    type Samples;

    fn new(vars: VarBuilder) -> Result<Self>;
    fn samples(count: usize) -> Self::Samples;
    fn loss(&self, samples: &Self::Samples) -> Result<Tensor>;
    fn predict(&self, samples: &Self::Samples) -> Result<()>;
}

impl Network for Face {
    const NAME: &str = "face";
    const BATCH: usize = 20;
    const LARGE_BATCH: usize = 32;
    const PARAMETERS: usize = 12_894_242;
    type Samples = (Vec<u8>, Vec<f32>, Vec<f32>);

    fn new(vars: VarBuilder) -> Result<Self> {
        Ok(Self {
            conv1: conv2d(3, 32, 3, Default::default(), vars.pp("conv1"))?,
            conv2: conv2d(32, 32, 3, Default::default(), vars.pp("conv2"))?,
            age: Branch::new(vars.pp("age"))?,
            gender: Branch::new(vars.pp("gender"))?,
        })
    }

    fn samples(count: usize) -> Self::Samples {
        let mut random = Random(1);
        let photos = (0..count * 3 * 128 * 128).map(|_| random.below(256) as u8).collect();
        let ages = (0..count).map(|_| 1.0 + random.below(99) as f32).collect();
        (photos, ages, (0..count).map(|_| random.below(2) as f32).collect())
    }

    fn loss(&self, (photos, ages, genders): &Self::Samples) -> Result<Tensor> {
        let [age, gender] = self.forward(photos, true)?;
        let mse = (age - labels(ages)?)?.sqr()?.mean_all()?;
        mse + (bce_with_logits(&gender, &labels(genders)?)? * 500.0)?
    }

    fn predict(&self, (photos, ..): &Self::Samples) -> Result<()> {
        self.forward(photos, false).map(drop)
    }
}

impl Network for Review {
    const NAME: &str = "review";
    const BATCH: usize = 32;
    const LARGE_BATCH: usize = 100;
    const PARAMETERS: usize = 528_493;
    type Samples = (Vec<u32>, Vec<f32>);

    fn new(vars: VarBuilder) -> Result<Self> {
        Ok(Self {
            embedding: embedding(VOCABULARY, 120, vars.pp("embedding"))?,
            conv: conv1d(120, 32, 8, Default::default(), vars.pp("conv"))?,
            dense1: linear(8672, 10, vars.pp("dense1"))?,
            dense2: linear(10, 1, vars.pp("dense2"))?,
        })
    }

    fn samples(count: usize) -> Self::Samples {
        let mut random = Random(1);
        let words = (0..count * LENGTH).map(|_| random.below(VOCABULARY as u64) as u32).collect();
        (words, (0..count).map(|_| random.below(2) as f32).collect())
    }

    fn loss(&self, (words, sentiments): &Self::Samples) -> Result<Tensor> {
        bce_with_logits(&self.forward(words)?, &labels(sentiments)?)
    }

    fn predict(&self, (words, _): &Self::Samples) -> Result<()> {
        self.forward(words).map(drop)
    }
}

fn measure<N: Network>(steps: usize) -> Result<()> {
    let vars = VarMap::new();
    let network = N::new(VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu))?;
    assert_eq!(vars.all_vars().iter().map(|var| var.elem_count()).sum::<usize>(), N::PARAMETERS);
    let adam = ParamsAdamW { lr: 0.001, weight_decay: 0.0, ..Default::default() };
    let mut optimizer = AdamW::new(vars.all_vars(), adam)?;
    let (samples, many) = (N::samples(N::BATCH), N::samples(N::LARGE_BATCH));
    let (mut training, mut prediction) = (Vec::new(), Vec::new());
    for step in 0..WARM_UP + steps {
        let start = Instant::now();
        let loss = network.loss(&samples)?;
        optimizer.backward_step(&loss)?;
        loss.to_scalar::<f32>()?;
        let trained = start.elapsed();
        let weights = vars.data().lock().expect("nobody else holds it").clone();
        let weights = weights.into_iter().map(|(name, var)| (name, var.as_detached_tensor())).collect();
        let frozen = N::new(VarBuilder::from_tensors(weights, DType::F32, &Device::Cpu))?;
        let start = Instant::now();
        frozen.predict(&many)?;
        if step >= WARM_UP {
            training.push(trained.as_secs_f64());
            prediction.push(start.elapsed().as_secs_f64());
        }
    }
    let measured = Measured {
        peer: "candle",
        version: version(include_str!("../Cargo.lock"), "candle-core"),
        backend: "cpu".into(),
        model: N::NAME,
        batches: [N::BATCH, N::LARGE_BATCH],
        training,
        prediction,
    };
    measured.print();
    Ok(())
}

fn main() -> Result<()> {
    let steps = option("--steps", "5").parse().expect("--steps takes a number");
    match option("--model", "face").as_str() {
        "face" => measure::<Face>(steps),
        "review" => measure::<Review>(steps),
        other => panic!("no model {other}"),
    }
}
