// Steps cells through the C++ bridge of the `cxx` crate: the Rust types themselves, linked statically, with rust::Slice
// buffers and exceptions. Build and run:
//
//     make cxx
//     g++ -std=c++17 -O2 -Ibuild/cxx/include -o 05_static_cxx cpp_examples/05_static_cxx.cpp
//         build/cxx/lib/libemucell_bridge.a -pthread -ldl -lm                                 (one line)
//     ./05_static_cxx models/fhn_cubic_step.onnx

#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "emucell_bridge.h"
#include "rust/cxx.h"

namespace bridge = emucell::bridge;

namespace {

void print(const char* direction, const bridge::Variable& v) {
    // rust::String is not terminated by a zero.
    std::printf("%s %s [%s]", direction, std::string(v.name).c_str(), std::string(v.unit).c_str());
    if (v.has_range) std::printf("  %g ... %g", v.low, v.high);
    std::printf("\n");
}

void run(const char* path) {
    const rust::Box<bridge::Surrogate> surrogate = bridge::load(path);
    for (const auto& v : surrogate->inputs()) print("input ", v);
    for (const auto& v : surrogate->outputs()) print("output", v);

    bridge::Options options = bridge::default_options();
    options.guard = bridge::Guard::Clamp;
    const rust::Box<bridge::Session> session = bridge::new_session(*surrogate, options);

    // u of all cells, then w of all cells; one stimulus for all.
    constexpr std::size_t n_cells = 1000;
    const rust::Vec<double> start = surrogate->initial_state();
    std::vector<double> state;
    for (double x : start) state.insert(state.end(), n_cells, x);
    const std::vector<double> stimulus = {0.1};
    std::vector<std::uint8_t> status(n_cells);

    for (int ms = 1; ms <= 5; ++ms) {
        bridge::CellsF64 cells;
        cells.state = {state.data(), state.size()};
        cells.order = bridge::Order::Arrays;
        cells.stimulus = {stimulus.data(), stimulus.size()};
        cells.status = {status.data(), status.size()};
        session->step(cells, surrogate->dt(), 10);
        std::printf("%d ms: u = %.6f, w = %.6f, status %d\n", ms, state[0], state[n_cells], status[0]);
    }

    // What cannot be meant is an exception, and the state stays as it was.
    try {
        bridge::CellsF64 cells;
        cells.state = {state.data(), state.size()};
        cells.order = bridge::Order::Arrays;
        session->step(cells, surrogate->dt(), 1);
    } catch (const rust::Error& error) {
        std::printf("without a stimulus: %s\n", error.what());
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: 05_static_cxx SURROGATE.onnx\n");
        return 2;
    }
    try {
        run(argv[1]);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "05_static_cxx: %s\n", error.what());
        return 1;
    }
}
