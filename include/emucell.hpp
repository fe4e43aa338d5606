// emucell.hpp: the C ABI of emucell.h for C++17, header-only.
//
//     emucell::Surrogate surrogate("fhn.onnx");
//     emucell::Session session(surrogate);
//     std::vector<float> state = ...;                       // u of all cells, then w of all cells
//     emucell::Cells cells(emucell::arrays(state, 2));
//     cells.stimulus(emucell::one_for_all(&s, 1));
//     session.step(cells, surrogate.dt());
//
// Objects own their handles and can be moved, not copied. Views do not own what they lead to.
// Functions throw emucell::Error; what they would have written is then as it was. Rules for
// threads, units and lifetimes are those of emucell.h.

#ifndef EMUCELL_HPP
#define EMUCELL_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "emucell.h"

namespace emucell {

// A call that failed. what() is the message of emucell_last_error_message().
class Error : public std::runtime_error {
public:
    explicit Error(emucell_status status)
        : std::runtime_error(emucell_last_error_message()), status_(status) {}

    // EMUCELL_INVALID_ARGUMENT, EMUCELL_IO, ...
    emucell_status status() const noexcept { return status_; }

    // For example "EMUCELL_IO".
    const char* name() const noexcept { return emucell_status_name(status_); }

private:
    emucell_status status_;
};

// Throws unless status is EMUCELL_OK.
inline void check(emucell_status status) {
    if (status != EMUCELL_OK) throw Error(status);
}

// ---------------------------------------------------------------------------------------------
// Views

// EMUCELL_F32 or EMUCELL_F64 for float or double, const or not.
template <class T>
constexpr std::uint32_t element_type() {
    using Number = std::remove_const_t<T>;
    static_assert(std::is_same_v<Number, float> || std::is_same_v<Number, double>,
                  "emucell computes with buffers of float or double");
    return std::is_same_v<Number, float> ? EMUCELL_F32 : EMUCELL_F64;
}

// Where the numbers of n_cells cells lie; T is float, double, const float or const double.
template <class T>
struct View {
    emucell_view raw;
    std::size_t n_cells;

    // What may be written may be read.
    operator View<const T>() const { return {raw, n_cells}; }
};

// Array-of-structures: the n_variables numbers of a cell side by side, cell after cell.
template <class T>
View<T> structures(T* data, std::size_t n_cells, std::uint32_t n_variables) {
    // The library reads only what it is given to read.
    void* address = const_cast<std::remove_const_t<T>*>(data);
    return {emucell_view_of_structures(address, element_type<T>(), n_cells, n_variables), n_cells};
}

// Structure-of-arrays: n_variables arrays that begin pitch elements from one another.
template <class T>
View<T> arrays(T* data, std::size_t n_cells, std::uint32_t n_variables, std::size_t pitch) {
    void* address = const_cast<std::remove_const_t<T>*>(data);
    return {emucell_view_of_arrays(address, element_type<T>(), n_cells, n_variables, pitch), n_cells};
}

// Structure-of-arrays, one array right behind the other.
template <class T>
View<T> arrays(T* data, std::size_t n_cells, std::uint32_t n_variables) {
    return arrays(data, n_cells, n_variables, n_cells);
}

// The same n_variables numbers for every cell of a call.
template <class T>
View<const T> one_for_all(const T* numbers, std::uint32_t n_variables) {
    View<const T> view = structures(numbers, 1, n_variables);
    view.raw.cell_stride = 0;
    return view;
}

// All whole cells of a vector; trailing elements are left alone.
template <class T>
View<T> structures(std::vector<T>& buffer, std::uint32_t n_variables) {
    return structures(buffer.data(), n_variables ? buffer.size() / n_variables : 0, n_variables);
}
template <class T>
View<const T> structures(const std::vector<T>& buffer, std::uint32_t n_variables) {
    return structures(buffer.data(), n_variables ? buffer.size() / n_variables : 0, n_variables);
}
template <class T>
View<T> arrays(std::vector<T>& buffer, std::uint32_t n_variables) {
    return arrays(buffer.data(), n_variables ? buffer.size() / n_variables : 0, n_variables);
}
template <class T>
View<const T> arrays(const std::vector<T>& buffer, std::uint32_t n_variables) {
    return arrays(buffer.data(), n_variables ? buffer.size() / n_variables : 0, n_variables);
}

// Cells to advance in place; see emucell_cells. Buffers must outlive it.
class Cells {
public:
    template <class T>
    explicit Cells(View<T> state) {
        static_assert(!std::is_const_v<T>, "the state is written in place");
        check(emucell_cells_init(&raw_));
        raw_.n_cells = raw_.n_rows = state.n_cells;
        raw_.state = state.raw;
    }

    // Cells of the call × stimulus variables.
    template <class T>
    Cells& stimulus(View<T> view) {
        raw_.stimulus = view.raw;
        return *this;
    }

    // Rows of the state × parameters.
    template <class T>
    Cells& parameters(View<T> view) {
        raw_.parameters = view.raw;
        return *this;
    }

    // Advances the n rows in list only, no row twice: cell i of the call is row list[i].
    Cells& index(const std::uint32_t* list, std::size_t n) {
        raw_.index = list;
        raw_.n_cells = n;
        return *this;
    }
    Cells& index(const std::vector<std::uint32_t>& list) { return index(list.data(), list.size()); }

