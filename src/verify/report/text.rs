//! What was found, line by line.

use std::fmt::Write;

use super::VerificationReport;
use crate::report::{chosen, number};
use crate::verify::{
    AlternansResult, CableResult, Cost, CyclesResult, Divergence, Errors, LongResult, PushesResult, Relation,
    RestitutionResult,
};

/// `value` with three digits and its unit, a dash for none.
pub fn amount(value: Option<f64>, unit: &str) -> String {
    value.map_or("–".to_owned(), |value| match unit {
        "" => number(value, 3),
        unit => format!("{} {unit}", number(value, 3)),
    })
}

/// How a cycle length stands to those of training, in a few words.
pub fn relation(relation: Relation) -> &'static str {
    match relation {
        Relation::Unknown => "",
        Relation::Used => "used in training",
        Relation::Between => "within training's range",
        Relation::Outside => "outside training's range",
    }
}

pub fn worst(errors: &Errors, unit: &str) -> String {
    match (errors.worst(), errors.place()) {
        (Some(worst), Some((length, beat))) => {
            format!("{} at {} ms, beat {beat}", amount(Some(worst), unit), chosen(length, 4))
        }
        _ => "–".to_owned(),
    }
}

pub fn restitution(result: &RestitutionResult) -> String {
    let mut text = format!(
        "{} premature stimuli after {} beats of {} ms; APD90 at most {} off; shortest interval {}, surrogate {}",
        result.points.len(),
        result.beats,
        chosen(result.cycle_length, 4),
        amount(result.apd90_percent, "%"),
        amount(result.reference_shortest, "ms"),
        amount(result.shortest, "ms"),
    );
    if result.failures > 0 {
        let _ = write!(text, "; {} answered by only one of the two", result.failures);
    }
    text
}

pub fn alternans(result: &AlternansResult) -> String {
    let onset =
        |onset: Option<f64>| onset.map_or("none".to_owned(), |l| format!("from {} ms on", chosen(l, 4)));
    let shortest = result.lengths.iter().map(|l| l.cycle_length).fold(f64::INFINITY, f64::min);
    format!(
        "reference {}, surrogate {} (looked for down to {} ms)",
        onset(result.reference_onset),
        onset(result.onset),
        chosen(shortest, 4)
    )
}

pub fn cable(result: &CableResult) -> String {
    let mut text = format!(
        "{} cells of {} mm: velocity {} mm/ms, surrogate {} ({} off); activation at most {} off",
        result.n_cells,
        chosen(result.spacing, 3),
        number(result.reference_velocity, 4),
        result.velocity.map_or("does not conduct".to_owned(), |v| number(v, 4)),
        amount(result.velocity_percent, "%"),
        amount(result.activation_worst, "ms"),
    );
    if let Some(reference) = result.reference_apd90 {
        let _ = write!(
            text,
            "; APD90 {} ms, surrogate {} ({} off)",
            number(reference, 4),
            result.apd90.map_or("–".to_owned(), |apd| format!("{} ms", number(apd, 4))),
            amount(result.apd90_percent, "%")
        );
    }
    if result.lost > 0 {
        let _ = write!(text, "; {} cells are not excited", result.lost);
    }
    text
}

pub fn long(result: &LongResult) -> String {
    format!(
        "{} of {} beats answered at {} ms, {} by the reference; APD90 at most {} off, {} at the last beat",
        result.answered,
        result.beats,
        chosen(result.cycle_length, 4),
        result.reference_answered,
        amount(result.apd90_percent, "%"),
        amount(result.last_apd90_percent, "%"),
    )
}

pub fn pushes(result: &PushesResult) -> String {
    let mut text = format!(
        "{} cells with one state {} % beyond its range: {} not finite, {} not back at rest after {} ms",
        result.cells,
        chosen(100.0 * result.beyond, 3),
        result.not_finite,
        result.not_returned,
        chosen(result.time, 5)
    );
    if let Some(push) = result.failures.first() {
        let _ = write!(text, " (the first: {} at {})", push.state, number(push.value, 3));
    }
    text
}

pub fn divergence(result: &Divergence) -> String {
    let length = chosen(result.cycle_length, 4);
    let mut text = match (result.first(), result.states.first()) {
        (Some(first), _) => {
            let since = |since: Option<f64>| since.map(|since| chosen(since, 5));
            let later = result.states[1..]
                .iter()
                .filter_map(|s| Some(format!("{} at {} ms", s.state, since(s.since)?)));
            let later: Vec<String> = later.take(3).collect();
            let then = if later.is_empty() { String::new() } else { format!("; then {}", later.join(", ")) };
            let since = since(first.since).unwrap_or_default();
            format!(
                "at {length} ms {} is the first more than 5 % of its range off, at {since} ms{then}",
                first.state
            )
        }
        (None, Some(largest)) => format!(
            "at {length} ms none is more than 5 % of its range off for long; at most {} ({} %, at {} ms)",
            largest.state,
            number(100.0 * largest.largest, 3),
            chosen(largest.largest_at, 5)
        ),
        (None, None) => "the surrogate has none".to_owned(),
    };
    if let Some((state, error)) = result.most_wrong_step().and_then(|s| Some((&s.state, s.step_error?))) {
        let percent = number(100.0 * error, 3);
        let _ = write!(text, "; a single step is most wrong for {state} ({percent} % of what it moves)");
    }
    text
}

