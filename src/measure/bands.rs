//! Groups by the cells of a column: bands of a number, or classes.

use super::Group;

/// The name of the group of samples whose cell is missing.
const MISSING: &str = "missing";
const MOST_BANDS: f64 = 8.0;

/// Bands of a number, each a whole round step wide: the lower edge belongs to a band, the upper to the next.
#[derive(Debug, Clone, PartialEq)]
pub struct Bands {
    /// The edges, one more than bands. The first and the last band also hold all that lies beyond.
    pub edges: Vec<f32>,
    /// What the bands hold, such as "20-39", "0.5 to 1" or "80 and over".
    pub labels: Vec<String>,
}

impl Bands {
    /// The index of the band that holds a value.
    pub fn of(&self, value: f32) -> usize {
        let inner = &self.edges[1..self.edges.len() - 1];
        inner.partition_point(|edge| *edge <= value)
    }
}

/// Bands for the values of a column; None without any.
///
/// Bands are 1, 2 or 5 times a power of ten wide, in such a way that the middle 98 % of the values fill at
/// most 8 bands; that makes at least 4 where the values are that many apart. What lies beyond belongs to the
/// first and the last band, so that a few outliers don't make bands of their own. Cells that are missing or
/// not finite don't count.
pub fn bands(values: &[Option<f32>]) -> Option<Bands> {
    let mut sorted: Vec<f32> = values.iter().filter_map(|value| finite(*value)).collect();
    sorted.sort_by(f32::total_cmp);
    let (&smallest, &largest) = (sorted.first()?, sorted.last()?);
    let beyond = sorted.len() / 100;
    let (low, high) = match (sorted[beyond], sorted[sorted.len() - 1 - beyond]) {
        (low, high) if low < high => (low, high),
        _ => (smallest, largest),
    };
    let whole = sorted.iter().all(|value| value.fract() == 0.0);
    let (low, high) = (f64::from(low), f64::from(high));
    if low == high {
        return Some(Bands { edges: vec![smallest, largest], labels: vec![smallest.to_string()] });
    }
    // A value that is an edge but for its rounding to float32 belongs to the band above.
    let place = |value: f64, step: f64| (value / step + 1e-6).floor();
    let count = |step: f64| place(high, step) - place(low, step) + 1.0;
    let power = 10_f64.powf(((high - low) / MOST_BANDS).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0, 20.0].map(|factor| factor * power);
    let steps = steps.into_iter().filter(|step| !whole || *step >= 1.0);
    let step =
        steps.clone().find(|step| count(*step) <= MOST_BANDS).unwrap_or(20.0 * power).max(whole.into());
    let first = place(low, step);
    let edge = |index: usize| (first + index as f64) * step + 0.0;
    let count = count(step) as usize;
    let label = |index: usize| {
        let (from, to) = (edge(index), edge(index + 1));
        let [from_text, to_text] = [from, to].map(|edge| text(edge, step));
        match (whole, step) {
            _ if index == 0 && smallest < from as f32 => format!("below {to_text}"),
            _ if index + 1 == count && largest >= to as f32 => format!("{from_text} and over"),
            (true, 1.0) => from_text,
            (true, _) if from < 0.0 => format!("{from_text} to {}", text(to - 1.0, step)),
            (true, _) => format!("{from_text}-{}", text(to - 1.0, step)),
            (false, _) => format!("{from_text} to {to_text}"),
        }
    };
    let labels = (0..count).map(label).collect();
    Some(Bands { edges: (0..=count).map(|index| edge(index) as f32).collect(), labels })
}

fn finite(value: Option<f32>) -> Option<f32> {
    value.filter(|value| value.is_finite())
}

/// A number with as many digits as a step tells apart.
fn text(value: f64, step: f64) -> String {
    if value != 0.0 && !(1e-4..1e9).contains(&value.abs().max(step)) {
        return format!("{value:.1e}");
    }
    let digits = (-(step.log10() + 1e-9).floor()).clamp(0.0, 8.0) as usize;
    format!("{value:.digits$}")
}

/// Groups by bands of a number, the lowest first, and last the group "missing". None is empty.
pub fn by_band(values: &[Option<f32>]) -> Vec<Group> {
    let Some(bands) = bands(values) else { return by_class(&vec![None; values.len()], &[]) };
    let cells: Vec<Option<usize>> =
        values.iter().map(|value| finite(*value).map(|value| bands.of(value))).collect();
    by_class(&cells, &bands.labels)
}

