//! The pictures of a verification: the reference in blue, the surrogate in orange.

use crate::error::Result;
use crate::protocol::Cable;
use crate::report::Figure;
use crate::report::chosen;
use crate::report::draw::axis::{Axis, extent};
use crate::report::draw::panel::{Entry, Panel, legend};
use crate::report::draw::scene::{Align, Pen, Point, Scene};
use crate::report::draw::style::{INK, MUTED, NORMAL, REFERENCE, SERIES, SMALL, SURROGATE};
use crate::verify::{AlternansResult, CycleResult, LongResult, RestitutionResult, Verification};

const WIDTH: f64 = 460.0;
const LEFT: f64 = 68.0;
const RIGHT: f64 = 24.0;
/// So many beats of a trace are shown.
const BEATS: f64 = 2.0;
/// Points nearer to a line than this part of a pixel are left out of it: thick lines through dense points are rough.
const STRAIGHT: f64 = 0.15;

/// All of them, section by section.
pub struct Figures {
    pub traces: Vec<Figure>,
    pub errors: Vec<Figure>,
    pub restitution: Vec<Figure>,
    pub cable: Vec<Figure>,
    pub long: Vec<Figure>,
}

impl Figures {
    pub fn draw(verification: &Verification) -> Result<Self> {
        let curves = &verification.curves;
        let cycles = &verification.cycles.cycles;
        let traces = cycles.iter().zip(&curves.traces);
        let traces = traces.map(|(cycle, pair)| trace(verification, cycle, pair, curves.interval));
        let restitution = verification.restitution.iter().map(restitution);
        Ok(Self {
            traces: traces.collect::<Result<_>>()?,
            errors: vec![durations(cycles)?],
            restitution: restitution
                .chain(verification.alternans.iter().map(alternans))
                .collect::<Result<_>>()?,
            cable: match &curves.cables {
                Some(cables) => {
                    vec![activation(cables, verification.level)?, along(cables, &verification.potential)?]
                }
                None => Vec::new(),
            },
            long: verification.long.iter().map(long).collect::<Result<_>>()?,
        })
    }

    pub fn all(&self) -> impl Iterator<Item = &Figure> {
        let Self { traces, errors, restitution, cable, long } = self;
        [traces, errors, restitution, cable, long].into_iter().flatten()
    }
}

fn reference_pen() -> Pen {
    Pen::solid(REFERENCE, 2.5)
}

fn surrogate_pen() -> Pen {
    Pen::dashed(SURROGATE, 2.0, 7.0, 4.0)
}

fn both() -> [Entry; 2] {
    [Entry::line("cell model", reference_pen()), Entry::line("surrogate", surrogate_pen())]
}

fn panel(top: f64, height: f64, x: Axis, y: Axis) -> Panel {
    Panel { left: LEFT, top, width: WIDTH - LEFT - RIGHT, height, x, y }
}

/// Draws samples that follow each other after `interval` from `first` on, as few straight lines as look the same.
fn curve(scene: &mut Scene, panel: &Panel, values: &[f64], first: f64, interval: f64, pen: Pen) {
    let point = |(i, &v): (usize, &f64)| panel.point(first + i as f64 * interval, v);
    for run in values.split(|v| !v.is_finite()) {
        // Runs lie in `values`: their place tells their time.
        let skipped = (run.as_ptr() as usize - values.as_ptr() as usize) / size_of::<f64>();
        let points: Vec<Point> = run.iter().enumerate().map(|(i, v)| point((i + skipped, v))).collect();
        scene.line(simplified(&points), pen);
    }
}

/// The points without those that lie on the line between others, after Ramer (1972) and Douglas and Peucker (1973).
fn simplified(points: &[Point]) -> Vec<Point> {
    let Some(last) = points.len().checked_sub(1) else { return Vec::new() };
    let mut kept = vec![false; points.len()];
    (kept[0], kept[last]) = (true, true);
    let mut pieces = vec![(0, last)];
    while let Some((from, to)) = pieces.pop() {
        let ((x0, y0), (x1, y1)) = (points[from], points[to]);
        let length = (x1 - x0).hypot(y1 - y0).max(1e-12);
        let distance = |&(x, y): &Point| ((x1 - x0) * (y0 - y) - (x0 - x) * (y1 - y0)).abs() / length;
        let between = (from + 1..to).map(|i| (i, distance(&points[i])));
        match between.max_by(|a, b| a.1.total_cmp(&b.1)) {
            Some((i, far)) if far > STRAIGHT => {
                kept[i] = true;
                pieces.extend([(from, i), (i, to)]);
            }
            _ => {}
        }
    }
    points.iter().zip(kept).filter(|(_, kept)| *kept).map(|(&point, _)| point).collect()
}

