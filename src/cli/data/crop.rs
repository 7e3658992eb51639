//! `faceshader data crop`

use super::JPEG_QUALITY;
use super::at_most;
use crate::cli::backend::AdapterArguments;
use crate::cli::progress::Bars;
use crate::cli::texts::csv_line;
use crate::cli::{Outcome, print};
use crate::data::error::shown_path;
use crate::data::faces::{Found, NO_FACE, each_found};
use crate::data::load::survey;
use crate::data::records::Records;
use crate::data::samples::{Watch, labelled, tell_skipped};
use crate::data::skipped::Skipped;
use crate::data::source::Source;
use crate::faces::Face;
use crate::file::write_whole;
use crate::spec::PhotoSpec;
use crate::train::run::RunFolder;
use anyhow::{Context, Result};
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder, RgbImage};
use std::collections::{HashMap, HashSet};
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
    #[arg(long, default_value_t = 200, value_parser = at_most::<MAX_SIZE>)]
    size: usize,
    #[command(flatten)]
    adapter: AdapterArguments,
}

/// What is taken of a photo with several faces.
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
const MAX_SIZE: usize = 2048;

/// What became of the photos.
#[derive(Default)]
struct Tally {
    faces: usize,
    without: usize,
    with_several: usize,
    /// The rows of crops.csv: file, faces, crop, box, reason.
    rows: Vec<[String; 8]>,
    /// The photo of each face, by the face's file.
    photos: Vec<(String, String)>,
    skipped: Vec<Skipped>,
}

pub fn run(arguments: &Arguments) -> Result<Outcome> {
    let watch = Bars::default();
    let (source, names, records) = match &arguments.labels {
        Some(labels) => {
            let (source, listed, records) = labelled(&arguments.path, Some(labels), &watch)?;
            (source, listed.names, Some(records))
        }
        None => {
            let source = Source::open(&arguments.path)?;
            let listed = survey(&source)?;
            tell_skipped(&listed.skipped);
            (source, listed.names, None)
        }
    };
    RunFolder::require_free(Some(&arguments.out))?;
    let mut detector = arguments.adapter.open_detector()?;
    let (mut tally, mut taken) = (Tally::default(), HashSet::new());
    let only: HashSet<String> = names.into_iter().collect();
    watch.begin("finding faces", Some(only.len()));
    let mut done = 0;
    let read = each_found(&source, &only, &mut detector, &mut |name, found| {
        done += 1;
        watch.at(done);
        match found {
            Ok(found) => tally.photo(arguments, &name, &found, &mut taken),
            Err(reason) => {
                tally.refuse(&name, 0, &reason);
                Ok(())
            }
        }
    });
    watch.end();
    read?;
    tally.finish(arguments, records)
}

impl Tally {
    /// Writes what is taken of a photo.
    fn photo(
        &mut self,
        how: &Arguments,
        name: &str,
        found: &Found,
        taken: &mut HashSet<PathBuf>,
    ) -> Result<()> {
        let count = found.faces.len();
        self.with_several += usize::from(count > 1);
        let chosen: Vec<&Face> = match (found.largest(), how.several) {
            (Err(reason), _) => {
                self.without += 1;
                self.refuse(name, 0, &reason);
                return Ok(());
            }
            (Ok(_), Several::Skip) if count > 1 => {
                self.refuse(name, count, &format!("{count} faces; --several says which are taken"));
                return Ok(());
            }
            (Ok(_), Several::All) => found.faces.iter().collect(),
            (Ok(largest), _) => vec![largest],
        };
        for (number, face) in (1..).zip(&chosen) {
            let file = file_of(name, if chosen.len() > 1 { Some(number) } else { None }, taken);
            let crop = found.cut(face, &PhotoSpec::new(how.size, how.size));
            write_jpeg(&how.out.join(&file), &crop)?;
            let file = file.to_string_lossy().replace('\\', "/");
            let area = face.scaled(found.factor()).area;
            let [x, y, width, height] =
                [area.x, area.y, area.width, area.height].map(|value| format!("{value:.1}"));
            self.rows.push([
                name.into(),
                count.to_string(),
                file.clone(),
                x,
                y,
                width,
                height,
                String::new(),
            ]);
            self.photos.push((file, name.into()));
            self.faces += 1;
        }
        Ok(())
    }

