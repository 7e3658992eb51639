//! Event files that TensorBoard reads.
//!
//! A file is a sequence of records, each a length (8 bytes, little-endian), the masked CRC-32C of these bytes, an
//! `Event` message of
//! [event.proto](https://github.com/tensorflow/tensorboard/blob/master/tensorboard/compat/proto/event.proto), and the
//! masked CRC-32C of that. Events grow at the end of the file, so that TensorBoard shows a training while it runs.

use crate::file::{FileError, read_plain, write_whole};
use crc::{CRC_32_ISCSI, Crc};
use prost::Message;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// TensorBoard reads files whose names hold `tfevents`. The name is always the same, so that a resumed run finds it.
pub const FILE: &str = "events.out.tfevents.faceshader";

/// What every file begins with.
const VERSION: &str = "brain.Event:2";

/// Names with what they measure.
pub type Scalars = Vec<(String, f32)>;

/// One record.
#[derive(Clone, PartialEq, Message)]
pub struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    pub wall_time: f64,
    /// The epoch, from 1.
    #[prost(int64, tag = "2")]
    pub step: i64,
    /// Of the first event alone.
    #[prost(string, optional, tag = "3")]
    pub file_version: Option<String>,
    /// Of all others.
    #[prost(message, optional, tag = "5")]
    pub summary: Option<Summary>,
}

/// What is shown of a step.
#[derive(Clone, PartialEq, Message)]
pub struct Summary {
    /// Each under a name of its own.
    #[prost(message, repeated, tag = "1")]
    pub value: Vec<Value>,
}

/// A number or a picture.
#[derive(Clone, PartialEq, Message)]
pub struct Value {
    /// Its name.
    #[prost(string, tag = "1")]
    pub tag: String,
    /// A number.
    #[prost(float, optional, tag = "2")]
    pub simple_value: Option<f32>,
    /// A picture.
    #[prost(message, optional, tag = "4")]
    pub image: Option<Image>,
}

/// A picture.
#[derive(Clone, PartialEq, Message)]
pub struct Image {
    /// In pixels.
    #[prost(int32, tag = "1")]
    pub height: i32,
    /// In pixels.
    #[prost(int32, tag = "2")]
    pub width: i32,
    /// Channels; 3 are RGB.
    #[prost(int32, tag = "3")]
    pub colorspace: i32,
    /// PNG.
    #[prost(bytes = "vec", tag = "4")]
    pub encoded_image_string: Vec<u8>,
}

impl Event {
    fn now(step: i64, value: Vec<Value>) -> Event {
        Event { wall_time: seconds(), step, file_version: None, summary: Some(Summary { value }) }
    }

    fn of_scalars(step: i64, scalars: Scalars) -> Event {
        let value = |(tag, number): (String, f32)| Value { tag, simple_value: Some(number), image: None };
        Event::now(step, scalars.into_iter().map(value).collect())
    }

    /// Whether it has these numbers, perhaps among others.
    fn holds(&self, scalars: &Scalars) -> bool {
        let values: Vec<(&str, f32)> = (self.summary.iter().flat_map(|summary| &summary.value))
            .filter_map(|value| Some((value.tag.as_str(), value.simple_value?)))
            .collect();
        scalars.iter().all(|(name, number)| {
            values
                .iter()
                .any(|(tag, value)| tag == name && (value == number || value.is_nan() && number.is_nan()))
        })
    }

    fn has_scalars(&self) -> bool {
        self.summary.iter().flat_map(|summary| &summary.value).any(|value| value.simple_value.is_some())
    }
}

fn seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

/// An event file under way.
#[derive(Debug)]
pub struct Log(PathBuf);