/// Draws pairs of values with dots, interrupted where one is missing.
fn dotted(
    scene: &mut Scene,
    panel: &Panel,
    pairs: impl Iterator<Item = (f64, Option<f64>)>,
    pen: Pen,
    radius: f64,
) {
    let points: Vec<Point> =
        pairs.map(|(x, y)| y.map_or((f64::NAN, f64::NAN), |y| panel.point(x, y))).collect();
    points.iter().for_each(|&point| scene.disc(point, radius, pen.colour));
    scene.line(points, pen);
}

/// The extent of `reference`, widened by what is near it of `own`: a surrogate that runs away must not flatten the rest.
fn near(reference: &[f64], own: &[f64]) -> Vec<f64> {
    let [low, high] = extent(reference.iter().copied()).unwrap_or([0.0, 1.0]);
    let room = (high - low).max(1e-6) * 0.3;
    let close = own.iter().copied().filter(|v| (low - room..=high + room).contains(v));
    [low, high].into_iter().chain(close).collect()
}

/// Two beats: the last ones, or those around the first failure; the difference below.
fn trace(
    verification: &Verification,
    cycle: &CycleResult,
    [reference, own]: &[Vec<f64>; 2],
    interval: f64,
) -> Result<Figure> {
    let failures = &verification.cycles.failures;
    let failure = failures.iter().find(|failure| failure.cycle_length == cycle.length);
    let last = (cycle.beats as f64 - BEATS).max(0.0);
    let first_beat = failure.map_or(last, |failure| (f64::from(failure.beat) - BEATS).clamp(0.0, last));
    let sample = |beats: f64| ((beats * cycle.length / interval) as usize).min(reference.len() - 1);
    let (from, to) = (sample(first_beat), sample(first_beat + BEATS));
    let (reference, own) = (&reference[from..=to], &own[from..=to]);
    let (begin, end) = (from as f64 * interval, to as f64 * interval);
    let difference: Vec<f64> = reference.iter().zip(own).map(|(a, b)| b - a).collect();

    let [upper, lower] = [150.0, 72.0];
    let mut scene = Scene::new(WIDTH, 50.0 + upper + 16.0 + lower + 46.0);
    let title = format!("cycle length {} ms", chosen(cycle.length, 4));
    scene.text((LEFT, 13.0), &*title, NORMAL, INK, Align::Left);
    let beats = match failure {
        Some(failure) => format!("beat {}: {}", failure.beat, failure.kind.phrase()),
        None => "the last beats".to_owned(),
    };
    scene.text((WIDTH - RIGHT, 13.0), &*beats, SMALL, MUTED, Align::Right);
    legend(&mut scene, (LEFT, 34.0), WIDTH, &both());
    let time = || Axis::exactly("time (ms)", begin, end.max(begin + 1.0));
    let potential =
        panel(50.0, upper, time(), Axis::linear(&*verification.potential, near(reference, own).into_iter()));
    potential.draw(&mut scene, false, true);
    for (values, pen) in [(reference, reference_pen()), (own, surrogate_pen())] {
        curve(&mut scene, &potential, values, begin, interval, pen);
    }
    let range = difference.iter().copied().filter(|d| d.is_finite());
    let largest = range.map(f64::abs).fold(1e-12, f64::max);
    let bound = round_up(largest);
    let axis = Axis::exactly("difference", -bound, bound);
    let below = panel(potential.bottom() + 16.0, lower, time(), axis);
    below.draw(&mut scene, true, true);
    curve(&mut scene, &below, &difference, begin, interval, Pen::solid(SURROGATE, 1.3));
    let name = format!("trace_{}", cycle.length.round());
    Figure::new(name, format!("Potential of cell model and surrogate over time, {title}, {beats}"), &scene)
}

