//! Photos as the model takes them, in memory or in a file.

use super::batches::Variation;
use super::cache::{ABSENT, Cache};
use super::error::DataError;
use super::split::Content;
use crate::ops::augment::{IDENTITY, TRANSFORM};
use crate::rng::{Generator, Stream};
use std::borrow::Cow;

/// Photos of one size.
#[derive(Debug)]
pub struct Photos {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    contents: Vec<Content>,
    pixels: Pixels,
}

/// Where the pixels lie, RGB interleaved.
#[derive(Debug)]
enum Pixels {
    /// N x height x width x 3 bytes, side by side.
    Memory(Vec<u8>),
    /// For each photo its place in a file.
    File(Cache, Vec<usize>),
}

impl Photos {
    /// No photos yet, of this size in pixels, in memory.
    pub fn new(width: u32, height: u32) -> Photos {
        Photos { width, height, contents: Vec::new(), pixels: Pixels::Memory(Vec::new()) }
    }

    /// Room for so many photos in memory.
    ///
    /// # Errors
    /// When they do not fit into so much memory, or the system does not give it.
    pub fn in_memory(
        [width, height]: [u32; 2],
        count: usize,
        memory_bytes: u64,
    ) -> Result<Photos, DataError> {
        let mut pixels = Vec::new();
        let bytes = bytes_of([width, height], count);
        let fits = usize::try_from(bytes).ok().filter(|_| bytes <= memory_bytes.into());
        let reserved = fits.filter(|&bytes| pixels.try_reserve_exact(bytes).is_ok());
        let Some(bytes) = reserved else {
            return Err(DataError::TooMany { photos: count, width, height, memory_bytes });
        };
        pixels.resize(bytes, 0);
        Ok(Photos { width, height, contents: vec![ABSENT; count], pixels: Pixels::Memory(pixels) })
    }

    /// The photos at these places of a file; some may not be there yet.
    pub fn in_file([width, height]: [u32; 2], cache: Cache, places: Vec<usize>) -> Photos {
        let contents = places.iter().map(|&place| cache.content(place)).collect();
        Photos { width, height, contents, pixels: Pixels::File(cache, places) }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.contents.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// height x width x 3 bytes of photo `index`, which must be below [`len`](Self::len).
    ///
    /// # Errors
    /// When it lies in a file that cannot be read, or that is damaged.
    pub fn photo(&self, index: usize) -> Result<Cow<'_, [u8]>, DataError> {
        let bytes = self.photo_bytes();
        match &self.pixels {
            Pixels::Memory(pixels) => Ok(Cow::Borrowed(&pixels[index * bytes..][..bytes])),
            Pixels::File(..) => {
                let mut rgb = vec![0; bytes];
                self.read(index, &mut rgb)?;
                Ok(Cow::Owned(rgb))
            }
        }
    }

    /// Copies photo `index` to `rgb`, height x width x 3 bytes.
    fn read(&self, index: usize, rgb: &mut [u8]) -> Result<(), DataError> {
        match &self.pixels {
            Pixels::Memory(pixels) => {
                rgb.copy_from_slice(&pixels[index * rgb.len()..][..rgb.len()]);
                Ok(())
            }
            Pixels::File(cache, places) => cache.read(places[index], rgb),
        }
    }

    /// Adds a photo to those in memory. `rgb` must be height x width x 3 bytes.
    pub fn push(&mut self, rgb: &[u8]) {
        assert_eq!(rgb.len(), self.photo_bytes(), "the photo's size is not that of the set");
        match &mut self.pixels {
            Pixels::Memory(pixels) => pixels.extend_from_slice(rgb),
            Pixels::File(..) => unreachable!("the file of a set is as long as the set"),
        }
        self.contents.push(blake3::hash(rgb).into());
    }

    /// Whether a photo was written, by this process or an earlier one.
    pub fn is_there(&self, index: usize) -> bool {
        self.contents[index] != ABSENT
    }

