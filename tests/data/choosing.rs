//! A part of the photos is chosen by names; only that part is decoded, and only what fits is loaded.
use std::collections::HashSet;
use std::path::PathBuf;

use faceshader::data::DataError;
use faceshader::data::faces::{Labels, LoadOptions, decode, load, survey};
use faceshader::data::source::Source;
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
    let only: HashSet<String> = chosen.iter().map(|(name, _)| name.clone()).collect();
    for path in sources(&temp, &files) {
        let source = Source::open(&path).unwrap();
        let listed = survey(&source, Labels::Required).unwrap();
        assert_eq!(listed.names.len(), 20, "{}", path.display());
        assert!(listed.names.contains(&chosen[0].0));
        let done = std::sync::Mutex::new(Vec::new());
        // There is room for two photos and no third.
        let options = LoadOptions { only: Some(only.clone()), memory_bytes: 2 * 16 * 16 * 3, ..options() };
        let loaded = load(&source, &options, &|count, total| done.lock().unwrap().push((count, total)));
        let loaded = loaded.unwrap();
        assert_eq!(done.into_inner().unwrap(), [(0, Some(2)), (1, Some(2)), (2, Some(2))]);
        assert_eq!(loaded.skipped, [], "{}: what was not chosen was decoded", path.display());
        for (index, (name, bytes)) in chosen.iter().enumerate() {
            assert_eq!(loaded.photos.names[index], *name);
            assert_eq!(loaded.photos.photo(index), decode(bytes, 16, 16).unwrap());
        }
    }
}

#[test]
fn too_many_photos_are_an_error_from_every_source() {
    let temp = TempDir::new().unwrap();
    for path in sources(&temp, &twenty()) {
        let limited = LoadOptions { memory_bytes: 10 * 16 * 16 * 3, ..options() };
        let error = load_path(&path, &limited).unwrap_err();
        assert!(matches!(error, DataError::TooMany { photos: 11..=20, .. }), "{}: {error}", path.display());
        let text = error.to_string();
        assert!(text.contains("--limit") && text.contains("smaller input"), "{text}");
        let enough = LoadOptions { memory_bytes: 20 * 16 * 16 * 3, ..options() };
        let loaded = load_path(&path, &enough).unwrap();
        assert_eq!(loaded.photos.len(), 20, "{}", path.display());
    }
}

#[test]
fn other_files_need_no_room() {
    let temp = TempDir::new().unwrap();
    let mut files = twenty();
    files.extend((0..100).map(|n| (format!("notes/{n}.txt"), b"not a photo".to_vec())));
    for path in sources(&temp, &files) {
        let enough = LoadOptions { memory_bytes: 20 * 16 * 16 * 3, ..options() };
        assert_eq!(load_path(&path, &enough).unwrap().photos.len(), 20, "{}", path.display());
    }
}
