//! Writes small files of every kind that emucell reads into fuzz/corpus, for fuzzing to start from.

use std::fs;
use std::path::{Path, PathBuf};

use emucell::Activation;
use emucell::format::arrays::{csv, npy, npz};
use emucell::format::{onnx, pth};
use emucell::program::{BinaryOperator, BlockId, Operation, ProgramBuilder, Table};
use emucell::surrogate::{CellModelDescription, Kind, Role, Surrogate, Variable};
use ndarray::{Array1, Array2, array};

fn main() {
    surrogates(&folder("onnx"));
    arrays();
    networks(&folder("pth"));
    recipes(&folder("recipe"));
}

fn folder(target: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&folder).expect("a folder that can be made");
    folder
}

/// `n` multiples of 1/8 between −1 and 1.
fn numbers(n: usize) -> Vec<f32> {
    (0..n).map(|i| (i * 7 % 17) as f32 / 8.0 - 1.0).collect()
}

fn surrogates(folder: &Path) {
    let save = |name: &str, surrogate: &Surrogate| {
        onnx::save(&folder.join(name), surrogate).expect("a folder that can be written");
    };
    for activation in Activation::ALL {
        let mut b = ProgramBuilder::new(2).expect("two columns");
        let h = b.dense(BlockId::INPUT, numbers(8), numbers(4), activation).expect("widths that fit");
        let y = b.dense(h, numbers(b.width(h)), numbers(1), Activation::Linear).expect("widths that fit");
        save(activation.name(), &Surrogate::anonymous(b.finish(y)));
    }
    save("step_map", &step_map());
}

/// One of every operation, with everything that metadata can say.
fn step_map() -> Surrogate {
    let build = || {
        let mut b = ProgramBuilder::new(3)?;
        let u = b.slice(BlockId::INPUT, 0, 1)?;
        let table = Table { first: -1.0, rows_per_unit: 2.0, width: 2, values: numbers(10) };
        let rates = b.push(Operation::Table { input: u, table })?;
        let states = b.slice(BlockId::INPUT, 0, 2)?;
        let drive = b.push(Operation::Exp { input: states })?;
        let relaxed = b.push(Operation::Relax { state: states, rate: rates, drive })?;
        let one = b.constant([1.0])?;
        let h = b.concat(&[relaxed, one])?;
        let h = b.activation(h, Activation::Tanh)?;
        let mut h = b.dense(h, numbers(6), numbers(2), Activation::Silu)?;
        for operator in [
            BinaryOperator::Add,
            BinaryOperator::Subtract,
            BinaryOperator::Multiply,
            BinaryOperator::Divide,
            BinaryOperator::Minimum,
            BinaryOperator::Maximum,
        ] {
            h = b.binary(operator, h, one)?;
        }
        let variable = |name, role| Variable::new(name, "1", role).with_range(-1.0, 1.0);
        let inputs =
            vec![variable("u", Role::State), variable("w", Role::State), variable("s", Role::Stimulus)];
        let outputs = inputs[..2].to_vec();
        Surrogate::new(Kind::StepMap { dt: 0.5 }, inputs, outputs, b.finish(h))?
            .with_initial_state(vec![0.0; 2])
    };
    let model = CellModelDescription { name: "fhn_cubic".to_owned(), ..CellModelDescription::default() };
    build().expect("a surrogate that fits").with_cell_model(model)
}

fn arrays() {
    const WRITABLE: &str = "a folder that can be written";
    let table = array![[0.5, 1.0], [2.0, -3.0]];
    npy::write(&folder("npy").join("f8"), &table.view()).expect(WRITABLE);
    npy::write(&folder("npy").join("f4"), &Array1::from(numbers(3)).view()).expect(WRITABLE);
    for (dtype, size) in [("|b1", 1), ("<i1", 1), ("<i2", 2), (">i4", 4), ("<u8", 8), (">f4", 4)] {
        let text = format!("{{'descr': '{dtype}', 'fortran_order': True, 'shape': (2, 1), }}\n");
        let length = (text.len() as u16).to_le_bytes();
        let data = vec![0; 2 * size];
        let bytes = [b"\x93NUMPY\x01\x00", &length[..], text.as_bytes(), &data].concat();
        fs::write(folder("npy").join(&dtype[1..]), bytes).expect(WRITABLE);
    }
    npz::write(&folder("npz").join("table"), |archive| {
        archive.array("t", &Array1::from(numbers(2)).view())?;
        archive.array("x", &Array2::from_shape_vec((2, 2), numbers(4)).expect("4 numbers").view())?;
        archive.text("metadata.json", "{}")
    })
    .expect(WRITABLE);
    let names = ["t".to_owned(), "a, \"b\"".to_owned()];
    csv::write(&folder("csv").join("table"), &names, &table.view()).expect(WRITABLE);
    fs::write(folder("csv").join("spaces"), "t , u\r\n\r\n 1e-3, -2 \r\n").expect(WRITABLE);
}

