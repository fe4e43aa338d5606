//! Axes: where values lie, and which of them are written down.

/// A linear or logarithmic axis with its label.
#[derive(Clone, Debug)]
pub struct Axis {
    low: f64,
    high: f64,
    logarithmic: bool,
    pub label: String,
}

impl Axis {
    /// A linear axis that holds `values`, with a little room around them.
    pub fn linear(label: impl Into<String>, values: impl Iterator<Item = f64>) -> Self {
        let [low, high] = extent(values).unwrap_or([0.0, 1.0]);
        let room = match high - low {
            0.0 => low.abs().max(1.0) * 0.5,
            span => span * 0.05,
        };
        Self { low: low - room, high: high + room, logarithmic: false, label: label.into() }
    }

    /// A linear axis from `low` to `high`.
    pub fn exactly(label: impl Into<String>, low: f64, high: f64) -> Self {
        let high = if high > low { high } else { low + 1.0 };
        Self { low, high, logarithmic: false, label: label.into() }
    }

    /// A logarithmic axis over whole decades that hold the positive `values`, at most
    /// `max_decades` below the largest.
    pub fn logarithmic(
        label: impl Into<String>,
        values: impl Iterator<Item = f64>,
        max_decades: f64,
    ) -> Self {
        let [low, high] = extent(values.filter(|&v| v > 0.0)).unwrap_or([1e-3, 1.0]);
        let high = high.log10().ceil();
        let low = low.log10().floor().max(high - max_decades).min(high - 1.0);
        Self { low: 10f64.powf(low), high: 10f64.powf(high), logarithmic: true, label: label.into() }
    }

    /// A logarithmic axis that begins and ends with the positive `values`, at most `max_decades`
    /// below the largest.
    pub fn logarithmic_tight(
        label: impl Into<String>,
        values: impl Iterator<Item = f64>,
        max_decades: f64,
    ) -> Self {
        let [low, high] = extent(values.filter(|&v| v > 0.0)).unwrap_or([1.0, 10.0]);
        let high = if high > low { high } else { 10.0 * low };
        let low = low.max(high / 10f64.powf(max_decades));
        Self { low, high, logarithmic: true, label: label.into() }
    }

    /// The ends.
    pub fn range(&self) -> [f64; 2] {
        [self.low, self.high]
    }

