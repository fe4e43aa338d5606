// emucell.hpp: what C++ adds to the C ABI.
//
// Arguments: fhn_euler_coarse.onnx fhn_euler_threshold.onnx formula_network.onnx

#include <cmath>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <type_traits>
#include <utility>

#include "../c/expected.h"
#include "check.hpp"
#include "emucell.hpp"

// Handles have one owner.
static_assert(!std::is_copy_constructible_v<emucell::Surrogate> && !std::is_copy_assignable_v<emucell::Session>);
static_assert(std::is_nothrow_move_constructible_v<emucell::Surrogate>);
static_assert(std::is_nothrow_move_assignable_v<emucell::Session>);
// What may only be read cannot be given where it is written.
static_assert(std::is_convertible_v<emucell::View<float>, emucell::View<const float>>);
static_assert(!std::is_convertible_v<emucell::View<const float>, emucell::View<float>>);

template <class Function>
static emucell_status status_of(Function function) {
    try {
        function();
        return EMUCELL_OK;
    } catch (const emucell::Error& error) {
        CHECK(error.what()[0] != '\0');
        CHECK(std::string(error.name()) == emucell_status_name(error.status()));
        return error.status();
    }
}

static void description(const std::string& path) {
    const emucell::Surrogate surrogate(path);
    CHECK(surrogate.kind() == emucell::Kind::step_map && surrogate.dt() == 0.1);
    const auto inputs = surrogate.inputs(), outputs = surrogate.outputs();
    CHECK(inputs.size() == 3 && outputs.size() == 2);
    CHECK(inputs[2].name == "s" && inputs[2].unit == "1" && inputs[2].role == emucell::Role::stimulus);
    CHECK(inputs[2].range && (*inputs[2].range)[1] == 0.12);
    CHECK(surrogate.initial_state() == std::vector<double>({0.0, 0.0}));
    CHECK(surrogate.provenance().find("forward Euler") != std::string::npos);
    CHECK(surrogate.verified() == emucell::Verified::unknown);

    std::ifstream file(path, std::ios::binary);
    std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
    const auto* start = reinterpret_cast<const std::uint8_t*>(bytes.data());
    const emucell::Surrogate copy(start, bytes.size());
    CHECK(copy.provenance() == surrogate.provenance());
}

static void errors(const std::string& step_map, const std::string& solution_map) {
    CHECK(status_of([] { emucell::Surrogate("no/such/file.onnx"); }) == EMUCELL_IO);
    const emucell::Surrogate surrogate(step_map), network(solution_map);
    CHECK(status_of([&] { network.initial_state(); }) == EMUCELL_UNSUPPORTED);
    emucell::SessionOptions options;
    options.instruction_set = "abacus";
    CHECK(status_of([&] { emucell::Session(surrogate, options); }) == EMUCELL_UNSUPPORTED);
    options = {};
    options.guard = 9;
    CHECK(status_of([&] { emucell::Session(surrogate, options); }) == EMUCELL_INVALID_ARGUMENT);
    emucell::Session session(surrogate);
    std::vector<float> state(2);
    CHECK(status_of([&] { session.step(emucell::Cells(emucell::arrays(state, 2)), 0.1); })
          == EMUCELL_INVALID_ARGUMENT);
    // A handle that was moved away is NULL, and NULL is an error like any other.
    emucell::Session owner = std::move(session);
    const float s = 0;
    emucell::Cells cells(emucell::arrays(state, 2));
    cells.stimulus(emucell::one_for_all(&s, 1));
    CHECK(status_of([&] { session.step(cells, 0.1); }) == EMUCELL_INVALID_ARGUMENT);
    CHECK(status_of([&] { owner.step(cells, 0.1); }) == EMUCELL_OK);
    CHECK(status_of([&] { owner.step(cells, 0.2); }) == EMUCELL_WRONG_STEP);
}

// All layouts that have helpers, in float or double.
template <class T>
static void step(const std::string& path) {
    const emucell::Surrogate surrogate(path);
    emucell::SessionOptions options;
    options.n_threads = 2;
    options.guard = EMUCELL_GUARD_CLAMP;
    emucell::Session session(surrogate, options);
    const std::size_t n = 50, pitch = 64;
    std::vector<T> structures(2 * n), arrays(2 * n), pitched(2 * pitch);
    std::vector<T> stimulus(n);
    std::vector<T> thresholds(n);
    for (std::size_t i = 0; i < n; ++i) {
        const T u = T(0.01) * T(i), w = T(0.001) * T(i);
        structures[2 * i] = arrays[i] = pitched[i] = u;
        structures[2 * i + 1] = arrays[n + i] = pitched[pitch + i] = w;
        stimulus[i] = i % 2 ? T(0.1) : T(0);
        thresholds[i] = T(0.2) + T(0.005) * T(i);
    }
    const std::vector<T>& read_only = stimulus;
    std::vector<std::uint8_t> status(n, 0xff);
    for (const auto view : {emucell::structures(structures, 2), emucell::arrays(arrays, 2),
                            emucell::arrays(pitched.data(), n, 2, pitch)}) {
        emucell::Cells cells(view);
        cells.stimulus(emucell::structures(read_only, 1)).parameters(emucell::arrays(thresholds, 1));
        session.step(cells.status(status.data()), surrogate.dt(), 2);
    }
    for (std::size_t i = 0; i < n; ++i) {
        float u = float(T(0.01) * T(i)), w = float(T(0.001) * T(i));
        for (int k = 0; k < 2; ++k) fhn_euler(&u, &w, float(stimulus[i]), float(thresholds[i]), 0.1f);
        CHECK(std::abs(double(structures[2 * i]) - u) < 1e-6 && std::abs(double(structures[2 * i + 1]) - w) < 1e-6);
        CHECK(arrays[i] == structures[2 * i] && arrays[n + i] == structures[2 * i + 1]);
        CHECK(pitched[i] == structures[2 * i] && pitched[pitch + i] == structures[2 * i + 1]);
        CHECK(status[i] == 0);
    }

    // Only the rows of an index, with one stimulus for all.
    std::vector<T> before = arrays;
    const std::vector<std::uint32_t> index = {7, 3, 40};
    const T none = 0;
    emucell::Cells cells(emucell::arrays(arrays, 2));
    cells.stimulus(emucell::one_for_all(&none, 1)).parameters(emucell::arrays(thresholds, 1));
    session.step(cells.index(index), surrogate.dt());
    for (std::size_t i = 0; i < n; ++i) CHECK((arrays[i] != before[i]) == (i == 7 || i == 3 || i == 40));
}

static void evaluate(const std::string& path) {
    const emucell::Surrogate surrogate(path);
    emucell::Session session(surrogate);
    const std::vector<double> inputs = {1.0, 0.2, 0.05, 20.0, 0.7, 0.1};
    std::vector<float> outputs(4);
    session.evaluate(emucell::structures(inputs, 3), emucell::structures(outputs, 2));
    for (int i = 0; i < 2; ++i) {
        double expected[2];
        formula_network(&inputs[3 * i], expected);
        CHECK(std::abs(outputs[2 * i] - expected[0]) < 2e-5 && std::abs(outputs[2 * i + 1] - expected[1]) < 2e-5);
    }
}

int main(int argc, char** argv) {
    if (argc != 4) return 2;
    try {
        description(argv[1]);
        errors(argv[1], argv[3]);
        step<float>(argv[2]);
        step<double>(argv[2]);
        evaluate(argv[3]);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    return failures != 0;
}
