//! Finds faces in photos, by YuNet on this project's own operators.

use super::boxes::{Face, Maps, Rectangle, non_maximum_suppression};
use super::frame::Frame;
use crate::cpu::CpuBackend;
use crate::graph::Graph;
use crate::ops::augment::IDENTITY;
use crate::ops::{BATCH_COUNT, BATCH_WORDS};
use crate::plan::{Backend, BackendError, BufferId, Plan, PlanId, Purpose, lower};
use crate::shape::DType;
use crate::spec::{Network, PhotoSpec, SpecError};
use image::RgbImage;
use image::imageops::{FilterType, replace, resize};
use rayon::prelude::*;
use safetensors::SafeTensors;
use std::sync::{Mutex, PoisonError};

const NETWORK: &str = include_str!("../../assets/detector/yunet.toml");
/// The weights of the network, as safetensors under the names of its plans' buffers.
pub const WEIGHTS: &[u8] = include_bytes!("../../assets/detector/yunet.safetensors");

/// Strides of the maps, in pixels.
const STRIDES: [usize; 3] = [8, 16, 32];
/// What is less sure than this at first sight is not looked at closer.
const LEAST_SCORE_AT_FIRST: f32 = 0.5;
/// Faces less sure than this, looked at closely, are none.
const LEAST_SCORE: f32 = 0.7;
/// What is found in a closer look is the face that was looked at if both overlap by more than this.
const LEAST_AGREEMENT: f32 = 0.3;
/// How large the square of a closer look is, compared with the frame of the face. The frame is 200 pixels wide there:
/// the network turns the landmarks of a face along with the face only where it is large (measured on UTKFace: by 13 %
/// of the angle where the face is 70 pixels high, and by 95 % where it is 220).
const CLOSER: f32 = 1.6;
/// A face that is tilted by less, in radians, is upright.
const LEAST_TILT: f32 = 0.12;
/// The canvas of a closer look.
const CLOSER_CANVAS: usize = 1;
/// Of faces that overlap by more, one stays.
const MOST_OVERLAP: f32 = 0.3;
/// The longer side of a photo as the network sees it, in pixels, at most.
const LONGER_SIDE: u32 = 640;
/// What the network looks at, width and height in pixels, in ascending order of their work. A photo lies at the upper
/// left of the first that it fits into. They are few, as each is compiled on a GPU.
const CANVASES: [[u32; 2]; 5] = [[160, 160], [320, 320], [640, 480], [480, 640], [640, 640]];

