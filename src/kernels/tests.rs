//! One suite for every instruction set, against the standard library in double precision.

use super::*;
use crate::activation::Activation;

/// Blocks of a tile, aligned as sessions align them.
fn columns(width: usize, f: impl Fn(usize, usize) -> f32) -> Vec<f32> {
    (0..width * TILE).map(|i| f(i / TILE, i % TILE)).collect()
}

/// Numbers between −1 and 1 that look random and are the same everywhere.
fn noise(seed: usize) -> f32 {
    let mixed = (seed as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
    mixed as f32 / (1u64 << 23) as f32 - 1.0
}

/// |a − b| in units of the last place of `b`, or of `smallest` where `b` is smaller.
fn ulps(a: f32, b: f64, smallest: f32) -> f64 {
    (f64::from(a) - b).abs() / (f64::from(f32::EPSILON) * b.abs().max(f64::from(smallest)))
}

/// The activation in double precision.
fn reference(activation: Activation, x: f64) -> f64 {
    let mut b = crate::program::ProgramBuilder::new(1).unwrap();
    let y = b.activation(crate::program::BlockId::INPUT, activation).unwrap();
    b.finish(y).evaluate_reference(&[x])[0]
}

#[test]
fn activations_are_accurate_over_their_whole_range() {
    // GELU's tails magnify the rounding of x itself (by x²): there the error counts absolutely.
    let smallest = |a: Activation| match a {
        Activation::Gelu | Activation::GeluTanh => 0.1,
        _ => f32::MIN_POSITIVE,
    };
    for kernels in Kernels::available() {
        for activation in Activation::functions() {
            let mut worst: (f64, f32) = (0.0, 0.0);
            for scale in [1e-30f32, 1e-5, 0.1, 1.0, 4.0, 12.0, 80.0] {
                for chunk in 0..64 {
                    let x = columns(1, |_, lane| scale * noise(chunk * TILE + lane));
                    let mut y = vec![0.0; TILE];
                    // SAFETY: one column each, available instructions.
                    unsafe { (kernels.activation)(activation, x.as_ptr(), y.as_mut_ptr(), 1, TILE) };
                    for (&x, &y) in x.iter().zip(&y) {
                        let exact = reference(activation, f64::from(x));
                        if exact.abs() > 1e-30 {
                            let error = ulps(y, exact, smallest(activation));
                            worst = if error > worst.0 { (error, x) } else { worst };
                        }
                        match activation {
                            Activation::Tanh => assert!(y.abs() <= 1.0),
                            Activation::Sigmoid => assert!((0.0..=1.0).contains(&y)),
                            Activation::Softplus => assert!(y >= 0.0),
                            _ => {}
                        }
                    }
                }
            }
            assert!(worst.0 <= 5.0, "{} {activation:?}: {worst:?}", kernels.name);
        }
    }
}

/// The derivative of the activation in double precision, from its value or argument.
fn reference_slope(activation: Activation, from: f64) -> f64 {
    let mut b = crate::program::ProgramBuilder::new(1).unwrap();
    let input = crate::program::BlockId::INPUT;
    let y = b.push(crate::program::Operation::Slope { input, activation }).unwrap();
    b.finish(y).evaluate_reference(&[from])[0]
}

#[test]
fn slopes_of_activations_are_accurate_over_their_whole_range() {
    let others = [
        Activation::LeakyRelu { slope: -0.3 },
        Activation::Elu { alpha: 0.7 },
        Activation::Celu { alpha: 1.7 },
    ];
    for (kernels, activation) in Kernels::available()
        .into_iter()
        .flat_map(|k| Activation::functions().chain(others).map(move |a| (k, a)))
    {
        // What the slopes are computed from: values between their bounds, or arguments.
        let (low, high) = match activation {
            Activation::Tanh => (-1.0, 1.0),
            Activation::Sigmoid => (0.0, 1.0),
            Activation::Softplus => (0.0, f32::INFINITY),
            Activation::Elu { alpha } | Activation::Celu { alpha } => (-alpha, f32::INFINITY),
            Activation::Selu => (-crate::activation::SELU_ALPHA, f32::INFINITY),
            _ => (f32::NEG_INFINITY, f32::INFINITY),
        };
        // Sums of terms of different sign, whose error counts absolutely.
        let smallest = match activation {
            Activation::Silu | Activation::Gelu | Activation::GeluTanh => 1.0,
            _ => f32::MIN_POSITIVE,
        };
        for scale in [1e-30f32, 1e-5, 0.1, 1.0, 4.0, 12.0, 80.0, 1e30] {
            for chunk in 0..64 {
                let x = columns(1, |_, lane| (scale * noise(chunk * TILE + lane)).clamp(low, high));
                let mut y = vec![0.0; TILE];
                // SAFETY: one column each, available instructions.
                unsafe { (kernels.slope)(activation, x.as_ptr(), y.as_mut_ptr(), 1, TILE) };
                for (&x, &y) in x.iter().zip(&y) {
                    let exact = reference_slope(activation, f64::from(x));
                    let error =
                        if exact.abs() < 1e-30 { f64::from(y.abs()) } else { ulps(y, exact, smallest) };
                    assert!(error <= 5.0, "{} {activation:?} at {x:e}: {y:e} {exact:e}", kernels.name);
                }
            }
        }
        let (x, mut y) = (columns(1, |_, _| f32::NAN), vec![0.0f32; TILE]);
        // SAFETY: as above.
        unsafe { (kernels.slope)(activation, x.as_ptr(), y.as_mut_ptr(), 1, TILE) };
        assert!(y[3].is_nan(), "{} {activation:?}", kernels.name);
    }
}

#[test]
fn activations_and_exp_keep_nan_and_saturate() {
    let x = columns(1, |_, lane| match lane % 6 {
        0 => f32::NAN,
        1 => 1e30,
        2 => -1e30,
        3 => 0.0,
        4 => 88.5,
        _ => -103.0,
    });
    for kernels in Kernels::available() {
        let mut y = vec![0.0; TILE];
        for activation in Activation::functions() {
            // SAFETY: one column each, available instructions.
            unsafe { (kernels.activation)(activation, x.as_ptr(), y.as_mut_ptr(), 1, TILE) };
            for (&x, &y) in x.iter().zip(&y) {
                let exact = reference(activation, f64::from(x));
                // SiLU multiplies what is left of the sigmoid, 1e-38, by x.
                let tail = 1e-38 * f64::from(x.abs()).max(1.0);
                let close = (f64::from(y) - exact).abs() <= 1e-5 * exact.abs() + tail;
                assert!(close || (x.is_nan() && y.is_nan()), "{} {activation:?} {x}: {y}", kernels.name);
            }
        }
        // SAFETY: as above.
        unsafe { (kernels.exp)(x.as_ptr(), y.as_mut_ptr(), 1, TILE) };
        assert!(y[0].is_nan() && y[1] == f32::INFINITY && y[2] == 0.0 && y[3] == 1.0);
        assert!(ulps(y[4], 88.5f64.exp(), 1.0) < 4.0, "{}", y[4]);
    }
}

#[test]
fn dense_layers_of_every_shape_and_tail() {
    for kernels in Kernels::available() {
        for (n_inputs, n_outputs) in (1..=20).flat_map(|i| (1..=26).map(move |o| (i, o))) {
            let weights: Vec<f32> = (0..n_inputs * n_outputs).map(noise).collect();
            let bias: Vec<f32> = (0..n_outputs).map(|i| noise(i + 7)).collect();
            let layer = PackedDense::new(&weights, &bias, Activation::Linear, kernels.dense_rows);
            let x = columns(n_inputs, |c, lane| noise(c * 1000 + lane + 3));
            for lanes in [LANE_GROUP, TILE] {
                let mut y = vec![f32::NAN; n_outputs * TILE];
                // SAFETY: blocks of the layer's widths, available instructions.
                unsafe { (kernels.dense)(&layer, x.as_ptr(), y.as_mut_ptr(), lanes) };
                for (output, lane) in (0..n_outputs).flat_map(|o| (0..TILE).map(move |l| (o, l))) {
                    let y = y[output * TILE + lane];
                    if lane >= lanes {
                        assert!(y.is_nan(), "lane {lane} beyond {lanes} was written");
                        continue;
                    }
                    let terms = (0..n_inputs)
                        .map(|i| f64::from(weights[output * n_inputs + i]) * f64::from(x[i * TILE + lane]));
                    let exact = f64::from(bias[output]) + terms.clone().sum::<f64>();
                    let size = f64::from(bias[output].abs()) + terms.map(f64::abs).sum::<f64>();
                    let error = (f64::from(y) - exact).abs() / (size * f64::from(f32::EPSILON));
                    assert!(error < 4.0, "{} {n_inputs}→{n_outputs}: {error} ulp", kernels.name);
                }
            }
        }
    }
}

#[test]
fn a_single_cell_gets_the_bits_that_it_gets_among_others() {
    let shapes = (1..=9).flat_map(|i| (1..=50).map(move |o| (i, o))).chain([(33, 128), (64, 100), (5, 300)]);
    for (n_inputs, n_outputs) in shapes {
        let weights: Vec<f32> = (0..n_inputs * n_outputs).map(noise).collect();
        let bias: Vec<f32> = (0..n_outputs).map(|i| noise(i + 7)).collect();
        let x = columns(n_inputs, |c, lane| noise(c * 1000 + lane + 3));
        for kernels in Kernels::available() {
            let layer = PackedDense::new(&weights, &bias, Activation::Silu, kernels.dense_rows);
            let (mut all, mut one) = (vec![0.0f32; n_outputs * TILE], vec![f32::NAN; n_outputs * TILE]);
            // SAFETY: blocks of the layer's widths, available instructions.
            unsafe {
                (kernels.dense)(&layer, x.as_ptr(), all.as_mut_ptr(), TILE);
                (kernels.dense_one)(&layer, x.as_ptr().add(5), one.as_mut_ptr().add(5));
            }
            for (i, one) in one.into_iter().enumerate() {
                let same = if i % TILE == 5 { one == all[i] } else { one.is_nan() };
                assert!(same, "{} {n_inputs}→{n_outputs}, element {i}", kernels.name);
            }
        }
    }
}

#[test]
fn a_lane_never_influences_another() {
    let clean = columns(3, |c, lane| noise(c + lane));
    let mut spoiled = clean.clone();
    (0..3).for_each(|c| spoiled[c * TILE + 5] = f32::NAN);
    for kernels in Kernels::available() {
        let layer = PackedDense::new(&[1.0; 21], &[0.5; 7], Activation::Tanh, kernels.dense_rows);
        let run = |x: &[f32]| {
            let mut y = vec![0.0f32; 7 * TILE];
            // SAFETY: blocks of the layer's widths, available instructions.
            unsafe { (kernels.dense)(&layer, x.as_ptr(), y.as_mut_ptr(), TILE) };
            y
        };
        let (a, b) = (run(&clean), run(&spoiled));
        for (i, (a, b)) in a.iter().zip(&b).enumerate() {
            assert!(if i % TILE == 5 { b.is_nan() } else { a == b });
        }
    }
}

#[test]
fn binary_operators_repeat_single_columns_and_keep_nan() {
    let wide = columns(3, |c, lane| noise(c * 40 + lane) + 2.5);
    let mut single = columns(1, |_, lane| noise(lane + 900) + 2.5);
    single[4] = f32::NAN;
    let operators = [
        (Operator::Add, (|l, r| l + r) as fn(f32, f32) -> f32),
        (Operator::Subtract, |l, r| l - r),
        (Operator::Multiply, |l, r| l * r),
        (Operator::Divide, |l, r| l / r),
        (Operator::Minimum, |l, r| if l.is_nan() || r.is_nan() { f32::NAN } else { l.min(r) }),
        (Operator::Maximum, |l, r| if l.is_nan() || r.is_nan() { f32::NAN } else { l.max(r) }),
    ];
    for kernels in Kernels::available() {
        for (operator, expected) in operators {
            for single_is_left in [false, true] {
                let a = Operand { columns: wide.as_ptr(), repeated: false };
                let b = Operand { columns: single.as_ptr(), repeated: true };
                let (left, right) = if single_is_left { (b, a) } else { (a, b) };
                let mut y = vec![0.0; 3 * TILE];
                // SAFETY: three columns and one repeated column, available instructions.
                unsafe { (kernels.binary)(operator, left, right, y.as_mut_ptr(), 3, TILE) };
                for i in 0..3 * TILE {
                    let (wide, single) = (wide[i], single[i % TILE]);
                    let want = if single_is_left { expected(single, wide) } else { expected(wide, single) };
                    assert!(y[i] == want || (y[i].is_nan() && want.is_nan()), "{operator:?}");
                }
            }
        }
    }
}

#[test]
fn tables_interpolate_and_stay_inside() {
    let rows = 9;
    let specials = [-80.0, -1e9, 80.0, 1e9, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 79.999, -60.0];
    let x = columns(1, |_, lane| specials.get(lane).copied().unwrap_or(noise(lane) * 90.0));
    for (width, kernels) in [1, 3, 4, 8, 11, 16, 19, 28]
        .into_iter()
        .flat_map(|w| Kernels::available().into_iter().map(move |k| (w, k)))
    {
        let values: Vec<f32> = (0..rows * width).map(noise).collect();
        let mut table = UniformTable::new(-80.0, 0.05, width, values.clone());
        // What is read there must not be used.
        table.values[rows * width..].fill(f32::NAN);
        let mut y = vec![7.0; (width + 1) * TILE];
        // SAFETY: one column in, the table's width out, available instructions.
        unsafe { (kernels.table)(&table, x.as_ptr(), y.as_mut_ptr(), TILE) };
        assert!(y[width * TILE..].iter().all(|&y| y == 7.0), "{} writes beyond its columns", kernels.name);
        for (column, lane) in (0..width).flat_map(|c| (0..TILE).map(move |l| (c, l))) {
            let y = y[column * TILE + lane];
            if x[lane].is_nan() {
                assert!(y.is_nan());
                continue;
            }
            let position = ((f64::from(x[lane]) + 80.0) * 0.05).clamp(0.0, (rows - 1) as f64);
            let row = (position as usize).min(rows - 2);
            let at = |r: usize| f64::from(values[r * width + column]);
            let exact = at(row) + (position - row as f64) * (at(row + 1) - at(row));
            assert!((f64::from(y) - exact).abs() < 2e-6, "{} at {}: {y} {exact}", kernels.name, x[lane]);
        }
    }
}

#[test]
fn slopes_of_tables_are_those_of_their_segments() {
    let table = UniformTable::new(-1.0, 0.5, 2, vec![1.0, 5.0, 2.0, 4.0, 4.0, 4.5]);
    // Below, first point, inside, inner point, inside, last point, beyond.
    let arguments = [-1.01, -1.0, 0.0, 1.0, 2.0, 3.0, 3.01, f32::INFINITY, f32::NEG_INFINITY];
    let first = [0.0, 0.5, 0.5, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0];
    let second = [0.0, -0.5, -0.5, 0.25, 0.25, 0.25, 0.0, 0.0, 0.0];
    let x = columns(1, |_, lane| arguments.get(lane).copied().unwrap_or(f32::NAN));
    for kernels in Kernels::available() {
        let mut y = vec![7.0; 2 * TILE];
        // SAFETY: one column in, the table's width out, available instructions.
        unsafe { (kernels.table_slope)(&table, x.as_ptr(), y.as_mut_ptr(), TILE) };
        assert_eq!(y[..9], first, "{}", kernels.name);
        assert_eq!(y[TILE..TILE + 9], second, "{}", kernels.name);
        assert!(y[9].is_nan() && y[TILE + 9].is_nan());
    }
}

#[test]
fn relaxation_moves_states_towards_their_steady_state() {
    let [state, rate, drive] = [1, 2, 3].map(|s| columns(2, move |c, lane| noise(s * 500 + c * 40 + lane)));
    for kernels in Kernels::available() {
        let mut y = vec![0.0; 2 * TILE];
        // SAFETY: two columns each, available instructions.
        unsafe { (kernels.relax)(state.as_ptr(), rate.as_ptr(), drive.as_ptr(), y.as_mut_ptr(), 2, TILE) };
        for i in 0..2 * TILE {
            assert_eq!(y[i], state[i] + (drive[i] - rate[i] * state[i]));
        }
    }
}

#[test]
fn unknown_instruction_sets_are_named() {
    let message = Kernels::select(Some("mmx")).unwrap_err().to_string();
    assert!(message.contains("mmx") && message.contains("scalar"), "{message}");
    assert_eq!(Kernels::select(Some("scalar")).unwrap().name, "scalar");
}
