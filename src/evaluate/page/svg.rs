//! Charts as SVG text. Colours come from the page's style sheet by class, so that a chart follows the page from
//! light to dark and onto paper.

use std::fmt::Write as _;

use super::text::escape;

/// One axis: the range that is drawn, and where it has ticks.
pub(super) struct Axis {
    from: f64,
    to: f64,
    logarithmic: bool,
    label: String,
    ticks: Vec<(f64, String)>,
}

impl Axis {
    /// A linear axis with ticks at `ticks`, named by `name`.
    pub(super) fn linear(
        label: &str,
        [from, to]: [f64; 2],
        ticks: impl IntoIterator<Item = f64>,
        name: impl Fn(f64) -> String,
    ) -> Self {
        Self {
            from,
            to: if to > from { to } else { from + 1.0 },
            logarithmic: false,
            label: label.to_owned(),
            ticks: ticks.into_iter().map(|at| (at, name(at))).collect(),
        }
    }

    /// Shares from `from` to `to` in per cent, with a tick every `step`.
    pub(super) fn shares(label: &str, from: f64, to: f64, step: f64) -> Self {
        let count = ((to - from) / step).round() as usize;
        let ticks = (0..=count).map(|index| from + index as f64 * step);
        Self::linear(label, [from, to], ticks, |at| {
            format!("{:.0}\u{a0}%", 100.0 * at)
        })
    }

    /// A logarithmic axis with ticks at `ticks`; all are above 0.
    pub(super) fn logarithmic(
        label: &str,
        [from, to]: [f64; 2],
        ticks: Vec<(f64, String)>,
    ) -> Self {
        Self {
            from,
            to: if to > from { to } else { from * 2.0 },
            logarithmic: true,
            label: label.to_owned(),
            ticks,
        }
    }

    /// Place of a value: 0 at the start of the axis, 1 at its end.
    fn place(&self, value: f64) -> f64 {
        let scale = |value: f64| if self.logarithmic { value.ln() } else { value };
        (scale(value) - scale(self.from)) / (scale(self.to) - scale(self.from))
    }
}

/// A chart: what is drawn first lies below.
pub(super) struct Chart {
    width: f64,
    height: f64,
    /// Left, right, top and bottom edge of the plot.
    frame: [f64; 4],
    x: Axis,
    y: Axis,
    body: String,
}

impl Chart {
    /// A chart of `width` × `height` with `margins` (left, right, top, bottom) around the plot.
    pub(super) fn new(width: f64, height: f64, margins: [f64; 4], x: Axis, y: Axis) -> Self {
        let [left, right, top, bottom] = margins;
        let mut chart = Self {
            width,
            height,
            frame: [left, width - right, top, height - bottom],
            x,
            y,
            body: String::new(),
        };
        chart.draw_axes();
        chart
    }

    fn draw_axes(&mut self) {
        let [left, right, top, bottom] = self.frame;
        let mut axes = String::new();
        for (value, name) in &self.x.ticks {
            let x = self.at_x(*value);
            let _ = write!(
                axes,
                "<line class=grid x1={x:.1} x2={x:.1} y1={top:.1} y2={bottom:.1} />\
                 <text class=tick x={x:.1} y={:.1} text-anchor=middle>{}</text>",
                bottom + 17.0,
                escape(name)
            );
        }
        for (value, name) in &self.y.ticks {
            let y = self.at_y(*value);
            let _ = write!(
                axes,
                "<line class=grid x1={left:.1} x2={right:.1} y1={y:.1} y2={y:.1} />\
                 <text class=tick x={:.1} y={:.1} text-anchor=end>{}</text>",
                left - 7.0,
                y + 4.0,
                escape(name)
            );
        }
        let _ = write!(
            axes,
            "<line class=axis x1={left:.1} x2={right:.1} y1={bottom:.1} y2={bottom:.1} />\
             <text class=title x={:.1} y={:.1} text-anchor=middle>{}</text>\
             <text class=title transform=\"translate(14 {:.1}) rotate(-90)\" text-anchor=middle>{}</text>",
            (left + right) / 2.0,
            bottom + 38.0,
            escape(&self.x.label),
            (top + bottom) / 2.0,
            escape(&self.y.label),
        );
        self.body.push_str(&axes);
    }

    pub(super) fn at_x(&self, value: f64) -> f64 {
        let [left, right, ..] = self.frame;
        left + (right - left) * self.x.place(value)
    }

    pub(super) fn at_y(&self, value: f64) -> f64 {
        let [_, _, top, bottom] = self.frame;
        bottom - (bottom - top) * self.y.place(value)
    }