/// Groups by class, in the order of the names, and last the group "missing". None is empty.
///
/// # Panics
/// If a cell is no index of a name.
pub fn by_class(cells: &[Option<usize>], names: &[String]) -> Vec<Group> {
    let group = |name: &str| Group { name: name.into(), indices: Vec::new() };
    let mut groups: Vec<Group> = names.iter().map(|name| group(name)).chain([group(MISSING)]).collect();
    for (index, cell) in cells.iter().enumerate() {
        assert!(cell.is_none_or(|class| class < names.len()), "{cell:?} is none of {} classes", names.len());
        groups[cell.unwrap_or(names.len())].indices.push(index);
    }
    groups.retain(|group| !group.indices.is_empty());
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = f32>) -> Bands {
        bands(&values.into_iter().map(Some).collect::<Vec<_>>()).expect("bands")
    }

    fn ages(to: u16) -> impl Iterator<Item = f32> {
        (1..=to).map(f32::from)
    }

    #[test]
    fn ages_have_whole_round_bands() {
        let bands = of(ages(79));
        assert_eq!(bands.labels, ["0-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "70-79"]);
        assert_eq!([0.0, 9.0, 10.0, 79.0].map(|age| bands.of(age)), [0, 0, 1, 7]);
        assert_eq!(of(ages(100)).labels, ["0-19", "20-39", "40-59", "60-79", "80 and over"]);
        assert_eq!(of([1.0, 4.0, 2.0, 3.0, 3.0]).labels, ["1", "2", "3", "4"]);
        assert_eq!(
            of([-12.0, 14.0, 3.0]).labels,
            ["-15 to -11", "-10 to -6", "-5 to -1", "0-4", "5-9", "10-14"]
        );
    }

    #[test]
    fn outliers_have_no_bands_of_their_own() {
        let bands = of(ages(79).chain(ages(79)).chain([-300.0, 5000.0]));
        assert_eq!(bands.labels.len(), 8);
        assert_eq!((bands.labels[0].as_str(), bands.labels[7].as_str()), ("below 10", "70 and over"));
        assert_eq!((bands.of(-300.0), bands.of(5000.0)), (0, 7));
    }

    #[test]
    fn bands_of_any_span_are_four_to_eight_and_hold_every_value() {
        for power in -30..=30_i32 {
            for span in 1..=40_u16 {
                let unit = 10_f32.powi(power);
                let values: Vec<f32> = (0..=400_u16)
                    .map(|step| (3.0 + f32::from(span) * f32::from(step) / 400.0) * unit)
                    .collect();
                let bands = of(values.iter().copied());
                let count = bands.labels.len();
                assert!((4..=8).contains(&count) || values.iter().all(|v| v.fract() == 0.0), "{bands:?}");
                assert_eq!(bands.edges.len(), count + 1);
                let mut different = bands.labels.clone();
                different.dedup();
                assert_eq!(different.len(), count, "{bands:?}");
                for &value in &values {
                    let band = bands.of(value);
                    assert!(band < count && (band == 0 || bands.edges[band] <= value), "{value} {bands:?}");
                }
            }
        }
    }

    #[test]
    fn a_value_on_an_edge_is_in_the_band_above() {
        let bands = of((0..=8_u8).map(|tenths| f32::from(tenths) / 10.0));
        assert_eq!(bands.labels[..2], ["0.0 to 0.2", "0.2 to 0.4"]);
        assert_eq!([0.2, 0.4, 0.6, 0.8].map(|edge| bands.of(edge)), [1, 2, 3, 4]);
        // 0.7 in float32 is a little less than 7 times 0.1.
        let labels = of((7..=14_u8).map(|tenths| f32::from(tenths) / 10.0)).labels;
        assert_eq!((labels.len(), labels[0].as_str()), (8, "0.7 to 0.8"));
        assert_eq!(of([5.5; 3]).labels, ["5.5"]);
        assert_eq!(of([0.0, 1.0]).labels, ["0", "1"]);
    }

    #[test]
    fn missing_cells_are_a_group_and_empty_bands_are_none() {
        let cells = [Some(1.0), None, Some(32.0), Some(f32::NAN), Some(3.0)];
        let groups = by_band(&cells);
        let names: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
        assert_eq!(names, ["0-4", "30-34", "missing"]);
        let indices: Vec<Vec<usize>> = groups.into_iter().map(|group| group.indices).collect();
        assert_eq!(indices, [vec![0, 4], vec![2], vec![1, 3]]);
        assert_eq!(by_band(&[None, None])[0].indices, [0, 1]);
        assert!(by_band(&[]).is_empty());
        let names = ["a", "b", "c"].map(String::from);
        let groups = by_class(&[Some(2), None, Some(0), Some(2)], &names);
        assert_eq!(groups.iter().map(|group| group.name.as_str()).collect::<Vec<_>>(), ["a", "c", "missing"]);
    }
}
