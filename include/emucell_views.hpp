// emucell_views.hpp: what emucell.hpp says about errors, and about where a program's numbers lie. Include emucell.hpp.

#ifndef EMUCELL_VIEWS_HPP
#define EMUCELL_VIEWS_HPP

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#if __cplusplus >= 202002L
#include <span>
#endif

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
// Spans and views

#ifdef __cpp_lib_span
template <class T>
using Span = std::span<T>;
#else
// What std::span is from C++20 on, as far as it is needed here.
template <class T>
class Span {
public:
    constexpr Span() noexcept = default;
    constexpr Span(T* data, std::size_t size) noexcept : data_(data), size_(size) {}
    // All of a container whose elements lie side by side.
    template <class Container,
              class = std::enable_if_t<std::is_convertible_v<
                  std::remove_pointer_t<decltype(std::data(std::declval<Container&>()))> (*)[], T (*)[]>>>
    constexpr Span(Container&& container) noexcept : data_(std::data(container)), size_(std::size(container)) {}

    constexpr T* data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr bool empty() const noexcept { return size_ == 0; }
    constexpr T& operator[](std::size_t i) const { return data_[i]; }
    constexpr T* begin() const noexcept { return data_; }
    constexpr T* end() const noexcept { return data_ + size_; }

private:
    T* data_ = nullptr;
    std::size_t size_ = 0;
};
#endif

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

// Type of the numbers of a container that outlives the expression: a named one, or a span.
template <class Container>
using NumberOf = std::remove_pointer_t<decltype(std::data(std::declval<Container&>()))>;
template <class Container>
constexpr bool is_lasting =
    std::is_lvalue_reference_v<Container> || std::is_same_v<std::decay_t<Container>, Span<NumberOf<Container>>>;

// All whole cells of a container (vector, array, span); trailing elements are left alone.
template <class Container, class = std::enable_if_t<is_lasting<Container>>>
View<NumberOf<Container>> structures(Container&& buffer, std::uint32_t n_variables) {
    return structures(std::data(buffer), n_variables ? std::size(buffer) / n_variables : 0, n_variables);
}
template <class Container, class = std::enable_if_t<is_lasting<Container>>>
View<NumberOf<Container>> arrays(Container&& buffer, std::uint32_t n_variables) {
    return arrays(std::data(buffer), n_variables ? std::size(buffer) / n_variables : 0, n_variables);
}

// A view for reading, of float or double.
struct InputView {
    emucell_view raw;
    std::size_t n_cells;

    template <class T>
    InputView(View<T> view) : raw(view.raw), n_cells(view.n_cells) {}
};

// A view for writing, of float or double.
struct OutputView {
    emucell_view raw;
    std::size_t n_cells;

    template <class T, class = std::enable_if_t<!std::is_const_v<T>>>
    OutputView(View<T> view) : raw(view.raw), n_cells(view.n_cells) {}
};

// The views of a list for C; copies of what holds them share them.
using RawViews = std::shared_ptr<const std::vector<emucell_view>>;
template <class AnyView>
RawViews raw_views(std::initializer_list<AnyView> parts) {
    std::vector<emucell_view> raw;
    raw.reserve(parts.size());
    for (const auto& part : parts) raw.push_back(part.raw);
    return std::make_shared<const std::vector<emucell_view>>(std::move(raw));
}

// Cells to advance in place; see emucell_cells. Buffers must outlive it. It may be used for many
// steps; parts allocate when it is made.
class Cells {
public:
    explicit Cells(OutputView state) {
        check(emucell_cells_init(&raw_));
        raw_.n_cells = raw_.n_rows = state.n_cells;
        raw_.state = state.raw;
    }

    // A state in several places: the variables of the parts, side by side, are the states.
    explicit Cells(std::initializer_list<OutputView> state) : state_(raw_views(state)) {
        check(emucell_cells_init(&raw_));
        raw_.n_cells = raw_.n_rows = state.size() ? state.begin()->n_cells : 0;
        raw_.state_parts = state_->data();
        raw_.n_state_parts = state_->size();
    }

    // Cells of the call × stimulus variables.
    Cells& stimulus(InputView view) {
        raw_.stimulus = view.raw;
        return *this;
    }

    // Rows of the state × parameters; in parts as the state.
    Cells& parameters(InputView view) {
        raw_.parameters = view.raw;
        raw_.parameter_parts = nullptr;
        raw_.n_parameter_parts = 0;
        return *this;
    }
    Cells& parameters(std::initializer_list<InputView> parts) {
        raw_.parameters = {};
        parameters_ = raw_views(parts);
        raw_.parameter_parts = parameters_->data();
        raw_.n_parameter_parts = parameters_->size();
        return *this;
    }

    // Advances the rows in list only, no row twice: cell i of the call is row list[i].
    Cells& index(Span<const std::uint32_t> list) { return index(list.data(), list.size()); }
    Cells& index(const std::uint32_t* list, std::size_t n) {
        raw_.index = list;
        raw_.n_cells = n;
        return enough_status();
    }

    // One byte for each cell of the call, bits EMUCELL_CELL_...; throws std::length_error if there
    // are fewer, in whatever order index and status are set.
    Cells& status(Span<std::uint8_t> bytes) {
        raw_.status = bytes.data();
        n_status_ = bytes.size();
        return enough_status();
    }
    Cells& status(std::uint8_t* bytes) {
        raw_.status = bytes;
        n_status_ = SIZE_MAX;
        return *this;
    }

    const emucell_cells& raw() const noexcept { return raw_; }

private:
    Cells& enough_status() {
        if (raw_.status && n_status_ < raw_.n_cells)
            throw std::length_error("fewer status bytes than cells");
        return *this;
    }

    emucell_cells raw_;
    RawViews state_, parameters_;
    std::size_t n_status_ = SIZE_MAX;
};

// Cells to evaluate, with inputs and outputs in several places; see emucell_evaluation. Buffers
// must outlive it. There are as many cells as the first output has.
class Evaluation {
public:
    Evaluation(std::initializer_list<InputView> inputs, std::initializer_list<OutputView> outputs)
        : inputs_(raw_views(inputs)), outputs_(raw_views(outputs)) {
        check(emucell_evaluation_init(&raw_));
        raw_.n_cells = outputs.size() ? outputs.begin()->n_cells : 0;
        raw_.inputs = inputs_->data();
        raw_.n_inputs = inputs_->size();
        raw_.outputs = outputs_->data();
        raw_.n_outputs = outputs_->size();
    }

    // One byte for each cell, bits EMUCELL_CELL_...; throws std::length_error if there are fewer.
    Evaluation& status(Span<std::uint8_t> bytes) {
        if (bytes.size() < raw_.n_cells) throw std::length_error("fewer status bytes than cells");
        raw_.status = bytes.data();
        return *this;
    }

    const emucell_evaluation& raw() const noexcept { return raw_; }

private:
    emucell_evaluation raw_;
    RawViews inputs_, outputs_;
};

}  // namespace emucell

#endif  // EMUCELL_VIEWS_HPP
