//! `faceshader data`

mod crop;

use super::progress::Bars;
use super::{Outcome, Usage, at_least_one, print, print_data, progress, seed, texts};
use crate::data::DataError;
use crate::data::check::{PhotoSummary, Rows, TextSummary};
use crate::data::error::shown_path;
use crate::data::photos::Photos;
use crate::data::pictures::jpeg;
use crate::data::records::Records;
use crate::data::reviews::{TextOptions, Vocabulary, contents, read};
use crate::data::samples::{
    self, BUILT_IN_FACES, BUILT_IN_SEED, built_in_faces, is_table, read_contents, read_photos, tell_skipped,
    tell_skipped_rows,
};
use crate::data::split::Split;
use crate::data::storage::Storage;
use crate::data::synthetic::draw;
use crate::file::write_whole;
use crate::report::picture::{Cell, grid, label_caption};
use crate::report::save_png;
use crate::rng::{Generator, Stream};
use crate::spec::PhotoSpec;
use anyhow::{Context, Result, bail};
use image::RgbImage;
use rayon::prelude::*;
use std::path::PathBuf;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Draw a grid of 20 labelled photos
    Show(ShowArguments),
    /// Print what photos or a CSV or TSV of texts hold: columns of labels, counts, copies, and what was skipped and why
    Check(CheckArguments),
    /// Cut the faces out of ordinary photos, to train on
    Crop(crop::Arguments),
    /// Write the built-in set as JPEG files with UTKFace names
    Synth(SynthArguments),
}

#[derive(Debug, clap::Args)]
pub struct ShowArguments {
    /// A folder, zip or tar.gz; the built-in set if not given
    path: Option<PathBuf>,
    /// A CSV or TSV with the labels: a column of file names, and others
    #[arg(long, value_name = "FILE", requires = "path")]
    labels: Option<PathBuf>,
    /// Where to write the picture
    #[arg(long, default_value = "faces.png")]
    out: PathBuf,
    /// Of the choice of photos
    #[arg(long, default_value_t = 0, value_parser = seed)]
    seed: u64,
}

#[derive(Debug, clap::Args)]
pub struct CheckArguments {
    /// A folder, zip or tar.gz of photos, or a CSV or TSV of reviews
    path: PathBuf,
    /// A CSV or TSV with the labels of photos: a column of file names, and others
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Of reviews: a CSV with the columns row and split; a seeded 80/20 split if not given
    #[arg(long)]
    split: Option<PathBuf>,
    #[command(flatten)]
    columns: texts::Columns,
    /// Print a row a photo before the totals
    #[arg(long)]
    list: bool,
    /// The totals as one line of JSON; with --list, before it, one line of JSON a photo
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub struct SynthArguments {
    /// The folder to write to; it is made if it is not there
    dir: PathBuf,
    /// Number of faces
    #[arg(long, default_value_t = BUILT_IN_FACES, value_parser = at_most::<MAX_COUNT>)]
    count: usize,
    /// Of the faces
    #[arg(long, default_value_t = BUILT_IN_SEED, value_parser = seed)]
    seed: u64,
    /// Width and height in pixels
    #[arg(long, default_value_t = 200, value_parser = at_most::<MAX_SIZE>)]
    size: usize,
}

/// Faces in the grid, and how many of them in a row.
pub const GRID: [usize; 2] = [20, 5];
/// The size of the photos in the grid.
const SHOWN: PhotoSpec = PhotoSpec::new(128, 128);
/// Faces that are drawn at most: more differ in little.
const MAX_COUNT: usize = 1_000_000;
/// Width and height in pixels that are drawn at most: the lines have no more detail.
const MAX_SIZE: usize = 4096;
/// Of the JPEG files that are written, in percent.
const JPEG_QUALITY: u8 = 95;

pub fn run(command: Command) -> Result<Outcome> {
    match command {
        Command::Show(arguments) => show(&arguments),
        Command::Check(arguments) => check(&arguments),
        Command::Crop(arguments) => crop::run(&arguments),
        Command::Synth(arguments) => synth(&arguments),
    }
}

fn at_most<const MOST: usize>(text: &str) -> Result<usize, String> {
    match at_least_one(text)? {
        value if value > MOST => Err(format!("it must be at most {MOST}")),
        value => Ok(value),
    }
}

fn show(arguments: &ShowArguments) -> Result<Outcome> {
    if let Some(path) = arguments.path.as_deref().filter(|path| is_table(path) && path.is_file()) {
        let path = path.display();
        bail!("{path} is a table of texts, and `data show` draws photos; try: faceshader data check {path}");
    }
    let choose = |count: usize| {
        let mut chosen: Vec<usize> = (0..count).collect();
        Generator::new(arguments.seed, 0, 1, Stream::Order).shuffle(&mut chosen);
        chosen.truncate(GRID[0]);
        chosen
    };
    let watch = Bars::default();
    let (records, photos) = match &arguments.path {
        Some(path) => {
            let (source, _, records) = samples::labelled(path, arguments.labels.as_deref(), &watch)?;
            // In the order in which they are read, and then in that of the choice.
            let chosen = choose(records.len());
            let mut sorted = chosen.clone();
            sorted.sort_unstable();
            let sorted = records.chosen(&sorted);
            let (photos, kept, skipped) =
                read_photos(&source, &SHOWN, &sorted.names, &sorted.names, &Storage::memory(), &watch)?;
            tell_skipped(&skipped);
            let sorted = sorted.chosen(&kept);
            let place = |index: &usize| sorted.names.iter().position(|name| *name == records.names[*index]);
            let order: Vec<usize> = chosen.iter().filter_map(place).collect();
            let mut ordered = Photos::new(photos.width, photos.height);
            for place in &order {
                ordered.push(&photos.photo(*place)?);
            }
            (sorted.chosen(&order), ordered)
        }
        None => {
            let chosen = choose(GRID[0]);
            let records = samples::built_in_records(GRID[0]).chosen(&chosen);
            (records, built_in_faces(&SHOWN, &chosen, &watch))
        }
    };
    let cells: Vec<Cell> =
        (0..records.len()).map(|index| cell(&records, &photos, index)).collect::<Result<_, _>>()?;
    let title = arguments.path.as_ref().map_or("The built-in set".into(), |path| shown_path(path));
    save_png(&grid(&title, GRID[1], &cells), &arguments.out)?;
    print(shown_path(&arguments.out))?;
    Ok(Outcome::Done)
}

fn cell<'a>(records: &Records, photos: &'a Photos, index: usize) -> Result<Cell<'a>, DataError> {
    let columns = records.table.columns.iter();
    let labels: Vec<String> = columns.filter_map(|column| column.cell(index)).map(str::to_owned).collect();
    let caption = if labels.is_empty() { Vec::new() } else { label_caption(&labels) };
    Ok(Cell { rgb: photos.photo(index)?, width: photos.width, height: photos.height, caption })
}

