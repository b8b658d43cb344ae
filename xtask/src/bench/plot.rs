//! Plots as SVG: lines over sizes, from zero, so that what grows in proportion is straight.

use std::fmt::Write;

use super::record::{Figure, number};

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
/// Around the plane: for the values, the title, the sizes.
const LEFT: f64 = 92.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 56.0;
/// Steps of an axis, at most.
const STEPS: f64 = 6.0;

/// Told apart also by those who see few colours, and in print by the order of the legend.
const COLOURS: [&str; 6] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00",
];

/// An axis from zero to a round number.
struct Axis {
    most: f64,
    step: f64,
    from: f64,
    to: f64,
}

impl Axis {
    fn new(most: f64, from: f64, to: f64) -> Self {
        let rough = most.max(f64::MIN_POSITIVE) / STEPS;
        let magnitude = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .map(|factor| factor * magnitude)
            .into_iter()
            .find(|step| *step >= rough)
            .unwrap_or(10.0 * magnitude);
        Self {
            most: (most / step).ceil().max(1.0) * step,
            step,
            from,
            to,
        }
    }

    fn place(&self, value: f64) -> f64 {
        self.from + (self.to - self.from) * value / self.most
    }

    fn marks(&self) -> impl Iterator<Item = f64> {
        let step = self.step;
        (0..=(self.most / step).round() as u32).map(move |n| f64::from(n) * step)
    }
}

/// Draws figures with the same unit and axis.
pub(super) fn draw(figures: &[&Figure]) -> String {
    let most = |of: fn(&super::record::Point) -> f64| {
        let points = figures.iter().flat_map(|figure| &figure.points);
        points.map(of).fold(0.0, f64::max)
    };
    let across = Axis::new(most(|point| point.size), LEFT, WIDTH - RIGHT);
    let legend = TOP + 16.0 * figures.len() as f64;
    let bottom = HEIGHT + legend - TOP - BOTTOM;
    let up = Axis::new(most(|point| point.value), bottom, legend);
    let height = bottom + BOTTOM;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n"
    );
    grid(&mut svg, &across, &up, bottom, legend);
    let first = figures.first();
    let axis = first
        .and_then(|figure| figure.axis.as_deref())
        .unwrap_or_default();
    let unit = first.map_or("", |figure| figure.unit.as_str());
    let middle = f64::midpoint(LEFT, WIDTH - RIGHT);
    text(&mut svg, (middle, bottom + 40.0), "middle", axis);
    text(&mut svg, (8.0, 16.0), "start", unit);
    for ((figure, colour), row) in figures.iter().zip(COLOURS.iter().cycle()).zip(0..) {
        let y = TOP - 12.0 + 16.0 * f64::from(row);
        line(
            &mut svg,
            (LEFT, y - 4.0),
            (LEFT + 20.0, y - 4.0),
            colour,
            2.5,
        );
        text(&mut svg, (LEFT + 26.0, y), "start", &figure.title);
        let places = figure.points.iter();
        let places: Vec<_> = places
            .map(|point| (across.place(point.size), up.place(point.value)))
            .collect();
        for pair in places.windows(2) {
            line(&mut svg, pair[0], pair[1], colour, 2.5);
        }
        for (x, y) in places {
            put(
                &mut svg,
                format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"/>"),
            );
        }
    }
    svg + "</svg>\n"
}

fn grid(svg: &mut String, across: &Axis, up: &Axis, bottom: f64, top: f64) {
    for value in up.marks() {
        let y = up.place(value);
        line(svg, (LEFT, y), (WIDTH - RIGHT, y), "#ddd", 1.0);
        text(svg, (LEFT - 8.0, y + 4.0), "end", &short(value));
    }
    for value in across.marks() {
        let x = across.place(value);
        line(svg, (x, bottom), (x, top), "#eee", 1.0);
        text(svg, (x, bottom + 18.0), "middle", &short(value));
    }
}

/// With the letters of thousands and millions.
fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 1e9 => format!("{}G", number(value / 1e9)),
        v if v >= 1e6 => format!("{}M", number(value / 1e6)),
        v if v >= 1e4 => format!("{}k", number(value / 1e3)),
        _ => number(value),
    }
}

fn line(svg: &mut String, from: (f64, f64), to: (f64, f64), colour: &str, width: f64) {
    let ((x1, y1), (x2, y2)) = (from, to);
    put(
        svg,
        format_args!(
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" \
             stroke=\"{colour}\" stroke-width=\"{width}\"/>"
        ),
    );
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    put(
        svg,
        format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>"),
    );
}

fn put(svg: &mut String, element: std::fmt::Arguments<'_>) {
    // Writing into a String cannot fail.
    let _ = writeln!(svg, "{element}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_ends_at_a_round_number() {
        for (most, end, step) in [
            (4_194_304.0, 5e6, 1e6),
            (97.0, 100.0, 20.0),
            (0.3, 0.3, 0.05),
        ] {
            let axis = Axis::new(most, 0.0, 1.0);
            assert!((axis.most - end).abs() < 1e-9, "{most}: {}", axis.most);
            assert!((axis.step - step).abs() < 1e-9, "{most}: {}", axis.step);
        }
        assert!(Axis::new(0.0, 0.0, 1.0).marks().count() < 10);
    }

    #[test]
    fn a_plot_has_a_mark_for_each_point() {
        let figure = Figure::new("a", "a < b & c", "ms")
            .over("n", "p")
            .at(1.0, 2.0)
            .at(3.0, 4.0);
        let svg = draw(&[&figure]);
        assert_eq!(svg.matches("<circle").count(), 2);
        assert!(svg.contains("a &lt; b &amp; c"), "{svg}");
    }
}
