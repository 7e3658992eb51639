//! Folders and archives, and what is found in them.
use std::path::Path;

use faceshader::data::check::PhotoSummary;
use faceshader::data::decode::decode;
use faceshader::data::labels;
use faceshader::data::load::Survey;
use faceshader::data::photos::Photos;
use faceshader::data::samples::labelled;
use faceshader::data::source::Source;
use faceshader::data::watch::Unwatched;
use image::{ImageFormat, RgbImage};
use tempfile::TempDir;

use crate::make::*;

#[test]
fn folder_zip_and_tar_give_the_same_photos_sorted_by_name() {
    let temp = TempDir::new().unwrap();
    let mut files = twenty();
    files.push(("faces/notes.txt".into(), b"not a photo".to_vec()));
    files.push(("faces/.DS_Store".into(), b"hidden".to_vec()));
    files.push(("__MACOSX/faces/._1_0_0_1.jpg".into(), b"hidden".to_vec()));
    write_folder(&temp.path().join("folder"), &files);
    // An archive's own order is another.
    files.reverse();
    let stored = zip_of(&files, zip::CompressionMethod::Stored);
    let deflated = zip_of(&files, zip::CompressionMethod::Deflated);
    let sources = [
        temp.path().join("folder"),
        saved(&temp, "stored.zip", &stored),
        saved(&temp, "deflated.zip", &deflated),
        saved(&temp, "no_extension", &deflated),
        saved(&temp, "streamed.zip", &streamed_zip_of(&files)),
        saved(&temp, "faces.tar.gz", &gzip(&tar_of(&files))),
        saved(&temp, "faces.tar", &tar_of(&files)),
    ];
    let mut expected = Photos::new(16, 16);
    twenty().iter().for_each(|(_, bytes)| expected.push(&decode(bytes, 16, 16).unwrap()));
    let names: Vec<String> = twenty().into_iter().map(|(name, _)| name).collect();
    for path in sources {
        let loaded = load_path(&path).unwrap();
        assert_eq!(loaded.names, names, "{}", path.display());
        assert!(loaded.photos.contents() == expected.contents(), "{}", path.display());
        assert_eq!(loaded.skipped, []);
        assert_eq!(loaded.ignored.to_string(), "1 text", "{}", path.display());
        assert_eq!(loaded.warning, None);
    }
}

#[test]
fn a_single_photo_is_a_source() {
    let temp = TempDir::new().unwrap();
    let path = saved(&temp, "me.JPG", &noise(1));
    let loaded = load_path(&path).unwrap();
    assert_eq!((loaded.names.as_slice(), loaded.photos.len()), (&["me.JPG".to_owned()][..], 1));
    let error = labels::label(&path, &loaded.names, None).unwrap_err().to_string();
    assert!(error.contains("nothing tells the labels of the photos; give a CSV"), "{error}");
    assert!(
        error.ends_with("the name tells no label: the name is not age_gender_race_date (me.JPG)"),
        "{error}"
    );
}

#[test]
fn one_good_photo_among_bad_ones_is_kept_and_each_bad_one_says_why() {
    let temp = TempDir::new().unwrap();
    let good = noise(3);
    let mut files: Vec<(String, Vec<u8>)> = vec![
        ("31_1_2_20170101.jpeg".into(), good.clone()),
        ("32_1_2_20170101.jpg".into(), good[..good.len() / 2].to_vec()),
        ("33_1_2_20170101.jpg".into(), b"<!DOCTYPE html><html></html>".to_vec()),
        ("34_1_2_20170101.jpg".into(), Vec::new()),
        ("35_1_2_20170101.jpg".into(), encode(RgbImage::new(1, 1), ImageFormat::Jpeg)),
        ("61_1_20170109142408075.jpg.chip.jpg".into(), good.clone()),
        ("page.jpg".into(), b"<html>".to_vec()),
    ];
    write_folder(temp.path(), &files);
    let loaded = load_path(temp.path()).unwrap();
    let no_race = "61_1_20170109142408075.jpg.chip.jpg";
    assert_eq!(loaded.names, ["31_1_2_20170101.jpeg", no_race]);
    let skipped: Vec<(&str, &str)> =
        loaded.skipped.iter().map(|s| (s.file.as_str(), s.reason.as_str())).collect();
    assert_eq!(
        skipped,
        [
            ("32_1_2_20170101.jpg", "the JPEG is cut short"),
            ("33_1_2_20170101.jpg", "an HTML page, not an image"),
            ("34_1_2_20170101.jpg", "empty file"),
            ("35_1_2_20170101.jpg", "1x1 pixels: too small to show a face"),
            ("page.jpg", "an HTML page, not an image"),
        ]
    );
    files.reverse();
    let tar = load_path(&saved(&temp, "bad.tar", &tar_of(&files))).unwrap();
    assert_eq!(tar.skipped, loaded.skipped, "sorted by name in any order of the archive");
    // Names tell labels before any photo is decoded.
    let (_, listed, records) = labelled(temp.path(), None, &Unwatched).unwrap();
    assert_eq!(records.names, ["31_1_2_20170101.jpeg", "32_1_2_20170101.jpg", "35_1_2_20170101.jpg"]);
    let of_name: Vec<&str> = listed.skipped.iter().map(|s| s.reason.as_str()).collect();
    assert!(of_name.contains(&"the name tells no label: no race field in the name"), "{of_name:?}");
    let records = records.chosen(&[0]);
    let cells = ["age", "gender", "race"].map(|name| records.table.column(name).unwrap().cell(0));
    assert_eq!(cells, ["31", "female", "asian"].map(Some));
    let mut photos = loaded.photos;
    photos.keep(&[0]);
    let listed = Survey { skipped: loaded.skipped, ..listed };
    let summary = PhotoSummary::of(&records, photos.contents(), &listed);
    assert_eq!((summary.photos, summary.skipped, summary.copies), (1, 5, 0));
    assert_eq!(summary.skipped_by_reason[0].reason, "an HTML page, not an image");
    assert_eq!(summary.skipped_by_reason[0].files, ["33_1_2_20170101.jpg", "page.jpg"]);
    let text = summary.to_string();
    assert!(text.contains("   2  an HTML page, not an image\n        33_1_2_20170101.jpg\n"), "{text}");
}

