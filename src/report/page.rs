//! The page: one HTML file that needs nothing else.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

use super::draw::{chosen, number};
use super::evaluate::{Accuracy, EULER_DT, Errors, StateErrors};
use super::verdict::{Outcome, on_accuracy, percent};
use super::{Figure, Numbers, Report};
use crate::surrogate::Variable;

pub(crate) const STYLE: &str = include_str!("page.css");

/// The whole page.
pub fn html(report: &Report) -> String {
    let numbers = &report.numbers;
    let body = html! {
        (accuracy(numbers))
        (super::steady::section(numbers.long_rollout.as_ref()))
        (pictures(report))
        (speed(numbers))
        (training(report))
        (tissue(report))
        (description(numbers))
        (provenance(numbers))
    };
    document(&format!("{} – surrogate report", report.name), &heading(report), &body)
}

/// A whole page that needs no other file.
pub(crate) fn document(title: &str, heading: &Markup, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (heading)
                main { (body) }
            }
        }
    };
    page.into_string()
}

fn heading(report: &Report) -> Markup {
    let numbers = &report.numbers;
    let description = &numbers.surrogate;
    let model = description.cell_model.as_ref().map_or("an unnamed cell model", |m| &m.name);
    html! {
        header {
            h1 { (report.name) }
            p.muted {
                @match description.dt {
                    Some(dt) => { "Step map of " (model) ", Δt = " (chosen(dt, 4)) " ms" }
                    None => { "Solution map of " (model) @if !description.times.is_empty() {
                        ", " (description.times.len().to_string()) " times in one evaluation"
                    } }
                }
                " · emucell " (numbers.program_version)
            }
            dl.facts {
                @if let Some(first) = numbers.accuracy.first() {
                    (fact("mean absolute error", &number(first.surrogate.mean_absolute, 2),
                        &format!("Euler, {EULER_DT} ms: {}", number(first.euler.mean_absolute, 2))))
                    (fact("largest error", &number(largest(&first.surrogate), 2),
                        &format!("Euler, {EULER_DT} ms: {}", number(largest(&first.euler), 2))))
                    @if let Some(wrong) = first.surrogate.excitation_wrong {
                        (fact("cells with a wrong first excursion", &percent(wrong),
                            &format!("Euler, {EULER_DT} ms: {}", percent(first.euler.excitation_wrong.unwrap_or(0.0)))))
                    }
                }
                (fact("evaluations per second, one thread",
                    &format!("{} M", number(numbers.speed.evaluations_per_second / 1e6, 3)),
                    &numbers.speed.backend))
                @if let Some(euler) = &numbers.speed.euler {
                    (fact("Euler steps that an evaluation must replace", &number(euler.break_even_steps, 3),
                        &euler.replaced_steps.map_or(String::new(), |n| format!("one of this map replaces {}", chosen(n, 3)))))
                }
            }
        }
    }
}

/// A number that matters, with its name and what to read it beside.
pub(crate) fn fact(name: &str, value: &str, beside: &str) -> Markup {
    html! { div { dt { (name) } dd { (value) small { (beside) } } } }
}

fn largest(errors: &Errors) -> f64 {
    errors.states.iter().map(|s| s.maximum).fold(0.0, f64::max)
}

fn accuracy(numbers: &Numbers) -> Markup {
    html! {
        section id="accuracy" {
            h2 { "Accuracy" }
            @if let Some(why) = &numbers.accuracy_missing {
                p { "Errors are missing: " (why) "." }
            }
            @if let Some(first) = numbers.accuracy.first() {
                p.verdict { (on_accuracy(first)) }
                p.muted {
                    "All errors are against the reference: the cell model integrated by Dormand and Prince's \
                     method of order 8 with tolerances of 10⁻¹². Cells were drawn uniformly with a seed of \
                     their own and have not been trained on."
                }
            }
            @for accuracy in &numbers.accuracy { (errors_table(accuracy)) }
        }
    }
}