/// The next of 1, 2, 5 times a power of ten: an axis that ends there has ticks at its ends.
fn round_up(value: f64) -> f64 {
    let decade = 10f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0].map(|m| m * decade).into_iter().find(|&bound| bound >= value).unwrap_or(value)
}

/// The largest error of APD90 at each cycle length.
fn durations(cycles: &[CycleResult]) -> Result<Figure> {
    let mut sorted: Vec<&CycleResult> = cycles.iter().collect();
    sorted.sort_by(|a, b| a.length.total_cmp(&b.length));
    let pen = Pen::solid(SURROGATE, 2.0);
    let mut entries = vec![Entry::line("largest error", pen)];
    let failing: Vec<&&CycleResult> = sorted.iter().filter(|c| c.failures > 0).collect();
    if !failing.is_empty() {
        entries.push(Entry::dots("beats lost or added", SERIES[3]));
    }
    let mut scene = Scene::new(WIDTH, 38.0 + 190.0 + 46.0);
    legend(&mut scene, (LEFT, 14.0), WIDTH, &entries);
    let x = Axis::linear("cycle length (ms)", sorted.iter().map(|c| c.length));
    let errors = sorted.iter().filter_map(|c| c.apd90_error);
    let panel = panel(38.0, 190.0, x, Axis::logarithmic("|error of APD90| (%)", errors, 5.0));
    panel.draw(&mut scene, true, true);
    dotted(&mut scene, &panel, sorted.iter().map(|c| (c.length, c.apd90_error)), pen, 3.5);
    for cycle in failing {
        scene.disc(panel.point(cycle.length, panel.y.range()[1]), 5.0, SERIES[3]);
    }
    Figure::new("durations", "Largest error of APD90 over the cycle length", &scene)
}

fn restitution(result: &RestitutionResult) -> Result<Figure> {
    let points = &result.points;
    let curve = |own: bool| -> Vec<(f64, f64)> {
        let pick = points.iter().filter_map(|p| match own {
            true => Some((p.own_diastolic_interval?, p.apd90?)),
            false => Some((p.diastolic_interval?, p.reference_apd90?)),
        });
        pick.collect()
    };
    let [reference, own] = [curve(false), curve(true)];
    let mut scene = Scene::new(WIDTH, 34.0 + 230.0 + 46.0);
    legend(&mut scene, (LEFT, 14.0), WIDTH, &both());
    let all = || reference.iter().chain(&own);
    let x = Axis::linear("diastolic interval (ms)", all().map(|p| p.0));
    let y = Axis::linear("APD90 of the premature beat (ms)", all().map(|p| p.1));
    let panel = panel(34.0, 230.0, x, y);
    panel.draw(&mut scene, true, true);
    for (points, pen, radius) in [(&reference, reference_pen(), 4.5), (&own, surrogate_pen(), 2.5)] {
        dotted(&mut scene, &panel, points.iter().map(|&(x, y)| (x, Some(y))), pen, radius);
    }
    Figure::new("restitution", "APD90 of a premature beat over the diastolic interval before it", &scene)
}

fn alternans(result: &AlternansResult) -> Result<Figure> {
    let mut scene = Scene::new(WIDTH, 34.0 + 230.0 + 46.0);
    legend(&mut scene, (LEFT, 14.0), WIDTH, &both());
    let x = Axis::linear("cycle length (ms)", result.lengths.iter().map(|l| l.cycle_length));
    let values = result.lengths.iter().flat_map(|l| [l.reference, l.own]).flatten();
    let y = Axis::linear("change of APD90 (ms)", values.chain([0.0, 2.0 * result.threshold]));
    let panel = panel(34.0, 230.0, x, y);
    panel.draw(&mut scene, true, true);
    let [low, high] = panel.x.range();
    let dots = Pen::dashed(MUTED, 1.2, 2.0, 3.0);
    panel.curve(&mut scene, &[low, high], &[result.threshold; 2], dots);
    let (x, y) = panel.point(low, result.threshold);
    scene.text((x + 8.0, y - 9.0), "counts as alternans above", SMALL, MUTED, Align::Left);
    let lengths = || result.lengths.iter();
    dotted(&mut scene, &panel, lengths().map(|l| (l.cycle_length, l.reference)), reference_pen(), 4.5);
    dotted(&mut scene, &panel, lengths().map(|l| (l.cycle_length, l.own)), surrogate_pen(), 2.5);
    Figure::new("alternans", "Change of APD90 from beat to beat over the cycle length", &scene)
}

