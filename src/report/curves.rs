//! Training curves: several charts in one picture, as PNG and as SVG.

use std::path::Path;

use image::RgbImage;
use plotters::backend::{BitMapBackend, DrawingBackend, SVGBackend};
use plotters::chart::ChartBuilder;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Text};
use plotters::series::LineSeries;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoFont, RGBColor, TextStyle, WHITE};

use super::axis::Axis;
use super::font::{self, FAMILY, INK, MUTED};
use super::{ReportError, reduced, save_png};
use crate::file::write_whole;

/// Okabe and Ito's colours, which the colour-blind tell apart: blue, orange, and five more.
pub(super) const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 120, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(213, 94, 0),
    RGBColor(120, 120, 120),
];
pub(super) const GRID: RGBColor = RGBColor(228, 230, 234);
/// Width and height of a chart. The other lengths are in the same pixels.
const PANEL: (u32, u32) = (680, 440);
const HEADER: u32 = 52;
/// The bitmap is drawn this many times too large and then averaged, since plotters does not smooth.
pub(super) const OVERSAMPLING: u32 = 2;
const TITLE_SIZE: f32 = 19.0;
const LEGEND_SIZE: f32 = 14.0;
/// Up to this many points, each is marked.
const MARKED_POINTS: usize = 25;

/// What a chart's x axis shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Horizontal {
    /// Epochs.
    #[default]
    Epochs,
    /// Positive numbers by their logarithm, with this label.
    Logarithmic(&'static str),
}

/// One chart, by default over the epochs.
#[derive(Debug, Clone, Default)]
pub struct Chart {
    /// Set above the chart.
    pub title: String,
    /// Set beside the y axis.
    pub y_label: String,
    /// The curves.
    pub series: Vec<Series>,
    /// What their x are.
    pub horizontal: Horizontal,
}

/// One curve.
#[derive(Debug, Clone, Default)]
pub struct Series {
    /// "train" or "validation", for the legend; the first curve is blue, the second orange.
    pub name: String,
    /// Epoch, or what the x axis shows, and value. Points that are not finite are left out.
    pub points: Vec<(f64, f64)>,
}

/// Draws the charts into one picture (1 to 3 columns, as square as it goes) and writes it twice.
///
/// All points are within the axes. Where the first point of a positive curve lies more than five
/// times above the median of the others, the chart has a logarithmic y axis and says so.
///
/// # Errors
/// [`ReportError::Write`] where a file cannot be written, [`ReportError::Draw`] where plotters fails.
pub fn draw(charts: &[Chart], png: &Path, svg: &Path) -> Result<(), ReportError> {
    font::register()?;
    let columns = (charts.len() as f64).sqrt().ceil().clamp(1.0, 3.0) as usize;
    let rows = charts.len().div_ceil(columns).max(1);
    let (width, height) = (PANEL.0 * columns as u32, PANEL.1 * rows as u32);
    let mut large = RgbImage::new(width * OVERSAMPLING, height * OVERSAMPLING);
    let size = large.dimensions();
    let bitmap = BitMapBackend::with_buffer(&mut large, size).into_drawing_area();
    panels(&bitmap, charts, (rows, columns), OVERSAMPLING)?;
    drop(bitmap);
    let mut text = String::new();
    let vector = SVGBackend::with_string(&mut text, (width, height)).into_drawing_area();
    panels(&vector, charts, (rows, columns), 1)?;
    drop(vector);
    save_png(&reduced(&large, OVERSAMPLING), png)?;
    Ok(write_whole(svg, text.as_bytes())?)
}

pub(super) fn failed(error: impl std::fmt::Display) -> ReportError {
    ReportError::Draw(error.to_string())
}

fn colour([red, green, blue]: [u8; 3]) -> RGBColor {
    RGBColor(red, green, blue)
}

/// Text whose em is `size` pixels; plotters wants the height of a line.
pub(super) fn type_of<'a>(size: f32, ink: [u8; 3], unit: u32) -> TextStyle<'a> {
    let color = colour(ink).to_backend_color();
    let height = 1.2 * f64::from(size) * f64::from(unit);
    TextStyle { color, ..TextStyle::from((FAMILY, height).into_font()) }
}

/// Draws all charts; `unit` is the number of dots to a pixel.
fn panels<B: DrawingBackend>(
    root: &DrawingArea<B, Shift>,
    charts: &[Chart],
    shape: (usize, usize),
    unit: u32,
) -> Result<(), ReportError> {
    root.fill(&WHITE).map_err(failed)?;
    for (chart, area) in charts.iter().zip(root.split_evenly(shape)) {
        let (header, plot) = area.split_vertically(HEADER * unit);
        let mut points: Vec<Vec<(f64, f64)>> = chart.series.iter().map(finite).collect();
        if chart.horizontal != Horizontal::Epochs {
            points.iter_mut().for_each(|curve| curve.retain(|&(x, _)| x > 0.0));
        }
        let y_axis = Axis::values(&points);
        head(&header, chart, y_axis.logarithmic, unit)?;
        body(&plot, chart, &points, y_axis, unit)?;
    }
    root.present().map_err(failed)
}

