//! A bench as text.

use std::fmt::Write as _;

use super::{Bench, Measurement, Setting};

/// In place of a ratio of times whose errors differ.
const NOT_COMPARED: &str = "≠";

impl Bench {
    /// The measurement's time against the first contender's, if they may be compared.
    fn times_first(&self, measurement: &Measurement) -> Option<f64> {
        let setting = Setting { batch: measurement.batch, threads: measurement.threads };
        measurement.times_faster_than(self.first_of(setting)?)
    }
}

/// A table for people, with a note on what it does not compare and who is missing.
pub fn table(bench: &Bench) -> String {
    let widest = bench.measurements.iter().map(|m| m.backend.chars().count()).max().unwrap_or(0).max(7);
    let mut text = format!(
        "{:<widest$}  {:<7} {:<5} {:>7} {:>8} {:>13} {:>12} {:>7} {:>7} {:>9}  {}\n",
        "backend",
        "device",
        "numbers",
        "threads",
        "batch",
        "µs a call",
        "M cells/s",
        "of peak",
        "steps",
        "× first",
        "max error (f64)"
    );
    let mut not_compared = false;
    for m in &bench.measurements {
        let ratio = match bench.times_first(m) {
            Some(ratio) => format!("{ratio:.2}"),
            None => {
                not_compared = true;
                NOT_COMPARED.to_owned()
            }
        };
        let error = m.max_abs_error.map_or("unknown".to_owned(), |error| format!("{error:.1e}"));
        let share = m.share_of_peak.map_or(String::new(), |share| format!("{:.0} %", 100.0 * share));
        let steps = m.break_even_steps.map_or(String::new(), |steps| format!("{steps:.0}"));
        let limit = m.limited_by.as_ref().map_or(String::new(), |by| format!("  limit: {by}"));
        let (device, numbers) = (&m.device, &m.precision);
        let (seconds, speed) = (1e6 * m.seconds_median, 1e-6 * m.evaluations_per_second);
        let _ = writeln!(
            text,
            "{:<widest$}  {device:<7} {numbers:<7} {:>7} {:>8} {seconds:>13.2} {speed:>12.3} {share:>7} {steps:>7} {ratio:>9}  {error}{limit}",
            m.backend, m.threads, m.batch
        );
    }
    if bench.measurements.iter().any(|m| m.break_even_steps.is_some()) {
        text.push_str("steps: forward Euler steps of the cell model that take as long; an evaluation must replace more\n");
    }
    if bench.measurements.iter().any(|m| m.limited_by.is_some()) {
        text.push_str(
            "of peak, on a GPU: the least time that its units and its memory allow by their data sheets; limit: which of them\n",
        );
    }
    if not_compared {
        let _ = writeln!(
            text,
            "{NOT_COMPARED} not compared with the first: their errors differ by more than a factor of 10, or are unknown"
        );
    }
    for missing in &bench.missing {
        let _ = writeln!(text, "{}: {}", missing.backend, missing.reason);
    }
    text
}

/// The same as comma-separated values; `times_first` is empty where times may not be compared.
pub fn csv(bench: &Bench) -> String {
    let mut text =
        "backend,device,precision,batch,threads,seconds_median,evaluations_per_second,share_of_peak,\
        limited_by,break_even_steps,max_abs_error,times_first\n"
            .to_owned();
    for m in &bench.measurements {
        let number = |x: Option<f64>| x.map_or(String::new(), |x| format!("{x:?}"));
        let _ = writeln!(
            text,
            "{},{},{},{},{},{:?},{:?},{},{},{},{},{}",
            m.backend,
            m.device,
            m.precision,
            m.batch,
            m.threads,
            m.seconds_median,
            m.evaluations_per_second,
            number(m.share_of_peak),
            m.limited_by.as_deref().unwrap_or_default(),
            number(m.break_even_steps),
            number(m.max_abs_error),
            number(bench.times_first(m)),
        );
    }
    text
}