impl Log {
    /// Begins the log in a folder, or goes on with it. `done` are the steps so far, from step 1, with some of their
    /// numbers: steps that the file lacks, or has with other numbers, are added, and what it holds beyond them is dropped,
    /// since it will come again.
    ///
    /// # Errors
    /// Where the folder or the file cannot be read or written.
    pub fn open(folder: &Path, done: Vec<Scalars>) -> Result<Log, FileError> {
        let path = folder.join(FILE);
        fs::create_dir_all(folder).map_err(|source| FileError::Write { path: path.clone(), source })?;
        let before = match read_plain(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(FileError::Read { path, source }),
        };
        let mut events = events(&before);
        let is_version = |event: &&Event| event.file_version.as_deref() == Some(VERSION);
        let new = || Event { wall_time: seconds(), file_version: Some(VERSION.into()), ..Event::default() };
        let version = events.first().filter(is_version).cloned().unwrap_or_else(new);
        let of_step = |event: &Event| done.get(usize::try_from(event.step - 1).ok()?);
        events.retain(|event| match event.summary {
            Some(_) => of_step(event).is_some_and(|done| !event.has_scalars() || event.holds(done)),
            None => false,
        });
        let logged: Vec<i64> =
            events.iter().filter(|event| event.has_scalars()).map(|event| event.step).collect();
        for (step, scalars) in (1..).zip(done).filter(|(step, _)| !logged.contains(step)) {
            events.push(Event::of_scalars(step, scalars));
        }
        // Pictures stay behind the numbers of their step.
        events.sort_by_key(|event| (event.step, !event.has_scalars()));
        let bytes: Vec<u8> = std::iter::once(&version).chain(&events).flat_map(record).collect();
        // Whoever shows the file has it open.
        if bytes != before {
            write_whole(&path, &bytes)?;
        }
        Ok(Log(path))
    }

    /// Adds the numbers of a step.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn add(&self, step: usize, scalars: Scalars) -> Result<(), FileError> {
        self.append(&Event::of_scalars(step as i64, scalars))
    }

    /// Adds a picture, a PNG file, to a step.
    ///
    /// # Errors
    /// Where the picture cannot be read, or the file cannot be written.
    pub fn add_picture(&self, step: usize, name: &str, png: &Path) -> Result<(), FileError> {
        let encoded = read_plain(png).map_err(|source| FileError::Read { path: png.into(), source })?;
        let contents =
            |error: image::ImageError| FileError::Contents { path: png.into(), reason: error.to_string() };
        let (width, height) = image::image_dimensions(png).map_err(contents)?;
        let image = Image {
            height: height as i32,
            width: width as i32,
            colorspace: 3,
            encoded_image_string: encoded,
        };
        let value = Value { tag: name.into(), simple_value: None, image: Some(image) };
        self.append(&Event::now(step as i64, vec![value]))
    }

    fn append(&self, event: &Event) -> Result<(), FileError> {
        let write = || OpenOptions::new().append(true).open(&self.0)?.write_all(&record(event));
        write().map_err(|source| FileError::Write { path: self.0.clone(), source })
    }
}

