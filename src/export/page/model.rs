//! A model as data for a page; `web/model.js` says what each field means.

use crate::data::reviews::Vocabulary;
use crate::export::program::{ExportedProgram, wgsl_path};
use crate::export::token_rules::rules;
use crate::faces::{self, DetectorError};
use crate::graph::Graph;
use crate::ops::{Init, Op, Variant};
use crate::plan::{BackendError, Kind as BufferKind, Plan, Program, ProgramError, Purpose, lower};
use crate::shaders::shader;
use crate::shape::Shape;
use crate::spec::{
    AugmentSpec, CropSpec, DataSpec, Faces, InputSpec, PhotoSpec, Plateau, Schedule, Spec, SpecError,
};
use crate::train::{TrainError, evaluation_plan};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The version of the description.
const FORMAT: u32 = 1;
/// Texts that are predicted at once: one, and as many without one of its words.
const TEXTS: usize = 32;

/// What a page does with its model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It predicts.
    Prediction,
    /// It trains.
    Training {
        /// Whether photos travel inside.
        has_photos: bool,
    },
}

/// Why a model does not become a page.
#[derive(Debug, thiserror::Error)]
pub enum NotOnAPage {
    /// The model is wrong.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// It needs more than every browser offers.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// It has no plan for evaluations.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The network that finds faces is damaged.
    #[error(transparent)]
    Detector(#[from] DetectorError),
    /// It cannot be written.
    #[error("the model cannot be written as TOML: {0}")]
    Toml(#[from] toml::ser::Error),
    /// It cannot be written.
    #[error("the model cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// It reads texts.
    #[error("{0} reads texts, and pages train on photos; train it here and export a page of the run")]
    TrainsOnTexts(String),
    /// Its photos are those of faces that have to be found.
    #[error(
        "{0} learns from the faces in photos (faces = \"detect\"), and pages take photos whole; cut the faces out by \
         `faceshader data crop`, and say faces = \"cropped\""
    )]
    FindsFaces(String),
    /// Its weights come from a file.
    #[error("{0} begins with the weights of a file (init), which pages do not; leave init out")]
    Init(String),
}

#[derive(Serialize)]
pub(super) struct Model<'a> {
    format: u32,
    name: &'a str,
    version: &'static str,
    facts: &'a [(String, String)],
    photo: Option<Photo>,
    text: Option<Value>,
    targets: Vec<Target<'a>>,
    shaders: Shaders,
    prediction: Option<Value>,
    pub(super) detector: Vec<DetectorPlan>,
    training: Option<TrainingPlan>,
}

#[derive(Serialize)]
struct Photo {
    width: usize,
    height: usize,
    faces: Option<Faces>,
    crop: CropSpec,
}

#[derive(Serialize)]
struct Target<'a> {
    name: &'a str,
    branch: &'a str,
    output: String,
    bias: String,
    outputs: usize,
    kind: &'static str,
    unit: &'a Option<String>,
    range: Option<[f32; 2]>,
    classes: &'a [String],
    mean_and_deviation: Option<[f32; 2]>,
    standardize: bool,
    balance: bool,
    weight: f64,
    metric_name: String,
    metric_title: String,
}

#[derive(Serialize)]
pub(super) struct DetectorPlan {
    width: u32,
    height: u32,
    program: Value,
}

#[derive(Serialize)]
struct TrainingPlan {
    step: Value,
    evaluation: Value,
    has_photos: bool,
    epochs: usize,
    /// Numbers of 64 bits are texts in JavaScript.
    seed: String,
    schedule: Schedule,
    warmup_epochs: f64,
    plateau: Option<Plateau>,
    patience: usize,
    ema: Option<f64>,
    betas: Option<[f64; 2]>,
    augment: Augment,
    parameters: Vec<Parameter>,
    config: String,
}

/// Every field of [`AugmentSpec`]: a model's file leaves out those that are 0.
#[derive(Serialize)]
struct Augment {
    rotation_degrees: f64,
    zoom: f64,
    shift: f64,
    flip_probability: f64,
}

#[derive(Serialize)]
struct Parameter {
    name: String,
    shape: Shape,
    init: Init,
}

