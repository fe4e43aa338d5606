//! The page of a search: one HTML file that needs nothing else.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::table::{Row, Table};
use crate::report::page::{Layout, STYLE, figure};
use crate::report::{Figure, number};

/// The whole page.
pub fn html(name: &str, table: &Table, picture: Option<&Figure>) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (name) " – search" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (name) }
                    p.muted {
                        (count(table, "trained")) " of " (table.rows.len()) " trials trained, "
                        (count(table, "failed") + count(table, "crashed")) " failed · emucell "
                        (env!("CARGO_PKG_VERSION"))
                    }
                }
                main {
                    @if let Some(picture) = picture { (front(table, picture)) }
                    (trials(table))
                }
            }
        }
    };
    page.into_string()
}

fn count(table: &Table, status: &str) -> usize {
    table.rows.iter().filter(|row| row.status() == status).count()
}

fn front(table: &Table, picture: &Figure) -> Markup {
    html! {
        section id="front" {
            h2 { "Accuracy against speed" }
            (figure(std::slice::from_ref(picture), Layout::Single,
                "A point a trial; the line joins those that no other trial beats in both."))
            p.muted {
                "Speeds were measured one surrogate after the other when no trial was training: native session, one \
                 thread, single precision, " (table.processor) "."
                @if !table.optimized { " This program was built without optimisation: these speeds mean nothing." }
            }
        }
    }
}

fn trials(table: &Table) -> Markup {
    let cells = table.rows.iter().filter_map(Row::reached).find_map(|a| a.cells.zip(a.cells_seed));
    html! {
        section id="trials" {
            h2 { "Trials" }
            @if let Some((cells, seed)) = cells {
                p {
                    "Errors are against the exact solution on " (cells) " cells drawn with the seed " (seed)
                    ", the same for all trials, on which none was trained or stopped. Whoever picks the best of many by \
                     them should quote its error on cells of another seed (emucell report --seed)."
                }
            }
            div.scroll {
                table {
                    thead {
                        tr {
                            th.number { "trial" }
                            th { "network" }
                            @for key in &table.keys { th { (key) } }
                            th.number { "seed" }
                            th.number { "mean absolute error" } th.number { "largest error" }
                            th.number { "excitation wrong" } th.number { "parameters" } th.number { "multiply-adds" }
                            th.number { "ns a cell" } th.number { "s" } th { "" }
                        }
                    }
                    tbody { @for row in table.ranked() { (trial(table, row)) } }
                }
            }
        }
    }
}

fn trial(table: &Table, row: &Row) -> Markup {
    let reached = row.reached();
    let small = |x: Option<f64>| x.map_or("–".to_owned(), |x| number(x, 3));
    let whole = |x: Option<usize>| x.map_or("–".to_owned(), |x| x.to_string());
    let wrong = reached.and_then(|a| a.excitation_wrong);
    html! {
        tr {
            td.number { (row.trial) }
            td { @if row.on_front { strong { (row.architecture) } } @else { (row.architecture) } }
            @for key in &table.keys { td { (row.setting(key)) } }
            td.number { (row.seed) }
            td.number { (small(reached.and_then(|a| a.mean_absolute))) }
            td.number { (small(reached.and_then(|a| a.maximum))) }
            td.number { (wrong.map_or("–".to_owned(), |x| format!("{} %", number(100.0 * x, 2)))) }
            td.number { (whole(row.parameters)) }
            td.number { (whole(row.multiply_adds)) }
            td.number { (small(row.nanoseconds)) }
            td.number { (reached.map_or("–".to_owned(), |a| number(a.seconds, 3))) }
            td {
                @match reached {
                    Some(_) => { a href={ (row.folder) "/surrogate.onnx" } { "surrogate" } }
                    None => { (row.status()) @if !row.reason().is_empty() { ": " (row.reason()) } }
                }
            }
        }
    }
}
