//! The page: one HTML file that needs nothing else.

use maud::{Markup, html};

use super::VerificationReport;
use super::figures::Figures;
use super::text::{
    alternans, amount, cable, cost, divergence, long, pushes, relation, restitution, verdict, worst,
};
use crate::report::page::{Layout, document, fact, figure, row};
use crate::report::{chosen, number};
use crate::verify::Verification;

/// The whole page.
pub fn html(report: &VerificationReport<'_>, figures: &Figures) -> String {
    let v = report.verification;
    let body = html! {
        (targets(report))
        (cycles(v, figures))
        (premature(v, figures))
        (fibre(v, figures))
        (endurance(v, figures))
        (states(v))
        (conditions(v))
    };
    document(&format!("{} – verification", report.name), &heading(report), &body)
}

fn heading(report: &VerificationReport<'_>) -> Markup {
    let v = report.verification;
    let cable = v.cable.as_ref();
    let answered = v.long.iter().map(|long| long.answered).min();
    let place = v.cycles.apd90_percent.place();
    html! {
        header {
            h1 { (report.name) " against " (report.library) }
            p.muted {
                "Step map, Δt = " (chosen(v.dt, 4)) " ms · stimulus " (number(v.strength, 3)) " for "
                (chosen(v.duration, 3)) " ms · emucell " (v.program_version)
            }
            dl.facts {
                (fact("largest error of APD90", &amount(v.cycles.apd90_percent.worst(), "%"),
                    &place.map_or(String::new(), |(length, beat)| format!("at {} ms, beat {beat}", chosen(length, 4)))))
                (fact("beats lost or added", &v.cycles.failures.len().to_string(),
                    &format!("of {}", v.cycles.cycles.iter().map(|c| c.beats).sum::<usize>())))
                @if let Some(cable) = cable {
                    (fact("error of the conduction velocity", &amount(cable.velocity_percent, "%"),
                        &format!("of {} mm/ms", number(cable.reference_velocity, 3))))
                }
                @if let Some(answered) = answered {
                    (fact("beats answered in long pacing", &answered.to_string(),
                        &format!("of {}", v.long.iter().map(|long| long.beats).max().unwrap_or(0))))
                }
                @if let Some(cost) = &v.cost {
                    (fact("a cell and step, one thread", &format!("{} ns", number(cost.surrogate, 3)),
                        &format!("the library: {} ns; indicative", number(cost.reference, 3))))
                }
            }
        }
    }
}

fn targets(report: &VerificationReport<'_>) -> Markup {
    let v = report.verification;
    html! {
        section id="targets" {
            h2 { "Targets" }
            p class=(if v.verified { "verdict wins" } else { "verdict loses" }) { (verdict(report)) "." }
            @if !v.targets.is_empty() {
                div.scroll {
                    table {
                        thead { tr { th { "target" } th { "found, and allowed" } th { "" } } }
                        tbody {
                            @for outcome in &v.targets {
                                tr {
                                    th scope="row" { (outcome.target) }
                                    td { (outcome) }
                                    td { @if outcome.met { "met" } @else { "missed" } }
                                }
                            }
                        }
                    }
                }
            }
            @for note in &v.notes { p.muted { (note) } }
        }
    }
}

fn cycles(v: &Verification, figures: &Figures) -> Markup {
    let told = v.cycles.cycles.iter().any(|cycle| !relation(cycle.training).is_empty());
    html! {
        section id="cycles" {
            h2 { "Paced cells" }
            div.scroll {
                table {
                    thead {
                        tr {
                            th.number { "cycle length" } th.number { "beats" } th.number { "APD90" }
                            th.number { "largest error" } th.number { "V, RMS" } th.number { "failures" }
                            @if told { th { "training" } }
                        }
                    }
                    tbody {
                        @for cycle in &v.cycles.cycles {
                            tr {
                                td.number { (chosen(cycle.length, 4)) " ms" }
                                td.number { (cycle.beats.to_string()) }
                                td.number { (amount(cycle.apd90, "ms")) }
                                td.number { (amount(cycle.apd90_error, "%")) }
                                td.number { (amount(cycle.potential_rms, "")) }
                                td.number { (cycle.failures.to_string()) }
                                @if told { td { (relation(cycle.training)) } }
                            }
                        }
                    }
                }
            }
            div.scroll {
                table {
                    tbody {
                        (row("largest error of APD90", &worst(&v.cycles.apd90_percent, "%")))
                        (row("largest error of APD50", &worst(&v.cycles.apd50_percent, "%")))
                        (row("largest error of activation", &worst(&v.cycles.activation_ms, "ms")))
                    }
                }
            }
            @if !v.cycles.failures.is_empty() {
                details open[v.cycles.failures.len() < 10] {
                    summary { "Beats at which the surrogate fails (" (v.cycles.failures.len().to_string()) ")" }
                    ul {
                        @for failure in &v.cycles.failures {
                            li {
                                (chosen(failure.cycle_length, 4)) " ms, beat " (failure.beat.to_string()) ": it "
                                (failure.kind.phrase())
                            }
                        }
                    }
                }
            }
            (figure(&figures.errors, Layout::Single,
                "Largest error of APD90 of all beats where the cell model repolarises. Beats that only one of the two \
                 has, or that the surrogate does not finish, have no error: they are marked at the top."))
            (figure(&figures.traces, Layout::Grid,
                "Potential of cell model and surrogate, paced from the same initial state, and the surrogate's \
                 difference below: the last two beats, or those up to the first failure."))
        }
    }
}

