//! Damaged archives.
use faceshader::data::decode::decode;
use tempfile::TempDir;

use crate::make::*;

#[test]
fn a_zip_cut_in_half_gives_the_photos_before_the_cut() {
    let temp = TempDir::new().unwrap();
    for (name, bytes) in [
        ("stored.zip", zip_of(&twenty(), zip::CompressionMethod::Stored)),
        ("deflated.zip", zip_of(&twenty(), zip::CompressionMethod::Deflated)),
        ("streamed.zip", streamed_zip_of(&twenty())),
    ] {
        let cut = saved(&temp, name, &bytes[..bytes.len() / 2]);
        let loaded = load_path(&cut).unwrap();
        let count = loaded.photos.len();
        assert!((8..=10).contains(&count), "{name}: {count} photos");
        for (index, (photo, bytes)) in twenty().into_iter().take(count).enumerate() {
            assert_eq!(loaded.names[index], photo);
            assert_eq!(
                loaded.photos.photo(index).unwrap(),
                decode(&bytes, 16, 16).unwrap(),
                "{name}: {photo}"
            );
        }
        assert_eq!(loaded.skipped.len(), 1, "{name}: {:?}", loaded.skipped);
        assert_eq!(loaded.skipped[0].file, twenty()[count].0);
        assert_eq!(loaded.skipped[0].reason, "the archive ends in the middle of this file; it is damaged");
        let warning = loaded.warning.unwrap();
        assert!(warning.contains(&format!("{count} photo files were recovered")), "{warning}");

        let stub = saved(&temp, name, &bytes[..200]);
        let error = load_path(&stub).unwrap_err().to_string();
        assert!(error.contains("the archive is damaged and nothing in it could be read"), "{error}");
    }
}

#[test]
fn a_tar_cut_in_half_gives_the_photos_before_the_cut() {
    let temp = TempDir::new().unwrap();
    let tar = tar_of(&twenty());
    let gz = gzip(&tar);
    let in_the_tenth = tar.len() / 20 * 10 + 800;
    for (name, bytes) in [("a.tar", &tar[..in_the_tenth]), ("a.tar.gz", &gz[..gz.len() / 2])] {
        let loaded = load_path(&saved(&temp, name, bytes)).unwrap();
        let count = loaded.photos.len();
        assert!((8..=10).contains(&count), "{name}: {count} photos");
        assert_eq!(loaded.skipped.len(), 1, "{name}: {:?}", loaded.skipped);
        assert_eq!(loaded.skipped[0].file, twenty()[count].0);
        assert!(loaded.skipped[0].reason.contains("ends in the middle of this file"));
        let warning = loaded.warning.unwrap();
        assert!(warning.contains("the archive is damaged"), "{warning}");
    }
}

#[test]
fn one_damaged_file_in_a_whole_zip_costs_that_file_only() {
    let temp = TempDir::new().unwrap();
    let files = twenty();
    let mut bytes = zip_of(&files, zip::CompressionMethod::Stored);
    let at =
        bytes.windows(64).position(|window| window == &files[5].1[files[5].1.len() - 80..][..64]).unwrap();
    bytes[at] ^= 0xFF;
    let loaded = load_path(&saved(&temp, "a.zip", &bytes)).unwrap();
    assert_eq!(loaded.photos.len(), 19);
    assert_eq!(loaded.skipped[0].file, files[5].0);
    assert!(loaded.skipped[0].reason.starts_with("damaged in the archive:"), "{:?}", loaded.skipped);
}