    /// Writes photo `index`: height x width x 3 bytes, and their BLAKE3 hash.
    ///
    /// # Errors
    /// When it lies in a file that cannot be written.
    pub fn write(&mut self, index: usize, rgb: &[u8], content: Content) -> Result<(), DataError> {
        let bytes = self.photo_bytes();
        match &mut self.pixels {
            Pixels::Memory(pixels) => pixels[index * bytes..][..bytes].copy_from_slice(rgb),
            Pixels::File(cache, places) => cache.write(places[index], rgb, content)?,
        }
        self.contents[index] = content;
        Ok(())
    }

    /// Ends the writing.
    ///
    /// # Errors
    /// When they lie in a file that cannot be synced.
    pub fn finish(&mut self) -> Result<(), DataError> {
        match &mut self.pixels {
            Pixels::Memory(_) => Ok(()),
            Pixels::File(cache, _) => cache.finish(),
        }
    }

    /// Bytes of one photo.
    pub fn photo_bytes(&self) -> usize {
        self.width as usize * self.height as usize * 3
    }

    /// Keeps the photos of these places, which are in ascending order.
    pub fn keep(&mut self, kept: &[usize]) {
        let bytes = self.photo_bytes();
        match &mut self.pixels {
            Pixels::Memory(pixels) => {
                for (to, &from) in kept.iter().enumerate().filter(|&(to, &from)| to != from) {
                    pixels.copy_within(from * bytes..(from + 1) * bytes, to * bytes);
                }
                pixels.truncate(kept.len() * bytes);
            }
            Pixels::File(_, places) => *places = kept.iter().map(|&place| places[place]).collect(),
        }
        self.contents = kept.iter().map(|&place| self.contents[place]).collect();
    }

    /// Of the pixels: copies may have other names, and be compressed in other ways without loss.
    pub fn contents(&self) -> &[Content] {
        &self.contents
    }

    /// `chosen` photos in a batch of `size`: (size, height, width, 3) bytes, and (size, 6) numbers of
    /// [`crate::ops::augment`].
    ///
    /// # Errors
    /// Those of [`photo`](Self::photo).
    pub fn batch(
        &self,
        chosen: &[usize],
        size: usize,
        variation: Option<Variation>,
    ) -> Result<(Vec<u8>, Vec<i32>), DataError> {
        let bytes = self.photo_bytes();
        let mut photos = vec![0; size * bytes];
        let mut transforms = IDENTITY.repeat(size);
        for (n, &index) in chosen.iter().enumerate() {
            self.read(index, &mut photos[n * bytes..][..bytes])?;
            if let Some(variation) = variation {
                let transform = draw_transform(variation, index as u32, self.width, self.height);
                transforms[n * TRANSFORM..][..TRANSFORM].copy_from_slice(&transform);
            }
        }
        Ok((photos, transforms))
    }
}

/// Bytes of so many photos of this size.
pub fn bytes_of([width, height]: [u32; 2], count: usize) -> u128 {
    u128::from(width) * u128::from(height) * 3 * count as u128
}

