//! A canvas in the head's own units: smooth outlines, tapered strokes and soft spots of colour.

use tiny_skia::{
    Color, FillRule, GradientStop, LineCap, LineJoin, LinearGradient, Mask, Paint, Path, PathBuilder, Pixmap,
    Point, RadialGradient, Rect, Shader, SpreadMode, Stroke, Transform,
};

/// Red, green and blue in 0..=1.
pub type Rgb = [f32; 3];

/// A point in head units.
pub type Xy = (f32, f32);

/// `from` at 0, `to` at 1.
pub fn mix(from: f32, to: f32, share: f32) -> f32 {
    from + (to - from) * share
}

/// `from` at 0, `to` at 1, for colours.
pub fn blend(from: Rgb, to: Rgb, share: f32) -> Rgb {
    [mix(from[0], to[0], share), mix(from[1], to[1], share), mix(from[2], to[2], share)]
}

/// The colour times a factor, kept within 0..=1.
pub fn shade(colour: Rgb, factor: f32) -> Rgb {
    colour.map(|channel| (channel * factor).clamp(0.0, 1.0))
}

/// 0 up to `low`, 1 from `high` on, a straight line between.
pub fn ramp(low: f32, high: f32, value: f32) -> f32 {
    ((value - low) / (high - low)).clamp(0.0, 1.0)
}

fn ink(colour: Rgb, alpha: f32) -> Color {
    let [r, g, b] = colour.map(|channel| channel.clamp(0.0, 1.0));
    Color::from_rgba(r, g, b, alpha.clamp(0.0, 1.0)).unwrap_or(Color::BLACK)
}

