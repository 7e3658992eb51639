//! `faceshader predict`

mod drawn;
mod rows;

use super::backend::AdapterArguments;
use super::data::GRID;
use super::eval::Weights;
use super::progress::{Bars, bar};
use super::said::{draw_predictions, told};
use super::storage::Memory;
use super::{Outcome, Usage, print_data, texts};
use crate::data::DataError;
use crate::data::error::shown_path;
use crate::data::faces::{Crop, Crops, crops};
use crate::data::labels::WAYS;
use crate::data::load::survey;
use crate::data::photos::Photos;
use crate::data::pictures::Pictures;
use crate::data::records::{Key, Records};
use crate::data::samples::{Inputs, Samples, read_photos, tell_skipped};
use crate::data::skipped::Skipped;
use crate::data::source::{MAX_ENTRY_BYTES, Source};
use crate::data::storage::Storage;
use crate::faces::Detectors;
use crate::report::marks::Mark;
use crate::report::picture::{Told, captions};
use crate::spec::{Faces, PhotoSpec, Spec};
use crate::tasks::{Answer, Target};
use crate::train::Trainer;
use crate::train::run::RunFolder;
use anyhow::{Context, Result, bail};
use drawn::draw_photos;
use rows::{FaceBox, Rows};
use std::collections::HashMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use tempfile::TempDir;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The run folder
    run: PathBuf,
    /// Photos, folders, zips or tar.gz files, or - for a photo on standard input; for a model that reads texts: texts, or
    /// files with one a line or of CSV
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Find the faces in each photo and predict for each (auto), or take each photo whole; auto if the model was trained
    /// on faces
    #[arg(long)]
    faces: Option<FaceMode>,
    #[command(flatten)]
    columns: texts::Columns,
    /// Which weights of the run to use
    #[arg(long, default_value = "best")]
    weights: Weights,
    /// Where to write the picture of the first 20 photos or faces; RUN/plots/predict.png if not given
    #[arg(long)]
    picture: Option<PathBuf>,
    /// A folder for a picture of each photo, with boxes and predictions drawn in
    #[arg(long, value_name = "DIR")]
    draw: Option<PathBuf>,
    #[command(flatten)]
    adapter: AdapterArguments,
    /// Skip the short check of the kernels before an adapter's first use
    #[arg(long)]
    no_verify: bool,
    #[command(flatten)]
    memory: Memory,
    /// One line of JSON a face, photo or text instead of CSV
    #[arg(long)]
    json: bool,
}

/// What of a photo the model is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum FaceMode {
    /// Each face in it; a photo that is no more than a face is taken whole
    Auto,
    /// All of it
    Whole,
}

impl FaceMode {
    /// Whether the faces in photos are looked for: as the user says, or else as the photos of the training were.
    pub fn looks_for_faces(asked: Option<FaceMode>, input: &PhotoSpec) -> bool {
        match asked {
            Some(mode) => mode == FaceMode::Auto,
            None => matches!(input.faces, Some(Faces::Cropped | Faces::Detect)),
        }
    }
}

/// Of the pictures of photos, in percent.
const DRAWN_QUALITY: u8 = 90;
/// What stands for standard input among the paths.
const STDIN: &str = "-";