/// Why no faces can be looked for.
#[derive(Debug, thiserror::Error)]
pub enum DetectorError {
    /// The device cannot.
    #[error("faces cannot be looked for: {0}")]
    Backend(#[from] BackendError),
    /// The network in the program is not what the program takes it for.
    #[error("the network that finds faces is damaged: {0}")]
    Network(#[from] SpecError),
    /// Its weights are not those of the network.
    #[error("the weights of the network that finds faces are damaged: {0}")]
    Weights(String),
}

/// Finds faces in photos.
pub struct Detector<'a> {
    backend: Box<dyn Backend + 'a>,
    /// The plan for each canvas, as soon as a photo needed it.
    plans: [Option<Prepared>; CANVASES.len()],
}

/// Detectors that work through many photos.
pub enum Detectors<'a> {
    /// One a thread, each on the CPU. Those that nobody uses at the moment are kept here.
    OnCpu(Mutex<Vec<Detector<'static>>>),
    /// One, on a device.
    OnDevice(Box<Detector<'a>>),
}

impl<'a> Detectors<'a> {
    /// One a thread, each on the CPU.
    pub fn on_cpu() -> Self {
        Detectors::OnCpu(Mutex::default())
    }

    /// One that computes on a backend.
    pub fn on_device(backend: Box<dyn Backend + 'a>) -> Self {
        Detectors::OnDevice(Box::new(Detector::new(backend)))
    }

    /// Prepares all items, on all threads, and hands each to `detect` with a detector. The results are in the order of
    /// the items.
    pub fn map<Item: Send, Prepared: Send, Result: Send>(
        &mut self,
        items: Vec<Item>,
        prepare: impl Fn(Item) -> Prepared + Send + Sync,
        detect: impl Fn(Prepared, &mut Detector) -> Result + Send + Sync,
    ) -> Vec<Result> {
        match self {
            Detectors::OnCpu(idle) => {
                let idle = &*idle;
                let detect_alone = |item| {
                    let prepared = prepare(item);
                    let kept = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
                    let mut detector = kept.unwrap_or_else(Detector::on_cpu);
                    let result = detect(prepared, &mut detector);
                    idle.lock().unwrap_or_else(PoisonError::into_inner).push(detector);
                    result
                };
                items.into_par_iter().map(detect_alone).collect()
            }
            Detectors::OnDevice(detector) => {
                let prepared: Vec<Prepared> = items.into_par_iter().map(&prepare).collect();
                prepared.into_iter().map(|item| detect(item, detector)).collect()
            }
        }
    }
}

/// The network for photos of one size.
struct Prepared {
    id: PlanId,
    photos: BufferId,
    /// The maps of each stride: cls, obj, area and landmarks.
    maps: [[BufferId; 4]; STRIDES.len()],
}

impl<'a> Detector<'a> {
    /// A detector that computes on the CPU.
    pub fn on_cpu() -> Self {
        Self::new(Box::new(CpuBackend::new()))
    }

    /// A detector that computes on a backend.
    pub fn new(backend: Box<dyn Backend + 'a>) -> Self {
        Self { backend, plans: Default::default() }
    }

    /// The faces of a photo, in its pixels, the surest first. Each is looked at twice: as part of the photo, and
    /// closely, as large as training photos show faces; tilted ones once more, upright. Faces of about 2 % of the photo's longer side are the smallest
    /// that are found.
    ///
    /// # Errors
    /// When the backend fails.
    pub fn detect(&mut self, photo: &RgbImage) -> Result<Vec<Face>, DetectorError> {
        let mut faces = Vec::new();
        for face in self.look(photo)? {
            if let Some(face) = self.look_closer(photo, &face)? {
                faces.push(self.look_upright(photo, face)?);
            }
        }
        Ok(non_maximum_suppression(faces, MOST_OVERLAP))
    }

    /// The faces of a photo at first sight, also those that a closer look would not find.
    ///
    /// # Errors
    /// When the backend fails.
    pub fn look(&mut self, photo: &RgbImage) -> Result<Vec<Face>, DetectorError> {
        let (width, height) = photo.dimensions();
        let shrink = (LONGER_SIDE as f32 / width.max(height) as f32).min(1.0);
        let [seen_width, seen_height] =
            [width, height].map(|side| ((side as f32 * shrink).round() as u32).max(1));
        let fits = |[width, height]: &[u32; 2]| seen_width <= *width && seen_height <= *height;
        let canvas = CANVASES.iter().position(fits).unwrap_or(CANVASES.len() - 1);
        let mut seen = RgbImage::new(CANVASES[canvas][0], CANVASES[canvas][1]);
        match shrink < 1.0 {
            true => replace(&mut seen, &resize(photo, seen_width, seen_height, FilterType::Triangle), 0, 0),
            false => replace(&mut seen, photo, 0, 0),
        }
        let faces = self.faces(canvas, &seen, LEAST_SCORE_AT_FIRST)?;
        Ok(faces.into_iter().map(|face| face.scaled(1.0 / shrink)).collect())
    }

    /// A face as it is seen in a square around it; `None` if it is no face there.
    fn look_closer(&mut self, photo: &RgbImage, face: &Face) -> Result<Option<Face>, DetectorError> {
        let frame = Frame::of(face);
        let square = Frame { side: CLOSER * frame.side, angle: 0.0, ..frame };
        let faces = self.faces(CLOSER_CANVAS, &square.cut(photo, CANVASES[CLOSER_CANVAS]), LEAST_SCORE)?;
        let [left, top] = square.middle.map(|middle| middle - square.side / 2.0);
        let factor = square.side / CANVASES[CLOSER_CANVAS][0] as f32;
        let closer = faces.into_iter().map(|face| face.scaled(factor).moved(left, top));
        let agrees = |closer: &Face| closer.area.iou(&face.area);
        let best = closer.max_by(|a, b| agrees(a).total_cmp(&agrees(b)));
        Ok(best.filter(|best| agrees(best) > LEAST_AGREEMENT))
    }

    /// A face with the landmarks that are seen when the photo is turned so that it stands upright: those of a tilted face
    /// are not turned along as far as the face is.
    fn look_upright(&mut self, photo: &RgbImage, face: Face) -> Result<Face, DetectorError> {
        let frame = Frame::of(&face);
        if frame.angle.abs() < LEAST_TILT {
            return Ok(face);
        }
        let square = Frame { side: CLOSER * frame.side, ..frame };
        let canvas = CANVASES[CLOSER_CANVAS][0] as f32;
        let faces = self.faces(CLOSER_CANVAS, &square.cut(photo, CANVASES[CLOSER_CANVAS]), LEAST_SCORE)?;
        let away = |face: &Face| {
            let Rectangle { x, y, width, height } = face.area;
            (x + (width - canvas) / 2.0).hypot(y + (height - canvas) / 2.0)
        };
        let nearest = faces.into_iter().min_by(|a, b| away(a).total_cmp(&away(b)));
        let place =
            |point: [f32; 2]| square.point(point.map(|at| (at - canvas / 2.0) * square.side / canvas));
        Ok(match nearest.filter(|nearest| away(nearest) < canvas / 8.0) {
            Some(nearest) => Face { landmarks: nearest.landmarks.map(place), ..face },
            None => face,
        })
    }

    /// The faces of a photo as large as a canvas.
    fn faces(
        &mut self,
        canvas: usize,
        photo: &RgbImage,
        least_score: f32,
    ) -> Result<Vec<Face>, DetectorError> {
        if self.plans[canvas].is_none() {
            self.plans[canvas] = Some(Prepared::new(&mut *self.backend, CANVASES[canvas])?);
        }
        let Some(Prepared { id, photos, maps }) = &self.plans[canvas] else { return Ok(Vec::new()) };
        self.backend.write(*id, *photos, photo.as_raw())?;
        self.backend.run(*id)?;
        let mut faces = Vec::new();
        for (stride, maps) in STRIDES.into_iter().zip(maps) {
            let mut values: [Vec<f32>; 4] = Default::default();
            for (values, &map) in values.iter_mut().zip(maps) {
                *values = bytemuck::pod_collect_to_vec(&self.backend.read(*id, map)?);
            }
            let [cls, obj, area, landmarks] = &values;
            let columns = CANVASES[canvas][0] as usize / stride;
            faces.extend(Maps { stride, columns, cls, obj, area, landmarks }.faces(least_score));
        }
        Ok(non_maximum_suppression(faces, MOST_OVERLAP))
    }
}

impl Prepared {
    fn new(backend: &mut dyn Backend, [width, height]: [u32; 2]) -> Result<Self, DetectorError> {
        let plan = plan([width, height])?;
        let id = backend.prepare(&plan)?;
        let buffer = |name: &str| {
            plan.buffer(name).ok_or_else(|| DetectorError::Weights(format!("the plan has no {name}")))
        };
        write_weights(backend, &plan, id)?;
        backend.write(id, buffer("transform")?, bytemuck::cast_slice(&IDENTITY))?;
        if let Some(batch) = plan.buffer("batch") {
            let mut words = [0u32; BATCH_WORDS];
            words[BATCH_COUNT] = 1;
            backend.write(id, batch, bytemuck::cast_slice(&words))?;
        }
        let mut maps = [[0; 4]; STRIDES.len()];
        for (maps, stride) in maps.iter_mut().zip(STRIDES) {
            for (map, what) in maps.iter_mut().zip(["cls", "obj", "bbox", "kps"]) {
                *map = buffer(&format!("{what}_{stride}.output"))?;
            }
        }
        Ok(Self { id, photos: buffer("photos")?, maps })
    }
}

/// The network for photos of each size that it looks at, width and height in pixels, in ascending order of their work.
///
/// # Errors
/// When the network in the program is damaged.
pub fn plans() -> Result<Vec<([u32; 2], Plan)>, DetectorError> {
    CANVASES.into_iter().map(|size| Ok((size, plan(size)?))).collect()
}

/// The network for a photo of this size, width and height in pixels, as a plan.
fn plan([width, height]: [u32; 2]) -> Result<Plan, SpecError> {
    let network = Network::parse(NETWORK, "yunet.toml")?;
    let input = PhotoSpec { width: width as usize, height: height as usize, ..network.input };
    let name = format!("{}.{width}x{height}", network.name);
    Ok(lower(&Graph::of_network(&Network { input, ..network }, 1)?, &name, Purpose::Prediction))
}

fn write_weights(backend: &mut dyn Backend, plan: &Plan, id: PlanId) -> Result<(), DetectorError> {
    let weights =
        SafeTensors::deserialize(WEIGHTS).map_err(|error| DetectorError::Weights(error.to_string()))?;
    for (buffer, of) in plan.lasting() {
        let tensor = weights.tensor(&of.name).map_err(|error| DetectorError::Weights(error.to_string()))?;
        let is_same = tensor.shape() == of.shape.0.as_slice() && of.dtype == DType::F32;
        if !is_same || tensor.dtype() != safetensors::Dtype::F32 {
            return Err(DetectorError::Weights(format!(
                "{} is {:?}, not {}",
                of.name,
                tensor.shape(),
                of.shape
            )));
        }
        backend.write(id, buffer, tensor.data())?;
    }
    Ok(())
}