#[test]
fn nothing_usable_is_an_error_that_says_why() {
    let temp = TempDir::new().unwrap();
    let message = |path: &Path| load_path(path).unwrap_err().to_string();
    let missing = message(&temp.path().join("nowhere"));
    assert!(missing.ends_with("nowhere: no such file or folder; check the path"), "{missing}");
    let empty = message(temp.path());
    assert!(empty.contains("no photo in it (0 other files ignored)"), "{empty}");
    saved(&temp, "1_0_0_1.jpg", b"");
    let unusable = message(temp.path());
    assert!(unusable.contains("no usable photo in it; 1 skipped: empty file (1_0_0_1.jpg)"), "{unusable}");
    let text = message(&saved(&temp, "faces.csv", b"file,age\n"));
    assert!(
        text.contains(
            "faces.csv: a text file, which holds no photos; if it is a table of reviews, name it .csv"
        ),
        "{text}"
    );
    let page = message(&saved(&temp, "faces.zip", b"<html>404</html>"));
    assert!(page.contains("named .zip, but not a zip archive"), "{page}");
    let zero = message(&saved(&temp, "zero.zip", b""));
    assert!(zero.contains("empty file"), "{zero}");
    let garbage = message(&saved(&temp, "faces.tar", b"not a tar archive at all"));
    assert!(garbage.contains("the archive is damaged and nothing in it could be read"), "{garbage}");
    let gz = gzip(&tar_of(&twenty()));
    let stub = message(&saved(&temp, "faces.tar.gz", &gz[..14]));
    assert!(stub.contains("the archive is damaged and nothing in it could be read"), "{stub}");
    let one = message(&saved(&temp, "faces.tar.gz", &gz[..100]));
    assert!(one.contains("1 skipped: the archive ends in the middle of this file"), "{one}");
}

#[test]
fn the_number_of_threads_does_not_matter_and_progress_counts_up_to_all() {
    let temp = TempDir::new().unwrap();
    write_folder(temp.path(), &twenty());
    let source = Source::open(temp.path()).unwrap();
    let mut results = Vec::new();
    for threads in [1, 4] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let told = std::sync::Mutex::new(Vec::new());
        let progress = |done, total| told.lock().unwrap().push((done, total));
        let loaded = pool.install(|| load_within(&source, u64::MAX, &progress));
        assert!(told.into_inner().unwrap().into_iter().eq((0..=20).map(|done| (done, 20))));
        results.push(loaded.unwrap().photos);
    }
    assert!(results[0].contents() == results[1].contents());
}

#[cfg(unix)]
#[test]
fn links_that_loop_or_lead_nowhere_do_no_harm() {
    use std::os::unix::fs::symlink;
    let temp = TempDir::new().unwrap();
    write_folder(temp.path(), &twenty()[..2]);
    symlink(temp.path(), temp.path().join("faces/up")).unwrap();
    symlink(temp.path().join("faces"), temp.path().join("again")).unwrap();
    symlink("nothing.jpg", temp.path().join("1_0_0_1.jpg")).unwrap();
    let loaded = load_path(temp.path()).unwrap();
    assert_eq!(loaded.photos.len(), 2);
    assert_eq!(loaded.skipped.len(), 1);
    assert_eq!(loaded.skipped[0].file, "1_0_0_1.jpg");
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_are_not_utf8_are_skipped_and_never_become_one() {
    use std::os::unix::ffi::OsStrExt;
    let temp = TempDir::new().unwrap();
    write_folder(temp.path(), &twenty()[..2]);
    for byte in [b"\xE4", b"\xF6"] {
        let name = [&b"20_0_0_1"[..], byte, b".jpg"].concat();
        std::fs::write(temp.path().join(std::ffi::OsStr::from_bytes(&name)), noise(9)).unwrap();
    }
    let loaded = load_path(temp.path()).unwrap();
    assert_eq!((loaded.photos.len(), loaded.skipped.len()), (2, 2), "{:?}", loaded.names);
    assert!(loaded.skipped.iter().all(|skipped| skipped.reason == "its name is not UTF-8; rename it"));
}

#[test]
fn what_stands_behind_a_gzip_counts_only_if_it_is_no_filling() {
    let temp = TempDir::new().unwrap();
    let gz = gzip(&tar_of(&twenty()));
    let load = |more: &[u8]| load_path(&saved(&temp, "a.tar.gz", &[&gz, more].concat())).unwrap();
    for zeros in [3, 20_000] {
        let filled = load(&vec![0; zeros]);
        assert_eq!((filled.photos.len(), filled.warning), (20, None));
    }
    for more in [&b"trailer"[..], &[0, 0, 0, 7]] {
        let warning = load(more).warning.unwrap();
        assert!(warning.contains("more data follow its end, and were not read"), "{warning}");
    }
}

#[test]
fn a_gzip_that_holds_no_tar_is_not_called_damaged() {
    let temp = TempDir::new().unwrap();
    for rows in [3, 1000] {
        let path = saved(&temp, "reviews.csv.gz", &gzip("review,label\n".repeat(rows).as_bytes()));
        let error = load_path(&path).unwrap_err().to_string();
        assert!(error.contains("does not begin like a tar archive; unpack it"), "{error}");
    }
}
