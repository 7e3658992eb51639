//! A part of the photos is chosen by names; only that part is decoded, and only what fits is loaded.
use std::path::PathBuf;

use faceshader::data::DataError;
use faceshader::data::decode::decode;
use faceshader::data::load::{load, survey, usual_side};
use faceshader::data::source::Source;
use faceshader::data::storage::Storage;
use faceshader::spec::PhotoSpec;
use tempfile::TempDir;

use crate::make::*;

/// The same files as a folder and as every kind of archive.
fn sources(temp: &TempDir, files: &[(String, Vec<u8>)]) -> Vec<PathBuf> {
    write_folder(&temp.path().join("folder"), files);
    let stored = zip_of(files, zip::CompressionMethod::Stored);
    let streamed = streamed_zip_of(files);
    vec![
        temp.path().join("folder"),
        saved(temp, "stored.zip", &stored),
        saved(temp, "faces.tar", &tar_of(files)),
        saved(temp, "faces.tar.gz", &gzip(&tar_of(files))),
        // Without its table of contents.
        saved(temp, "cut.zip", &stored[..stored.len() - 30]),
        saved(temp, "cut_stream.zip", &streamed[..streamed.len() - 30]),
    ]
}

#[test]
fn only_what_was_chosen_is_decoded() {
    let temp = TempDir::new().unwrap();
    let mut files = twenty();
    files[3].1 = files[3].1[..200].to_vec();
    let chosen = [&files[5], &files[17]];
    let names: Vec<String> = chosen.iter().map(|(name, _)| name.clone()).collect();
    for path in sources(&temp, &files) {
        let source = Source::open(&path).unwrap();
        let listed = survey(&source).unwrap();
        assert_eq!(listed.names.len(), 20, "{}", path.display());
        assert!(listed.names.contains(&chosen[0].0));
        let done = std::sync::Mutex::new(Vec::new());
        // There is room for two photos and no third.
        let progress = |count, total| done.lock().unwrap().push((count, total));
        let (photos, kept, skipped) =
            load(&source, &PhotoSpec::new(16, 16), &names, &names, &memory(2 * 16 * 16 * 3), &progress)
                .unwrap();
        assert_eq!(done.into_inner().unwrap(), [(0, 2), (1, 2), (2, 2)]);
        assert_eq!(skipped, [], "{}: what was not chosen was decoded", path.display());
        assert_eq!(kept, [0, 1]);
        for (index, (_, bytes)) in chosen.iter().enumerate() {
            assert_eq!(photos.photo(index).unwrap(), decode(bytes, 16, 16).unwrap());
        }
    }
}

fn memory(memory_bytes: u64) -> Storage {
    Storage { memory_bytes, cache: None }
}

#[test]
fn photos_that_memory_may_not_hold_are_decoded_once_into_a_file() {
    let temp = TempDir::new().unwrap();
    let mut files = twenty();
    files[4].1.truncate(200);
    for (number, path) in sources(&temp, &files).into_iter().enumerate() {
        let source = Source::open(&path).unwrap();
        let names = survey(&source).unwrap().names;
        let folder = temp.path().join(format!("cache{number}"));
        let cached = Storage { memory_bytes: 20 * 16 * 16 * 3 - 1, cache: Some(folder.clone()) };
        let begun = std::sync::Mutex::new(Vec::new());
        let progress = |count, _| begun.lock().unwrap().push(count);
        let (want, kept, skipped) =
            load(&source, &PhotoSpec::new(16, 16), &names, &names, &memory(u64::MAX), &|_, _| {}).unwrap();
        for before in [0, 19] {
            begun.lock().unwrap().clear();
            let (photos, places, reasons) =
                load(&source, &PhotoSpec::new(16, 16), &names, &names, &cached, &progress).unwrap();
            assert_eq!((&places, &reasons), (&kept, &skipped), "{}", path.display());
            assert_eq!(begun.lock().unwrap()[0], before, "{}", path.display());
            assert_eq!(photos.contents(), want.contents());
            assert_eq!(photos.batch(&[18, 3], 3, None).unwrap(), want.batch(&[18, 3], 3, None).unwrap());
        }
        let files = |folder: &PathBuf| std::fs::read_dir(folder).unwrap().count();
        assert_eq!(files(&folder), 1);
        // Another size, and other photos under the same names, are other files.
        let small = Storage { memory_bytes: 1, ..cached.clone() };
        load(&source, &PhotoSpec::new(8, 8), &names, &names, &small, &|_, _| {}).unwrap();
        assert_eq!(files(&folder), 2);
        if number == 0 {
            std::fs::write(path.join(&names[7]), &twenty()[0].1).unwrap();
            let (photos, ..) =
                load(&source, &PhotoSpec::new(16, 16), &names, &names, &cached, &|_, _| {}).unwrap();
            assert_eq!(files(&folder), 3);
            assert_eq!(photos.photo(6).unwrap(), decode(&twenty()[0].1, 16, 16).unwrap());
        }
    }
}

