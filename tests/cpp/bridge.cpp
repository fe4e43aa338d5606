// The C++ bridge of the cxx crate: the numbers are right in both orders and types, and failures are exceptions that
// leave the state as it was.
//
// Arguments: fhn_euler_threshold.onnx formula_network.onnx

#include <cmath>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "../c/expected.h"
#include "check.hpp"
#include "emucell_bridge.h"
#include "rust/cxx.h"

namespace bridge = emucell::bridge;

template <class T>
static rust::Slice<const T> read(const std::vector<T>& buffer) {
    return {buffer.data(), buffer.size()};
}
template <class T>
static rust::Slice<T> write(std::vector<T>& buffer) {
    return {buffer.data(), buffer.size()};
}

template <class Function>
static bool throws(const char* text, Function function) {
    try {
        function();
    } catch (const rust::Error& error) {
        return std::string(error.what()).find(text) != std::string::npos;
    }
    return false;
}

static void description(const char* path) {
    std::ifstream file(path, std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
    const auto surrogate = bridge::load_memory({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
    CHECK(surrogate->kind() == bridge::Kind::StepMap && surrogate->dt() == 0.1);
    const auto inputs = surrogate->inputs(), outputs = surrogate->outputs();
    CHECK(inputs.size() == 4 && outputs.size() == 2);
    CHECK(inputs[2].name == "s" && inputs[2].unit == "1" && inputs[2].role == bridge::Role::Stimulus);
    CHECK(inputs[2].has_range && inputs[2].high == 0.12 && inputs[3].role == bridge::Role::Parameter);
    const auto state = surrogate->initial_state();
    CHECK(state.size() == 2 && state[0] == 0.0);
    CHECK(std::string(surrogate->provenance()).find("forward Euler") != std::string::npos);
}

// The second row of the Jacobian of an Euler step is constant.
static void derivative(const bridge::Surrogate& surrogate) {
    const auto jacobian = surrogate.derivative(bridge::DerivativeKind::Jacobian);
    CHECK(jacobian->kind() == bridge::Kind::Derivative && jacobian->outputs().size() == 2 + 2 * 4);
    const auto session = bridge::new_session(*jacobian, bridge::default_options());
    const std::vector<double> x = {0.3, 0.05, 0.02, 0.4};
    std::vector<double> y(10);
    session->evaluate(read(x), write(y), bridge::Order::Structures);
    const double expected[4] = {0.004, 0.984, 0, 0};
    for (std::size_t j = 0; j < 4; ++j) CHECK(std::abs(y[6 + j] - expected[j]) < 1e-6);
    const auto counters = session->counters();
    CHECK(counters.calls == 1 && counters.cell_steps == 1);
    CHECK(std::string(session->name()).find("cpu") != std::string::npos);
    CHECK(throws("derivative 7", [&] { surrogate.derivative(static_cast<bridge::DerivativeKind>(7)); }));
}

template <class CellsT, class T>
static void step(const bridge::Surrogate& surrogate) {
    auto options = bridge::default_options();
    options.n_threads = 2;
    const auto session = bridge::new_session(surrogate, options);
    const std::size_t n = 50;
    std::vector<T> structures(2 * n), arrays(2 * n), stimulus(n), thresholds(n);
    for (std::size_t i = 0; i < n; ++i) {
        structures[2 * i] = arrays[i] = T(0.01) * T(i);
        structures[2 * i + 1] = arrays[n + i] = T(0.001) * T(i);
        stimulus[i] = i % 2 ? T(0.1) : T(0);
        thresholds[i] = T(0.2) + T(0.005) * T(i);
    }
    std::vector<std::uint8_t> status(n, 0xff);
    auto cells = [&](std::vector<T>& state, bridge::Order order) {
        return CellsT{write(state), order, read(stimulus), read(thresholds), write(status)};
    };
    session->step(cells(structures, bridge::Order::Structures), surrogate.dt(), 2);
    session->step(cells(arrays, bridge::Order::Arrays), surrogate.dt(), 2);
    for (std::size_t i = 0; i < n; ++i) {
        float u = float(T(0.01) * T(i)), w = float(T(0.001) * T(i));
        for (int k = 0; k < 2; ++k) fhn_euler(&u, &w, float(stimulus[i]), float(thresholds[i]), 0.1f);
        CHECK(std::abs(double(structures[2 * i]) - u) < 1e-6 && std::abs(double(structures[2 * i + 1]) - w) < 1e-6);
        CHECK(arrays[i] == structures[2 * i] && arrays[n + i] == structures[2 * i + 1] && status[i] == 0);
    }

    // Rows of a list only; none if the list is empty.
    const std::vector<T> before = arrays, none = {T(0)};
    const std::vector<std::uint32_t> rows = {7, 3, 40}, no_rows;
    const CellsT some{write(arrays), bridge::Order::Arrays, read(none), read(thresholds), {}};
    session->step_rows(some, read(rows), surrogate.dt(), 1);
    session->step_rows(some, read(no_rows), surrogate.dt(), 1);
    for (std::size_t i = 0; i < n; ++i) CHECK((arrays[i] != before[i]) == (i == 7 || i == 3 || i == 40));

    const std::vector<T> now = arrays;
    CHECK(throws("", [&] { session->step(some, 2 * surrogate.dt(), 1); }));
    CHECK(throws("", [&] { session->step_rows(some, read(std::vector<std::uint32_t>{50}), surrogate.dt(), 1); }));
    CHECK(throws("", [&] { session->step_rows(some, read(std::vector<std::uint32_t>{1, 1}), surrogate.dt(), 1); }));
    auto refused = [&](const char* text, auto change) {
        CellsT cells{some};
        change(cells);
        return throws(text, [&] { session->step(cells, surrogate.dt(), 1); });
    };
    CHECK(refused("stimulus", [](CellsT& cells) { cells.stimulus = {}; }));
    CHECK(refused("parameters", [&](CellsT& cells) { cells.parameters = {thresholds.data(), n - 1}; }));
    CHECK(refused("state", [&](CellsT& cells) { cells.state = {arrays.data(), 2 * n - 1}; }));
    CHECK(refused("order", [](CellsT& cells) { cells.order = static_cast<bridge::Order>(7); }));
    CHECK(arrays == now);
}

template <class T>
static void evaluate(const char* path) {
    const auto surrogate = bridge::load(path);
    const auto session = bridge::new_session(*surrogate, bridge::default_options());
    const double rows[2][3] = {{1.0, 0.2, 0.05}, {20.0, 0.7, 0.1}};
    std::vector<T> structures, arrays, y(4), y_arrays(4);
    for (const auto& row : rows)
        for (double x : row) structures.push_back(T(x));
    for (int j = 0; j < 3; ++j)
        for (const auto& row : rows) arrays.push_back(T(row[j]));
    session->evaluate(read(structures), write(y), bridge::Order::Structures);
    session->evaluate(read(arrays), write(y_arrays), bridge::Order::Arrays);
    for (int i = 0; i < 2; ++i) {
        double expected[2];
        formula_network(rows[i], expected);
        CHECK(std::abs(double(y[2 * i]) - expected[0]) < 2e-5 && std::abs(double(y[2 * i + 1]) - expected[1]) < 2e-5);
        CHECK(y_arrays[i] == y[2 * i] && y_arrays[2 + i] == y[2 * i + 1]);
    }

    // Three times of the same cells, in both orders.
    const std::vector<double> times = {0.0, 1.0, 20.0};
    std::vector<T> cells, cell_arrays, at_times(12), times_of_arrays(12);
    for (const auto& row : rows) cells.insert(cells.end(), {T(row[1]), T(row[2])});
    for (int j = 1; j < 3; ++j)
        for (const auto& row : rows) cell_arrays.push_back(T(row[j]));
    session->evaluate_times(read(cells), read(times), write(at_times), bridge::Order::Structures);
    session->evaluate_times(read(cell_arrays), read(times), write(times_of_arrays), bridge::Order::Arrays);
    for (int i = 0; i < 2; ++i) {
        for (int j = 0; j < 6; ++j) {
            const double x[3] = {times[std::size_t(j / 2)], rows[i][1], rows[i][2]};
            double expected[2];
            formula_network(x, expected);
            CHECK(std::abs(double(at_times[std::size_t(6 * i + j)]) - expected[j % 2]) < 2e-5);
            CHECK(times_of_arrays[std::size_t(2 * j + i)] == at_times[std::size_t(6 * i + j)]);
        }
    }
    const std::vector<double> no_times;
    auto refused = [&](const char* text, rust::Slice<const T> inputs, const std::vector<double>& times) {
        return throws(text, [&] {
            session->evaluate_times(inputs, read(times), write(at_times), bridge::Order::Structures);
        });
    };
    CHECK(refused("no time", read(cells), no_times));
    CHECK(refused("cells", {}, times));
    CHECK(refused("outputs", read(cells), std::vector<double>(5)));
    y.resize(2);
    CHECK(throws("outputs", [&] { session->evaluate(read(structures), write(y), bridge::Order::Structures); }));
}

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    try {
        CHECK(throws("no/such/file.onnx", [] { bridge::load("no/such/file.onnx"); }));
        description(argv[1]);
        const auto surrogate = bridge::load(argv[1]);
        derivative(*surrogate);
        step<bridge::CellsF32, float>(*surrogate);
        step<bridge::CellsF64, double>(*surrogate);
        evaluate<float>(argv[2]);
        evaluate<double>(argv[2]);
        auto options = bridge::default_options();
        options.instruction_set = "abacus";
        CHECK(throws("abacus", [&] { bridge::new_session(*surrogate, options); }));
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    return failures != 0;
}
