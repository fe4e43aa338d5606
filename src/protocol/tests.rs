//! Models whose behaviour is known, and experiments on them.

use super::*;
use crate::error::Result;
use crate::step_function::StepFunction;

/// dV/dt = stimulus.
#[derive(Default)]
pub struct Integrator([f64; 1]);

impl StepFunction for Integrator {
    fn n_states(&self) -> usize {
        1
    }

    fn initial_state(&self) -> &[f64] {
        &self.0
    }

    fn step(&mut self, states: &mut [f64], stimulus: &[f64], dt: f64, n_steps: u32) -> Result<()> {
        for (v, s) in states.iter_mut().zip(stimulus) {
            *v += s * dt * f64::from(n_steps);
        }
        Ok(())
    }
}

/// Mitchell and Schaeffer (2003), with the stimulus as a negative current and the potential in mV between -80 and 20 if asked for.
#[derive(Clone)]
struct MitchellSchaeffer {
    initial: [f64; 2],
    millivolts: bool,
}

impl MitchellSchaeffer {
    fn dimensionless() -> Self {
        Self { initial: [0.0, 1.0], millivolts: false }
    }

    fn in_millivolts() -> Self {
        Self { initial: [-80.0, 1.0], millivolts: true }
    }

    /// Twice the threshold.
    fn pulse(&self) -> Pulse {
        Pulse { strength: if self.millivolts { -5.6 } else { 0.056 }, duration: 2.0 }
    }
}

impl StepFunction for MitchellSchaeffer {
    fn n_states(&self) -> usize {
        2
    }

    fn initial_state(&self) -> &[f64] {
        &self.initial
    }

    fn step(&mut self, states: &mut [f64], stimulus: &[f64], dt: f64, n_steps: u32) -> Result<()> {
        let (t_in, t_out, t_open, t_close, v_gate) = (0.3, 6.0, 120.0, 150.0, 0.13);
        for (cell, &s) in states.chunks_exact_mut(2).zip(stimulus) {
            let (mut v, s) =
                if self.millivolts { ((cell[0] + 80.0) / 100.0, -s / 100.0) } else { (cell[0], s) };
            let mut h = cell[1];
            for _ in 0..n_steps {
                let dv = h * v * v * (1.0 - v) / t_in - v / t_out + s;
                let dh = if v < v_gate { (1.0 - h) / t_open } else { -h / t_close };
                (v, h) = (v + dt * dv, h + dt * dh);
            }
            cell.copy_from_slice(&[if self.millivolts { 100.0 * v - 80.0 } else { v }, h]);
        }
        Ok(())
    }
}

/// dV/dt = V (1 − V)(V − a): a bistable cell, whose front travels at √(D/2)·(1 − 2a) (Nagumo's equation).
struct Bistable {
    threshold: f64,
    initial: [f64; 1],
}

impl StepFunction for Bistable {
    fn n_states(&self) -> usize {
        1
    }

    fn initial_state(&self) -> &[f64] {
        &self.initial
    }

    fn step(&mut self, states: &mut [f64], stimulus: &[f64], dt: f64, n_steps: u32) -> Result<()> {
        for (v, s) in states.iter_mut().zip(stimulus) {
            for _ in 0..n_steps {
                *v += dt * (*v * (1.0 - *v) * (*v - self.threshold) + s);
            }
        }
        Ok(())
    }
}

#[test]
fn a_front_travels_at_the_known_speed() {
    let (threshold, diffusion) = (0.2, 0.5);
    let exact = (diffusion / 2.0f64).sqrt() * (1.0 - 2.0 * threshold);
    let level = Criteria { level: 0.5, shortest: 0.0 };
    let error = |spacing: f64, dt: f64| {
        let options = CableOptions {
            n_cells: (80.0 / spacing) as usize,
            spacing,
            diffusion,
            pulse: Pulse { strength: 1.0, duration: 3.0 },
            stimulated: (8.0 / spacing) as usize,
            time: 260.0,
        };
        let cable = cable(&mut Bistable { threshold, initial: [0.0] }, dt, &options).unwrap();
        cable.velocity(&level).unwrap() / exact - 1.0
    };
    let [coarse, fine] = [error(1.0, 0.02), error(0.5, 0.02)];
    assert!(coarse.abs() < 0.06 && fine.abs() < 0.015, "{coarse}, {fine}");
    // Second order in the spacing.
    assert!((3.0..5.5).contains(&(coarse / fine)), "{coarse}, {fine}");
    // Steps of the cells so long that diffusion takes several.
    assert!(error(0.5, 0.4).abs() < 0.06);
}