    /// A line through points of the axes' units.
    pub(super) fn line(&mut self, class: &str, points: impl IntoIterator<Item = [f64; 2]>) {
        let path = self.path(points);
        self.raw(&format!("<polyline class=\"{class}\" points=\"{path}\" />"));
    }

    /// A filled area between two lines over the same places.
    pub(super) fn band(&mut self, class: &str, low: &[[f64; 2]], high: &[[f64; 2]]) {
        let path = self.path(high.iter().chain(low.iter().rev()).copied());
        self.raw(&format!("<polygon class=\"{class}\" points=\"{path}\" />"));
    }

    fn path(&self, points: impl IntoIterator<Item = [f64; 2]>) -> String {
        let mut path = String::new();
        for [x, y] in points {
            let _ = write!(path, "{:.1},{:.1} ", self.at_x(x), self.at_y(y));
        }
        path
    }

    /// A point; `about` is shown when one points at it.
    pub(super) fn dot(&mut self, class: &str, [x, y]: [f64; 2], radius: f64, about: &str) {
        let (x, y) = (self.at_x(x), self.at_y(y));
        self.raw(&format!(
            "<circle class=\"{class}\" cx={x:.1} cy={y:.1} r={radius:.1}><title>{}</title></circle>",
            escape(about)
        ));
    }

    /// An interval in y at `x`.
    pub(super) fn whisker_y(&mut self, class: &str, x: f64, [low, high]: [f64; 2]) {
        let (x, low, high) = (self.at_x(x), self.at_y(low), self.at_y(high));
        self.raw(&format!(
            "<path class=\"{class}\" d=\"M{x:.1} {low:.1}V{high:.1}M{:.1} {low:.1}h8M{:.1} {high:.1}h8\" />",
            x - 4.0,
            x - 4.0
        ));
    }

    /// An interval in x at `y`.
    pub(super) fn whisker_x(&mut self, class: &str, y: f64, [low, high]: [f64; 2]) {
        let (y, low, high) = (self.at_y(y), self.at_x(low), self.at_x(high));
        self.raw(&format!(
            "<path class=\"{class}\" d=\"M{low:.1} {y:.1}H{high:.1}M{low:.1} {:.1}v8M{high:.1} {:.1}v8\" />",
            y - 4.0,
            y - 4.0
        ));
    }

    /// Text at `x`, `y` of the drawing, not of the axes.
    pub(super) fn text(&mut self, class: &str, x: f64, y: f64, anchor: &str, text: &str) {
        self.raw(&format!(
            "<text class=\"{class}\" x={x:.1} y={y:.1} text-anchor={anchor}>{}</text>",
            escape(text)
        ));
    }

    /// A rectangle of the drawing; `about` is shown when one points at it.
    pub(super) fn rectangle(&mut self, class: &str, [x, y, width, height]: [f64; 4], about: &str) {
        self.raw(&format!(
            "<rect class=\"{class}\" x={x:.1} y={y:.1} width={:.1} height={:.1} rx=2><title>{}</title></rect>",
            width.max(0.0),
            height.max(0.0),
            escape(about)
        ));
    }

    fn raw(&mut self, markup: &str) {
        self.body.push_str(markup);
    }

    /// The drawing; `about` is what somebody is told who cannot see it.
    pub(super) fn finish(self, about: &str) -> String {
        format!(
            "<svg viewBox=\"0 0 {:.0} {:.0}\" role=img aria-label=\"{}\">{}</svg>",
            self.width,
            self.height,
            escape(about),
            self.body
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_lie_where_the_axes_say() {
        let x = Axis::logarithmic("x", [10.0, 1000.0], vec![]);
        let y = Axis::shares("y", 0.5, 1.0, 0.25);
        let chart = Chart::new(300.0, 200.0, [50.0, 50.0, 20.0, 30.0], x, y);
        assert_eq!(
            [10.0, 100.0, 1000.0].map(|value| chart.at_x(value).round()),
            [50.0, 150.0, 250.0]
        );
        assert_eq!(
            [0.5, 0.75, 1.0].map(|value| chart.at_y(value)),
            [170.0, 95.0, 20.0]
        );
        let text = chart.finish("a <b>");
        assert!(text.contains("a &lt;b&gt;") && text.contains("75\u{a0}%"));
    }

    #[test]
    fn an_axis_without_extent_divides_by_nothing() {
        let axis = Axis::linear("", [0.3, 0.3], [], |_| String::new());
        assert!(axis.place(0.3).is_finite());
        assert!(
            Axis::logarithmic("", [5.0, 5.0], vec![])
                .place(5.0)
                .is_finite()
        );
    }
}