/// The points that can be drawn: beyond 1e100 a span is no longer a number.
fn finite(series: &Series) -> Vec<(f64, f64)> {
    let usable = |value: f64| value.is_finite() && value.abs() < 1e100;
    series.points.iter().copied().filter(|&(x, y)| usable(x) && x.abs() < 1e9 && usable(y)).collect()
}

/// Draws the title on the left and the legend on the right.
fn head<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    chart: &Chart,
    logarithmic: bool,
    unit: u32,
) -> Result<(), ReportError> {
    let at = |x: i32, y: i32| (x * unit as i32, y * unit as i32);
    let mut right = PANEL.0 as i32 - 28;
    for (index, series) in chart.series.iter().enumerate().rev() {
        if right < 240 {
            break;
        }
        let name = font::ellipsised(&series.name, LEGEND_SIZE, 150.0);
        let left = right - font::text_width(&name, LEGEND_SIZE) as i32;
        let style = type_of(LEGEND_SIZE, INK, unit).pos(Pos::new(HPos::Left, VPos::Center));
        area.draw(&Text::new(name, at(left, 32), style)).map_err(failed)?;
        let stroke = COLOURS[index % COLOURS.len()].stroke_width(3 * unit);
        area.draw(&PathElement::new([at(left - 32, 30), at(left - 8, 30)], stroke)).map_err(failed)?;
        right = left - 32 - 20;
    }
    let scale = if logarithmic { " (log scale)" } else { "" };
    let title = font::ellipsised(&format!("{}{scale}", chart.title), TITLE_SIZE, (right - 28).max(0) as f32);
    let style = type_of(TITLE_SIZE, INK, unit).pos(Pos::new(HPos::Left, VPos::Center));
    area.draw(&Text::new(title, at(28, 32), style)).map_err(failed)
}

