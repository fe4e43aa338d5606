//! A line search for the strong Wolfe conditions (Nocedal and Wright, *Numerical Optimization*, 2nd edition,
//! algorithms 3.5 and 3.6): the objective falls enough, and its slope becomes flat enough that the step tells
//! something about the curvature.

/// Part of the decrease that the first slope promises which a step must bring.
const SUFFICIENT_DECREASE: f64 = 1e-4;
/// Part of the first slope that may be left.
const FLATNESS: f64 = 0.9;
/// Evaluations of one search.
const MOST_EVALUATIONS: usize = 25;

/// A point on the line.
#[derive(Clone, Debug)]
pub(super) struct Point<T> {
    /// Distance from the start, in units of the direction.
    pub step: f64,
    pub value: f64,
    /// Derivative of the value by the step.
    pub slope: f64,
    /// What else the caller wants to know about the point.
    pub what: T,
}

impl<T> Point<T> {
    fn is_finite(&self) -> bool {
        self.value.is_finite() && self.slope.is_finite()
    }
}

/// Looks for a point on a line that falls at its `start`, beginning with a step of `first`. None if it finds no point
/// below the start; a point that is below but too steep if its evaluations run out.
pub(super) fn search<T: Clone>(
    start: &Point<T>,
    first: f64,
    mut at: impl FnMut(f64) -> Point<T>,
) -> Option<Point<T>> {
    let falls = |p: &Point<T>| p.value <= start.value + SUFFICIENT_DECREASE * p.step * start.slope;
    let is_flat = |p: &Point<T>| p.slope.abs() <= FLATNESS * -start.slope;
    let mut low = start.clone();
    let mut high = None;
    let mut step = first;
    for _ in 0..MOST_EVALUATIONS {
        let point = at(step);
        if !point.is_finite() || !falls(&point) || point.value >= low.value {
            high = Some(point);
        } else if is_flat(&point) {
            return Some(point);
        } else {
            // The minimum lies on the side to which the value falls from here.
            let away = high.as_ref().map_or(1.0, |h: &Point<T>| h.step - point.step);
            let behind = std::mem::replace(&mut low, point);
            if low.slope * away >= 0.0 {
                high = Some(behind);
            }
        }
        step = match &high {
            None => low.step + (4.0 * (low.step - start.step)).min(10.0 * low.step),
            Some(high) => between(&low, high),
        };
        if high.as_ref().is_some_and(|h| (h.step - low.step).abs() < 1e-12 * low.step.max(1e-12)) {
            break;
        }
    }
    (low.value < start.value).then_some(low)
}

/// Where the cubic through both points has its minimum, kept away from the ends; the middle where there is none.
fn between<T>(low: &Point<T>, high: &Point<T>) -> f64 {
    let width = high.step - low.step;
    let middle = low.step + 0.5 * width;
    if !high.is_finite() {
        return low.step + 0.1 * width;
    }
    let d1 = low.slope + high.slope - 3.0 * (low.value - high.value) / (low.step - high.step);
    let square = d1 * d1 - low.slope * high.slope;
    if square < 0.0 {
        return middle;
    }
    let d2 = square.sqrt() * width.signum();
    let minimum = high.step - width * (high.slope + d2 - d1) / (high.slope - low.slope + 2.0 * d2);
    let part = (minimum - low.step) / width;
    if part.is_finite() { low.step + part.clamp(0.1, 0.9) * width } else { middle }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(f: impl Fn(f64) -> (f64, f64), first: f64) {
        let at = |step: f64| {
            let (value, slope) = f(step);
            Point { step, value, slope, what: () }
        };
        let start = at(0.0);
        let found = search(&start, first, at).unwrap();
        assert!(found.value <= start.value + SUFFICIENT_DECREASE * found.step * start.slope, "{found:?}");
        assert!(found.slope.abs() <= FLATNESS * start.slope.abs(), "{found:?}");
    }

    #[test]
    fn both_conditions_hold_for_first_steps_of_all_lengths() {
        for first in [1e-3, 0.1, 1.0, 10.0, 1e3] {
            check(|x| ((x - 3.0).powi(2), 2.0 * (x - 3.0)), first);
            // Moré and Thuente's first function.
            check(|x| (-x / (x * x + 2.0), (x * x - 2.0) / (x * x + 2.0).powi(2)), first);
            // Not finite beyond 5.
            check(|x| (-x - (5.0 - x).ln(), -1.0 + 1.0 / (5.0 - x)), first);
        }
    }

    #[test]
    fn a_line_that_only_rises_has_no_such_point() {
        let at = |step: f64| Point { step, value: step, slope: -1.0, what: () };
        assert!(search(&at(0.0), 1.0, at).is_none());
    }
}
