//! `faceshader data`

use super::{Outcome, Usage, at_least_one, photos, print, print_data, progress, seed};
use crate::data::check::{Summary, Table, rows};
use crate::data::error::shown_path;
use crate::data::faces::{Labels, Photos};
use crate::data::synthetic::draw;
use crate::file::write_whole;
use crate::report::picture::{Cell, grid, label_caption};
use crate::report::save_png;
use crate::rng::{Generator, Stream};
use crate::spec::PhotoSpec;
use anyhow::{Context, Result, bail};
use image::ImageEncoder;
use image::codecs::jpeg::JpegEncoder;
use rayon::prelude::*;
use std::path::PathBuf;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Draw a grid of 20 labelled faces
    Show(ShowArguments),
    /// Print the totals of photos or of a CSV or TSV of reviews, and what was skipped and why
    Check(CheckArguments),
    /// Write the built-in set as JPEG files with UTKFace names
    Synth(SynthArguments),
}

#[derive(Debug, clap::Args)]
pub struct ShowArguments {
    /// A folder, zip or tar.gz; the built-in set if not given
    path: Option<PathBuf>,
    /// Where to write the picture
    #[arg(long, default_value = "faces.png")]
    out: PathBuf,
    /// Of the choice of faces
    #[arg(long, default_value_t = 0, value_parser = seed)]
    seed: u64,
}

#[derive(Debug, clap::Args)]
pub struct CheckArguments {
    /// A folder, zip or tar.gz of photos, or a CSV or TSV of reviews
    path: PathBuf,
    /// Of reviews: a CSV with the columns row and split; a seeded 80/20 split if not given
    #[arg(long)]
    split: Option<PathBuf>,
    #[command(flatten)]
    columns: super::texts::Columns,
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
    #[arg(long, default_value_t = photos::BUILT_IN_FACES, value_parser = at_most::<MAX_COUNT>)]
    count: usize,
    /// Of the faces
    #[arg(long, default_value_t = photos::BUILT_IN_SEED, value_parser = seed)]
    seed: u64,
    /// Width and height in pixels
    #[arg(long, default_value_t = 200, value_parser = at_most::<MAX_SIZE>)]
    size: usize,
}

/// Faces in the grid, and how many of them in a row.
pub const GRID: [usize; 2] = [20, 5];
/// The size of the photos in the grid.
const SHOWN: PhotoSpec = PhotoSpec { width: 128, height: 128, range: [0.0, 1.0] };
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
    if let Some(path) =
        arguments.path.as_deref().filter(|path| super::texts::is_table(path) && path.is_file())
    {
        let path = path.display();
        bail!("{path} is a table of texts, and `data show` draws photos; try: faceshader data check {path}");
    }
    let choose = |count: usize| {
        let mut chosen: Vec<usize> = (0..count).collect();
        Generator::new(arguments.seed, 0, 1, Stream::Order).shuffle(&mut chosen);
        chosen.truncate(GRID[0]);
        chosen
    };
    let (faces, chosen) = match &arguments.path {
        Some(path) => {
            let (source, listed) = photos::list(path)?;
            let names: Vec<String> =
                choose(listed.names.len()).into_iter().map(|index| listed.names[index].clone()).collect();
            let faces = photos::read_chosen(&source, &SHOWN, &names)?;
            let place = |name: &String| faces.names.iter().position(|known| known == name);
            let chosen: Vec<usize> = names.iter().filter_map(place).collect();
            (faces, chosen)
        }
        None => (photos::built_in(&SHOWN, &choose(GRID[0])), (0..GRID[0]).collect()),
    };
    let cells: Vec<Cell> = chosen.iter().map(|&index| cell(&faces, index)).collect();
    let title = arguments.path.as_ref().map_or("The built-in set".into(), |path| shown_path(path));
    save_png(&grid(&title, GRID[1], &cells), &arguments.out)?;
    print(shown_path(&arguments.out))?;
    Ok(Outcome::Done)
}

fn cell(photos: &Photos, index: usize) -> Cell<'_> {
    let caption =
        photos.labels[index].map_or(Vec::new(), |label| label_caption(label.age, &label.gender.to_string()));
    Cell { rgb: photos.photo(index), width: photos.width, height: photos.height, caption }
}

fn check(arguments: &CheckArguments) -> Result<Outcome> {
    if super::texts::is_table(&arguments.path) && !arguments.path.is_dir() {
        if arguments.list {
            return Err(Usage("--list is for photos".into()).into());
        }
        return super::texts::check(
            &arguments.path,
            arguments.split.as_deref(),
            &arguments.columns,
            arguments.json,
        );
    }
    if arguments.split.is_some() || arguments.columns.are_named() {
        let message = "--split, --text-column and --label-column are for a CSV of reviews";
        return Err(Usage(message.into()).into());
    }
    let loaded = photos::read(&arguments.path, &SHOWN, Labels::Required)?;
    let summary = Summary::of(&loaded);
    if arguments.json {
        if arguments.list {
            for row in rows(&loaded.photos) {
                print_data(serde_json::to_string(&row)?)?;
            }
        }
        print_data(serde_json::to_string(&summary)?)?;
    } else {
        if arguments.list {
            print(Table(&loaded.photos))?;
        }
        print(summary.to_string().trim_end())?;
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
        let mut jpeg = Vec::new();
        JpegEncoder::new_with_quality(&mut jpeg, JPEG_QUALITY)
            .write_image(&face.rgb, side, side, image::ExtendedColorType::Rgb8)
            .with_context(|| format!("{} cannot be encoded", shown_path(&path)))?;
        write_whole(&path, &jpeg)?;
        bar.inc(1);
        anyhow::Ok(())
    })?;
    bar.finish_and_clear();
    print(format_args!("{} faces in {}", arguments.count, shown_path(dir)))?;
    Ok(Outcome::Done)
}