    // One byte for each cell of the call, bits EMUCELL_CELL_...
    Cells& status(std::uint8_t* bytes) {
        raw_.status = bytes;
        return *this;
    }

    const emucell_cells& raw() const noexcept { return raw_; }

private:
    emucell_cells raw_;
};

// ---------------------------------------------------------------------------------------------
// Surrogate and session

enum class Kind : std::uint32_t { solution_map = EMUCELL_SOLUTION_MAP, step_map = EMUCELL_STEP_MAP };

enum class Role : std::uint32_t {
    time = EMUCELL_TIME,
    state = EMUCELL_STATE,
    stimulus = EMUCELL_STIMULUS,
    parameter = EMUCELL_PARAMETER
};

// A column of a surrogate's inputs or outputs.
struct Variable {
    std::string name;
    std::string unit;
    Role role;
    // Smallest and largest value of the training data, if known.
    std::optional<std::array<double, 2>> range;
};

// A trained network with everything needed to use it; any number of threads may use one at once.
class Surrogate {
public:
    // Loads an ONNX file.
    explicit Surrogate(const std::string& path) {
        emucell_surrogate* raw = nullptr;
        check(emucell_surrogate_load(path.c_str(), &raw));
        handle_.reset(raw);
    }

    // Loads the size bytes of an ONNX file, which may be freed afterwards.
    Surrogate(const std::uint8_t* bytes, std::size_t size) {
        emucell_surrogate* raw = nullptr;
        check(emucell_surrogate_load_memory(bytes, size, &raw));
        handle_.reset(raw);
    }

    Kind kind() const {
        std::uint32_t kind = 0;
        check(emucell_surrogate_kind(raw(), &kind, nullptr));
        return static_cast<Kind>(kind);
    }

    // Step of a step map in the unit of its time; 0 for a solution map.
    double dt() const {
        double dt = 0;
        check(emucell_surrogate_kind(raw(), nullptr, &dt));
        return dt;
    }

    std::size_t n_inputs() const { return emucell_surrogate_n_inputs(raw()); }
    std::size_t n_outputs() const { return emucell_surrogate_n_outputs(raw()); }

    // Variables in the order of evaluate's columns.
    std::vector<Variable> inputs() const { return variables(n_inputs(), emucell_surrogate_input); }
    std::vector<Variable> outputs() const { return variables(n_outputs(), emucell_surrogate_output); }

    // The state in which a cell starts, in the order of the outputs; throws if the file tells none.
    std::vector<double> initial_state() const {
        std::vector<double> state(n_outputs());
        check(emucell_surrogate_initial_state(raw(), state.data(), state.size()));
        return state;
    }

    // How the surrogate came to be, a JSON object.
    std::string provenance() const { return emucell_surrogate_provenance(raw()); }

    const emucell_surrogate* raw() const noexcept { return handle_.get(); }

private:
    using Describe = emucell_status (*)(const emucell_surrogate*, std::size_t, emucell_variable*);

    std::vector<Variable> variables(std::size_t n, Describe describe) const {
        std::vector<Variable> all;
        for (std::size_t i = 0; i < n; ++i) {
            emucell_variable v;
            check(describe(raw(), i, &v));
            Variable variable{v.name, v.unit, static_cast<Role>(v.role), std::nullopt};
            if (v.has_range) variable.range = {v.range_low, v.range_high};
            all.push_back(variable);
        }
        return all;
    }

    struct Destroy {
        void operator()(emucell_surrogate* raw) const { emucell_surrogate_destroy(&raw); }
    };
    std::unique_ptr<emucell_surrogate, Destroy> handle_;
};

// How a session computes; see emucell_session_options.
struct SessionOptions {
    std::uint32_t n_threads = 1;
    std::uint32_t guard = EMUCELL_GUARD_IGNORE;
    // "scalar", "avx2"; empty for the machine's fastest.
    std::string instruction_set;
};

// A surrogate prepared for one thread at a time; keeps what it needs of the surrogate.
class Session {
public:
    explicit Session(const Surrogate& surrogate, const SessionOptions& options = {}) {
        emucell_session_options raw_options;
        check(emucell_session_options_init(&raw_options));
        raw_options.n_threads = options.n_threads;
        raw_options.guard = options.guard;
        if (!options.instruction_set.empty()) raw_options.instruction_set = options.instruction_set.c_str();
        emucell_session* raw = nullptr;
        check(emucell_session_create(surrogate.raw(), &raw_options, &raw));
        handle_.reset(raw);
    }

    // Computes outputs from inputs, for as many cells as outputs has.
    template <class In, class Out>
    void evaluate(View<In> inputs, View<Out> outputs) {
        static_assert(!std::is_const_v<Out>, "outputs are written");
        check(emucell_evaluate(raw(), outputs.n_cells, &inputs.raw, &outputs.raw));
    }

    // Advances cells in place by n_steps steps of dt, in the unit of the surrogate's time.
    void step(const Cells& cells, double dt, std::uint32_t n_steps = 1) {
        check(emucell_step(raw(), &cells.raw(), dt, n_steps));
    }

    emucell_session* raw() const noexcept { return handle_.get(); }

private:
    struct Destroy {
        void operator()(emucell_session* raw) const { emucell_session_destroy(&raw); }
    };
    std::unique_ptr<emucell_session, Destroy> handle_;
};

}  // namespace emucell

#endif  // EMUCELL_HPP
