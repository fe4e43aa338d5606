//! The page's section on thousands of steps in a row.

use maud::{Markup, html};

use super::draw::number;
use super::evaluate::LongRollout;
use super::page::row;
use super::verdict::percent;

/// What a long rollout showed, in a sentence.
pub fn sentence(long: &LongRollout) -> String {
    let stayed = match (long.excursion, long.not_finite) {
        (_, share) if share > 0.0 => format!("{} of the cells ended in no finite numbers", percent(share)),
        (0.0, _) => "no state ever left its range".to_owned(),
        (outside, _) => format!(
            "states were outside their ranges by {} of the width at most (the reference: {})",
            percent(outside),
            percent(long.reference_excursion)
        ),
    };
    let period = long.period_error_mean.map_or(String::new(), |mean| {
        format!("; the mean period of oscillating cells is wrong by {} on average", percent(mean))
    });
    format!("In {} steps in a row {stayed}{period}.", long.steps)
}

/// The section, if there was such a rollout.
pub fn section(long: Option<&LongRollout>) -> Markup {
    html! {
        @if let Some(long) = long {
            section id="long-rollout" {
                h2 { "Thousands of steps" }
                p.verdict { (sentence(long)) }
                div.scroll {
                    table {
                        caption {
                            (long.cells) " cells from the domain, seed " (long.seed) ", "
                            (long.steps) " steps of " (number(long.dt, 3)) " ms"
                        }
                        (row("farthest outside the range, in widths", &number(long.excursion, 2)))
                        (row("the same of the reference", &number(long.reference_excursion, 2)))
                        (row("cells that are not finite at the end", &percent(long.not_finite)))
                        (row("cells that oscillate in the reference", &percent(long.oscillating)))
                        (row("cells that oscillate only in one of the two", &percent(long.collapsed)))
                        @if let (Some(mean), Some(maximum)) = (long.period_error_mean, long.period_error_maximum) {
                            (row("error of the period, mean over cells", &percent(mean)))
                            (row("error of the period, largest", &percent(maximum)))
                        }
                    }
                }
            }
        }
    }
}
