//! A page for a browser, in one HTML file: a model's programs, shaders and weights as data, and the modules of `web/`
//! that replay them by WebGPU. Nothing is loaded from elsewhere.

mod bundle;
mod model;

pub use model::{Kind, NotOnAPage};

use crate::data::reviews::Vocabulary;
use crate::faces;
use crate::html::{escaped, filled};
use crate::ops::Variant;
use crate::spec::Spec;
use bundle::{encoded, import_map};
use model::Model;

const SHELL: &str = include_str!("../../../web/pages/page.html");
const PREDICT: &str = include_str!("../../../web/pages/predict.html");
const TRAIN: &str = include_str!("../../../web/pages/train.html");
const SUPPORT: &str = include_str!("../../../web/pages/support.js");
const STYLE: &str = include_str!("../../../web/pages/page.css");
const CURVES_STYLE: &str = include_str!("../../../web/vendor/uplot.css");

const OWN_LICENCE: &str = include_str!("../../../LICENSE-MIT");
const ZIP_LICENCE: &str = include_str!("../../../web/vendor/fflate.LICENSE");
const CURVES_LICENCE: &str = include_str!("../../../web/vendor/uplot.LICENSE");
const DETECTOR_LICENCE: &str = include_str!("../../../assets/detector/LICENSE");

/// The licences of all that travels in a page.
fn licences(kind: Kind, finds_faces: bool) -> String {
    let mut all = vec![("faceshader", OWN_LICENCE)];
    if kind != Kind::Prediction {
        all.extend([("fflate", ZIP_LICENCE), ("uPlot", CURVES_LICENCE)]);
    }
    if finds_faces {
        all.push(("YuNet, the network that finds faces", DETECTOR_LICENCE));
    }
    let shown: String =
        all.iter().map(|(name, text)| format!("<h3>{name}</h3><pre>{}</pre>", escaped(text))).collect();
    format!("<details class=\"quiet small\"><summary>Licences</summary>{shown}</details>")
}

/// What becomes a page.
pub struct Page<'a> {
    /// The model.
    pub spec: &'a Spec,
    /// Of a model that reads texts.
    pub vocabulary: Option<&'a Vocabulary>,
    /// What is known of it, as names and texts.
    pub facts: Vec<(String, String)>,
    /// The kernels of its programs.
    pub variant: Variant,
    /// What it does, and with what.
    pub contents: Contents,
}

/// What a page does.
pub enum Contents {
    /// It predicts, with the weights of this safetensors file.
    Prediction {
        /// The file's bytes.
        weights: Vec<u8>,
    },
    /// It trains, from the model's seed on.
    Training {
        /// Photos that travel inside, each with its name and as the bytes of a JPEG file.
        photos: Vec<(String, Vec<u8>)>,
    },
}

impl Page<'_> {
    /// The page as HTML.
    ///
    /// # Errors
    /// When the model has no plan within WebGPU's default limits, or is of a kind that pages do not have.
    pub fn html(&self) -> Result<String, NotOnAPage> {
        let kind = match &self.contents {
            Contents::Prediction { .. } => Kind::Prediction,
            Contents::Training { photos } => Kind::Training { has_photos: !photos.is_empty() },
        };
        let model = Model::new(self.spec, self.vocabulary, &self.facts, self.variant, kind)?;
        let mut data = vec![("model", serde_json::to_vec(&model)?)];
        let (title, body, main) = match &self.contents {
            Contents::Prediction { weights } => {
                data.push(("weights", weights.clone()));
                if !model.detector.is_empty() {
                    data.push(("detector-weights", faces::WEIGHTS.to_vec()));
                }
                (self.spec.name.clone(), PREDICT, "pages/predict.js")
            }
            Contents::Training { photos } => {
                let mut archive = Vec::new();
                for (name, jpeg) in photos {
                    // Length and name, length and bytes.
                    for part in [name.as_bytes(), jpeg] {
                        archive.extend((part.len() as u32).to_le_bytes());
                        archive.extend(part);
                    }
                }
                data.push(("photos", archive));
                (format!("Train {}", self.spec.name), TRAIN, "pages/train.js")
            }
        };
        let data: String = data
            .iter()
            .map(|(id, bytes)| {
                format!("<script type=\"text/plain\" id=\"{id}\">{}</script>\n", encoded(bytes))
            })
            .collect();
        Ok(filled(SHELL, &|name| match name {
            "title" => escaped(&title),
            "body" => body.into(),
            "style" => match kind {
                Kind::Prediction => STYLE.into(),
                Kind::Training { .. } => format!("{STYLE}{CURVES_STYLE}"),
            },
            "support" => SUPPORT.into(),
            "licences" => licences(kind, !model.detector.is_empty()),
            "import_map" => import_map(main),
            "data" => data.clone(),
            "main" => format!("import \"faceshader/{main}\";"),
            _ => String::new(),
        }))
    }
}