/// Draws axes, grid and curves.
fn body<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    chart: &Chart,
    points: &[Vec<(f64, f64)>],
    y_axis: Axis,
    unit: u32,
) -> Result<(), ReportError> {
    let (x_axis, x_label) = match chart.horizontal {
        Horizontal::Epochs => (Axis::epochs(points), "epoch"),
        Horizontal::Logarithmic(label) => (Axis::logarithmic(points), label),
    };
    let mut context = ChartBuilder::on(area)
        .margin_right(28 * unit)
        .margin_bottom(14 * unit)
        .margin_top(4 * unit)
        .margin_left(18 * unit)
        .x_label_area_size(46 * unit)
        .y_label_area_size(72 * unit)
        .build_cartesian_2d(x_axis.clone(), y_axis.clone())
        .map_err(failed)?;
    context
        .configure_mesh()
        .bold_line_style(GRID.stroke_width(unit))
        .light_line_style(WHITE)
        .axis_style(colour([0x9a, 0xa0, 0xa6]).stroke_width(unit))
        .set_all_tick_mark_size(5 * unit)
        .label_style(type_of(13.0, MUTED, unit))
        .axis_desc_style(type_of(LEGEND_SIZE, INK, unit))
        .x_desc(x_label)
        .y_desc(font::ellipsised(&chart.y_label, LEGEND_SIZE, 300.0))
        .draw()
        .map_err(failed)?;
    for (index, curve) in points.iter().enumerate() {
        let tint = COLOURS[index % COLOURS.len()];
        let curve: Vec<(f64, f64)> = curve.iter().map(|&(x, y)| (x_axis.place(x), y_axis.place(y))).collect();
        let line = LineSeries::new(curve.iter().copied(), tint.stroke_width(2 * unit));
        context.draw_series(line).map_err(failed)?;
        if curve.len() <= MARKED_POINTS {
            let dots = curve.iter().map(|&point| Circle::new(point, 4 * unit, tint.filled()));
            context.draw_series(dots).map_err(failed)?;
        }
    }
    if points.iter().all(Vec::is_empty) {
        let (width, height) = area.dim_in_pixel();
        let style = type_of(LEGEND_SIZE, MUTED, unit).pos(Pos::new(HPos::Center, VPos::Center));
        let middle = ((width / 2 + 28 * unit) as i32, (height / 2 - 40 * unit) as i32);
        area.draw(&Text::new("no data yet", middle, style)).map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(title: &str, train: &[f64], validation: &[f64]) -> Chart {
        let series = |name: &str, values: &[f64]| Series {
            name: name.into(),
            points: values.iter().enumerate().map(|(index, &y)| (index as f64 + 1.0, y)).collect(),
        };
        Chart {
            title: title.into(),
            y_label: title.into(),
            series: vec![series("train", train), series("validation", validation)],
            horizontal: Horizontal::Epochs,
        }
    }

    fn drawn(charts: &[Chart], name: &str) -> (RgbImage, String) {
        let folder = tempfile::tempdir().expect("a folder");
        let (png, svg) = (folder.path().join("curves.png"), folder.path().join("curves.svg"));
        draw(charts, &png, &svg).expect("drawn");
        if let Ok(keep) = std::env::var("PICTURES_OUT") {
            std::fs::copy(&png, format!("{keep}/{name}.png")).expect("copied");
        }
        assert_eq!(std::fs::read_dir(folder.path()).expect("listed").count(), 2);
        let text = std::fs::read_to_string(&svg).expect("read");
        (image::open(&png).expect("a picture").to_rgb8(), text)
    }

    fn count(image: &RgbImage, colour: RGBColor) -> usize {
        let near = |(a, b): (u8, u8)| a.abs_diff(b) < 24;
        let tint = [colour.0, colour.1, colour.2];
        image.pixels().filter(|pixel| pixel.0.into_iter().zip(tint).all(near)).count()
    }

    #[test]
    fn four_charts_are_two_by_two_with_both_curves_and_whole_epochs() {
        let loss: Vec<f64> = (0..60).map(|e| 900.0 / (1.0 + f64::from(e)) + 60.0).collect();
        let worse: Vec<f64> = loss.iter().map(|v| v * 1.2 + 10.0).collect();
        let rate: Vec<f64> = (0..60).map(|e| 1.0 - 0.5 * (-f64::from(e) / 12.0).exp()).collect();
        let charts = [
            chart("Age: mean squared error", &loss, &worse),
            chart("Age: mean absolute error", &rate.iter().map(|v| 30.0 - 20.0 * v).collect::<Vec<_>>(), &[]),
            chart("Gender: cross-entropy", &rate.iter().map(|v| 1.2 - v).collect::<Vec<_>>(), &rate[..5]),
            chart("Gender: accuracy", &rate, &rate[..30]),
        ];
        let (image, svg) = drawn(&charts, "curves-60");
        assert_eq!(image.dimensions(), (2 * PANEL.0, 2 * PANEL.1));
        assert!(count(&image, COLOURS[0]) > 1000 && count(&image, COLOURS[1]) > 600);
        assert!(svg.contains("Gender: accuracy") && svg.contains("validation") && svg.contains("epoch"));
        assert!(svg.contains("log scale"), "900 is far above the other losses");
    }

    #[test]
    fn a_logarithmic_axis_has_powers_of_ten() {
        let points = (0..60).map(|step| (1e-6 * 1.25_f64.powi(step), f64::from(step))).collect();
        let series = vec![Series { name: "smoothed".into(), points }];
        let horizontal = Horizontal::Logarithmic("learning rate");
        let (image, svg) = drawn(&[Chart { series, horizontal, ..Chart::default() }], "curves-log");
        assert!(svg.contains("learning rate") && svg.contains("0.001") && !svg.contains("epoch"));
        assert!(count(&image, COLOURS[0]) > 400);
        // Nothing below zero has a place on it.
        let series = vec![Series { name: "odd".into(), points: vec![(-1.0, 1.0), (0.0, 1.0), (1e-3, 2.0)] }];
        drawn(&[Chart { series, horizontal, ..Chart::default() }], "curves-log-odd");
    }

    #[test]
    fn a_single_point_is_visible() {
        let (alone, _) = drawn(&[chart("one epoch", &[3.0], &[])], "curves-1");
        let (empty, _) = drawn(&[chart("one epoch", &[], &[])], "curves-0");
        assert!(count(&alone, COLOURS[0]) > count(&empty, COLOURS[0]) + 30);
    }

    #[test]
    fn points_that_are_no_numbers_are_left_out() {
        let values = [5.0, f64::NAN, 3.0, f64::INFINITY, f64::NEG_INFINITY, 1e300, 2.0];
        let (image, svg) = drawn(&[chart("holes", &values, &[f64::NAN])], "curves-nan");
        assert!(count(&image, COLOURS[0]) > 200);
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
        let mut odd = chart("odd epochs", &[1.0], &[]);
        odd.series[0].points = vec![(f64::NAN, 1.0), (f64::INFINITY, 2.0), (1e12, 3.0), (2.0, 4.0)];
        drawn(&[odd], "curves-odd");
    }

    #[test]
    fn nothing_constant_or_extreme_panics() {
        let none = Chart::default();
        let constant = chart("constant", &[7.0; 12], &[7.0; 12]);
        let zero = chart("zero", &[0.0, 0.0], &[-0.0]);
        let tiny = chart("tiny", &[1e-30, 2e-30, 3e-30], &[f64::MIN_POSITIVE]);
        let huge = chart("huge", &[1e99, -1e99], &[1e20, 1e20 + 1.0]);
        let long = chart(&"a very long title that cannot fit ".repeat(9), &[1.0, 2.0], &[2.0, 1.0]);
        let (image, _) = drawn(&[none, constant, zero, tiny, huge], "curves-5");
        assert_eq!(image.dimensions(), (3 * PANEL.0, 2 * PANEL.1));
        drawn(&[long], "curves-long");
        assert_eq!(drawn(&[], "curves-none").0.dimensions(), PANEL);
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        let missing = Path::new("/nonexistent/curves.png");
        let error = draw(&[chart("a", &[1.0], &[])], missing, missing).expect_err("no folder");
        assert!(error.to_string().contains("/nonexistent/curves.png"), "{error}");
    }
}