/// The WGSL of programs by its path.
#[derive(Serialize, Default)]
#[serde(transparent)]
struct Shaders(BTreeMap<String, &'static str>);

impl Shaders {
    /// Lowers a plan, and adds the shaders of the program.
    fn program(&mut self, plan: &Plan, variant: Variant) -> Result<Value, NotOnAPage> {
        let program = Program::new(plan, variant)?;
        for pipeline in &program.pipelines {
            if let Some(shader) = shader(&pipeline.shader) {
                self.0.insert(wgsl_path(pipeline), shader.source);
            }
        }
        Ok(serde_json::to_value(ExportedProgram::new(plan, &program, &|_| None))?)
    }
}

impl<'a> Model<'a> {
    pub(super) fn new(
        spec: &'a Spec,
        vocabulary: Option<&Vocabulary>,
        facts: &'a [(String, String)],
        variant: Variant,
        kind: Kind,
    ) -> Result<Self, NotOnAPage> {
        let photo = spec.input.photo().map(|&PhotoSpec { width, height, faces, crop, .. }| Photo {
            width,
            height,
            faces,
            crop,
        });
        let mut model = Self {
            format: FORMAT,
            name: &spec.name,
            version: env!("CARGO_PKG_VERSION"),
            facts,
            photo,
            text: vocabulary.map(rules),
            targets: targets(spec)?,
            shaders: Shaders::default(),
            prediction: None,
            detector: Vec::new(),
            training: None,
        };
        match kind {
            Kind::Prediction => model.add_prediction(spec, variant)?,
            Kind::Training { has_photos } => model.add_training(spec, variant, has_photos)?,
        }
        Ok(model)
    }

    fn add_prediction(&mut self, spec: &Spec, variant: Variant) -> Result<(), NotOnAPage> {
        let batch = match spec.input {
            InputSpec::Photo(_) => 1,
            InputSpec::Text(_) => TEXTS,
        };
        let plan = lower(&Graph::new(spec, batch)?, &spec.name, Purpose::Prediction);
        self.prediction = Some(self.shaders.program(&plan, variant)?);
        if matches!(&self.photo, Some(Photo { faces: Some(Faces::Cropped | Faces::Detect), .. })) {
            for ([width, height], plan) in faces::plans()? {
                let program = self.shaders.program(&plan, variant)?;
                self.detector.push(DetectorPlan { width, height, program });
            }
        }
        Ok(())
    }

    fn add_training(&mut self, spec: &Spec, variant: Variant, has_photos: bool) -> Result<(), NotOnAPage> {
        if spec.input.photo().is_none() {
            return Err(NotOnAPage::TrainsOnTexts(spec.name.clone()));
        }
        if spec.input.photo().is_some_and(|photo| photo.faces == Some(Faces::Detect)) {
            return Err(NotOnAPage::FindsFaces(spec.name.clone()));
        }
        if spec.training.init.is_some() {
            return Err(NotOnAPage::Init(spec.name.clone()));
        }
        let graph = Graph::new(spec, spec.training.batch)?;
        let step = self.shaders.program(&lower(&graph, &spec.name, Purpose::Training), variant)?;
        let fits = |plan: &Plan| match Program::new(plan, variant) {
            Err(ProgramError::TooLarge(reason)) => Err(BackendError::TooLarge(reason.to_string())),
            _ => Ok(()),
        };
        let evaluation = evaluation_plan(spec, &fits)?;
        let evaluation = self.shaders.program(&evaluation, variant)?;
        let parameters = graph.parameters().into_iter();
        // The others are for texts.
        let AugmentSpec { rotation_degrees, zoom, shift, flip_probability, .. } = spec.augment;
        self.training = Some(TrainingPlan {
            step,
            evaluation,
            has_photos,
            epochs: spec.training.epochs,
            seed: spec.training.seed.to_string(),
            schedule: spec.training.schedule,
            warmup_epochs: spec.training.warmup_epochs,
            plateau: spec.training.plateau,
            patience: spec.training.patience,
            ema: spec.training.ema,
            betas: match &spec.optimizer {
                Op::Adam(adam) => Some([adam.beta1, adam.beta2]),
                _ => None,
            },
            augment: Augment { rotation_degrees, zoom, shift, flip_probability },
            parameters: parameters
                .map(|(name, parameter)| Parameter { name, shape: parameter.shape, init: parameter.init })
                .collect(),
            config: Spec { data: DataSpec::default(), ..spec.clone() }.to_toml()?,
        });
        Ok(())
    }
}

fn targets(spec: &Spec) -> Result<Vec<Target<'_>>, NotOnAPage> {
    let graph = Graph::new(spec, 1)?;
    let plan = lower(&graph, &spec.name, Purpose::Evaluation);
    let mut targets = Vec::new();
    for ((branch, target), end) in spec.tasks().zip(&graph.branches) {
        // The loss is the first step that works for the branch as a whole.
        let loss = plan.steps.iter().find(|step| step.layer == branch.name);
        let input = loss.and_then(|step| step.arguments.iter().find(|argument| argument.name == "input"));
        let output = input.map(|argument| &plan.buffers[argument.buffer]);
        targets.push(Target {
            name: &target.name,
            branch: &branch.name,
            output: output
                .filter(|buffer| buffer.kind == BufferKind::Output)
                .map_or(String::new(), |buffer| buffer.name.clone()),
            bias: format!("{}.bias", graph.nodes[end.node].name),
            outputs: target.outputs(),
            kind: target.rules().name(),
            unit: &target.unit,
            range: target.range,
            classes: &target.classes,
            mean_and_deviation: target.mean_and_deviation,
            standardize: target.standardize,
            balance: target.balance,
            weight: branch.weight(),
            metric_name: target.metric_name(),
            metric_title: target.metric_title(),
        });
    }
    Ok(targets)
}
