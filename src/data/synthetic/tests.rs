use super::*;
use crate::data::labels::utkface::Gender;

const SIZE: u32 = 48;

fn faces(seed: u64, count: u32) -> Vec<SyntheticFace> {
    (0..count).map(|index| draw(seed, index, SIZE)).collect()
}

#[test]
fn a_face_is_the_same_on_every_draw_and_thread() {
    let here = faces(7, 12);
    let there = std::thread::spawn(|| (0..12).rev().map(|index| draw(7, index, SIZE)).collect::<Vec<_>>());
    let mut there = there.join().expect("the thread draws");
    there.reverse();
    assert_eq!(here, there);
}

#[test]
fn seeds_and_indices_give_other_faces() {
    let faces = faces(7, 40);
    for (index, face) in faces.iter().enumerate() {
        assert_eq!(face.rgb.len(), (SIZE * SIZE * 3) as usize);
        assert!(faces[..index].iter().all(|other| other.rgb != face.rgb), "face {index} is drawn twice");
    }
    assert_ne!(draw(8, 0, SIZE).rgb, faces[0].rgb);
}

#[test]
fn size_changes_neither_label_nor_face() {
    let (small, large) = (draw(3, 5, 32), draw(3, 5, 128));
    assert_eq!(small.label, large.label);
    let mean = |rgb: &[u8]| rgb.iter().map(|&v| f64::from(v)).sum::<f64>() / rgb.len() as f64;
    assert!((mean(&small.rgb) - mean(&large.rgb)).abs() < 4.0);
    assert!(draw(3, 5, 0).rgb.is_empty());
    assert_eq!(draw(3, 5, 1).rgb.len(), 3);
}

#[test]
fn ages_are_even_and_genders_are_half_and_half_at_every_age() {
    let labels: Vec<FaceLabel> = (0..3000).map(|index| draw(1, index, 1).label).collect();
    for decade in 0..9 {
        let of_decade: Vec<_> = labels.iter().filter(|l| (l.age - 1) / 10 == decade).collect();
        let women = of_decade.iter().filter(|l| l.gender == Gender::Female).count();
        let share = women as f64 / of_decade.len() as f64;
        assert!((280..=390).contains(&of_decade.len()), "decade {decade}: {}", of_decade.len());
        assert!((0.4..0.6).contains(&share), "decade {decade}: {share} women");
    }
    assert!(labels.iter().all(|l| (1..=90).contains(&l.age)));
}

/// The share of the variance of `target` that a linear model of the features explains.
fn r_squared(features: &[[f64; 6]], target: &[f64]) -> f64 {
    const N: usize = 7;
    let mean = target.iter().sum::<f64>() / target.len() as f64;
    let mut normal = [[0.0; N + 1]; N];
    for (row, y) in features.iter().zip(target) {
        let x: [f64; N] = std::array::from_fn(|k| if k == 6 { 1.0 } else { row[k] });
        for i in 0..N {
            (0..N).for_each(|j| normal[i][j] += x[i] * x[j]);
            normal[i][N] += x[i] * (y - mean);
        }
    }
    let right: [f64; N] = std::array::from_fn(|i| normal[i][N]);
    for pivot in 0..N {
        for row in (0..N).filter(|&row| row != pivot) {
            let factor = normal[row][pivot] / normal[pivot][pivot];
            (pivot..=N).for_each(|k| normal[row][k] -= factor * normal[pivot][k]);
        }
    }
    // The explained sum of squares of least squares is the solution times the right-hand side.
    let explained: f64 = (0..N).map(|i| normal[i][N] / normal[i][i] * right[i]).sum();
    explained / target.iter().map(|y| (y - mean).powi(2)).sum::<f64>()
}

#[test]
fn mean_and_spread_of_the_colours_tell_next_to_nothing() {
    let faces = faces(1, 800);
    let pixels = f64::from(SIZE * SIZE);
    let features: Vec<[f64; 6]> = faces
        .iter()
        .map(|face| {
            let mut sums = [0.0; 6];
            for pixel in face.rgb.chunks_exact(3) {
                for (channel, &value) in pixel.iter().enumerate() {
                    sums[channel] += f64::from(value) / pixels;
                    sums[3 + channel] += f64::from(value).powi(2) / pixels;
                }
            }
            std::array::from_fn(|k| if k < 3 { sums[k] } else { (sums[k] - sums[k - 3].powi(2)).sqrt() })
        })
        .collect();
    let ages: Vec<f64> = faces.iter().map(|face| f64::from(face.label.age)).collect();
    let genders: Vec<f64> = faces.iter().map(|face| f64::from(face.label.gender as u32)).collect();
    let (age, gender) = (r_squared(&features, &ages), r_squared(&features, &genders));
    assert!(age < 0.15, "age: r² = {age}");
    assert!(gender < 0.12, "gender: r² = {gender}");
    let itself = r_squared(&features, &features.iter().map(|row| row[1]).collect::<Vec<f64>>());
    assert!(itself > 0.999, "the regression itself: r² = {itself}");
}
