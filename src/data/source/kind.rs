//! Whether a file is a photo, going by its first bytes; its name tells only whether it should be one.

use crate::data::content::{Content, Format, unread_reason};

/// What to do with a file.
#[derive(Debug, PartialEq, Eq)]
pub enum Kind {
    /// It is read.
    Photo,
    /// It is a photo of a kind that is not read, or is only named like one: why.
    Unusable(String),
    /// No photo, and not named like one: what it is instead.
    Other(&'static str),
}

/// What people call photos, those that are not read too.
const EXTENSIONS: [&str; 14] =
    ["jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "bmp", "tif", "tiff", "heic", "heif", "avif", "jxl"];

/// Raw files of cameras that begin like a TIFF, whose first picture is a tiny preview.
const RAW: [&str; 8] = ["dng", "nef", "nrw", "arw", "cr2", "pef", "srw", "3fr"];

impl Kind {
    /// By name and first bytes.
    pub fn of(name: &str, head: &[u8]) -> Kind {
        match Content::of(head) {
            Content::Image(Format::Tiff) if has_extension(name, &RAW) => {
                Kind::Unusable(unread_reason("a camera's raw"))
            }
            Content::Image(_) => Kind::Photo,
            Content::Unread(kind) => Kind::Unusable(unread_reason(&kind)),
            Content::Other(other) if named_like_a_photo(name) => Kind::Unusable(other.reason().to_owned()),
            Content::Other(other) => Kind::Other(other.plural()),
        }
    }
}

/// Whether a file should be a photo.
pub fn named_like_a_photo(name: &str) -> bool {
    has_extension(name, &EXTENSIONS)
}

/// Whether a path leads through something hidden, or through what macOS adds to archives.
pub fn is_hidden(name: &str) -> bool {
    name.split('/').any(|part| part.starts_with('.') || part == "__MACOSX")
}

fn has_extension(name: &str, known: &[&str]) -> bool {
    name.rsplit_once('.').is_some_and(|(_, extension)| {
        known.iter().any(|known| extension.trim_end().eq_ignore_ascii_case(known))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_photo_is_one_under_any_name() {
        for name in ["a.jpg", "a.jfif", "a.jpe", "a", "a.txt", "a.JPG "] {
            assert_eq!(Kind::of(name, b"\xFF\xD8\xFF\xE0"), Kind::Photo, "{name}");
        }
        assert_eq!(Kind::of("readme.txt", b"hello"), Kind::Other("text"));
        assert_eq!(Kind::of("a.jpg", b"hello"), Kind::Unusable("a text file, not an image".into()));
        let heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic";
        let reason = "HEIC images are not read; convert it to JPEG or PNG";
        assert_eq!(Kind::of("IMG_1", heic), Kind::Unusable(reason.into()));
        assert!(matches!(Kind::of("a.NEF", b"II*\0\x08\0\0\0"), Kind::Unusable(_)));
    }

    #[test]
    fn hidden_files_are_told_by_name() {
        assert!(is_hidden("a/._b.jpg") && is_hidden("__MACOSX/a/b.jpg") && is_hidden(".cache/b.jpg"));
        assert!(!is_hidden("a.b/c.jpg"));
    }
}
