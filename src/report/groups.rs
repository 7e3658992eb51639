//! Figures of groups with their intervals: a chart a figure, a row a group, as PNG and as SVG.

use std::path::Path;

use image::RgbImage;
use plotters::backend::{BitMapBackend, DrawingBackend, SVGBackend};
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, RGBColor, WHITE};

use super::axis::Axis;
use super::curves::{COLOURS, GRID, OVERSAMPLING, failed, type_of};
use super::font::{self, INK, MUTED, ellipsised, text_width};
use super::{ReportError, reduced, save_png};
use crate::file::write_whole;

/// Narrow enough that the text can be read on a phone. All lengths are in these pixels.
const WIDTH: u32 = 520;
const MARGIN: i32 = 20;
const TITLE_SIZE: f32 = 19.0;
const CHART_TITLE_SIZE: f32 = 16.0;
const TEXT_SIZE: f32 = 14.0;
const NOTE_SIZE: f32 = 11.5;
const TITLE_HEIGHT: i32 = 38;
const CHART_TITLE_HEIGHT: i32 = 40;
const ROW_HEIGHT: i32 = 38;
const AXIS_HEIGHT: i32 = 34;
const FOOT_LINE: i32 = 18;
/// Labels and values are cut to as many pixels.
const LABEL_ROOM: f32 = 150.0;
const VALUE_ROOM: f32 = 90.0;
/// Further groups are counted, but not drawn.
const MOST_ROWS: usize = 40;
const FAINT: RGBColor = RGBColor(160, 166, 173);
/// Lines below the charts.
pub type Foot = [&'static str; 2];

/// A figure of all groups.
#[derive(Debug, Clone, Default)]
pub struct Chart {
    /// Set above the chart, such as "accuracy".
    pub title: String,
    /// The figure of all samples, drawn as a vertical line where it is finite.
    pub overall: f64,
    /// How that is written, such as "93.1 %".
    pub overall_text: String,
    /// The groups.
    pub rows: Vec<Row>,
}

/// A figure of one group.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// The name of the group; cut off with an ellipsis where it does not fit.
    pub label: String,
    /// Set below the name, such as "412 samples".
    pub note: String,
    /// The figure; no dot is drawn where it is not finite.
    pub value: f64,
    /// Lower end of its interval; no bar is drawn where it is not finite.
    pub low: f64,
    /// Upper end of its interval; no bar is drawn where it is not finite.
    pub high: f64,
    /// How the figure is written, such as "93.1 %".
    pub text: String,
    /// Drawn in grey: the group has too few samples to be compared.
    pub faint: bool,
}

/// Draws the charts below each other and writes the picture twice.
///
/// Every value is within its chart's axis. An interval that is far longer than the others is cut and ends in
/// an arrow. Beyond 40 rows a chart says how many more there are.
///
/// # Errors
/// [`ReportError::Write`] where a file cannot be written, [`ReportError::Draw`] where plotters fails.
pub fn draw(title: &str, charts: &[Chart], foot: Foot, png: &Path, svg: &Path) -> Result<(), ReportError> {
    font::register()?;
    let charts_height: i32 = charts.iter().map(height).sum();
    let foot_height = foot.len() as i32 * FOOT_LINE;
    let height = (2 * MARGIN + TITLE_HEIGHT + charts_height + foot_height) as u32;
    let mut large = RgbImage::new(WIDTH * OVERSAMPLING, height * OVERSAMPLING);
    let size = large.dimensions();
    let bitmap = BitMapBackend::with_buffer(&mut large, size).into_drawing_area();
    Canvas { area: &bitmap, unit: OVERSAMPLING }.page(title, charts, foot)?;
    drop(bitmap);
    let mut text = String::new();
    let vector = SVGBackend::with_string(&mut text, (WIDTH, height)).into_drawing_area();
    Canvas { area: &vector, unit: 1 }.page(title, charts, foot)?;
    drop(vector);
    save_png(&reduced(&large, OVERSAMPLING), png)?;
    Ok(write_whole(svg, text.as_bytes())?)
}

fn height(chart: &Chart) -> i32 {
    let rows = chart.rows.len().min(MOST_ROWS) as i32;
    let more = if chart.rows.len() > MOST_ROWS { FOOT_LINE } else { 0 };
    CHART_TITLE_HEIGHT + rows * ROW_HEIGHT + AXIS_HEIGHT + more
}