pub fn cost(cost: &Cost) -> String {
    let ratio = cost.reference / cost.surrogate;
    let optimized = if cost.optimized {
        ""
    } else {
        "; this program was built without optimisation: these times mean nothing"
    };
    format!(
        "{} ns a cell and step, the library {} ns ({} times as much); {}, one thread, indicative{optimized}",
        number(cost.surrogate, 3),
        number(cost.reference, 3),
        number(ratio, 2),
        cost.backend
    )
}

/// The last line.
pub fn verdict(report: &VerificationReport<'_>) -> String {
    let verification = report.verification;
    match (verification.verified, verification.targets.len()) {
        (true, _) => "verified: all targets are met".to_owned(),
        (false, 0) => "not verified: no targets".to_owned(),
        (false, _) => format!("not verified: {}", verification.missed().join("; ")),
    }
}

fn cycles(text: &mut String, result: &CyclesResult) {
    let beats = result.cycles.first().map_or(0, |cycle| cycle.beats);
    let _ = writeln!(text, "\npaced cells, {beats} beats each, worst of all beats");
    let _ =
        writeln!(text, "  {:>9} {:>10} {:>10} {:>10} {:>9}", "cycle", "APD90", "error", "V, RMS", "failures");
    for cycle in &result.cycles {
        let mut note = relation(cycle.training).to_owned();
        if cycle.reference_incomplete > 0 {
            let comma = if note.is_empty() { "" } else { ", " };
            let _ = write!(note, "{comma}reference incomplete at {} beats", cycle.reference_incomplete);
        }
        let line = format!(
            "  {:>9} {:>10} {:>10} {:>10} {:>9}  {note}",
            format!("{} ms", chosen(cycle.length, 4)),
            amount(cycle.apd90, "ms"),
            amount(cycle.apd90_error, "%"),
            amount(cycle.potential_rms, ""),
            cycle.failures,
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
    for (name, errors, unit) in [
        ("APD90", &result.apd90_percent, "%"),
        ("APD50", &result.apd50_percent, "%"),
        ("activation", &result.activation_ms, "ms"),
    ] {
        let _ =
            writeln!(text, "  worst {name}: {}; mean {}", worst(errors, unit), amount(errors.mean(), unit));
    }
    const SHOWN: usize = 8;
    for failure in result.failures.iter().take(SHOWN) {
        let (length, beat) = (chosen(failure.cycle_length, 4), failure.beat);
        let _ = writeln!(text, "  at {length} ms, beat {beat}, the surrogate {}", failure.kind.phrase());
    }
    if result.failures.len() > SHOWN {
        let _ = writeln!(text, "  … and {} more failures", result.failures.len() - SHOWN);
    }
}

/// Everything.
pub fn text(report: &VerificationReport<'_>) -> String {
    let v = report.verification;
    let mut text = format!(
        "{} against {}: Δt {} ms, stimulus {} for {} ms\n",
        report.name,
        report.library,
        chosen(v.dt, 4),
        number(v.strength, 3),
        chosen(v.duration, 3)
    );
    cycles(&mut text, &v.cycles);
    text.push('\n');
    let lines = [
        ("restitution", v.restitution.as_ref().map(restitution)),
        ("alternans", v.alternans.as_ref().map(alternans)),
        ("cable", v.cable.as_ref().map(cable)),
    ]
    .into_iter()
    .chain(v.long.iter().map(|result| ("long pacing", Some(long(result)))))
    .chain([
        ("out of domain", v.pushes.as_ref().map(pushes)),
        ("states", v.divergence.as_ref().map(divergence)),
        ("cost", v.cost.as_ref().map(cost)),
    ])
    .chain(v.notes.iter().map(|note| ("note", Some(note.clone()))));
    for (name, line) in lines {
        if let Some(line) = line {
            let _ = writeln!(text, "{name:<14} {line}");
        }
    }
    text.push('\n');
    for outcome in &v.targets {
        let _ = writeln!(text, "{:<14} {outcome}", if outcome.met { "met" } else { "missed" });
    }
    let _ = writeln!(text, "{}", verdict(report));
    text
}