    /// 0 at the lower end, 1 at the upper; values beyond them, and zero on a logarithmic axis,
    /// lie on the end.
    pub fn place(&self, value: f64) -> f64 {
        let place = if self.logarithmic {
            (value.max(self.low * 1e-9) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        // NaN stays NaN: lines have gaps there.
        place.clamp(0.0, 1.0)
    }

    /// Values with a tick and their texts, about `n` of them.
    pub fn ticks(&self, n: usize) -> Vec<(f64, String)> {
        if self.logarithmic { self.decade_ticks(n) } else { self.round_ticks(n) }
    }

    fn round_ticks(&self, n: usize) -> Vec<(f64, String)> {
        let span = self.high - self.low;
        let rough = span / n as f64;
        let decade = 10f64.powf(rough.log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].map(|m| m * decade);
        // The nearest, as the eye compares: by ratio.
        let distance = |step: &f64| (step / rough).ln().abs();
        let step = steps.into_iter().min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap_or(decade);
        let digits = (-step.log10().floor()).max(0.0) as usize;
        let first = (self.low / step - 1e-9).ceil() as i64;
        let last = (self.high / step + 1e-9).floor() as i64;
        let tick = |i: i64| {
            let value = i as f64 * step;
            (value, with_minus(&format!("{value:.digits$}")))
        };
        (first..=last).map(tick).collect()
    }

    fn decade_ticks(&self, n: usize) -> Vec<(f64, String)> {
        let first = (self.low.log10() - 1e-9).ceil() as i32;
        let last = (self.high.log10() + 1e-9).floor() as i32;
        if last - first < 1 {
            // Hardly a decade: 1, 2, 5 of each.
            let decades = first - 1..=last;
            let values = decades.flat_map(|d| [1.0, 2.0, 5.0].map(|m| m * 10f64.powi(d)));
            let inside = values.filter(|v| (self.low * 0.999..=self.high * 1.001).contains(v));
            return inside.map(|v| (v, number(v, 1))).collect();
        }
        let every = ((last - first + 1) as usize).div_ceil(n).max(1);
        (first..=last).step_by(every).map(|d| (10f64.powi(d), power_of_ten(d))).collect()
    }
}

/// The smallest and the largest of the finite `values`.
pub fn extent(values: impl Iterator<Item = f64>) -> Option<[f64; 2]> {
    values.filter(|v| v.is_finite()).fold(None, |extent, v| match extent {
        None => Some([v, v]),
        Some([low, high]) => Some([low.min(v), high.max(v)]),
    })
}

/// 10 to the power `exponent`, written out where that is short.
fn power_of_ten(exponent: i32) -> String {
    match exponent {
        -2..=0 => format!("{:.*}", exponent.unsigned_abs() as usize, 10f64.powi(exponent)),
        1..=3 => format!("{:.0}", 10f64.powi(exponent)),
        _ => format!("10{}", superscript(exponent)),
    }
}

fn superscript(number: i32) -> String {
    let raise = |c: char| match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        digit => char::from_u32('⁰' as u32 + digit as u32 - '0' as u32).unwrap_or(digit),
    };
    number.to_string().chars().map(raise).collect()
}

/// `value` with `digits` significant digits, as powers of ten where it is very small or large.
pub fn number(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    // Rounding first: 9.99 with two digits is 10, not 1.0e1.
    let text = format!("{value:.*e}", digits.max(1) - 1);
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-2..5).contains(&exponent) {
        let decimals = (digits as i32 - 1 - exponent).max(0) as usize;
        return with_minus(&format!("{:.decimals$}", text.parse::<f64>().unwrap_or(value)));
    }
    format!("{}·10{}", with_minus(mantissa), superscript(exponent))
}

/// As [`number`], without zeros at the end: for values that somebody chose.
pub fn chosen(value: f64, digits: usize) -> String {
    let text = number(value, digits);
    let (mantissa, power) = text.split_at(text.find('·').unwrap_or(text.len()));
    let mantissa = match mantissa.contains('.') {
        true => mantissa.trim_end_matches('0').trim_end_matches('.'),
        false => mantissa,
    };
    format!("{mantissa}{power}")
}

fn with_minus(text: &str) -> String {
    // Rounding may leave "-0.0".
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|c| c == '0' || c == '.') => rest.to_owned(),
        Some(rest) => format!("−{rest}"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(axis: &Axis, n: usize) -> Vec<String> {
        axis.ticks(n).into_iter().map(|t| t.1).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(texts(&Axis::exactly("", 0.0, 50.0), 5), ["0", "10", "20", "30", "40", "50"]);
        assert_eq!(texts(&Axis::exactly("", -0.1, 0.11), 5), ["−0.10", "−0.05", "0.00", "0.05", "0.10"]);
        let decades = Axis::logarithmic("", [3e-7, 0.2].into_iter(), 12.0);
        assert_eq!(decades.range().map(f64::log10).map(f64::round), [-7.0, 0.0]);
        assert_eq!(texts(&decades, 4), ["10⁻⁷", "10⁻⁵", "10⁻³", "0.1"]);
        assert_eq!(decades.place(0.0), 0.0);
        assert!((decades.place(1e-7 * 10f64.sqrt()) - 0.5 / 7.0).abs() < 1e-12);
    }

    #[test]
    fn numbers_have_the_digits_asked_for() {
        let three = [0.0012345, 123.456, 0.0, -0.5, 1.5e-6, 12345.6, 2.0e9].map(|v| number(v, 3));
        assert_eq!(three, ["1.23·10⁻³", "123", "0", "−0.500", "1.50·10⁻⁶", "12300", "2.00·10⁹"]);
        assert_eq!(number(9.996, 3), "10.0");
        let chosen = [0.1, 50.0, 0.0, 1e-4, 0.0123].map(|v| chosen(v, 3));
        assert_eq!(chosen, ["0.1", "50", "0", "1·10⁻⁴", "0.0123"]);
    }
}
