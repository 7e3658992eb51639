//! What a file is, going by its first bytes: neither its name nor its extension decides.

use infer::MatcherType;

/// How much of a file tells what it is, in bytes.
pub const HEAD_BYTES: usize = 4096;

/// The kinds of image that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Huffman-coded, baseline or progressive.
    Jpeg,
    /// 1 to 16 bits a channel.
    Png,
    /// Lossy or lossless; of an animation, the first frame.
    WebP,
    /// The first frame.
    Gif,
    /// Windows bitmaps.
    Bmp,
    /// The first picture.
    Tiff,
}

impl Format {
    /// As users know it.
    pub fn name(self) -> &'static str {
        match self {
            Format::Jpeg => "JPEG",
            Format::Png => "PNG",
            Format::WebP => "WebP",
            Format::Gif => "GIF",
            Format::Bmp => "BMP",
            Format::Tiff => "TIFF",
        }
    }
}

/// Files that are no images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Other {
    /// No bytes at all.
    Empty,
    /// What a failed download leaves.
    Html,
    /// What a failed copy leaves.
    Zeros,
    /// Text of any kind.
    Text,
    /// An archive within the source.
    Archive,
    /// A film.
    Video,
    /// A sound.
    Audio,
    /// PDF, office files and books.
    Document,
    /// None of these.
    Unknown,
}

impl Other {
    /// Why it is skipped, if it is named like a photo.
    pub fn reason(self) -> &'static str {
        match self {
            Other::Empty => "empty file",
            Other::Html => "an HTML page, not an image",
            Other::Zeros => "nothing but zeros, not an image",
            Other::Text => "a text file, not an image",
            Other::Archive => "an archive, not an image",
            Other::Video => "a video, not an image",
            Other::Audio => "a sound, not an image",
            Other::Document => "a document, not an image",
            Other::Unknown => "not an image of a known kind",
        }
    }

    /// As one of many in a count, such as `12 text`.
    pub fn plural(self) -> &'static str {
        match self {
            Other::Empty => "empty",
            Other::Html => "HTML",
            Other::Zeros => "zeros",
            Other::Text => "text",
            Other::Archive => "archives",
            Other::Video => "videos",
            Other::Audio => "sounds",
            Other::Document => "documents",
            Other::Unknown => "of no known kind",
        }
    }
}

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// An image that is read.
    Image(Format),
    /// An image of this kind, which is not read.
    Unread(String),
    /// No image.
    Other(Other),
}

impl Content {
    /// Tells by the first [`HEAD_BYTES`] of a file, or all of it if it is shorter.
    pub fn of(head: &[u8]) -> Content {
        let known = || infer::get(head).map(|kind| (kind.matcher_type(), kind.extension()));
        if let Some(format) = format_of(head) {
            // Some cameras' raw files begin like TIFF.
            return match known() {
                Some((MatcherType::Image, kind)) if format == Format::Tiff && kind != "tif" => unread(kind),
                _ => Content::Image(format),
            };
        }
        Content::Other(if head.is_empty() {
            Other::Empty
        } else if is_html(head) {
            Other::Html
        } else if head.iter().all(|&byte| byte == 0) {
            Other::Zeros
        } else if head.starts_with(b"%PDF") {
            Other::Document
        } else if is_text(head) {
            // Before all signatures: some are but two letters.
            Other::Text
        } else if let Some(kind) = kind_by_brand(head) {
            return Content::Unread(kind.to_owned());
        } else {
            match known() {
                Some((MatcherType::Image, "bmp")) => Other::Unknown,
                Some((MatcherType::Image, kind)) => return unread(kind),
                Some((MatcherType::Archive, _)) => Other::Archive,
                Some((MatcherType::Video, _)) => Other::Video,
                Some((MatcherType::Audio, _)) => Other::Audio,
                Some((MatcherType::Book | MatcherType::Doc, _)) => Other::Document,
                _ if head.get(4..8) == Some(b"ftyp") => Other::Video,
                _ => Other::Unknown,
            }
        })
    }
}