/// Pickles as PyTorch writes them, of a state dict, a module and data; and a whole file.
fn networks(folder: &Path) {
    let save = |name: &str, body: String| {
        fs::write(
            folder.join(name),
            format!("\u{80}\u{2}{body}.").chars().map(|c| c as u8).collect::<Vec<u8>>(),
        )
        .expect("a folder that can be written");
    };
    let layers = [("0", [2, 3]), ("1", [1, 2])];
    let state: String = layers
        .iter()
        .map(|&(i, [n, m])| {
            let (weight, bias) = (tensor(i, &[n, m]), tensor("1", &[n]));
            format!("{}{weight}{}{bias}", text(&format!("{i}.weight")), text(&format!("{i}.bias")))
        })
        .collect();
    let state = format!("ccollections\nOrderedDict\n)R({state}u");
    save("state_dict", state.clone());
    save("checkpoint", format!("}}({}K\u{3}{}{state}u", text("epoch"), text("model_state_dict")));

    let module = |class: &str, attributes: &str, parameters: &str, modules: &str| {
        let (p, m) = (text("_parameters"), text("_modules"));
        format!("ctorch.nn.modules.{class}\n)\u{81}}}({p}}}({parameters}u{m}}}({modules}u{attributes}ub")
    };
    let linear = |i: &str, [n, m]: [u8; 2]| {
        let parameter = |t: String| format!("ctorch._utils\n_rebuild_parameter\n({t}\u{88}}}tR");
        let parameters = format!(
            "{}{}{}{}",
            text("weight"),
            parameter(tensor(i, &[n, m])),
            text("bias"),
            parameter(tensor("1", &[n]))
        );
        module("linear\nLinear", "", &parameters, "")
    };
    let activations = [
        ("Tanh", String::new()),
        ("LeakyReLU", text("negative_slope") + "G?\u{e0}\0\0\0\0\0\0"),
        ("Softplus", text("beta") + "K\u{1}" + &text("threshold") + "K\u{14}"),
        ("GELU", text("approximate") + &text("tanh")),
    ];
    for (name, attributes) in activations {
        let activation = module(&format!("activation\n{name}"), &attributes, "", "");
        let parts = [("0", linear("0", [2, 3])), ("1", activation), ("2", linear("1", [1, 2]))]
            .map(|(i, m)| text(i) + &m);
        save(name, module("container\nSequential", "", "", &parts.concat()));
    }
    save("tensor", tensor("0", &[2, 2]));
    save("list", format!("]({}{}e", tensor("0", &[3]), tensor("1", &[3, 1])));
    save(
        "dictionary",
        format!("}}({}{}{}{}u", text("t"), tensor("0", &[2]), text("x"), tensor("1", &[2, 2])),
    );
    let file = [pth::NamedTensor { name: "0.weight".into(), shape: vec![1, 2], values: numbers(2) }];
    pth::save(&folder.join("file"), &file).expect("a folder that can be written");
}

/// BINUNICODE.
fn text(text: &str) -> String {
    format!("X{}\0\0\0{text}", char::from(text.len() as u8))
}

/// A contiguous tensor of single-precision numbers at the start of a storage.
fn tensor(storage: &str, shape: &[u8]) -> String {
    let tuple = |sizes: &[u8]| {
        let sizes: String = sizes.iter().map(|&n| format!("K{}", char::from(n))).collect();
        format!("({sizes}t")
    };
    let strides = if let [_, columns] = *shape { vec![columns, 1] } else { vec![1] };
    let storage =
        format!("({}ctorch\nFloatStorage\n{}{}K\u{10}tQ", text("storage"), text(storage), text("cpu"));
    let (shape, strides) = (tuple(shape), tuple(&strides));
    format!(
        "ctorch._utils\n_rebuild_tensor_v2\n({storage}K\0{shape}{strides}\u{89}ccollections\nOrderedDict\n)RtR"
    )
}

/// The shipped recipes without their comments.
fn recipes(folder: &Path) {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../experiments");
    for entry in fs::read_dir(shipped).expect("shipped recipes") {
        let path = entry.expect("a file").path();
        if path.extension().is_some_and(|e| e == "toml") {
            let text = fs::read_to_string(&path).expect("a shipped recipe");
            let lines: Vec<&str> = text.lines().filter(|l| !l.is_empty() && !l.starts_with('#')).collect();
            fs::write(folder.join(path.file_name().expect("a file")), lines.join("\n") + "\n")
                .expect("a folder that can be written");
        }
    }
}
