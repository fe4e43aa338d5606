# emucell. `make help` lists what there is to do.

# Two OpenMP threads on shared cores can be ten times slower than one.
export OMP_NUM_THREADS ?= 1
CARGO ?= cargo
# Programs link to the SONAME; no folder of the machine that built the library is named in it.
CARGO_HOME ?= $(HOME)/.cargo
LIBRARY_FLAGS = -C link-arg=-Wl,-soname,libemucell.so.0 -C strip=symbols \
	--remap-path-prefix=$(CURDIR)=emucell --remap-path-prefix=$(CARGO_HOME)=cargo
# Where `make demo` puts its results.
DEMO ?= demo

.DEFAULT_GOAL := help
.PHONY: help setup setup-libtorch build demo test bench install header clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## fetch libtorch and the Python of the tests into the user's cache folder, once for all checkouts
	@scripts/setup.sh all

setup-libtorch:
	@scripts/setup.sh libtorch

build: ## the shared and the static library alone, without libtorch: target/release/libemucell.{so,a}
	$(CARGO) rustc --release --lib --features onnx --crate-type cdylib,staticlib -- $(LIBRARY_FLAGS)

demo: setup-libtorch ## train two surrogates, step a tissue with one, compare with the solver: a table and pictures
	@scripts/demo.sh $(DEMO)

test: setup ## every test, with formatting and lints
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings
	$(CARGO) clippy --all-targets --features cli,train,onnx -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps --features cli
	$(CARGO) test --features cli,train,onnx

bench: setup ## speed of evaluation and of the solver on this machine, beside ONNX Runtime and PyTorch
	$(CARGO) bench --features cli
	$(CARGO) build --release --features cli
	.python/bin/python bench/side_by_side.py target/release/emucell

install: build ## libraries, headers, pkg-config and CMake files below PREFIX (default /usr/local)
	@scripts/install.sh "$(or $(PREFIX),/usr/local)"

header: ## make include/emucell.h from src/capi again
	EMUCELL_UPDATE_HEADER=1 $(CARGO) test --test header

clean: ## remove what was built, not what was fetched
	$(CARGO) clean
	rm -rf build
