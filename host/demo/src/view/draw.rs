//! The view, drawn from the model into a terminal of any size.

use std::time::Duration;

use device::lifecycle::State;
use device::telemetry::Sample;
use product::Kind;
use protocomm::qr;
use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Paragraph};

use super::curve::curve;
use super::model::{Model, Phase};
use crate::happening::{Tone, Who};

const FAINT: Style = Style::new().fg(Color::DarkGray);
const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);
const ACCENT: Style = Style::new().fg(Color::Cyan);
const GOOD: Style = Style::new().fg(Color::Green);
const BAD: Style = Style::new().fg(Color::Red);

/// Lines of the boxes with fixed contents, borders included.
const LIFE_LINES: u16 = 4;
const VALUE_LINES: u16 = 7;
/// The narrowest width at which the phases stand side by side.
const SIDE_BY_SIDE: u16 = 70;

/// Draws everything; `now` is the time since the start of the demo.
pub(crate) fn draw(frame: &mut Frame<'_>, model: &Model, now: Duration) {
    let [head, body, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(0),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    draw_head(frame, head, model, now);
    draw_foot(frame, foot, model);

    let body = match model.shown_code() {
        Some(code) => draw_code(frame, body, code),
        None => body,
    };
    let is_wide = body.width >= SIDE_BY_SIDE;
    let life_lines = if is_wide {
        LIFE_LINES
    } else {
        Phase::ALL.len() as u16 + 2
    };
    // Before there are values, the journal has their room.
    let has_values = model.samples.back().is_some() || model.stored_at.is_some();
    let value_lines = if has_values { VALUE_LINES } else { 0 };
    let [life, values, journal] = Layout::vertical([
        Constraint::Length(life_lines),
        Constraint::Length(value_lines),
        Constraint::Min(0),
    ])
    .areas(body);
    draw_life(frame, life, model, now, is_wide);
    if has_values {
        let has_server = is_wide && !model.place.page.is_empty();
        let server_width = if has_server { 36 } else { 0 };
        let [left, right] =
            Layout::horizontal([Constraint::Fill(1), Constraint::Length(server_width)])
                .areas(values);
        draw_values(frame, left, model);
        if has_server {
            draw_server(frame, right, model, now);
        }
    }
    draw_journal(frame, journal, model);
}

fn boxed(title: &str) -> Block<'_> {
    Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(FAINT)
        .title(Span::styled(format!(" {title} "), STRONG.fg(Color::Reset)))
}

fn draw_head(frame: &mut Frame<'_>, area: Rect, model: &Model, now: Duration) {
    let mut left = vec![
        Span::styled(format!(" esptb {}", model.place.title), STRONG),
        Span::raw("  "),
    ];
    left.push(Span::raw(model.place.serial.clone()));
    if let Some(name) = &model.name {
        left.push(Span::styled(format!("  {name}"), FAINT));
    }
    // For apps without a camera, and for terminals without room for the QR code.
    if let Some(proof) = model.shown_code().and_then(proof_of) {
        left.push(Span::raw("  proof "));
        left.push(Span::styled(proof, STRONG));
    }
    let life = match model.life {
        0 => String::new(),
        1 => "first life".to_owned(),
        2 => "second life".to_owned(),
        n => format!("life {n}"),
    };
    let age = now.saturating_sub(model.began).as_secs();
    let right = format!("{life}  {}:{:02} ", age / 60, age % 60);
    frame.render_widget(Paragraph::new(Line::from(left)), area);
    frame.render_widget(Paragraph::new(right).alignment(Alignment::Right), area);
}

fn draw_foot(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let mut keys = vec![
        ("q", "quit"),
        ("r", "reboot"),
        ("n", "no network for 10 s"),
        ("f", "factory reset"),
    ];
    if model.code.is_some() {
        keys.push(("c", "QR code"));
    }
    let spans: Vec<_> = keys
        .into_iter()
        .flat_map(|(key, what)| {
            [
                Span::styled(format!(" {key}"), ACCENT.add_modifier(Modifier::BOLD)),
                Span::raw(format!(" {what} ")),
            ]
        })
        .collect();
    frame.render_widget(Paragraph::new(Line::from(spans)), area);
}