/// The axis of a chart: all values, and of the intervals as much as does not squeeze the rest.
fn axis(chart: &Chart) -> Axis {
    let usable = |value: &f64| value.is_finite() && value.abs() < 1e100;
    let rows = &chart.rows[..chart.rows.len().min(MOST_ROWS)];
    let values = rows.iter().map(|row| row.value).chain([chart.overall]).filter(usable);
    let mut points: Vec<f64> = values.collect();
    let (least, most) =
        points.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &v| (a.min(v), b.max(v)));
    let compared = rows.iter().filter(|row| !row.faint && usable(&row.low) && usable(&row.high));
    let mut widths: Vec<f64> = compared.clone().map(|row| row.high - row.low).collect();
    widths.sort_by(f64::total_cmp);
    let reach = 1.5 * widths.get(widths.len() / 2).copied().unwrap_or(0.0);
    points.extend(compared.flat_map(|row| [row.low.max(least - reach), row.high.min(most + reach)]));
    // Of single points no axis is logarithmic.
    Axis::values(&points.into_iter().map(|point| vec![(0.0, point)]).collect::<Vec<_>>())
}

/// Where the columns of a chart are, from left to right, and its axis.
struct Columns {
    left: i32,
    right: i32,
    axis: Axis,
}

impl Columns {
    fn of(chart: &Chart) -> Self {
        let widest = |texts: &mut dyn Iterator<Item = (&str, f32)>| {
            texts.map(|(text, size)| text_width(text, size)).fold(0.0, f32::max)
        };
        let rows = &chart.rows;
        let labels =
            rows.iter().flat_map(|row| [(row.label.as_str(), TEXT_SIZE), (row.note.as_str(), NOTE_SIZE)]);
        let labels = widest(&mut labels.into_iter()).min(LABEL_ROOM);
        let values = widest(&mut rows.iter().map(|row| (row.text.as_str(), TEXT_SIZE))).min(VALUE_ROOM);
        let right = WIDTH as i32 - MARGIN - values.ceil() as i32 - 12;
        Self { left: MARGIN + labels.ceil() as i32 + 14, right, axis: axis(chart) }
    }

    /// Pixels from the left.
    fn place(&self, value: f64) -> i32 {
        let share = (value - self.axis.low) / (self.axis.high - self.axis.low);
        self.left + (share.clamp(0.0, 1.0) * f64::from(self.right - self.left)).round() as i32
    }
}

/// Draws in pixels, each of which is `unit` dots.
struct Canvas<'a, B: DrawingBackend> {
    area: &'a DrawingArea<B, Shift>,
    unit: u32,
}

type Drawn = Result<(), ReportError>;

