//! The page of the study: one HTML file that needs nothing else.

use maud::{DOCTYPE, PreEscaped, html};

use super::table::{HEADER, Results};
use crate::report::page::STYLE;

/// The whole page.
pub fn html(results: &Results) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "The papers' study" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header { h1 { "The papers' study" } }
                main {
                    @for paragraph in results.conditions() { p { (paragraph) } }
                    div.scroll {
                        table {
                            thead { tr { @for (i, name) in HEADER.iter().enumerate() { th.number[i > 1] { (name) } } } }
                            tbody {
                                @for row in &results.rows {
                                    tr {
                                        @for (i, field) in row.fields().iter().enumerate() {
                                            td.number[i > 1] { (field) }
                                        }
                                    }
                                }
                            }
                        }
                    }
                    @if !results.left_out.is_empty() {
                        h2 { "Left out" }
                        ul {
                            @for (problem, method, why) in &results.left_out {
                                li { (method) " of " (problem) ": " (why) "." }
                            }
                        }
                    }
                }
            }
        }
    };
    page.into_string()
}
