//! Whether the chunks of a PNG are whole (PNG specification, sections 5.3 and 5.4).

use flate2::Crc;

const SIGNATURE_BYTES: usize = 8;

/// Walks the chunks up to the end mark. The checksums of chunks that a picture can do without, such as
/// dates and comments, do not matter.
///
/// # Errors
/// A short reason for skipping the photo.
pub fn check(bytes: &[u8]) -> Result<(), String> {
    let cut = || "the PNG is cut short".to_owned();
    let mut rest = bytes.get(SIGNATURE_BYTES..).ok_or_else(cut)?;
    loop {
        let length = u32::from_be_bytes(*rest.first_chunk().ok_or_else(cut)?) as usize;
        let chunk = rest.get(4..length.saturating_add(12)).ok_or_else(cut)?;
        let (kind_and_data, checksum) = chunk.split_at(chunk.len() - 4);
        let is_critical = kind_and_data[0].is_ascii_uppercase();
        let mut crc = Crc::new();
        if is_critical {
            crc.update(kind_and_data);
        }
        if is_critical && crc.sum().to_be_bytes() != *checksum {
            return Err("a damaged PNG (a checksum differs)".to_owned());
        }
        if kind_and_data.starts_with(b"IEND") {
            return Ok(());
        }
        rest = &rest[length + 12..];
    }
}