fn premature(v: &Verification, figures: &Figures) -> Markup {
    html! {
        @if !figures.restitution.is_empty() {
            section id="restitution" {
                h2 { "Restitution and alternans" }
                @if let Some(result) = &v.restitution { p { (restitution(result)) "." } }
                @if let Some(result) = &v.alternans { p { "Alternans: " (alternans(result)) "." } }
                (figure(&figures.restitution, Layout::Grid,
                    "APD90 of a premature beat over the diastolic interval before it; and by how much APD90 goes up \
                     and down from beat to beat, where every stimulus is answered."))
            }
        }
    }
}

fn fibre(v: &Verification, figures: &Figures) -> Markup {
    html! {
        @if let Some(result) = &v.cable {
            section id="cable" {
                h2 { "Cable" }
                p { (cable(result)) "." }
                p.muted {
                    "Monodomain equation in one dimension, D = " (chosen(result.diffusion, 4)) " mm²/ms, no flux at the ends, \
                     stimulated by " (number(result.strength, 3)) " at one end; velocity from the first to the last quarter."
                }
                (figure(&figures.cable, Layout::Grid,
                    "When the front passes each cell, and the potential at a quarter and at three quarters of the cable."))
            }
        }
    }
}

fn endurance(v: &Verification, figures: &Figures) -> Markup {
    html! {
        @if !v.long.is_empty() || v.pushes.is_some() {
            section id="endurance" {
                h2 { "Endurance" }
                @for result in &v.long { p { (long(result)) "." } }
                @if !figures.long.is_empty() {
                    (figure(&figures.long, Layout::Grid,
                        "APD90 beat by beat. The cell model is followed until it no longer changes; the surrogate goes on."))
                }
                @if let Some(result) = &v.pushes {
                    p { "Out of its domain: " (pushes(result)) "." }
                    @if !result.failures.is_empty() {
                        div.scroll {
                            table {
                                thead { tr { th { "state" } th.number { "value" } th.number { "time of the beat" } th { "what came of it" } } }
                                tbody {
                                    @for push in &result.failures {
                                        tr {
                                            td { (push.state) }
                                            td.number { (number(push.value, 4)) }
                                            td.number { (chosen(push.moment, 4)) " ms" }
                                            td { @if push.not_finite { "not finite" } @else { "does not come back" } }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn states(v: &Verification) -> Markup {
    html! {
        @if let Some(result) = &v.divergence {
            section id="states" {
                h2 { "State by state" }
                p { "At the worst cycle length: " (divergence(result)) "." }
                details {
                    summary { "All states at " (chosen(result.cycle_length, 4)) " ms" }
                    div.scroll {
                        table {
                            thead {
                                tr {
                                    th { "state" } th.number { "largest error" } th.number { "at" }
                                    th.number { "more than 5 % off since" } th.number { "single step" }
                                }
                            }
                            tbody {
                                @for state in &result.states {
                                    tr {
                                        th scope="row" { (state.state) }
                                        td.number { (number(100.0 * state.largest, 3)) " %" }
                                        td.number { (chosen(state.largest_at, 5)) " ms" }
                                        td.number { (amount(state.since, "ms")) }
                                        td.number { (amount(state.step_error.map(|e| 100.0 * e), "%")) }
                                    }
                                }
                            }
                        }
                    }
                    p.muted {
                        "Errors in shares of the range that the surrogate's file tells, or that the cell model visits, sampled every \
                         millisecond; a departure counts when it lasts for three samples, because a front that comes a little early \
                         or late is none. Single step: errors of one step from states of the cell model over what the state \
                         moves there; large where a state's own equation is wrong, small where it follows others astray."
                    }
                }
            }
        }
    }
}

fn conditions(v: &Verification) -> Markup {
    html! {
        section id="conditions" {
            h2 { "Conditions" }
            div.scroll {
                table {
                    tbody {
                        (row("step of both", &format!("{} ms", chosen(v.dt, 4))))
                        (row("stimulus of single cells", &format!("{} for {} ms", number(v.strength, 4), chosen(v.duration, 3))))
                        (row("activation", &format!("upward crossing of {}, half way up the action potential of a rested cell", number(v.level, 4))))
                        @if let Some(result) = &v.cost { (row("cost", &cost(result))) }
                    }
                }
            }
        }
    }
}