    fn refuse(&mut self, name: &str, faces: usize, reason: &str) {
        let none = String::new;
        self.rows.push([
            name.into(),
            faces.to_string(),
            none(),
            none(),
            none(),
            none(),
            none(),
            reason.into(),
        ]);
        self.skipped.push(Skipped { file: name.into(), reason: reason.into() });
    }

    /// Writes the report and the labels, and says what became of the photos.
    fn finish(mut self, how: &Arguments, records: Option<Records>) -> Result<Outcome> {
        self.rows.sort();
        let header = ["file", "faces", "crop", "x", "y", "width", "height", "reason"].map(str::to_owned);
        let mut report = csv_line(&header)? + "\n";
        for row in &self.rows {
            report += &(csv_line(row)? + "\n");
        }
        std::fs::create_dir_all(&how.out)
            .with_context(|| format!("{} cannot be made", shown_path(&how.out)))?;
        write_whole(&how.out.join("crops.csv"), report.as_bytes())?;
        if let Some(records) = records {
            write_whole(&how.out.join("labels.csv"), self.labels(&records)?.as_bytes())?;
        }
        self.skipped.sort();
        tell_skipped(&self.skipped);
        let several = match (self.with_several, how.several) {
            (0, _) => String::new(),
            (photos, Several::Skip) => format!("; {photos} photos with several are left out"),
            (photos, Several::Largest) => format!("; of {photos} photos with several, the largest"),
            (photos, Several::All) => format!("; of {photos} photos with several, all"),
        };
        print(format_args!("{} faces in {}{several}", self.faces, shown_path(&how.out)))?;
        if self.faces == 0 {
            anyhow::bail!("{}: {NO_FACE} in any photo", shown_path(&how.path));
        }
        Ok(Outcome::Done)
    }

    /// The labels of the photos, for their faces.
    fn labels(&mut self, records: &Records) -> Result<String> {
        self.photos.sort();
        let places: HashMap<&String, usize> = records.names.iter().zip(0..).collect();
        let columns = &records.table.columns;
        let mut header = vec!["file".to_string()];
        header.extend(columns.iter().map(|column| column.name.clone()));
        let mut labels = csv_line(&header)? + "\n";
        for (file, photo) in &self.photos {
            let Some(&place) = places.get(photo) else { continue };
            let mut row = vec![file.clone()];
            row.extend(columns.iter().map(|column| column.cell(place).unwrap_or_default().to_owned()));
            labels += &(csv_line(&row)? + "\n");
        }
        Ok(labels)
    }
}

/// Where a face of a photo is written, below the folder: under the photo's name, as JPEG, with the number of the face
/// where several are taken, and another number where two photos would have the same name.
fn file_of(name: &str, face: Option<usize>, taken: &mut HashSet<PathBuf>) -> PathBuf {
    let path = Path::new(name);
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let stem = face.map_or(stem.clone(), |face| format!("{stem}-face{face}"));
    let numbered = |number: usize| match number {
        1 => path.with_file_name(format!("{stem}.jpg")),
        _ => path.with_file_name(format!("{stem}-{number}.jpg")),
    };
    let free = (1..).map(numbered).find(|path| !taken.contains(path)).unwrap_or_default();
    taken.insert(free.clone());
    free
}

fn write_jpeg(path: &Path, image: &RgbImage) -> Result<()> {
    let cannot = || format!("{} cannot be written", shown_path(path));
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(cannot)?;
    }
    let (width, height) = image.dimensions();
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, JPEG_QUALITY)
        .write_image(image.as_raw(), width, height, ExtendedColorType::Rgb8)
        .with_context(cannot)?;
    Ok(write_whole(path, &jpeg)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_faces_have_one_file() {
        let mut taken = HashSet::new();
        let mut file = |name: &str, face| file_of(name, face, &mut taken).to_string_lossy().into_owned();
        assert_eq!(file("cats/a.png", None), "cats/a.jpg");
        assert_eq!(file("cats/a.jpg", None), "cats/a-2.jpg");
        assert_eq!(file("b.jpg", Some(1)), "b-face1.jpg");
        assert_eq!(file("b.jpg", Some(2)), "b-face2.jpg");
        assert_eq!(file("25_0_1_2017.jpg.chip.jpg", None), "25_0_1_2017.jpg.chip.jpg");
    }
}