pub fn run(arguments: Arguments) -> Result<Outcome> {
    let (run, spec) = RunFolder::open(&arguments.run)?;
    let Some(input) = spec.input.photo() else {
        if arguments.picture.is_some() || arguments.draw.is_some() || arguments.faces.is_some() {
            return Err(Usage("--picture, --draw and --faces are for photos".into()).into());
        }
        let mut trainer = Trainer::new(arguments.adapter.open_proven(!arguments.no_verify)?, &spec)?;
        trainer.load_weights(&arguments.weights.file(&run, &spec)?)?;
        return texts::predict(&run, &spec, trainer, &arguments.paths, &arguments.columns, arguments.json);
    };
    let of_faces = FaceMode::looks_for_faces(arguments.faces, input);
    let mut trainer = Trainer::new(arguments.adapter.open_proven(!arguments.no_verify)?, &spec)?;
    trainer.load_weights(&arguments.weights.file(&run, &spec)?)?;
    let rows = Rows { spec: &spec, json: arguments.json, of_faces };
    if !arguments.json {
        print_data(rows.header()?)?;
    }
    let mut asking = Asking {
        trainer,
        spec: &spec,
        rows,
        input: PhotoSpec { faces: None, ..input.clone() },
        detectors: match of_faces {
            true => Some(arguments.adapter.open_detectors(!arguments.no_verify)?),
            false => None,
        },
        storage: arguments.memory.storage(None),
        pictures: arguments.draw.map(|folder| Mutex::new(Pictures::new(&folder, DRAWN_QUALITY))),
        shown: Photos::new(input.width as u32, input.height as u32),
        answers: Vec::new(),
        read: 0,
    };
    let mut failed = Vec::new();
    for path in &arguments.paths {
        // A path that cannot be read does not stop the others.
        if let Some(error) = asking.path(path)? {
            log::error!("{error}");
            asking.refuse(path, &error)?;
            failed.push(shown_path(path));
        }
    }
    if asking.read == 0 {
        bail!("there is no photo to predict");
    }
    if !asking.answers.is_empty() {
        let picture = arguments.picture.unwrap_or_else(|| run.plot("predict.png"));
        draw_predictions(&picture, "Predicted, and in brackets true", &asking.shown, &asking.answers)
            .context("the predictions are complete, but not their picture; choose a place with --picture")?;
        log::info!("picture: {}", shown_path(&picture));
    }
    if !failed.is_empty() {
        bail!(
            "{} of {} paths could not be read, or not to their end: {}",
            failed.len(),
            arguments.paths.len(),
            failed.join(", ")
        );
    }
    Ok(Outcome::Done)
}

/// A model, what it is asked, and the first answers.
struct Asking<'a> {
    trainer: Trainer<'a>,
    spec: &'a Spec,
    rows: Rows<'a>,
    input: PhotoSpec,
    /// Finds the faces, where they are asked about and not photos.
    detectors: Option<Detectors<'a>>,
    storage: Storage,
    /// Where photos are drawn to.
    pictures: Option<Mutex<Pictures>>,
    shown: Photos,
    answers: Vec<(usize, Vec<Told>)>,
    /// Photos that could be read.
    read: usize,
}

/// Samples that the model is asked about at once.
struct Part {
    samples: Samples,
    /// The photo that each is of, as a place among the names.
    places: Vec<usize>,
    /// The face that each is, where they are faces.
    faces: Vec<Option<FaceBox>>,
    /// Photos that could be read, with or without a face.
    read: usize,
    skipped: Vec<Skipped>,
}

/// Faces that a photo shows, for how many photos memory may take.
const FACES_A_PHOTO: usize = 8;