fn check(arguments: &CheckArguments) -> Result<Outcome> {
    if is_table(&arguments.path) && !arguments.path.is_dir() {
        return check_texts(arguments);
    }
    if arguments.split.is_some() || arguments.columns.are_named() {
        let message = "--split, --text-column and --label-column are for a CSV of reviews";
        return Err(Usage(message.into()).into());
    }
    let watch = Bars::default();
    let (source, mut listed, records) =
        samples::labelled(&arguments.path, arguments.labels.as_deref(), &watch)?;
    let (contents, kept, skipped) = read_contents(&source, &SHOWN, &records.names, &watch)?;
    tell_skipped(&skipped);
    listed.skipped.extend(skipped);
    listed.skipped.sort();
    let records = records.chosen(&kept);
    let summary = PhotoSummary::of(&records, &contents, &listed);
    if arguments.json {
        if arguments.list {
            for row in Rows(&records).json() {
                print_data(row)?;
            }
        }
        print_data(serde_json::to_string(&summary)?)?;
    } else {
        if arguments.list {
            print(Rows(&records))?;
        }
        print(summary.to_string().trim_end())?;
    }
    Ok(Outcome::Done)
}

/// Prints what `data check` tells of a table of texts.
fn check_texts(arguments: &CheckArguments) -> Result<Outcome> {
    if arguments.list || arguments.labels.is_some() {
        return Err(Usage("--list and --labels are for photos".into()).into());
    }
    let loaded = read(&arguments.path, &arguments.columns.options())?;
    let (records, contents) = (&loaded.records, contents(&loaded.texts));
    let split = match &arguments.split {
        Some(path) => {
            let split = Split::from_csv(path, records)?.0;
            samples::warn_of_copies(&shown_path(path), records, &contents, &split);
            split
        }
        None => Split::seeded(&records.names, &contents, 0),
    };
    let training = split.train.iter().map(|&index| loaded.texts[index].as_str()).collect::<Vec<_>>();
    let vocabulary = match Vocabulary::build(TextOptions::default(), Vec::new(), training) {
        Ok(vocabulary) => vocabulary,
        // Too few words to train on are no reason not to tell of the rows.
        Err(error) => {
            tell_skipped_rows(&loaded.skipped);
            return Err(error.into());
        }
    };
    let summary = TextSummary::of(&loaded, &split, &vocabulary);
    if let Some(warning) = summary.warning() {
        log::warn!("warning: {warning}");
    }
    if arguments.json {
        print_data(serde_json::to_string(&summary)?)?
    } else {
        print(summary.to_string().trim_end())?
    }
    Ok(Outcome::Done)
}

fn synth(arguments: &SynthArguments) -> Result<Outcome> {
    let dir = &arguments.dir;
    std::fs::create_dir_all(dir).with_context(|| format!("{} cannot be made", shown_path(dir)))?;
    let side = u32::try_from(arguments.size)?;
    let bar = progress::bar("drawing faces", Some(arguments.count));
    (0..arguments.count).into_par_iter().try_for_each(|index| {
        let face = draw(arguments.seed, index as u32, side);
        let path = dir.join(face.label.file_name(index));
        let face = RgbImage::from_raw(side, side, face.rgb).context("a face was not drawn to its end")?;
        let jpeg =
            jpeg(&face, JPEG_QUALITY).with_context(|| format!("{} cannot be encoded", shown_path(&path)))?;
        write_whole(&path, &jpeg)?;
        bar.inc(1);
        anyhow::Ok(())
    })?;
    bar.finish_and_clear();
    print(format_args!("{} faces in {}", arguments.count, shown_path(dir)))?;
    Ok(Outcome::Done)
}
