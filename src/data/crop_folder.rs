//! A training set made of ordinary photos: a file a face, their labels, and a report on every photo.

use super::error::DataError;
use super::faces::{Found, each_found};
use super::pictures::Pictures;
use super::records::Records;
use super::skipped::Skipped;
use super::source::Source;
use super::watch::Watch;
use crate::faces::{Detectors, Face};
use crate::file::{FileError, write_whole};
use crate::spec::PhotoSpec;
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// What is taken of a photo with several faces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Several {
    /// Nothing.
    Skip,
    /// The largest face.
    Largest,
    /// Each face, with the labels of the photo.
    All,
}

/// Of the files, in percent.
const JPEG_QUALITY: u8 = 95;

/// What became of the photos.
pub struct CropFolder {
    pictures: Pictures,
    side: usize,
    several: Several,
    /// Photos with several faces.
    pub with_several: usize,
    /// Faces, by their files, with the photos that they are of.
    pub faces: Vec<(String, String)>,
    /// Photos of which nothing was taken.
    pub skipped: Vec<Skipped>,
    /// Of the report: file, faces, crop, x, y, width, height, reason.
    rows: Vec<[String; 8]>,
}

/// Why the folder is not complete.
#[derive(Debug, thiserror::Error)]
pub enum CropError {
    /// A photo's source, or the search for faces, failed.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
}

impl CropFolder {
    /// Nothing yet. Faces will be `side` pixels wide and high.
    pub fn new(folder: &Path, side: usize, several: Several) -> CropFolder {
        CropFolder {
            pictures: Pictures::new(folder, JPEG_QUALITY),
            side,
            several,
            with_several: 0,
            faces: Vec::new(),
            skipped: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// Cuts the faces out of the photos of these names.
    ///
    /// # Errors
    /// When the source cannot be read, faces cannot be looked for, or a file cannot be written.
    pub fn crop(
        &mut self,
        source: &Source,
        names: &HashSet<String>,
        detectors: &mut Detectors,
        watch: &dyn Watch,
    ) -> Result<(), CropError> {
        watch.begin("finding faces", Some(names.len()));
        let mut done = 0;
        let read = each_found(source, names, detectors, &mut |name, found| {
            done += 1;
            watch.at(done);
            match found {
                Ok(found) => Ok(self.take(&name, &found)?),
                Err(reason) => {
                    self.skip(&name, 0, &reason);
                    Ok::<_, CropError>(())
                }
            }
        });
        watch.end();
        read
    }

    fn take(&mut self, name: &str, found: &Found) -> Result<(), FileError> {
        let count = found.faces.len();
        self.with_several += usize::from(count > 1);
        let chosen: Vec<&Face> = match (found.largest(), self.several) {
            (Err(reason), _) => {
                self.skip(name, 0, &reason);
                return Ok(());
            }
            (Ok(_), Several::Skip) if count > 1 => {
                self.skip(name, count, &format!("{count} faces; --several says which are taken"));
                return Ok(());
            }
            (Ok(_), Several::All) => found.faces.iter().collect(),
            (Ok(largest), _) => vec![largest],
        };
        for (number, face) in (1..).zip(&chosen) {
            let suffix = if chosen.len() > 1 { format!("-face{number}") } else { String::new() };
            let file = self.pictures.name(name, &suffix);
            self.pictures.write(&file, &found.cut(face, &PhotoSpec::new(self.side, self.side)))?;
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
            self.faces.push((file, name.into()));
        }
        Ok(())
    }

    /// Notes a photo of which nothing is taken.
    pub fn skip(&mut self, name: &str, faces: usize, reason: &str) {
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

    /// Writes `crops.csv`, the report, and `labels.csv`, where there are labels.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn finish(&mut self, records: Option<&Records>) -> Result<(), FileError> {
        self.rows.sort();
        self.faces.sort();
        self.skipped.sort();
        let header = ["file", "faces", "crop", "x", "y", "width", "height", "reason"];
        let report = self.rows.iter().map(|row| row.iter().map(String::as_str).collect());
        let path = self.pictures.path("crops.csv");
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|source| FileError::Write { path: path.clone(), source })?;
        }
        write_whole(&path, &table(header.to_vec(), report))?;
        let Some(records) = records else { return Ok(()) };
        let places: HashMap<&str, usize> = records.names.iter().map(String::as_str).zip(0..).collect();
        let columns = &records.table.columns;
        let header = std::iter::once("file").chain(columns.iter().map(|column| column.name.as_str()));
        let rows = self.faces.iter().filter_map(|(file, photo)| {
            let &place = places.get(photo.as_str())?;
            let cells = columns.iter().map(|column| column.cell(place).unwrap_or_default());
            Some(std::iter::once(file.as_str()).chain(cells).collect())
        });
        write_whole(&self.pictures.path("labels.csv"), &table(header.collect(), rows))
    }
}

/// A CSV file.
fn table<'a>(header: Vec<&'a str>, rows: impl Iterator<Item = Vec<&'a str>>) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in std::iter::once(header).chain(rows) {
        // Into memory, with as many fields a row: it cannot fail.
        let _ = writer.write_record(row);
    }
    writer.into_inner().unwrap_or_default()
}