impl Asking<'_> {
    /// Answers for the photos of a path, as many at a time as memory may take. Returns why it could not be read to its
    /// end, if so; an error is one of output or of the model.
    fn path(&mut self, path: &Path) -> Result<Option<DataError>> {
        let from_stdin = match path == Path::new(STDIN) {
            true => match Stdin::read() {
                Ok(stdin) => Some(stdin),
                Err(source) => return Ok(Some(DataError::Read { path: path.to_owned(), source })),
            },
            false => None,
        };
        let at = from_stdin.as_ref().map_or(path, |stdin| &stdin.file);
        // The user knows nothing of the file that standard input is kept in.
        let named = |error| match error {
            DataError::NotPhotos { what, .. } => DataError::NotPhotos { path: path.to_owned(), what },
            DataError::NoPhotos { ignored, .. } => DataError::NoPhotos { path: path.to_owned(), ignored },
            DataError::NoneUsable { skipped, .. } => DataError::NoneUsable { path: path.to_owned(), skipped },
            error => error,
        };
        let listed = Source::open(at).and_then(|source| Ok((survey(&source)?, source))).map_err(named);
        let (listed, source) = match listed {
            Ok(listed) => listed,
            Err(error) => return Ok(Some(error)),
        };
        if let Some(warning) = &listed.warning {
            log::warn!("warning: {warning}");
        }
        if listed.ignored.total() > 0 {
            log::info!("ignored {} files that are no photos: {}", listed.ignored.total(), listed.ignored);
        }
        let truths = truths(&listed.names, self.spec);
        let mut at_once = self.storage.photos([self.shown.width, self.shown.height]).max(1);
        if self.detectors.is_some() {
            at_once = at_once.div_ceil(FACES_A_PHOTO);
        }
        let (mut skipped, mut read, mut failed) = (listed.skipped, 0, None);
        for (chunk, names) in listed.names.chunks(at_once).enumerate() {
            let truths: Vec<&[Option<f32>]> =
                truths.iter().map(|truths| &truths[chunk * at_once..][..names.len()]).collect();
            match self.read(&source, names, &truths) {
                Ok(part) => {
                    read += part.read;
                    skipped.extend(part.skipped.iter().cloned());
                    self.part(path, &source, names, part)?;
                }
                Err(DataError::NoneUsable { skipped: all, .. }) => skipped.extend(all),
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        self.read += read;
        skipped.sort();
        skipped.dedup();
        if read == 0 && failed.is_none() {
            return Ok(Some(DataError::NoneUsable { path: path.to_owned(), skipped }));
        }
        tell_skipped(&skipped);
        self.tell_skipped(path, &skipped)?;
        Ok(failed)
    }

    /// Reads photos, with their labels where their names tell them: whole, or the faces in them.
    fn read(
        &mut self,
        source: &Source,
        names: &[String],
        truths: &[&[Option<f32>]],
    ) -> Result<Part, DataError> {
        let bars = Bars::default();
        let (photos, places, faces, read, skipped) = match &mut self.detectors {
            None => {
                let (photos, places, skipped) =
                    read_photos(source, &self.input, names, names, &self.storage, &bars)?;
                let (faces, read) = (vec![None; places.len()], places.len());
                (photos, places, faces, read, skipped)
            }
            Some(detectors) => {
                let Crops { photos, crops, read, skipped } =
                    crops(source, names, &self.input, detectors, &bars)?;
                let face = |&Crop { number, area, score, .. }: &Crop| Some(FaceBox { number, area, score });
                let places = crops.iter().map(|crop| crop.place).collect::<Vec<_>>();
                (photos, places, crops.iter().map(face).collect(), read, skipped)
            }
        };
        // Of several faces nobody knows which is meant.
        let mut faces_of = vec![0; names.len()];
        places.iter().for_each(|&place| faces_of[place] += 1);
        let truth = |truths: &&[Option<f32>]| {
            places.iter().map(|&place| truths[place].filter(|_| faces_of[place] == 1)).collect()
        };
        let answers = truths.iter().map(truth).collect();
        let named = places.iter().map(|&place| names[place].clone()).collect();
        let records = Records { answers, ..Records::unlabelled(Key::File, named) };
        let samples = Samples::new(records, Inputs::Photos(photos), self.spec);
        Ok(Part { samples, places, faces, read, skipped })
    }

    /// Predicts batch by batch, and prints each batch's rows as soon as they are known.
    fn part(&mut self, path: &Path, source: &Source, names: &[String], part: Part) -> Result<()> {
        let all: Vec<usize> = (0..part.places.len()).collect();
        let bar = bar("predicting", Some(all.len()));
        let mut marks: HashMap<String, Vec<Mark>> = HashMap::new();
        for batch in all.chunks(self.trainer.evaluation_batch()) {
            let outputs = self.trainer.predict(&part.samples, batch)?;
            let mut rows = Vec::new();
            for (place, &index) in batch.iter().enumerate() {
                let of_branch = |((_, target), values): ((_, &Target), &Vec<f32>)| {
                    let width = values.len() / batch.len();
                    target.answer(&values[place * width..][..width])
                };
                let answers: Vec<Answer> = self.spec.tasks().zip(&outputs).map(of_branch).collect();
                let (name, face) = (&names[part.places[index]], part.faces[index]);
                rows.push(self.rows.answer(&given_name(path, name), face, &answers)?);
                let told = self.told(&answers, &part.samples, index);
                if self.pictures.is_some() {
                    marks.entry(name.clone()).or_default().push(mark(face, &told));
                }
                if let Some(photos) = part.samples.photos().filter(|_| self.shown.len() < GRID[0]) {
                    self.answers.push((self.shown.len(), told));
                    self.shown.push(&photos.photo(index)?);
                }
            }
            bar.suspend(|| rows.iter().try_for_each(print_data))?;
            bar.inc(batch.len() as u64);
        }
        bar.finish_and_clear();
        if let Some(pictures) = &self.pictures {
            for Skipped { file, reason } in part.skipped {
                marks.entry(file).or_default().push(Mark { area: None, lines: vec![reason] });
            }
            let within = if matches!(source, Source::Photo(_)) { None } else { Some(path) };
            draw_photos(pictures, within, source, names, &marks)?;
        }
        Ok(())
    }

    /// Answers beside the labels of a sample, where they are known.
    fn told(&self, answers: &[Answer], samples: &Samples, index: usize) -> Vec<Told> {
        let of_target = |((branch, target), answer): ((_, &Target), &Answer)| {
            told(target, answer, samples.records.answers[self.spec.target_place(branch)][index])
        };
        self.spec.tasks().zip(answers).map(of_target).collect()
    }

    /// Prints why there is no answer for anything in a path.
    fn refuse(&self, path: &Path, error: &DataError) -> Result<()> {
        match error {
            DataError::NoneUsable { skipped, .. } => self.tell_skipped(path, skipped),
            _ => Ok(print_data(self.rows.refusal(&path.to_string_lossy(), &error.to_string())?)?),
        }
    }

    fn tell_skipped(&self, path: &Path, skipped: &[Skipped]) -> Result<()> {
        for Skipped { file, reason } in skipped {
            print_data(self.rows.refusal(&given_name(path, file), reason)?)?;
        }
        Ok(())
    }
}

/// What is drawn into a photo of an answer.
fn mark(face: Option<FaceBox>, told: &[Told]) -> Mark {
    let lines = captions(told).into_iter().map(|caption| caption.text).collect();
    let area = face.map(|FaceBox { area, .. }| [area.x, area.y, area.width, area.height]);
    Mark { area, lines }
}

/// What was on standard input, as a file.
struct Stdin {
    file: PathBuf,
    _folder: TempDir,
}

impl Stdin {
    /// Reads all of it, up to what a file may have.
    fn read() -> io::Result<Stdin> {
        let mut bytes = Vec::new();
        io::stdin().take(MAX_ENTRY_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_ENTRY_BYTES {
            let message = format!("larger than {} MiB", MAX_ENTRY_BYTES >> 20);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
        }
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("stdin");
        fs::write(&file, bytes)?;
        Ok(Stdin { file, _folder: folder })
    }
}

/// The labels of photos, as far as their names tell them.
fn truths(names: &[String], spec: &Spec) -> Vec<Vec<Option<f32>>> {
    let unknown = || spec.targets.iter().map(|_| vec![None; names.len()]).collect();
    let Some(way) = WAYS.iter().find(|way| (way.fits)(names)) else { return unknown() };
    let labelled = (way.label)(names);
    let known = labelled.kept.iter().map(|&place| names[place].clone()).collect();
    let records = Records { table: labelled.table, ..Records::unlabelled(Key::File, known) };
    let Ok((records, ..)) = records.answer(spec) else { return unknown() };
    let places: HashMap<&String, usize> = records.names.iter().zip(0..).collect();
    let of_target = |answers: &Vec<Option<f32>>| -> Vec<Option<f32>> {
        names.iter().map(|name| places.get(name).and_then(|&place| answers[place])).collect()
    };
    records.answers.iter().map(of_target).collect()
}

/// What the user knows a photo by: the path as given, and behind it the way within a folder or archive.
fn given_name(path: &Path, inner: &str) -> String {
    if path == Path::new(STDIN) && inner == "stdin" {
        return STDIN.into();
    }
    // A single photo's name within itself is that of its file.
    let is_photo = path.is_file() && path.file_name().is_some_and(|name| name.to_string_lossy() == inner);
    let given = if is_photo { path.to_owned() } else { path.join(inner) };
    given.to_string_lossy().into_owned()
}