fn paint(shader: Shader<'_>) -> Paint<'_> {
    Paint { shader, ..Paint::default() }
}

/// A closed smooth outline through the points (Catmull and Rom, 1974).
pub fn blob(points: &[Xy]) -> Option<Path> {
    let count = points.len();
    let at = |index: usize| points[index % count];
    let mut builder = PathBuilder::new();
    let start = *points.first()?;
    builder.move_to(start.0, start.1);
    for index in 0..count {
        curve(&mut builder, [at(index + count - 1), at(index), at(index + 1), at(index + 2)]);
    }
    builder.close();
    builder.finish()
}

/// An open smooth line through the points.
pub fn line(points: &[Xy]) -> Option<Path> {
    let mut builder = PathBuilder::new();
    let (first, last) = (*points.first()?, points.len() - 1);
    builder.move_to(first.0, first.1);
    for index in 0..last {
        let before = points[index.saturating_sub(1)];
        curve(&mut builder, [before, points[index], points[index + 1], points[(index + 2).min(last)]]);
    }
    builder.finish()
}

/// A closed outline with corners.
pub fn polygon(points: &[Xy]) -> Option<Path> {
    let mut builder = PathBuilder::new();
    let start = *points.first()?;
    builder.move_to(start.0, start.1);
    points.iter().skip(1).for_each(|point| builder.line_to(point.0, point.1));
    builder.close();
    builder.finish()
}

/// A lens: two arcs between the corners, which pass through `upper` and `lower` at their middle.
pub fn lens(left: Xy, upper: Xy, right: Xy, lower: Xy) -> Option<Path> {
    let control =
        |middle: Xy| (2.0 * middle.0 - 0.5 * (left.0 + right.0), 2.0 * middle.1 - 0.5 * (left.1 + right.1));
    let (above, below) = (control(upper), control(lower));
    let mut builder = PathBuilder::new();
    builder.move_to(left.0, left.1);
    builder.quad_to(above.0, above.1, right.0, right.1);
    builder.quad_to(below.0, below.1, left.0, left.1);
    builder.close();
    builder.finish()
}

/// An ellipse around a centre.
pub fn oval(centre: Xy, radius_x: f32, radius_y: f32) -> Option<Path> {
    let rect = Rect::from_xywh(centre.0 - radius_x, centre.1 - radius_y, 2.0 * radius_x, 2.0 * radius_y)?;
    PathBuilder::from_oval(rect)
}

fn curve(builder: &mut PathBuilder, [before, from, to, after]: [Xy; 4]) {
    builder.cubic_to(
        from.0 + (to.0 - before.0) / 6.0,
        from.1 + (to.1 - before.1) / 6.0,
        to.0 - (after.0 - from.0) / 6.0,
        to.1 - (after.1 - from.1) / 6.0,
        to.0,
        to.1,
    );
}

/// The picture, and where the head lies in it.
pub struct Canvas {
    /// What has been drawn.
    pub pixmap: Pixmap,
    view: Transform,
    clip: Option<Mask>,
}

impl Canvas {
    /// A canvas whose drawing goes through `view` from head units to pixels.
    pub fn new(pixmap: Pixmap, view: Transform) -> Self {
        Self { pixmap, view, clip: None }
    }

    /// Fills an outline with one colour.
    pub fn fill(&mut self, path: Option<Path>, colour: Rgb, alpha: f32) {
        self.fill_with(path, Shader::SolidColor(ink(colour, alpha)));
    }

    /// Fills an outline with a colour that changes from one point to another.
    pub fn fill_between(&mut self, path: Option<Path>, from: (Xy, Rgb), to: (Xy, Rgb)) {
        let stops = vec![GradientStop::new(0.0, ink(from.1, 1.0)), GradientStop::new(1.0, ink(to.1, 1.0))];
        let (start, end) = (Point::from(from.0), Point::from(to.0));
        if let Some(shader) = LinearGradient::new(start, end, stops, SpreadMode::Pad, Transform::identity()) {
            self.fill_with(path, shader);
        }
    }

    /// A spot of colour that fades out towards the rim of an ellipse.
    pub fn soft(&mut self, centre: Xy, radius_x: f32, radius_y: f32, colour: Rgb, alpha: f32) {
        if alpha < 0.004 {
            return;
        }
        let stops = vec![
            GradientStop::new(0.0, ink(colour, alpha)),
            GradientStop::new(0.5, ink(colour, alpha * 0.6)),
            GradientStop::new(1.0, ink(colour, 0.0)),
        ];
        let squash = Transform::from_row(1.0, 0.0, 0.0, radius_y / radius_x, centre.0, centre.1);
        let origin = Point::from_xy(0.0, 0.0);
        let shader = RadialGradient::new(origin, 0.0, origin, radius_x, stops, SpreadMode::Pad, squash);
        if let Some(shader) = shader {
            self.fill_with(oval(centre, radius_x, radius_y), shader);
        }
    }

    /// Strokes a line of constant width with round ends.
    pub fn stroke(&mut self, path: Option<Path>, width: f32, colour: Rgb, alpha: f32) {
        let Some(path) = path else { return };
        if alpha < 0.004 {
            return;
        }
        let stroke =
            Stroke { width, line_cap: LineCap::Round, line_join: LineJoin::Round, ..Stroke::default() };
        let paint = paint(Shader::SolidColor(ink(colour, alpha)));
        self.pixmap.stroke_path(&path, &paint, &stroke, self.view, self.clip.as_ref());
    }

    /// A fold of the skin: a dark line along the points, thin at both ends.
    pub fn fold(&mut self, points: &[Xy], width: f32, colour: Rgb, alpha: f32) {
        if alpha < 0.004 || points.len() < 2 {
            return;
        }
        let last = points.len() - 1;
        let half_width = |index: usize| {
            let along = index as f32 / last as f32;
            0.5 * width * (0.25 + 3.0 * along * (1.0 - along))
        };
        let side = |index: usize, sign: f32| {
            let (from, to) = (points[index.saturating_sub(1)], points[(index + 1).min(last)]);
            let (dx, dy) = (to.0 - from.0, to.1 - from.1);
            let scale = sign * half_width(index) / (dx * dx + dy * dy).sqrt().max(1e-4);
            (points[index].0 - dy * scale, points[index].1 + dx * scale)
        };
        let mut outline: Vec<Xy> = (0..=last).map(|index| side(index, 1.0)).collect();
        outline.extend((0..=last).rev().map(|index| side(index, -1.0)));
        self.fill(blob(&outline), colour, alpha);
    }

    /// Draws only inside the outline while `draw` runs.
    pub fn clipped(&mut self, path: Option<Path>, draw: impl FnOnce(&mut Self)) {
        let mask = Mask::new(self.pixmap.width(), self.pixmap.height());
        let (Some(path), Some(mut mask)) = (path, mask) else { return };
        mask.fill_path(&path, FillRule::Winding, true, self.view);
        let outer = self.clip.replace(mask);
        draw(self);
        self.clip = outer;
    }

    fn fill_with(&mut self, path: Option<Path>, shader: Shader<'_>) {
        if let Some(path) = path {
            self.pixmap.fill_path(&path, &paint(shader), FillRule::Winding, self.view, self.clip.as_ref());
        }
    }
}