/// The proof of possession in the QR code's text; none where the device wants none.
fn proof_of(code: &str) -> Option<String> {
    let code: serde_json::Value = serde_json::from_str(code).ok()?;
    Some(code.get("pop")?.as_str()?.to_owned()).filter(|proof| !proof.is_empty())
}

/// The lines of the QR code, with as little of a border as phones read: so it fits a terminal of 24
/// lines.
fn lines_of(code: &str) -> Vec<String> {
    let mut lines = Vec::new();
    qr::draw(code, 1, &mut |line| lines.push(line.to_owned()));
    lines
}

/// Draws the QR code at the right, if there is room for it, and returns what is left.
fn draw_code(frame: &mut Frame<'_>, body: Rect, code: &str) -> Rect {
    let lines = lines_of(code);
    let width = lines.first().map_or(0, |line| line.chars().count()) as u16;
    let height = lines.len() as u16;
    if lines.is_empty() || body.width < width + 30 || body.height < height {
        return body;
    }
    // With a frame around it where there is room for that too.
    let framed = body.height >= height + 3;
    let frame_width = if framed { 4 } else { 0 };
    let [rest, mut area] =
        Layout::horizontal([Constraint::Fill(1), Constraint::Length(width + frame_width)])
            .spacing(u16::from(!framed))
            .areas(body);
    if framed {
        area.height = height + 3;
        let block = boxed("scan with the provisioning app");
        let inside = block.inner(area);
        frame.render_widget(block, area);
        area = Rect {
            x: inside.x + 1,
            width,
            ..inside
        };
    }
    let ink = Style::new().fg(Color::White).bg(Color::Black);
    let lines: Vec<_> = lines
        .iter()
        .map(|line| Line::styled(line.as_str(), ink))
        .collect();
    frame.render_widget(Paragraph::new(lines), area);
    rest
}

fn draw_life(frame: &mut Frame<'_>, area: Rect, model: &Model, now: Duration, is_wide: bool) {
    let block = boxed("life");
    let inside = block.inner(area);
    frame.render_widget(block, area);
    let attempt = match model.state.attempt() {
        attempt @ 2.. if model.phase() != Some(Phase::Online) => Some(attempt),
        _ => None,
    };
    let time = |phase| match (model.spent(phase, now), attempt) {
        (Some(time), Some(attempt)) if model.phase() == Some(phase) => {
            format!("{}, try {attempt}", short(time))
        }
        (Some(time), _) => short(time),
        (None, _) => String::new(),
    };
    let style = |phase| match model.spent(phase, now) {
        _ if model.phase() == Some(phase) => phase_style(phase).add_modifier(Modifier::BOLD),
        Some(_) => Style::new(),
        None => FAINT,
    };
    if !is_wide {
        let line = |phase: Phase| {
            let mark = if model.phase() == Some(phase) {
                "●"
            } else {
                " "
            };
            Line::from(vec![
                Span::styled(format!(" {mark} {:<13}", phase.name()), style(phase)),
                Span::styled(time(phase), FAINT),
            ])
        };
        let lines: Vec<_> = Phase::ALL.into_iter().map(line).collect();
        frame.render_widget(Paragraph::new(lines), inside);
        return;
    }
    let mut names = vec![Span::raw(" ")];
    let mut times = vec![Span::raw(" ")];
    for phase in Phase::ALL {
        if phase != Phase::Provisioning {
            names.push(Span::styled(" ──▶ ", FAINT));
            times.push(Span::raw("     "));
        }
        let mark = if model.phase() == Some(phase) {
            "● "
        } else {
            ""
        };
        let name = format!("{mark}{}", phase.name());
        let time = time(phase);
        let width = name.chars().count().max(time.chars().count());
        names.push(Span::styled(format!("{name:<width$}"), style(phase)));
        times.push(Span::styled(format!("{time:<width$}"), FAINT));
    }
    let odd = match model.state {
        State::Starting => "starting",
        State::Halted => "halted: the credentials cannot be used",
        State::Restarting => "restarting",
        _ => "",
    };
    names.push(Span::styled(format!("  {odd}"), BAD));
    let lines = vec![Line::from(names), Line::from(times)];
    frame.render_widget(Paragraph::new(lines), inside);
}