#[test]
fn every_cell_of_a_fibre_is_excited_in_turn() {
    for mut model in [MitchellSchaeffer::dimensionless(), MitchellSchaeffer::in_millivolts()] {
        let pulse = model.pulse();
        let criteria = Criteria::of(&mut model, 0.05, pulse).unwrap();
        let options = excite(&mut model, 0.05, &CableOptions::new(pulse), &criteria).unwrap();
        // What excites a cell on its own is too weak here.
        assert!(options.pulse.strength / pulse.strength >= 2.0);
        let cable = cable(&mut model, 0.05, &options).unwrap();
        let responses = cable.responses(&criteria);
        assert!(responses.iter().all(|beat| beat.response.apd90().is_some_and(|apd| apd > 250.0)));
        let activation: Vec<f64> =
            responses.iter().map(|beat| beat.response.depolarisation().unwrap().activation).collect();
        assert!(activation[5..].windows(2).all(|pair| pair[0] < pair[1]));
        let velocity = cable.velocity(&criteria).unwrap();
        assert!((velocity - 5.0 / (activation[75] - activation[25])).abs() < 0.01 * velocity);
        assert!((0.2..1.0).contains(&velocity), "{velocity}");
    }
}

#[test]
fn restitution_equals_pacing_each_interval_on_its_own() {
    let mut model = MitchellSchaeffer::in_millivolts();
    let pulse = model.pulse();
    let criteria = Criteria::of(&mut model, 0.05, pulse).unwrap();
    let intervals = vec![300.0, 340.0, 420.0, 600.0, 900.0];
    let protocol = S1S2 { pulse, cycle_length: 500.0, beats: 4, intervals: intervals.clone(), window: 600.0 };
    let points = s1s2(&mut model, 0.05, &protocol, &criteria).unwrap();
    for (point, interval) in points.iter().zip(intervals) {
        // Every step on its own, times by division: nothing of the code under test but the analysis.
        let (dt, s2) = (0.05, 1500.0 + interval);
        let mut cell = model.initial.to_vec();
        let mut voltage = vec![cell[0]];
        for step in 0..((s2 + 600.0) / dt).round() as usize {
            let on = [0.0, 500.0, 1000.0, 1500.0, s2].iter().any(|&start: &f64| {
                let begin = (start / dt).round() as usize;
                (begin..begin + 40).contains(&step)
            });
            model.step(&mut cell, &[if on { pulse.strength } else { 0.0 }], dt, 1).unwrap();
            voltage.push(cell[0]);
        }
        let expected = beats(&voltage, dt, &[1500.0, s2], &criteria);
        assert_eq!(point.interval, interval);
        match (point.response.apd90(), expected[1].response.apd90()) {
            (Some(own), Some(expected)) => assert!((own - expected).abs() < 0.01, "{own}, {expected}"),
            (own, expected) => assert_eq!(own, expected, "at {interval}"),
        }
        let Response::Complete(begin, end) = expected[0].response else { continue };
        let rest = interval - begin.activation - end.apd90;
        if rest > 0.0 {
            assert!((point.diastolic_interval.unwrap() - rest).abs() < 0.01);
        }
    }
    let durations: Vec<f64> = points.iter().filter_map(|p| p.response.apd90()).collect();
    assert!(durations.len() >= 3 && durations.windows(2).all(|pair| pair[0] < pair[1]), "{points:?}");
}

#[test]
fn a_passive_response_is_no_action_potential() {
    let mut model = MitchellSchaeffer::in_millivolts();
    let weak = Pulse { strength: -1.0, duration: 2.0 };
    let fault = Criteria::of(&mut model, 0.05, weak).unwrap_err().to_string();
    assert!(fault.contains("grows with the strength"), "{fault}");
    let wrong_sign = Pulse { strength: 5.6, duration: 2.0 };
    assert!(Criteria::of(&mut model, 0.05, wrong_sign).is_err());
    assert!(Criteria::of(&mut model, 0.05, Pulse { strength: -50.0, duration: 2.0 }).is_ok());
}
