//! `faceshader data crop`

use super::at_most;
use crate::cli::backend::AdapterArguments;
use crate::cli::progress::Bars;
use crate::cli::{Outcome, print};
use crate::data::crop_folder::{self, CropFolder};
use crate::data::error::shown_path;
use crate::data::faces::NO_FACE;
use crate::data::load::survey;
use crate::data::samples::{labelled, tell, tell_skipped};
use crate::data::source::Source;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A folder, zip or tar.gz of photos, or one photo
    path: PathBuf,
    /// The folder to write to; it must not exist, or be empty
    out: PathBuf,
    /// A CSV or TSV with the labels of the photos; OUT/labels.csv has them for the faces
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// What is taken of a photo with several faces
    #[arg(long, default_value = "largest")]
    several: Several,
    /// Width and height of a face, in pixels
    #[arg(long, default_value_t = 200, value_parser = at_most::<MAX_SIDE>)]
    size: usize,
    #[command(flatten)]
    adapter: AdapterArguments,
    /// Skip the short check of the kernels before an adapter's first use
    #[arg(long)]
    no_verify: bool,
}

/// What is taken of a photo with several faces, for the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Several {
    /// Nothing
    Skip,
    /// The largest face
    Largest,
    /// Each face, with the labels of the photo
    All,
}

/// Of a face, in pixels: photos have few that are larger.
const MAX_SIDE: usize = 2048;

pub fn run(arguments: &Arguments) -> Result<Outcome> {
    require_free(&arguments.out)?;
    let watch = Bars::default();
    let (source, listed, records) = match &arguments.labels {
        Some(labels) => {
            let (source, listed, records) = labelled(&arguments.path, Some(labels), &watch)?;
            (source, listed, Some(records))
        }
        None => {
            let source = Source::open(&arguments.path)?;
            let listed = survey(&source)?;
            tell(&listed);
            (source, listed, None)
        }
    };
    let mut detectors = arguments.adapter.open_detectors(!arguments.no_verify)?;
    let several = match arguments.several {
        Several::Skip => crop_folder::Several::Skip,
        Several::Largest => crop_folder::Several::Largest,
        Several::All => crop_folder::Several::All,
    };
    let mut folder = CropFolder::new(&arguments.out, arguments.size, several);
    let cropped = folder.crop(&source, &listed.names.into_iter().collect(), &mut detectors, &watch);
    tell_skipped(&folder.skipped);
    listed.skipped.iter().for_each(|skipped| folder.skip(&skipped.file, 0, &skipped.reason));
    // What was written so far has its report, whatever happened.
    let finished = folder.finish(records.as_ref());
    cropped?;
    finished?;
    let several = match (folder.with_several, arguments.several) {
        (0, _) => String::new(),
        (photos, Several::Skip) => format!("; {photos} photos with several are left out"),
        (photos, Several::Largest) => format!("; of {photos} photos with several, the largest"),
        (photos, Several::All) => format!("; of {photos} photos with several, all"),
    };
    print(format_args!("{} faces in {}{several}", folder.faces.len(), shown_path(&arguments.out)))?;
    if folder.faces.is_empty() {
        bail!("{}: {NO_FACE} in any photo", shown_path(&arguments.path));
    }
    Ok(Outcome::Done)
}

/// Fails if there is anything in the folder: nothing is written over.
fn require_free(folder: &Path) -> Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    let mut entries = std::fs::read_dir(folder)
        .with_context(|| format!("{}: no faces can be written there; name a folder", shown_path(folder)))?;
    match entries.next() {
        None => Ok(()),
        Some(_) => bail!("{} is not empty; name another folder", shown_path(folder)),
    }
}