const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// A CRC-32C of bytes that may hold CRC-32Cs themselves.
fn masked_crc(bytes: &[u8]) -> u32 {
    CRC.checksum(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

fn record(event: &Event) -> Vec<u8> {
    let data = event.encode_to_vec();
    let length = (data.len() as u64).to_le_bytes();
    let [before, behind] = [masked_crc(&length), masked_crc(&data)].map(u32::to_le_bytes);
    [&length[..], &before, &data, &behind].concat()
}

/// The events of a file, up to the first record that is not whole.
pub fn events(mut bytes: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some((event, rest)) = split_record(bytes) {
        events.push(event);
        bytes = rest;
    }
    events
}

fn split_record(bytes: &[u8]) -> Option<(Event, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let (before, rest) = rest.split_first_chunk::<4>()?;
    if u32::from_le_bytes(*before) != masked_crc(length) {
        return None;
    }
    let (data, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    let (behind, rest) = rest.split_first_chunk::<4>()?;
    let is_whole = u32::from_le_bytes(*behind) == masked_crc(data);
    is_whole.then_some(())?;
    Some((Event::decode(data).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(value: f32) -> Scalars {
        vec![("loss".into(), value)]
    }

    fn read(folder: &Path) -> Vec<Event> {
        events(&fs::read(folder.join(FILE)).unwrap())
    }

    /// Step and first value.
    fn numbers(folder: &Path) -> Vec<(i64, f32)> {
        let number = |event: &Event| Some((event.step, event.summary.as_ref()?.value[0].simple_value?));
        read(folder).iter().filter_map(number).collect()
    }

    #[test]
    fn checksums_are_those_of_the_format() {
        assert_eq!(CRC.checksum(b"123456789"), 0xe306_9283);
        // The first record of a file that TensorFlow wrote.
        let version = Event { wall_time: 1.5, file_version: Some(VERSION.into()), ..Event::default() };
        assert_eq!(record(&version)[..12], [24, 0, 0, 0, 0, 0, 0, 0, 0xa3, 0x7f, 0x4b, 0x22]);
    }

    #[test]
    fn what_is_logged_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::open(folder.path(), Vec::new()).unwrap();
        log.add(1, loss(2.5)).unwrap();
        log.add(2, loss(0.0)).unwrap();
        let png = folder.path().join("a.png");
        image::RgbImage::new(3, 2).save(&png).unwrap();
        log.add_picture(2, "predictions", &png).unwrap();
        assert_eq!(numbers(folder.path()), [(1, 2.5), (2, 0.0)]);
        let events = read(folder.path());
        assert_eq!((events.len(), events[0].file_version.as_deref()), (4, Some("brain.Event:2")));
        let picture = &events[3].summary.as_ref().unwrap().value[0];
        let image = picture.image.as_ref().unwrap();
        assert_eq!((picture.tag.as_str(), image.width, image.height), ("predictions", 3, 2));
        assert_eq!(image.encoded_image_string, fs::read(png).unwrap());
        assert!(
            events.windows(2).all(|pair| pair[0].wall_time <= pair[1].wall_time && pair[0].wall_time > 1e9)
        );
    }

    #[test]
    fn a_resumed_log_has_no_step_twice_and_none_that_is_not_done() {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::open(folder.path(), Vec::new()).unwrap();
        (1..=3).for_each(|step| log.add(step, loss(step as f32)).unwrap());
        let whole = fs::read(folder.path().join(FILE)).unwrap();
        // Two steps were saved, the second one as trained anew meanwhile.
        let log = Log::open(folder.path(), vec![loss(1.0), loss(9.0)]).unwrap();
        assert_eq!(numbers(folder.path()), [(1, 1.0), (2, 9.0)]);
        log.add(3, loss(4.0)).unwrap();
        assert_eq!(numbers(folder.path()), [(1, 1.0), (2, 9.0), (3, 4.0)]);
        // The last record was cut.
        fs::write(folder.path().join(FILE), &whole[..whole.len() - 1]).unwrap();
        Log::open(folder.path(), [1.0, 2.0, 8.0].map(loss).into()).unwrap();
        assert_eq!(numbers(folder.path()), [(1, 1.0), (2, 2.0), (3, 8.0)]);
    }

    #[test]
    fn a_log_that_lacks_nothing_stays_the_very_file() {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::open(folder.path(), Vec::new()).unwrap();
        // With a number that is not known of it later, and with the picture of a finished run.
        log.add(1, [loss(2.5), vec![("learning_rate".into(), 0.1)]].concat()).unwrap();
        let png = folder.path().join("a.png");
        image::RgbImage::new(3, 2).save(&png).unwrap();
        log.add_picture(1, "predictions", &png).unwrap();
        let path = folder.path().join(FILE);
        let (bytes, open) = (fs::read(&path).unwrap(), fs::File::open(&path).unwrap());
        Log::open(folder.path(), vec![loss(2.5)]).unwrap();
        Log::open(folder.path(), vec![loss(2.5)]).unwrap().add(2, loss(1.0)).unwrap();
        let mut seen = Vec::new();
        io::Read::read_to_end(&mut { open }, &mut seen).unwrap();
        assert!(seen.starts_with(&bytes) && events(&seen).len() == 4);
    }
}
