//! `emucell convert` from outside.
#![cfg(feature = "cli")]

use std::path::Path;
use std::process::{Command, Output};

use emucell::Activation;
use emucell::format::{onnx, pth};
use emucell::program::{BinaryOperator, BlockId, ProgramBuilder};
use emucell::surrogate::{Kind, Role, Surrogate};

fn emucell(folder: &Path, arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_emucell"));
    command.current_dir(folder).args(arguments.split_whitespace()).output().unwrap()
}

fn succeeds(folder: &Path, arguments: &str) -> String {
    let output = emucell(folder, arguments);
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn fails(folder: &Path, arguments: &str) -> String {
    let output = emucell(folder, arguments);
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(matches!(output.status.code(), Some(1 | 2)) && message.starts_with("error: "), "{message}");
    message
}

fn weights(n: usize) -> Vec<f32> {
    (0..n).map(|i| (i * 5 % 17) as f32 / 16.0 - 0.4).collect()
}

/// A state dict of 3 → 6 → 5 → 2 in `net.pth`.
fn state_dict(folder: &Path) {
    let mut tensors = Vec::new();
    for (i, [n, m]) in [[6, 3], [5, 6], [2, 5]].into_iter().enumerate() {
        let named = |what: &str, shape: Vec<usize>| pth::NamedTensor {
            name: format!("layers.{}.{what}", 2 * i),
            values: weights(shape.iter().product()),
            shape,
        };
        tensors.extend([named("weight", vec![n, m]), named("bias", vec![n])]);
    }
    pth::save(&folder.join("net.pth"), &tensors).unwrap();
}

#[test]
fn a_state_dict_becomes_a_surrogate_and_a_state_dict_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    state_dict(folder);
    let made = succeeds(
        folder,
        "convert net.pth -o net.onnx --hidden SiLU:6,tanh:5 --inputs u,w,s --outputs u,w --stimulus s --dt 0.1 \
         --ranges u=-0.3:1.1,w=-0.02:0.2,s=0:0.12 --units s=1/ms --cell-model fhn_cubic",
    );
    assert!(made.contains("step_map") && made.contains("s (stimulus)"), "{made}");
    let surrogate = onnx::load(&folder.join("net.onnx")).unwrap();
    assert_eq!(surrogate.kind(), Kind::StepMap { dt: 0.1 });
    let inputs = surrogate.inputs();
    assert_eq!(inputs[0].range, Some([-0.3, 1.1]));
    assert_eq!((inputs[2].role, inputs[2].unit.as_str()), (Role::Stimulus, "1/ms"));
    assert_eq!(surrogate.outputs()[1].range, Some([-0.02, 0.2]));
    assert_eq!(surrogate.cell_model().unwrap().name, "fhn_cubic");
    assert_eq!(surrogate.provenance()["converted_from"], "net.pth");

    let back = succeeds(folder, "convert net.onnx -o back.pth");
    assert!(back.contains("6 tensors") && back.contains("silu:6,tanh:5"), "{back}");
    let hidden = [(Activation::Silu, 6), (Activation::Tanh, 5)];
    let read = |name: &str| {
        let network = pth::File::open(&folder.join(name)).unwrap().network(Some(&hidden)).unwrap();
        network.program.evaluate_reference(&[0.3, -0.2, 0.1])
    };
    assert_eq!(read("back.pth"), read("net.pth"));

    let solution = "convert net.pth -o solution.onnx --hidden silu:6,tanh:5 --inputs t,u0,k --outputs u,w";
    succeeds(folder, solution);
    let surrogate = onnx::load(&folder.join("solution.onnx")).unwrap();
    let roles: Vec<Role> = surrogate.inputs().iter().map(|v| v.role).collect();
    assert_eq!(
        (surrogate.kind(), &roles[..]),
        (Kind::SolutionMap, &[Role::Time, Role::State, Role::Parameter][..])
    );
    succeeds(folder, "convert net.pth -o anonymous.onnx --hidden silu:6,tanh:5 --json");
    assert_eq!(onnx::load(&folder.join("anonymous.onnx")).unwrap().inputs()[0].name, "x0");
}

#[test]
fn each_wrong_option_has_its_message() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    state_dict(folder);
    let mut b = ProgramBuilder::new(2).unwrap();
    let h = b.dense(BlockId::INPUT, weights(4), weights(2), Activation::Linear).unwrap();
    let y = b.binary(BinaryOperator::Add, h, BlockId::INPUT).unwrap();
    onnx::save(&folder.join("residual.onnx"), &Surrogate::anonymous(b.finish(y))).unwrap();
    let convert = "convert net.pth -o net.onnx";
    let hidden = format!("{convert} --hidden silu:6,tanh:5");
    for (arguments, expected) in [
        (convert.to_owned(), &["--hidden SiLU:6,SiLU:5", "net.pth"][..]),
        (format!("{convert} --hidden silu:6"), &["[6, 5]"]),
        (format!("{convert} --hidden silu"), &["SiLU:64"]),
        (format!("{convert} --hidden swush:6,tanh:5"), &["swush", "softplus"]),
        (
            format!("{hidden} --inputs t,u0 --outputs u,w"),
            &["2 input variables", "3 input columns", "--inputs"],
        ),
        (format!("{hidden} --inputs t,u0,k --outputs u,w --dt 0.1"), &["same order", "--outputs"]),
        (format!("{hidden} --inputs t,u0,k --outputs u,w --ranges v=0:1"), &["\"v\"", "--ranges"]),
        (format!("{hidden} --inputs t,u0,k --outputs u,w --ranges u=0"), &["u=-0.1:1"]),
        (format!("{hidden} --inputs t,u0,k --outputs u,w --ranges u=1:0"), &["ranges from 1 to 0"]),
        (format!("{hidden} --kind step_map"), &["--dt"]),
        (format!("{hidden} --cell-model nothing"), &["nothing", "fhn_cubic"]),
        ("convert none.pth -o net.onnx".to_owned(), &["none.pth", "check the path"]),
        ("convert net.pth -o net.txt".to_owned(), &["net.txt", ".onnx"]),
        ("convert residual.onnx -o net2.pth".to_owned(), &["operation 2", "residual.onnx", "chains"]),
    ] {
        let message = fails(folder, &arguments);
        for part in expected {
            assert!(message.contains(part), "{arguments}: \"{part}\" is missing in: {message}");
        }
        assert!(!folder.join("net.onnx").exists() && !folder.join("net2.pth").exists(), "{arguments}");
    }
}