/// When the front passes each cell.
fn activation(cables: &[Cable; 2], level: f64) -> Result<Figure> {
    let fronts = cables.each_ref().map(|cable| {
        let crossing = |cell: usize| {
            let trace = cable.trace(cell);
            let i = (1..trace.len()).find(|&i| trace[i - 1] < level && level <= trace[i])?;
            let part = (level - trace[i - 1]) / (trace[i] - trace[i - 1]);
            Some(((i - 1) as f64 + part) * cable.interval)
        };
        (0..cable.n_cells).map(|cell| crossing(cell).unwrap_or(f64::NAN)).collect::<Vec<f64>>()
    });
    let places: Vec<f64> = (0..cables[0].n_cells).map(|i| i as f64 * cables[0].spacing).collect();
    let mut scene = Scene::new(WIDTH, 34.0 + 230.0 + 46.0);
    legend(&mut scene, (LEFT, 14.0), WIDTH, &both());
    let x = Axis::linear("place along the cable (mm)", places.iter().copied());
    let y = Axis::linear("activation (ms)", fronts.iter().flatten().copied());
    let panel = panel(34.0, 230.0, x, y);
    panel.draw(&mut scene, true, true);
    for (front, pen) in fronts.iter().zip([reference_pen(), surrogate_pen()]) {
        panel.curve(&mut scene, &places, front, pen);
    }
    Figure::new("activation", "Activation times along the cable", &scene)
}

/// Potential at a quarter and three quarters of the cable.
fn along(cables: &[Cable; 2], potential: &str) -> Result<Figure> {
    let n = cables[0].n_cells;
    let mut scene = Scene::new(WIDTH, 34.0 + 230.0 + 46.0);
    legend(&mut scene, (LEFT, 14.0), WIDTH, &both());
    let cells = [n / 4, n - 1 - n / 4];
    let pairs = cells.map(|cell| cables.each_ref().map(|cable| cable.trace(cell)));
    let interval = cables[0].interval;
    let end = (pairs[0][0].len().max(2) - 1) as f64 * interval;
    let values: Vec<f64> = pairs.iter().flat_map(|[reference, own]| near(reference, own)).collect();
    let panel =
        panel(34.0, 230.0, Axis::exactly("time (ms)", 0.0, end), Axis::linear(potential, values.into_iter()));
    panel.draw(&mut scene, true, true);
    for pair in &pairs {
        for (values, pen) in pair.iter().zip([reference_pen(), surrogate_pen()]) {
            curve(&mut scene, &panel, values, 0.0, interval, pen);
        }
    }
    Figure::new("cable", "Potential at a quarter and at three quarters of the cable", &scene)
}

fn long(result: &LongResult) -> Result<Figure> {
    let mut scene = Scene::new(WIDTH, 52.0 + 190.0 + 46.0);
    let title = format!("cycle length {} ms", chosen(result.cycle_length, 4));
    scene.text((LEFT, 13.0), &*title, NORMAL, INK, Align::Left);
    legend(&mut scene, (LEFT, 34.0), WIDTH, &both());
    let most = result.beats.max(result.reference_durations.len()).max(2) as f64;
    // The first beats change most.
    let x = Axis::logarithmic_tight("beat", [1.0, most].into_iter(), 6.0);
    let values = result.reference_durations.iter().chain(&result.durations).copied().flatten();
    let panel = panel(52.0, 190.0, x, Axis::linear("APD90 (ms)", values));
    panel.draw(&mut scene, true, true);
    for (durations, pen) in
        [(&result.reference_durations, reference_pen()), (&result.durations, surrogate_pen())]
    {
        let pairs = durations.iter().enumerate().map(|(i, &duration)| (i as f64 + 1.0, duration));
        dotted(&mut scene, &panel, pairs, pen, 0.0);
    }
    let name = format!("long_{}", result.cycle_length.round());
    Figure::new(name, format!("APD90 beat by beat in long pacing, {title}"), &scene)
}