fn phase_style(phase: Phase) -> Style {
    if phase == Phase::Online { GOOD } else { ACCENT }
}

/// One kind of value, and how it is shown.
struct Row {
    name: &'static str,
    unit: &'static str,
    places: usize,
    /// The least difference that fills the height of a curve.
    span: f64,
    of: Of,
}

/// Where a sample has a value.
enum Of {
    /// Among the product's readings, by its key, in steps of so many.
    Series(&'static str, f64),
    /// Among the vitals.
    Vital(fn(&Sample) -> Option<f64>),
}

impl Of {
    fn read(&self, sample: &Sample) -> Option<f64> {
        match self {
            Self::Series(key, scale) => Some(f64::from(sample.readings.steps(key)?) / scale),
            Self::Vital(read) => read(sample),
        }
    }
}

/// What is shown of samples like this one: what the product measures, then the vitals.
fn rows(sample: &Sample) -> Vec<Row> {
    let row = |name, unit, places, span, read| Row {
        name,
        unit,
        places,
        span,
        of: Of::Vital(read),
    };
    let series = sample.readings.iter().map(|(about, _)| {
        let places = match about.kind {
            Kind::Decimal { places } => places,
            Kind::Integer | Kind::Boolean => 0,
        };
        let scale = 10_f64.powi(places.into());
        Row {
            name: about.key,
            unit: about.unit,
            places: places.into(),
            span: (f64::from(about.most) - f64::from(about.least)) / scale / 50.0,
            of: Of::Series(about.key, scale),
        }
    });
    let vitals = [
        row("Wi-Fi", "dBm", 0, 10.0, |s| Some(s.rssi_dbm?.into())),
        row("chip", "°C", 1, 4.0, |s| {
            Some(f64::from(s.chip_temperature_decicelsius?) / 10.0)
        }),
        row("free heap", "KiB", 0, 8.0, |s| {
            Some(f64::from(s.heap_free?) / 1024.0)
        }),
    ];
    series.chain(vitals).collect()
}

fn draw_values(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let block = boxed("sensor");
    let inside = block.inner(area);
    frame.render_widget(block, area);
    const LABEL: usize = 13;
    const VALUE: usize = 11;
    let width = usize::from(inside.width).saturating_sub(LABEL + VALUE + 3);
    let latest = model.samples.back();
    let mut lines = Vec::new();
    for row in latest.map(rows).unwrap_or_default() {
        let values: Vec<_> = model
            .samples
            .iter()
            .filter_map(|sample| row.of.read(sample))
            .collect();
        let Some(value) = latest.and_then(|sample| row.of.read(sample)) else {
            continue;
        };
        let value = format!("{value:.*} {}", row.places, row.unit);
        lines.push(Line::from(vec![
            Span::raw(format!(" {:<LABEL$}", row.name)),
            Span::styled(format!("{value:<VALUE$}"), STRONG),
            Span::styled(curve(&values, width, row.span), ACCENT),
        ]));
    }
    let (waiting, dropped) = (model.backlog, model.dropped);
    let mut queue = vec![
        Span::raw(format!(" {:<LABEL$}", "queue")),
        Span::raw(format!("{waiting} waiting")),
    ];
    if dropped > 0 {
        queue.push(Span::styled(format!(", {dropped} dropped"), BAD));
    }
    lines.push(Line::from(queue));
    frame.render_widget(Paragraph::new(lines), inside);
}

fn draw_server(frame: &mut Frame<'_>, area: Rect, model: &Model, now: Duration) {
    let block = boxed("server");
    let inside = block.inner(area);
    frame.render_widget(block, area);
    let arrived = match model.verdict() {
        None => vec![Line::styled(" nothing arrived yet", FAINT)],
        Some(verdict) if verdict.is_complete() => vec![
            Line::raw(format!(" {} samples arrived", verdict.samples)),
            Line::styled(" one every second, none twice", GOOD),
        ],
        Some(verdict) => vec![
            Line::raw(format!(" {} samples arrived", verdict.samples)),
            Line::styled(
                format!(
                    " {} missing, {} twice",
                    verdict.missing(),
                    verdict.twice.len()
                ),
                BAD,
            ),
        ],
    };
    let mut lines = arrived;
    if let Some(at) = model.stored_at {
        let ago = now.saturating_sub(at);
        let style = if ago > Duration::from_secs(3) {
            BAD
        } else {
            FAINT
        };
        lines.push(Line::styled(
            format!(" the latest {:.1} s ago", ago.as_secs_f32()),
            style,
        ));
    }
    lines.push(Line::styled(format!(" {}", model.place.mqtt), FAINT));
    lines.push(Line::styled(format!(" {}", model.place.page), ACCENT));
    frame.render_widget(Paragraph::new(lines), inside);
}

fn draw_journal(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let block = boxed("what happens");
    let inside = block.inner(area);
    frame.render_widget(block, area);
    let width = usize::from(inside.width).saturating_sub(18);
    // From the newest backwards until the box is full; long texts take several lines.
    let mut lines: Vec<Line<'_>> = Vec::new();
    for (at, line) in model.journal.iter().rev() {
        let who = match line.who {
            Who::Device => Style::new().fg(Color::Yellow),
            Who::Phone => Style::new().fg(Color::Magenta),
            Who::Server => Style::new().fg(Color::Blue),
            Who::Demo => FAINT,
        };
        let tone = match line.note.tone {
            Tone::Plain => Style::new(),
            Tone::Good => GOOD,
            Tone::Bad => BAD,
        };
        let wrapped = wrap(&line.note.text, width);
        for (index, text) in wrapped.into_iter().enumerate().rev() {
            let (time, name) = match index {
                0 => (
                    format!(" {:>6.1} ", at.as_secs_f32()),
                    format!("{:<7} ", line.who),
                ),
                _ => (" ".repeat(8), " ".repeat(8)),
            };
            lines.push(Line::from(vec![
                Span::styled(time, FAINT),
                Span::styled(name, who),
                Span::styled(text, tone),
            ]));
        }
        if lines.len() >= usize::from(inside.height) {
            break;
        }
    }
    lines.truncate(inside.height.into());
    lines.reverse();
    frame.render_widget(Paragraph::new(lines), inside);
}

/// Breaks a text at spaces into lines of at most `width` characters, and at any character where
/// a word is longer than that.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = vec![String::new()];
    let mut room = width;
    for word in text.split(' ') {
        let length = word.chars().count();
        let mut rest: Vec<char> = word.chars().collect();
        let current = lines.last_mut().filter(|line| !line.is_empty());
        match current {
            Some(line) if length < room => {
                line.push(' ');
                room -= 1;
            }
            Some(_) => {
                lines.push(String::new());
                room = width;
            }
            None => {}
        }
        while rest.len() > room {
            let tail = rest.split_off(room);
            if let Some(line) = lines.last_mut() {
                line.extend(rest);
            }
            lines.push(String::new());
            (rest, room) = (tail, width);
        }
        room -= rest.len();
        if let Some(line) = lines.last_mut() {
            line.extend(rest);
        }
    }
    lines
}

/// A duration for people: `32 ms`, `1.4 s`, `12 s`, `3 min 20 s`.
fn short(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => format!("{} ms", time.as_millis()),
        1..=9 => format!("{:.1} s", time.as_secs_f32()),
        10..=99 => format!("{seconds} s"),
        _ => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests;
