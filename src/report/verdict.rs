//! What the numbers mean, in plain sentences.

use super::draw::{chosen, number};
use super::evaluate::{Accuracy, AgainstEuler, EULER_DT};

/// Whether a sentence is good news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Wins,
    Loses,
    Depends,
}

/// A sentence on speed.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    pub outcome: Outcome,
    pub text: String,
}

/// How the surrogate's error compares with Euler's own.
pub fn on_accuracy(accuracy: &Accuracy) -> String {
    let (own, euler) = (accuracy.surrogate.mean_absolute, accuracy.euler.mean_absolute);
    let beside = if own <= euler {
        format!("smaller than that of forward Euler with steps of {EULER_DT} ms ({})", number(euler, 2))
    } else {
        let times = number(own / euler, 2);
        format!("{times} times that of forward Euler with steps of {EULER_DT} ms ({})", number(euler, 2))
    };
    let equal = match accuracy.equal_euler_dt {
        Some(dt) => {
            format!(" Euler with steps of {} ms is at least as accurate as this surrogate.", chosen(dt, 2))
        }
        None => " No Euler step of 0.01 ms or longer is as accurate.".to_owned(),
    };
    let broken = match accuracy.not_finite {
        0.0 => String::new(),
        share => format!(
            " For {} of the cells the surrogate gave no finite numbers; they are not in these figures.",
            percent(share)
        ),
    };
    format!("The mean absolute error, {}, is {beside}.{equal}{broken}", number(own, 2))
}

/// Whether the surrogate is faster than Euler. `equal_euler_dt` is the Euler step that is as
/// accurate as the surrogate.
pub fn on_speed(speed: &AgainstEuler, dt: Option<f64>, horizon: f64, equal_euler_dt: Option<f64>) -> Verdict {
    let steps = |n: f64| chosen(n, 3);
    let cost = format!(
        "One evaluation takes as long as {} forward Euler steps, so it must replace more than that to pay.",
        steps(speed.break_even_steps)
    );
    let (Some(dt), Some(replaced), Some(times)) = (dt, speed.replaced_steps, speed.times_faster) else {
        let whole = horizon / speed.dt;
        return Verdict {
            outcome: Outcome::Depends,
            text: format!(
                "{cost} With Euler steps of {} ms that is {} ms of solution: the surrogate is ahead where the \
                 states are asked for at times farther apart than that, and behind where they are closer. \
                 For the state at {} ms alone it replaces {} steps and is {} than Euler.",
                speed.dt,
                number(speed.break_even_time, 2),
                chosen(horizon, 3),
                steps(whole),
                faster(whole / speed.break_even_steps),
            ),
        };
    };
    let equal = match equal_euler_dt.filter(|equal| *equal > 1.5 * speed.dt) {
        None => String::new(),
        Some(equal) => format!(
            " Against Euler with steps of {} ms, which is at least as accurate, it replaces {} and is {}.",
            chosen(equal, 2),
            steps(dt / equal),
            faster(dt / equal / speed.break_even_steps),
        ),
    };
    Verdict {
        outcome: if times > 1.0 { Outcome::Wins } else { Outcome::Loses },
        text: format!(
            "{cost} It advances cells by {} ms, which are {} Euler steps of {} ms: the surrogate {}, it is {} than Euler.{equal}",
            chosen(dt, 3),
            steps(replaced),
            speed.dt,
            if times > 1.0 { "wins" } else { "loses" },
            faster(times),
        ),
    }
}

fn faster(times: f64) -> String {
    if times >= 1.0 {
        format!("{} times faster", number(times, 2))
    } else {
        format!("{} times slower", number(1.0 / times, 2))
    }
}

/// A share as text.
pub fn percent(share: f64) -> String {
    match share {
        0.0 => "0 %".to_owned(),
        share => format!("{} %", number(100.0 * share, 2)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speed(break_even_steps: f64, replaced: Option<f64>) -> AgainstEuler {
        AgainstEuler {
            steps_per_second: 1e9,
            break_even_steps,
            dt: 0.01,
            replaced_steps: replaced,
            times_faster: replaced.map(|r| r / break_even_steps),
            break_even_time: break_even_steps * 0.01,
        }
    }

    #[test]
    fn a_loss_is_called_a_loss() {
        let wins = on_speed(&speed(40.0, Some(100.0)), Some(1.0), 50.0, None);
        assert_eq!(wins.outcome, Outcome::Wins);
        assert!(wins.text.contains("wins, it is 2.5 times faster"), "{}", wins.text);
        let loses = on_speed(&speed(40.0, Some(10.0)), Some(0.1), 50.0, Some(0.05));
        assert_eq!(loses.outcome, Outcome::Loses);
        assert!(loses.text.contains("loses, it is 4.0 times slower"), "{}", loses.text);
        assert!(loses.text.contains("replaces 2 and is 20 times slower"), "{}", loses.text);
        let map = on_speed(&speed(80.0, None), None, 20.0, None);
        assert_eq!(map.outcome, Outcome::Depends);
        assert!(
            map.text.contains("0.80 ms of solution") && map.text.contains("25 times faster"),
            "{}",
            map.text
        );
    }
}