/// The reason for an image of a kind that is not read.
pub fn unread_reason(kind: &str) -> String {
    format!("{kind} images are not read; convert it to JPEG or PNG")
}

fn unread(extension: &str) -> Content {
    Content::Unread(extension.to_ascii_uppercase())
}

/// Phones' images are files of the same kind as videos (ISO 14496-12): their brand tells them apart.
fn kind_by_brand(head: &[u8]) -> Option<&'static str> {
    let brands = head.get(8..).filter(|_| head.get(4..8) == Some(b"ftyp"))?;
    match brands.first_chunk()? {
        b"avif" | b"avis" => Some("AVIF"),
        b"mif1" | b"msf1" if brands.chunks(4).take(8).any(|brand| brand == b"avif") => Some("AVIF"),
        b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"mif1" | b"msf1" => Some("HEIC"),
        _ => None,
    }
}

fn format_of(head: &[u8]) -> Option<Format> {
    let starts = |magic: &[u8]| head.starts_with(magic);
    Some(if starts(b"\xFF\xD8") {
        Format::Jpeg
    } else if starts(b"\x89PNG") {
        Format::Png
    } else if starts(b"GIF87a") || starts(b"GIF89a") {
        Format::Gif
    } else if starts(b"RIFF") && head.get(8..12) == Some(b"WEBP") {
        Format::WebP
    } else if starts(b"II*\0") || starts(b"MM\0*") || starts(b"II+\0") || starts(b"MM\0+") {
        Format::Tiff
    } else if starts(b"BM") && is_bmp_header(head) {
        Format::Bmp
    } else {
        return None;
    })
}

/// Two letters are too few to tell a bitmap from a text: its second header has one of few lengths.
fn is_bmp_header(head: &[u8]) -> bool {
    matches!(head.get(14..18), Some(&[12 | 40 | 52 | 56 | 64 | 108 | 124, 0, 0, 0]))
}

fn is_html(bytes: &[u8]) -> bool {
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes).trim_ascii_start();
    [&b"<!doctype"[..], b"<html", b"<head", b"<?xml"]
        .iter()
        .any(|tag| text.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag)))
}

/// UTF-8 that may be cut in a character, or UTF-16 with its mark.
fn is_text(head: &[u8]) -> bool {
    if head.starts_with(b"\xFF\xFE") || head.starts_with(b"\xFE\xFF") {
        return true;
    }
    let whole = match std::str::from_utf8(head) {
        Ok(text) => text.len(),
        Err(error) => error.valid_up_to(),
    };
    let is_control = |&byte: &u8| byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0C | 0x1B);
    whole + 4 > head.len() && whole > 0 && !head[..whole].iter().any(is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_decides_what_a_file_is() {
        for (head, content) in [
            (&b"\xFF\xD8\xFF\xE0"[..], Content::Image(Format::Jpeg)),
            (b"GIF89a......", Content::Image(Format::Gif)),
            (b"RIFF\0\0\0\0WEBPVP8 ", Content::Image(Format::WebP)),
            (b"II*\0\x08\0\0\0\0\0\0\0", Content::Image(Format::Tiff)),
            (b"BMW is a maker of cars", Content::Other(Other::Text)),
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", Content::Unread("HEIC".into())),
            (b"\0\0\0\x1Cftypavif\0\0\0\0avifmif1", Content::Unread("AVIF".into())),
            (b"\0\0\0\x18ftypmp42\0\0\0\0isommp42", Content::Other(Other::Video)),
            (b"PK\x03\x04\x14\0\0\0", Content::Other(Other::Archive)),
            (b"%PDF-1.7\n", Content::Other(Other::Document)),
            (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", Content::Unread("AVIF".into())),
            (b"MZ is how Zeppelins are numbered", Content::Other(Other::Text)),
            ("Gr\u{fc}\u{df}e\n".as_bytes(), Content::Other(Other::Text)),
            (b"\x01\x02\x03\x04", Content::Other(Other::Unknown)),
            (b"", Content::Other(Other::Empty)),
        ] {
            assert_eq!(Content::of(head), content, "{head:?}");
        }
    }
}
