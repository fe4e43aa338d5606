//! What a session on a GPU says where there is none. (Where there is one, these faults cannot be had.)

use std::sync::Arc;

use emucell::ErrorKind;
use emucell::session::{BackendChoice, Device, Precision, Session, SessionOptions};
use emucell::surrogate::Surrogate;

use super::programs::network;

fn has_driver() -> bool {
    ["/usr/lib/x86_64-linux-gnu/libcuda.so.1", "/usr/lib64/libcuda.so.1"]
        .iter()
        .any(|path| std::fs::exists(path).unwrap())
        || std::fs::exists("/dev/nvidia0").unwrap()
}

fn refused(options: &SessionOptions) -> (ErrorKind, String) {
    let surrogate = Surrogate::anonymous(network(&[3, 16, 2], emucell::Activation::Tanh));
    match Session::new(Arc::new(surrogate), options) {
        Err(fault) => (fault.kind(), fault.to_string()),
        Ok(session) => panic!("a session on {}", session.backend_name()),
    }
}

#[test]
fn a_machine_without_driver_says_so_and_goes_on() {
    if has_driver() {
        eprintln!("this machine has a driver: this test is skipped");
        return;
    }
    for number in [0, 7] {
        for backend in [BackendChoice::Auto, BackendChoice::Native] {
            let options =
                SessionOptions { device: Device::Cuda(number), backend, ..SessionOptions::default() };
            // The second time as the first.
            for _ in 0..2 {
                let (kind, message) = refused(&options);
                assert_eq!(kind, ErrorKind::Unsupported);
                assert!(message.contains(&format!("native backend on cuda:{number}")), "{message}");
                assert!(
                    message.contains("no driver of NVIDIA") && message.contains("device cpu"),
                    "{message}"
                );
            }
        }
    }
    let on_cpu = SessionOptions { precision: Precision::F32, ..SessionOptions::default() };
    let surrogate = Surrogate::anonymous(network(&[3, 16, 2], emucell::Activation::Tanh));
    assert!(Session::new(Arc::new(surrogate), &on_cpu).is_ok());
}

#[test]
fn an_instruction_set_is_none_of_a_gpu() {
    let instruction_set = Some("avx2".to_owned());
    let options = SessionOptions { device: Device::Cuda(0), instruction_set, ..SessionOptions::default() };
    let (kind, message) = refused(&options);
    assert_eq!(kind, ErrorKind::Unsupported);
    assert!(message.contains("instruction set \"avx2\" on cuda:0"), "{message}");
}
