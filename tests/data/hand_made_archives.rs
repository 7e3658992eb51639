//! Archives that no library writes: other methods, passwords, huge names, damaged ends.
use faceshader::data::decode::decode;
use tempfile::TempDir;

use crate::make::*;

const PHOTO: &str = "20_0_0_1.jpg";

/// A zip of one file, with these flags and this method.
fn zip_with(flags: u16, method: u16, data: &[u8], plain: &[u8]) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(plain);
    let mut fields = Vec::new();
    fields.extend([20_u16, flags, method, 0, 0x21].map(u16::to_le_bytes).concat());
    fields.extend([crc.sum(), data.len() as u32, plain.len() as u32].map(u32::to_le_bytes).concat());
    fields.extend([PHOTO.len() as u16, 0].map(u16::to_le_bytes).concat());
    let mut zip = [b"PK\x03\x04".as_slice(), &fields, PHOTO.as_bytes(), data].concat();
    let directory = zip.len() as u32;
    zip.extend([b"PK\x01\x02\x14\x03".as_slice(), &fields].concat());
    zip.extend([0; 6]);
    zip.extend((0o100_644_u32 << 16).to_le_bytes());
    zip.extend(0_u32.to_le_bytes());
    zip.extend(PHOTO.as_bytes());
    let length = zip.len() as u32 - directory;
    zip.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    zip.extend([length, directory].map(u32::to_le_bytes).concat());
    zip.extend([0; 2]);
    zip
}

/// One block without compression, which means the same to deflate and deflate64.
fn stored_block(bytes: &[u8]) -> Vec<u8> {
    let length = bytes.len() as u16;
    [&[1], length.to_le_bytes().as_slice(), &(!length).to_le_bytes(), bytes].concat()
}

#[test]
fn deflate64_is_read() {
    let temp = TempDir::new().unwrap();
    let photo = noise(1);
    let zip = saved(&temp, "a.zip", &zip_with(0, 9, &stored_block(&photo), &photo));
    let loaded = load_path(&zip).unwrap();
    assert_eq!(loaded.photos.photo(0).unwrap(), decode(&photo, 16, 16).unwrap());
}

#[test]
fn passwords_and_other_methods_are_named_and_no_damage() {
    let temp = TempDir::new().unwrap();
    let photo = noise(1);
    for (flags, method, reason) in [
        (1, 0, "encrypted in the archive; unpack it with its password first"),
        (1, 99, "encrypted in the archive"),
        (0, 12, "packed by bzip2, which is not read"),
        (0, 14, "packed by LZMA"),
        (0, 93, "packed by zstd"),
        (0, 77, "77"),
    ] {
        let zip = saved(&temp, "a.zip", &zip_with(flags, method, &photo, &photo));
        let error = load_path(&zip).unwrap_err().to_string();
        assert!(error.contains(reason) && !error.contains("damaged"), "{method}: {error}");
    }
}

#[test]
fn the_end_of_a_gzip_stream_is_read() {
    let temp = TempDir::new().unwrap();
    let whole = gzip(&tar_of(&twenty()));
    // The last eight bytes are the checksum and the length.
    for at in whole.len() - 8..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        let loaded = load_path(&saved(&temp, "a.tar.gz", &flipped)).unwrap();
        assert_eq!(loaded.photos.len(), 20);
        let warning = loaded.warning.expect("a bit was flipped");
        assert!(warning.contains("a.tar.gz: the archive is damaged (its end cannot be read"), "{warning}");
    }
    let short = load_path(&saved(&temp, "a.tar.gz", &whole[..whole.len() - 4])).unwrap();
    assert!(short.warning.is_some());
    let whole = load_path(&saved(&temp, "a.tar.gz", &whole)).unwrap();
    assert_eq!(whole.warning, None);
}

#[test]
fn a_flipped_bit_in_a_tar_gz_is_told() {
    let temp = TempDir::new().unwrap();
    let whole = gzip(&tar_of(&twenty()));
    for step in 1..60 {
        let mut flipped = whole.clone();
        flipped[whole.len() * step / 60] ^= 0x10;
        let told = match load_path(&saved(&temp, "a.tar.gz", &flipped)) {
            Ok(loaded) => loaded.warning.is_some() || !loaded.skipped.is_empty(),
            Err(_) => true,
        };
        assert!(told, "{step}/60");
    }
}

#[test]
fn a_tar_without_its_end_mark_or_with_more_behind_it_is_told() {
    let temp = TempDir::new().unwrap();
    let tar = tar_of(&twenty());
    let warning = |bytes: &[u8]| load_path(&saved(&temp, "a.tar", bytes)).unwrap().warning;
    assert_eq!(warning(&tar), None);
    assert_eq!(warning(&[&tar[..], &[0; 9000]].concat()), None, "archives are filled up");
    let end = tar.len() - 1024;
    assert!(warning(&tar[..end]).unwrap().contains("its end mark is missing"));
    let joined = warning(&[&tar[..], &tar[..]].concat()).unwrap();
    assert!(joined.contains("more data follow its end mark"), "{joined}");
}

#[test]
fn a_streamed_zip_without_its_end_is_checked_against_its_checksums() {
    let temp = TempDir::new().unwrap();
    let mut zip = streamed_zip_of(&twenty());
    let descriptor = zip.windows(4).position(|window| window == b"PK\x07\x08").unwrap();
    zip[descriptor + 4] ^= 1;
    let cut = saved(&temp, "a.zip", &zip[..zip.len() * 3 / 4]);
    let loaded = load_path(&cut).unwrap();
    assert_eq!(loaded.skipped[0].file, twenty()[0].0);
    assert_eq!(loaded.skipped[0].reason, "damaged in the archive: the checksum differs");
}

/// A tar with a header of this type and these data before each of two photos.
fn tar_with(kind: u8, data: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for photo in ["20_0_0_1.jpg", "21_0_0_1.jpg"] {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::new(kind));
        header.set_size(data.len() as u64);
        header.set_path("extension").unwrap();
        header.set_cksum();
        builder.append(&header, data).unwrap();
        let bytes = noise(1);
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_path(photo).unwrap();
        header.set_cksum();
        builder.append(&header, bytes.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn names_before_a_file_count_and_huge_ones_are_not_read() {
    let temp = TempDir::new().unwrap();
    let load = |bytes: &[u8]| load_path(&saved(&temp, "a.tar", bytes));
    let folder = "f".repeat(200);
    let long = load(&tar_with(b'L', format!("{folder}/30_0_0_1.jpg\0").as_bytes())).unwrap();
    assert_eq!(long.names, [format!("{folder}/30_0_0_1.jpg")]);
    let pax = |name: &str| {
        let record = format!(" path={name}\n");
        let digits = (record.len() + 3).to_string().len();
        format!("{}{record}", record.len() + digits)
    };
    let named = load(&tar_with(b'x', pax(&format!("{folder}/31_0_0_1.jpg")).as_bytes())).unwrap();
    assert_eq!(named.names, [format!("{folder}/31_0_0_1.jpg")]);
    for kind in [b'L', b'x'] {
        let error = load(&tar_with(kind, &vec![b'n'; 3 << 20])).unwrap_err().to_string();
        assert!(error.contains("2 skipped: its name is longer than 64 KiB"), "{error}");
    }
    let other = load(&tar_with(b'g', b"20 comment=whatever\n")).unwrap();
    assert_eq!(other.names, ["20_0_0_1.jpg", "21_0_0_1.jpg"]);
}