/// Rotates, zooms and flips about the middle of the photo, and shifts: from a pixel of the varied photo to where
/// it is read in the original, in signed 16.16 fixed point.
fn draw_transform(variation: Variation, sample: u32, width: u32, height: u32) -> [i32; TRANSFORM] {
    let Variation { augment, seed, epoch } = variation;
    let mut generator = Generator::new(seed, epoch, sample, Stream::Augment);
    let mut unit = || f64::from(generator.unit());
    let within = |reach: f64, unit: f64| reach * (2.0 * unit - 1.0);
    let angle = within(augment.rotation_degrees, unit()).to_radians();
    let zoom = [1.0 + within(augment.zoom, unit()), 1.0 + within(augment.zoom, unit())];
    let mirrored = if unit() < augment.flip_probability { -1.0 } else { 1.0 };
    let shift = [width, height].map(|side| within(augment.shift, unit()) * f64::from(side));
    let (sin, cos) = angle.sin_cos();
    let rows = [[cos * zoom[0] * mirrored, -sin * zoom[1]], [sin * zoom[0] * mirrored, cos * zoom[1]]];
    let middle = [f64::from(width - 1) / 2.0, f64::from(height - 1) / 2.0];
    let fixed = |value: f64| (value * 65_536.0).round() as i32;
    let mut transform = [0; TRANSFORM];
    for (axis, row) in rows.iter().enumerate() {
        let first = middle[axis] - row[0] * middle[0] - row[1] * middle[1] + shift[axis];
        transform[3 * axis..3 * axis + 3].copy_from_slice(&[fixed(row[0]), fixed(row[1]), fixed(first)]);
    }
    transform
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::AugmentSpec;

    const AUGMENT: AugmentSpec = AugmentSpec {
        rotation_degrees: 20.0,
        zoom: 0.2,
        shift: 0.0,
        flip_probability: 0.5,
        window_probability: 0.0,
        window_tokens: 0,
        token_dropout: 0.0,
    };

    #[test]
    fn photos_are_kept_in_place() {
        let mut photos = Photos::new(1, 1);
        (0..6).for_each(|byte| photos.push(&[byte; 3]));
        photos.keep(&[0, 2, 5]);
        let kept: Vec<u8> = (0..photos.len()).map(|index| photos.photo(index).unwrap()[0]).collect();
        assert_eq!(kept, [0, 2, 5]);
    }

    #[test]
    fn a_photo_is_varied_anew_each_epoch_but_the_same_in_any_batch() {
        let mut photos = Photos::new(4, 2);
        (0..5).for_each(|byte| photos.push(&[byte; 24]));
        let transforms = |chosen: &[usize], epoch| {
            photos.batch(chosen, 2, Some(Variation { augment: &AUGMENT, seed: 9, epoch })).unwrap().1
        };
        let (first, other, later) = (transforms(&[3, 1], 0), transforms(&[1, 3], 0), transforms(&[3, 1], 1));
        assert_eq!(first[..6], other[6..]);
        assert_ne!(first[..6], first[6..]);
        assert_ne!(first, later);
    }

    #[test]
    fn a_batch_is_filled_up_with_black() {
        let mut photos = Photos::new(4, 2);
        (0..5).for_each(|byte| photos.push(&[byte; 24]));
        let (pixels, transforms) = photos.batch(&[3], 3, None).unwrap();
        assert_eq!((&pixels[..24], &pixels[48..]), (&[3; 24][..], &[0; 24][..]));
        assert_eq!(transforms[..6], IDENTITY);
    }

    #[test]
    fn variations_stay_within_their_ranges_and_keep_the_middle() {
        let variation = Variation { augment: &AUGMENT, seed: 1, epoch: 0 };
        let mut mirrored = 0;
        for sample in 0..1000 {
            let t = draw_transform(variation, sample, 101, 51).map(|t| f64::from(t) / 65_536.0);
            let at = |x: f64, y: f64| [t[0] * x + t[1] * y + t[2], t[3] * x + t[4] * y + t[5]];
            let [x, y] = at(50.0, 25.0);
            assert!((x - 50.0).abs() < 0.01 && (y - 25.0).abs() < 0.01, "({x}, {y})");
            let zoom = [t[0].hypot(t[3]), t[1].hypot(t[4])];
            assert!(zoom.iter().all(|zoom| (0.799..1.201).contains(zoom)), "{zoom:?}");
            let angle = (t[3] / t[0]).atan().to_degrees();
            assert!(angle.abs() < 20.01, "{angle}");
            mirrored += u32::from(t[0] < 0.0);
        }
        assert!((400..600).contains(&mirrored), "{mirrored} of 1000 are mirrored");
    }

    #[test]
    fn shifts_are_shares_of_each_side_and_change_nothing_else() {
        let moved = AugmentSpec { shift: 0.1, ..AUGMENT };
        let mut most = [0.0_f64; 2];
        for sample in 0..1000 {
            let draw = |augment| draw_transform(Variation { augment, seed: 1, epoch: 0 }, sample, 100, 50);
            let (plain, shifted) = (draw(&AUGMENT), draw(&moved));
            for (place, (a, b)) in plain.iter().zip(shifted).enumerate() {
                match place % 3 {
                    2 => most[place / 3] = most[place / 3].max(f64::from(b - a).abs() / 65_536.0),
                    _ => assert_eq!(*a, b),
                }
            }
        }
        assert!((9.9..10.01).contains(&most[0]) && (4.9..5.01).contains(&most[1]), "{most:?}");
    }
}