/// Name of a measure and where it stands among a state's errors.
type Measure = (&'static str, fn(&StateErrors) -> f64);

const MEASURES: [Measure; 7] = [
    ("mean absolute error", |s| s.mean_absolute),
    ("root mean square", |s| s.root_mean_square),
    ("median of |error|", |s| s.median),
    ("99th percentile of |error|", |s| s.p99),
    ("largest |error|", |s| s.maximum),
    ("relative L2 of a cell, mean", |s| s.relative_l2_mean),
    ("relative L2 of a cell, 99th percentile", |s| s.relative_l2_p99),
];

fn errors_table(accuracy: &Accuracy) -> Markup {
    let states = &accuracy.surrogate.states;
    let n = states.len().to_string();
    let ranges =
        accuracy.ranges.iter().map(|r| format!("{} {} … {}", r.name, chosen(r.low, 3), chosen(r.high, 3)));
    let ranges = ranges.collect::<Vec<_>>().join(", ");
    html! {
        div.scroll {
            table.errors {
                caption {
                    (accuracy.cells.to_string()) " cells from " (accuracy.cells_from)
                    @if !ranges.is_empty() { " (" (ranges) ")" }
                    ", seed " (accuracy.seed.to_string()) ", "
                    (accuracy.samples.to_string()) " samples up to " (chosen(accuracy.horizon, 3)) " ms"
                }
                thead {
                    tr {
                        th {}
                        th.number.surrogate colspan=(n) { "surrogate" }
                        th.number.euler colspan=(n) { "Euler, " (chosen(accuracy.euler_dt, 2)) " ms" }
                    }
                    tr {
                        th scope="col" { "error" }
                        @for state in states.iter().chain(states) { th.number scope="col" { (state.name) } }
                    }
                }
                tbody {
                    @for (name, get) in MEASURES {
                        tr {
                            th scope="row" { (name) }
                            @for state in states.iter().chain(&accuracy.euler.states) {
                                td.number { (number(get(state), 3)) }
                            }
                        }
                    }
                    @if let Some(one) = &accuracy.one_step {
                        @for (name, get) in [MEASURES[0], MEASURES[4]] {
                            tr {
                                th scope="row" { "after one step: " (name) }
                                @for state in &one.states { td.number { (number(get(state), 3)) } }
                                td.number.muted colspan=(n) { "–" }
                            }
                        }
                    }
                    @if let (Some(own), Some(euler)) =
                        (accuracy.surrogate.excitation_wrong, accuracy.euler.excitation_wrong)
                    {
                        tr {
                            th scope="row" { "cells with a wrong first excursion" }
                            td.number colspan=(n) { (percent(own)) }
                            td.number colspan=(n) { (percent(euler)) }
                        }
                    }
                }
            }
        }
        @if let (Some(own), Some(euler)) = (accuracy.surrogate.always_within, accuracy.euler.always_within) {
            p.muted {
                (percent(own)) " of the cells stay within 0.05 of the reference in every state at all samples; of Euler's, "
                (percent(euler)) "."
            }
        }
        @if let Some(excited) = accuracy.excited {
            p.muted {
                "A cell fires if u exceeds 0.6 at 1 < t ≤ 6 ms; " (percent(excited)) " of these cells do. The first \
                 excursion is wrong if the cell fires only in the surrogate or only in the reference."
            }
        }
    }
}

fn pictures(report: &Report) -> Markup {
    let figures = &report.figures;
    let step_map = report.numbers.surrogate.dt.is_some();
    let first = report.numbers.accuracy.first();
    let boxes = first.map_or("", |a| a.cells_from.as_str());
    html! {
        @if !figures.traces.is_empty() {
            section id="traces" {
                h2 { "Single cells" }
                (figure(&figures.traces, Layout::Grid, &format!(
                    "States of held-out cells over time, ordered by their error: surrogate ({}) against the \
                     reference. Forward Euler with steps of {EULER_DT} ms is shown where it visibly leaves the \
                     reference.", if step_map { "dots at its steps" } else { "dashed" })))
            }
        }
        @if !figures.histograms.is_empty() {
            section id="errors" {
                h2 { "How errors are distributed" }
                (figure(&figures.histograms, Layout::Grid, &format!(
                    "Absolute errors of all samples of all cells from {boxes}, surrogate (filled) and forward \
                     Euler (outline), both against the reference. Dashed lines mark the surrogate's median, mean, \
                     99th percentile and maximum.")))
            }
        }
        @if !figures.over_time.is_empty() {
            section id="over-time" {
                h2 { @if step_map { "Errors along a rollout" } @else { "Errors over time" } }
                (figure(&figures.over_time, Layout::Grid, &format!(
                    "Absolute error against the reference at each time, over cells from {boxes}{}: mean and 99th \
                     percentile of the surrogate, mean of forward Euler with steps of {EULER_DT} ms.",
                    if step_map { ", the surrogate fed with its own states" } else { "" })))
            }
        }
        @if !figures.planes.is_empty() {
            section id="plane" {
                h2 { "Where errors lie" }
                (figure(&figures.planes, Layout::Grid,
                    "Absolute error against the reference, mean over time, for each initial state; logarithmic \
                     colours. Bright ridges are initial states from which cells either fire or do not: neighbours \
                     part there, and small errors grow."))
            }
        }
    }
}

fn speed(numbers: &Numbers) -> Markup {
    let speed = &numbers.speed;
    html! {
        section id="speed" {
            h2 { "Speed" }
            @match &speed.euler {
                Some(euler) => {
                    @let verdict = numbers.speed_verdict(euler);
                    p class=(match verdict.outcome {
                        Outcome::Wins => "verdict wins",
                        Outcome::Loses => "verdict loses",
                        Outcome::Depends => "verdict",
                    }) { (verdict.text) }
                }
                None => { p { "There is no solver to compare with: the cell model is not known." } }
            }
            div.scroll {
                table {
                    tbody {
                        (row("surrogate", &format!("{} million evaluations per second", millions(speed.evaluations_per_second))))
                        @if let Some(euler) = &speed.euler {
                            (row("forward Euler", &format!("{} million steps per second", millions(euler.steps_per_second))))
                            (row("break-even", &format!("{} Euler steps an evaluation, {} ms of solution",
                                number(euler.break_even_steps, 3), number(euler.break_even_time, 2))))
                        }
                        (row("multiply-adds of an evaluation", &count(numbers.surrogate.multiply_adds)))
                        (row("run by", &format!("{}, single precision, {} cells a call", speed.backend, speed.cells)))
                        (row("processor", &speed.processor))
                    }
                }
            }
            p.muted {
                "Both were timed in the same run, fastest of five trials. Euler keeps the states in registers over \
                 its steps; the surrogate reads and writes them at each call, as between the diffusion steps of a \
                 tissue."
                @if !speed.optimized {
                    " This program was built without optimisation: these speeds mean nothing."
                }
            }
        }
    }
}

fn millions(per_second: f64) -> String {
    number(per_second / 1e6, 3)
}

fn training(report: &Report) -> Markup {
    html! {
        section id="training" {
            h2 { "Training" }
            @match &report.numbers.training {
                None => { p.muted { "No loss curves were given (option --losses)." } }
                Some(summary) => {
                    p {
                        (chosen(summary.iterations, 6)) " iterations"
                        @if let Some(seconds) = summary.seconds { " in " (number(seconds, 3)) " s" }
                        @if let (Some(best), Some(at)) = (summary.best_validation, summary.best_iteration) {
                            "; smallest validation error " (number(best, 3)) " at iteration " (chosen(at, 6))
                        }
                        "."
                    }
                    (figure(&report.figures.losses, Layout::Single,
                        "Each loss without its weight, their weighted total and the validation error, over the \
                         iterations; both axes logarithmic. Below, the learning rate if it was recorded."))
                }
            }
        }
    }
}

fn tissue(report: &Report) -> Markup {
    html! {
        section id="tissue" {
            h2 { "In a tissue" }
            @if report.figures.tissue.is_empty() {
                p.muted { "No tissue simulation was given (options --tissue and --tissue-json)." }
            } @else {
                (figure(&report.figures.tissue, Layout::Wide,
                    "Voltage of the same tissue simulated with the solver and with the surrogate, and their \
                     difference (surrogate − solver), at a few times; all times share their colours."))
                @if !report.tissue_scalars.is_empty() {
                    div.scroll {
                        table {
                            thead { tr { th { "measured" } th.number { "value" } } }
                            tbody {
                                @for (name, value) in &report.tissue_scalars {
                                    tr { th scope="row" { (name) } td.number { (scalar(value)) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn description(numbers: &Numbers) -> Markup {
    let description = &numbers.surrogate;
    let initial = |name: &str| {
        let values = description.initial_state.as_ref()?;
        let place = description.outputs.iter().position(|v| v.name == name)?;
        values.get(place).map(|v| chosen(*v, 4))
    };
    let variable = |variable: &Variable, use_of: &str| {
        html! {
            tr {
                th scope="row" { (variable.name) }
                td { (use_of) }
                td { (variable.role.name()) }
                td { @if variable.unit == "1" { "dimensionless" } @else { (variable.unit) } }
                td.number {
                    @match variable.range {
                        Some([low, high]) => { (chosen(low, 4)) " … " (chosen(high, 4)) }
                        None => { "–" }
                    }
                }
                td.number { (initial(&variable.name).unwrap_or_else(|| "–".to_owned())) }
            }
        }
    };
    html! {
        section id="surrogate" {
            h2 { "The surrogate" }
            div.scroll {
                table {
                    tbody {
                        (row("kind", match description.dt {
                            Some(_) => "step map: states → states after Δt",
                            None => "solution map: time and initial states → states",
                        }))
                        @if let Some(dt) = description.dt { (row("Δt", &format!("{} ms", chosen(dt, 4)))) }
                        @if let Some(model) = &description.cell_model {
                            @let parameters = model.parameters.iter().map(|(n, v)| format!("{n} = {}", chosen(*v, 4)));
                            (row("cell model", &std::iter::once(model.name.clone()).chain(parameters).collect::<Vec<_>>().join(", ")))
                        }
                        (row("network", &format!("{} operations, {} multiply-adds", count(description.operations), count(description.multiply_adds))))
                    }
                }
            }
            div.scroll {
                table {
                    thead {
                        tr {
                            th { "variable" } th { "used as" } th { "role" } th { "unit" }
                            th.number { "range" } th.number { "initial" }
                        }
                    }
                    tbody {
                        @for v in &description.inputs { (variable(v, "input")) }
                        @for v in &description.outputs { (variable(v, "output")) }
                    }
                }
            }
        }
    }
}

fn provenance(numbers: &Numbers) -> Markup {
    let provenance = &numbers.surrogate.provenance;
    html! {
        section id="provenance" {
            h2 { "Provenance" }
            @if provenance.is_empty() {
                p.muted { "The file does not say how the surrogate came to be." }
            } @else {
                details {
                    summary { "How the surrogate came to be (" (provenance.len().to_string()) " entries)" }
                    dl.pairs {
                        @for (name, value) in provenance {
                            dt { (name) }
                            dd { (entry(value)) }
                        }
                    }
                }
            }
        }
    }
}

/// A value of the provenance: texts of several lines and nested values as they are written.
fn entry(value: &Value) -> Markup {
    match value {
        Value::String(text) if text.contains('\n') => html! { pre { (text) } },
        Value::Object(_) | Value::Array(_) => {
            html! { pre { (serde_json::to_string_pretty(value).unwrap_or_default()) } }
        }
        single => html! { (scalar(single)) },
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(n) if n.is_f64() => chosen(n.as_f64().unwrap_or(f64::NAN), 5),
        Value::Null => "–".to_owned(),
        other => other.to_string(),
    }
}

/// A row of a table: a name and what belongs to it.
pub(crate) fn row(name: &str, value: &str) -> Markup {
    html! { tr { th scope="row" { (name) } td { (value) } } }
}

/// How the pictures of a figure lie.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Layout {
    /// As many side by side as there is room for.
    Grid,
    /// Below each other.
    Single,
    /// Below each other, and too wide for a phone, where they scroll.
    Wide,
}

impl Layout {
    fn class(self) -> &'static str {
        match self {
            Self::Grid => "panels",
            Self::Single => "panels single",
            Self::Wide => "panels wide",
        }
    }
}

/// Pictures with their caption.
pub(crate) fn figure(figures: &[Figure], layout: Layout, caption: &str) -> Markup {
    html! {
        figure {
            div class=(layout.class()) {
                @for figure in figures { (PreEscaped(inline(figure))) }
            }
            figcaption { (caption) }
        }
    }
}

/// The picture for use within the page, which gives it its width.
fn inline(figure: &Figure) -> String {
    let label = html! { span aria-label=(figure.description) {} }.into_string();
    let label = label.trim_start_matches("<span ").trim_end_matches("></span>");
    let Some((head, body)) = figure.svg.split_once('>') else { return String::new() };
    let view_box = head.split_once("viewBox=\"").and_then(|(_, rest)| rest.split_once('"'));
    let view_box = view_box.map_or("", |(view_box, _)| view_box);
    format!("<svg role=\"img\" {label} viewBox=\"{view_box}\">{body}")
}

/// A number that is unknown of networks that are no programs.
fn count(number: Option<usize>) -> String {
    number.map_or("unknown".to_owned(), |n| n.to_string())
}
