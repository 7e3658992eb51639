//! Which kinds of JPEG (ITU-T T.81) the decoder reads right.
//!
//! It scrambles two kinds without a word: a sequential image in several scans, and components with more
//! samples than the first.

/// Refuses a kind of JPEG that is not read, before anything is decoded.
///
/// # Errors
/// A short reason for skipping the photo. Segments that contradict themselves are for others to tell.
pub fn check(bytes: &[u8]) -> Result<(), String> {
    let mut at = 2;
    let mut sequential_components = None;
    while let Some((marker, segment)) = next_segment(bytes, &mut at) {
        match marker {
            0xC3 => return Err(unsupported("a lossless JPEG")),
            0xC5..=0xC7 => return Err(unsupported("a hierarchical JPEG")),
            0xC9..=0xCB | 0xCD..=0xCF => return Err(unsupported("an arithmetic-coded JPEG")),
            0xC0..=0xC2 => {
                frame(segment)?;
                sequential_components = segment.get(5).copied().filter(|_| marker != 0xC2);
            }
            0xDA => {
                let parts = segment.first().copied();
                return match (parts, sequential_components) {
                    (Some(parts), Some(all)) if parts < all => {
                        Err(unsupported("a sequential JPEG in several scans"))
                    }
                    _ => Ok(()),
                };
            }
            _ => {}
        }
    }
    Ok(())
}

fn frame(segment: &[u8]) -> Result<(), String> {
    let &[_, height_high, height_low, _, _, _, ref components @ ..] = segment else { return Ok(()) };
    if (height_high, height_low) == (0, 0) {
        return Err(unsupported("a JPEG whose height stands behind its pixels"));
    }
    let sampling = || components.chunks_exact(3).map(|part| (part[1] >> 4, part[1] & 15));
    let Some(first) = sampling().next() else { return Ok(()) };
    if sampling().any(|(horizontal, vertical)| horizontal > first.0 || vertical > first.1) {
        return Err(unsupported("a JPEG whose colours have more samples than its brightness"));
    }
    if sampling().any(|(horizontal, vertical)| horizontal == 3 || vertical == 3) {
        return Err(unsupported("a JPEG with three samples side by side"));
    }
    Ok(())
}

fn unsupported(what: &str) -> String {
    format!("{what}, a kind of JPEG that is not supported; convert it")
}

/// The marker and the data of the segment at or behind `at`, which is moved behind it.
fn next_segment<'a>(bytes: &'a [u8], at: &mut usize) -> Option<(u8, &'a [u8])> {
    let found = bytes.get(*at..)?.windows(2).position(|pair| pair[0] == 0xFF && pair[1] != 0xFF)?;
    let length = *at + found + 2;
    let &[high, low] = bytes.get(length..length + 2)? else { return None };
    *at = length + usize::from(u16::from_be_bytes([high, low])).max(2);
    Some((bytes[length - 1], bytes.get(length + 2..*at)?))
}