impl<B: DrawingBackend> Canvas<'_, B> {
    fn at(&self, (x, y): (i32, i32)) -> (i32, i32) {
        (x * self.unit as i32, y * self.unit as i32)
    }

    /// Draws text whose middle is at the height of a point: that of its letters, not that of its line.
    fn text(&self, (x, y): (i32, i32), place: HPos, size: f32, ink: [u8; 3], text: &str) -> Drawn {
        let style = type_of(size, ink, self.unit).pos(Pos::new(place, VPos::Center));
        self.area.draw(&Text::new(text.to_owned(), self.at((x, y + 2)), style)).map_err(failed)
    }

    fn line(&self, points: &[(i32, i32)], tint: RGBColor, width: u32) -> Drawn {
        let points: Vec<(i32, i32)> = points.iter().map(|point| self.at(*point)).collect();
        self.area.draw(&PathElement::new(points, tint.stroke_width(width * self.unit))).map_err(failed)
    }

    fn page(&self, title: &str, charts: &[Chart], foot: Foot) -> Drawn {
        self.area.fill(&WHITE).map_err(failed)?;
        let title = ellipsised(title, TITLE_SIZE, (WIDTH as i32 - 2 * MARGIN) as f32);
        self.text((MARGIN, MARGIN + 10), HPos::Left, TITLE_SIZE, INK, &title)?;
        let mut y = MARGIN + TITLE_HEIGHT;
        for chart in charts {
            self.chart(chart, y)?;
            y += height(chart);
        }
        for line in foot {
            y += FOOT_LINE;
            self.text((MARGIN, y - FOOT_LINE / 2 + 8), HPos::Left, NOTE_SIZE, MUTED, line)?;
        }
        self.area.present().map_err(failed)
    }

    fn chart(&self, chart: &Chart, top: i32) -> Drawn {
        let columns = Columns::of(chart);
        let rows = &chart.rows[..chart.rows.len().min(MOST_ROWS)];
        let first = top + CHART_TITLE_HEIGHT;
        let foot = first + rows.len() as i32 * ROW_HEIGHT;
        self.head(chart, top)?;
        self.axis(&columns, first, foot)?;
        if chart.overall.is_finite() {
            let x = columns.place(chart.overall);
            self.line(&[(x, first), (x, foot)], COLOURS[1], 1)?;
        }
        for (index, row) in rows.iter().enumerate() {
            self.row(row, &columns, first + index as i32 * ROW_HEIGHT + ROW_HEIGHT / 2)?;
        }
        let more = chart.rows.len() - rows.len();
        if more > 0 {
            let text = format!("and {more} more groups");
            self.text((MARGIN, foot + AXIS_HEIGHT), HPos::Left, NOTE_SIZE, MUTED, &text)?;
        }
        Ok(())
    }

    /// Draws the title on the left, and on the right the figure of all samples beside its line.
    fn head(&self, chart: &Chart, top: i32) -> Drawn {
        let y = top + CHART_TITLE_HEIGHT / 2;
        let title_room = |right: i32| (right - MARGIN - 12) as f32;
        let title = ellipsised(&chart.title, CHART_TITLE_SIZE, title_room(WIDTH as i32));
        if !chart.overall.is_finite() {
            return self.text((MARGIN, y), HPos::Left, CHART_TITLE_SIZE, INK, &title);
        }
        let all = ellipsised(&format!("all {}", chart.overall_text), TEXT_SIZE, 160.0);
        let right = WIDTH as i32 - MARGIN;
        let left = right - text_width(&all, TEXT_SIZE).ceil() as i32 - 10;
        self.text((right, y), HPos::Right, TEXT_SIZE, INK, &all)?;
        self.line(&[(left, y - 9), (left, y + 9)], COLOURS[1], 1)?;
        let title = ellipsised(&chart.title, CHART_TITLE_SIZE, title_room(left));
        self.text((MARGIN, y), HPos::Left, CHART_TITLE_SIZE, INK, &title)
    }

    fn axis(&self, columns: &Columns, first: i32, foot: i32) -> Drawn {
        let mut free = f32::NEG_INFINITY;
        for &tick in &columns.axis.ticks {
            let x = columns.place(tick);
            self.line(&[(x, first), (x, foot)], GRID, 1)?;
            let text = columns.axis.text(tick);
            let half = 0.5 * text_width(&text, NOTE_SIZE);
            if x as f32 - half > free {
                self.text((x, foot + 14), HPos::Center, NOTE_SIZE, MUTED, &text)?;
                free = x as f32 + half + 8.0;
            }
        }
        self.line(&[(columns.left, foot), (columns.right, foot)], FAINT, 1)
    }

    fn row(&self, row: &Row, columns: &Columns, y: i32) -> Drawn {
        let ink = if row.faint { MUTED } else { INK };
        let (label_y, note_y) = if row.note.is_empty() { (y, y) } else { (y - 7, y + 9) };
        let label = ellipsised(&row.label, TEXT_SIZE, LABEL_ROOM);
        self.text((MARGIN, label_y), HPos::Left, TEXT_SIZE, ink, &label)?;
        let note = ellipsised(&row.note, NOTE_SIZE, LABEL_ROOM);
        self.text((MARGIN, note_y), HPos::Left, NOTE_SIZE, MUTED, &note)?;
        let text = ellipsised(&row.text, TEXT_SIZE, VALUE_ROOM);
        self.text((WIDTH as i32 - MARGIN, y), HPos::Right, TEXT_SIZE, ink, &text)?;
        let tint = if row.faint { FAINT } else { COLOURS[0] };
        if row.low.is_finite() && row.high.is_finite() {
            let (from, to) = (columns.place(row.low), columns.place(row.high));
            self.line(&[(from, y), (to, y)], tint, 2)?;
            self.end(from, y, if row.low < columns.axis.low { 5 } else { 0 }, tint)?;
            self.end(to, y, if row.high > columns.axis.high { -5 } else { 0 }, tint)?;
        }
        if row.value.is_finite() {
            let dot = Circle::new(self.at((columns.place(row.value), y)), 5 * self.unit, tint.filled());
            self.area.draw(&dot).map_err(failed)?;
        }
        Ok(())
    }

    /// Ends a bar with a stroke, or with an arrow whose wings lie `back` pixels behind its tip.
    fn end(&self, x: i32, y: i32, back: i32, tint: RGBColor) -> Drawn {
        self.line(&[(x + back, y - 5), (x, y), (x + back, y + 5)], tint, 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(label: &str, samples: u32, value: f64, half: f64) -> Row {
        Row {
            label: label.into(),
            note: format!("{samples} samples"),
            value,
            low: value - half,
            high: value + half,
            text: format!("{value:.1} %"),
            faint: samples < 10,
        }
    }

    fn chart(title: &str, rows: Vec<Row>) -> Chart {
        Chart { title: title.into(), overall: 90.0, overall_text: "90.0 %".into(), rows }
    }

    fn drawn(title: &str, charts: &[Chart], name: &str) -> (RgbImage, String) {
        let folder = tempfile::tempdir().expect("a folder");
        let (png, svg) = (folder.path().join("groups.png"), folder.path().join("groups.svg"));
        draw(title, charts, [""; 2], &png, &svg).expect("drawn");
        if let Ok(keep) = std::env::var("PICTURES_OUT") {
            std::fs::copy(&png, format!("{keep}/{name}.png")).expect("copied");
            std::fs::copy(&svg, format!("{keep}/{name}.svg")).expect("copied");
        }
        let text = std::fs::read_to_string(&svg).expect("read");
        (image::open(&png).expect("a picture").to_rgb8(), text)
    }

    /// Pixels near a colour in the rows of a chart, from left to right: where they begin and end.
    fn extent(image: &RgbImage, tint: RGBColor, rows: std::ops::Range<u32>) -> Option<(u32, u32)> {
        let near = |pixel: [u8; 3]| {
            pixel.into_iter().zip([tint.0, tint.1, tint.2]).all(|(a, b): (u8, u8)| a.abs_diff(b) < 24)
        };
        let columns = |x: &u32| rows.clone().any(|y| near(image.get_pixel(*x, y).0));
        let all: Vec<u32> = (0..image.width()).filter(columns).collect();
        Some((*all.first()?, *all.last()?))
    }

    fn band(row: i32) -> std::ops::Range<u32> {
        let top = MARGIN + TITLE_HEIGHT + CHART_TITLE_HEIGHT + row * ROW_HEIGHT;
        (top + 8) as u32..(top + ROW_HEIGHT - 8) as u32
    }

    #[test]
    fn bars_lie_where_their_intervals_do() {
        let rows =
            vec![row("female", 812, 92.0, 2.0), row("male", 790, 88.0, 2.0), row("other", 7, 90.0, 0.5)];
        let (image, svg) = drawn("Gender: groups of \"gender\"", &[chart("accuracy", rows)], "groups-2");
        assert_eq!(image.width(), WIDTH);
        let [female, male] = [0, 1].map(|row| extent(&image, COLOURS[0], band(row)).expect("a bar"));
        let width = |(from, to): (u32, u32)| to - from;
        assert!(width(female).abs_diff(width(male)) <= 1, "{female:?} {male:?}");
        assert!(female.0.abs_diff(male.1) <= 4, "90 ends one and begins the other: {female:?} {male:?}");
        assert!(extent(&image, COLOURS[0], band(2)).is_none(), "few samples are grey");
        let line = extent(&image, COLOURS[1], band(0)).expect("the line of all samples");
        assert!(line.0.abs_diff(female.0) <= 4, "{line:?}");
        for part in ["812 samples", "92.0 %", "all 90.0 %", "accuracy"] {
            assert!(svg.contains(part), "{part}");
        }
    }

    #[test]
    fn an_interval_far_longer_than_the_others_does_not_squeeze_them() {
        let mut rows: Vec<Row> = (0..6).map(|index| row("ages", 100, 88.0 + f64::from(index), 2.0)).collect();
        let (before, _) = drawn("Ages", &[chart("accuracy", rows.clone())], "groups-6");
        rows.push(row("80 and over", 12, 90.0, 500.0));
        rows.push(row("missing", 3, 91.0, 80.0));
        let (after, _) = drawn("Ages", &[chart("accuracy", rows)], "groups-8");
        let width = |image| extent(image, COLOURS[0], band(0)).map_or(0, |(from, to)| to - from);
        assert!(2 * width(&after) > width(&before), "{} {}", width(&after), width(&before));
    }

    #[test]
    fn nothing_missing_or_extreme_panics() {
        let nan = Row { value: f64::NAN, low: f64::NAN, high: f64::NAN, ..row("no value", 3, 0.0, 0.0) };
        let point = Row { low: f64::NAN, high: f64::NAN, ..row("no interval", 3, 5.0, 0.0) };
        let huge = Row { low: f64::NEG_INFINITY, high: f64::INFINITY, ..row("endless", 30, 1e99, 0.0) };
        let long = row(&"a name that is far too long ".repeat(9), 100, 1e-7, 1e-8);
        let empty = Chart { overall: f64::NAN, ..Chart::default() };
        let many =
            (0..60).map(|index| row(&format!("class {index}"), 20, f64::from(index % 9), 3.0)).collect();
        let charts = [
            empty,
            chart(&"title ".repeat(50), vec![nan.clone()]),
            chart("points", vec![nan, point, long]),
            chart("huge", vec![huge]),
            chart("many", many),
        ];
        let (_, svg) = drawn(&"title ".repeat(50), &charts, "groups-odd");
        assert!(svg.contains("and 20 more groups") && !svg.contains("NaN"));
        drawn("", &[], "groups-none");
    }
}