#[test]
fn too_many_photos_are_an_error_from_every_source() {
    let temp = TempDir::new().unwrap();
    for path in sources(&temp, &twenty()) {
        let source = Source::open(&path).unwrap();
        let error = load_within(&source, 20 * 16 * 16 * 3 - 1, &|_, _| {}).unwrap_err();
        assert!(matches!(error, DataError::TooMany { photos: 20, .. }), "{}: {error}", path.display());
        let text = error.to_string();
        assert!(text.contains("--limit") && text.contains("smaller input"), "{text}");
        let loaded = load_within(&source, 20 * 16 * 16 * 3, &|_, _| {}).unwrap();
        assert_eq!(loaded.photos.len(), 20, "{}", path.display());
    }
}

#[test]
fn other_files_need_no_room() {
    let temp = TempDir::new().unwrap();
    let mut files = twenty();
    files.extend((0..100).map(|n| (format!("notes/{n}.txt"), b"not a photo".to_vec())));
    for path in sources(&temp, &files) {
        let source = Source::open(&path).unwrap();
        let loaded = load_within(&source, 20 * 16 * 16 * 3, &|_, _| {}).unwrap();
        assert_eq!(loaded.photos.len(), 20, "{}", path.display());
    }
}

#[test]
fn a_chosen_photo_that_is_gone_or_damaged_is_skipped_and_the_others_stay_in_order() {
    let temp = TempDir::new().unwrap();
    let mut files = twenty();
    files[8].1.truncate(200);
    let mut names: Vec<String> = [3, 8, 11].map(|place: usize| files[place].0.clone()).to_vec();
    names.push("zoo/gone.jpg".into());
    for path in sources(&temp, &files) {
        let source = Source::open(&path).unwrap();
        let (photos, kept, skipped) =
            load(&source, &PhotoSpec::new(16, 16), &names, &names, &memory(u64::MAX), &|_, _| {}).unwrap();
        assert_eq!(kept, [0, 2], "{}", path.display());
        assert_eq!(photos.photo(1).unwrap(), decode(&files[11].1, 16, 16).unwrap(), "{}", path.display());
        let skipped: Vec<(&str, &str)> =
            skipped.iter().map(|s| (s.file.as_str(), s.reason.as_str())).collect();
        let gone = "it is gone, or lies behind damage";
        let expected = [(names[1].as_str(), "the JPEG is cut short"), ("zoo/gone.jpg", gone)];
        assert_eq!(skipped, expected, "{}", path.display());
    }
}

#[test]
fn the_usual_side_is_the_median_of_the_longer_ones() {
    let temp = TempDir::new().unwrap();
    let sized = |name: &str, width, height| {
        (name.to_owned(), encode(two_halves(width, height), image::ImageFormat::Png))
    };
    let mut files = vec![sized("a.png", 40, 20), sized("b.png", 50, 60), sized("c.png", 900, 10)];
    files.push(("d.png".into(), files[0].1[..20].to_vec()));
    for path in sources(&temp, &files) {
        let source = Source::open(&path).unwrap();
        let names = survey(&source).unwrap().names;
        assert_eq!(usual_side(&source, &names).unwrap(), Some(60), "{}", path.display());
        assert_eq!(usual_side(&source, &names[3..]).unwrap(), None, "{}", path.display());
    }
}
