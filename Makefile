# emucell. `make help` lists what there is to do.

# Two OpenMP threads on shared cores can be ten times slower than one.
export OMP_NUM_THREADS ?= 1
CARGO ?= cargo
# Programs link to the SONAME; messages of internal faults name files of emucell, not folders of this machine.
CARGO_HOME ?= $(HOME)/.cargo
# nodelete: dlclose() leaves the library where it is, because threads that used it still end in it.
LIBRARY_FLAGS = -C link-arg=-Wl,-soname,libemucell.so.0 -C link-arg=-Wl,-z,nodelete -C strip=symbols \
	--remap-path-prefix=$(CURDIR)=emucell --remap-path-prefix=$(CARGO_HOME)=cargo
# What the library has beside the native backend for processors: onnx, cuda; both are loaded at run time.
FEATURES ?= onnx
# Where `make demo` puts its results, and `make cxx` library and header.
DEMO ?= demo
BRIDGE ?= build/cxx

.DEFAULT_GOAL := help
.PHONY: help setup setup-libtorch build cxx monoalg3d demo test sanitize miri aarch64 soak fuzz bench cuda kernels install uninstall header clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## fetch libtorch and the Python of the tests into the user's cache folder, once for all checkouts
	@scripts/setup.sh all

setup-libtorch:
	@scripts/setup.sh libtorch

build: ## the shared and the static library alone, without libtorch: target/release/libemucell.{so,a}
	$(CARGO) rustc --release --lib --features $(FEATURES) --crate-type cdylib,staticlib -- $(LIBRARY_FLAGS)

# A target folder of its own: libemucell.a would take the place of the one without the bridge.
BRIDGE_TARGET = $(or $(CARGO_TARGET_DIR),target)/cxx
cxx: ## the static library with the C++ bridge of the cxx crate: build/cxx/lib and build/cxx/include
	CARGO_TARGET_DIR="$(BRIDGE_TARGET)" $(CARGO) rustc --release --lib --features cxx --crate-type staticlib -- $(LIBRARY_FLAGS)
	@mkdir -p "$(BRIDGE)/lib" "$(BRIDGE)/include/rust"
	install -m 644 "$(BRIDGE_TARGET)/release/libemucell.a" "$(BRIDGE)/lib/libemucell_bridge.a"
	install -m 644 "$(BRIDGE_TARGET)/cxxbridge/emucell/src/cxx_bridge.rs.h" "$(BRIDGE)/include/emucell_bridge.h"
	install -m 644 "$(BRIDGE_TARGET)/cxxbridge/rust/cxx.h" "$(BRIDGE)/include/rust/"

# SIM is a checkout of MonoAlg3D_C; REAL=float where it was built so (see cpp_examples/monoalg3d/README.md).
LIBRARY_FOLDER = $(or $(CARGO_TARGET_DIR),target)/release
monoalg3d: build ## the plug-in for the simulator MonoAlg3D: build/monoalg3d/libemucell_monoalg3d.so (SIM=/path/to/MonoAlg3D_C)
	@cpp_examples/monoalg3d/build.sh "$(or $(SIM),$(error SIM=/path/to/MonoAlg3D_C is missing))" "$(LIBRARY_FOLDER)" \
		build/monoalg3d/libemucell_monoalg3d.so

demo: setup-libtorch ## train two surrogates, step a tissue with one, compare with the solver: a table and pictures
	@scripts/demo.sh $(DEMO)

# Searches over MPI ranks are tested where there is an MPI library, and libclang for the Rust crate that reads its header.
comma = ,
MPI = $(and $(shell command -v mpicc),$(wildcard /usr/lib/llvm-*/lib/libclang.so),$(comma)mpi)
test: setup ## every test, with formatting and lints
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings
	$(CARGO) clippy --all-targets --features cli,train,cxx,onnx,cuda$(MPI) -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps --features cli,onnx
	$(CARGO) test --features cli,train,cxx,onnx,cuda$(MPI)

sanitize: ## ASan, UBSan, LSan, TSan and Valgrind over the library and its C and C++ clients
	@scripts/nightly.sh rust-src || true
	$(CARGO) test --test sanitize -- --ignored --nocapture --test-threads 1

# Both sets of rules about aliasing; four schedules of the threads; and the unit tests of what touches foreign memory.
MIRI = CARGO_TARGET_DIR="$(or $(CARGO_TARGET_DIR),target)/miri" cargo +nightly miri test
MIRI_UNITS = backend capi session view
miri: ## the C API in Miri, an interpreter that sees every access of memory
	@if scripts/nightly.sh miri rust-src; then set -ex; \
		$(MIRI) --test miri; \
		MIRIFLAGS=-Zmiri-tree-borrows $(MIRI) --test miri; \
		MIRIFLAGS=-Zmiri-many-seeds=0..4 $(MIRI) --test miri -- threads; \
		$(MIRI) --lib -- $(MIRI_UNITS); \
	fi

aarch64: ## the kernels and everything around them for 64-bit ARM, under QEMU
	@CARGO_TARGET_DIR="$(or $(CARGO_TARGET_DIR),target)/aarch64" scripts/aarch64.sh --lib --test session --test double_states --test guards

soak: ## 1e9 cell-steps without a byte of growth
	$(CARGO) test --test coexistence -- --ignored --nocapture

bench: setup build ## speed of evaluation and of the solver on this machine, beside ONNX Runtime and PyTorch
	$(CARGO) bench --features cli
	$(CARGO) build --release --features cli
	.python/bin/python bench/side_by_side.py target/release/emucell

cuda: ## on a machine with an NVIDIA GPU: conformance of the kernels there, then times, into bench/records
	@scripts/setup.sh nvrtc || echo "NVRTC cannot be fetched: the machine's own is used" >&2
	bench/cuda.sh

kernels: ## make the kernels that the library brings along for machines without NVRTC again
	@scripts/setup.sh nvrtc
	EMUCELL_UPDATE_KERNELS=1 $(CARGO) test --features cuda,cli --test cuda embedded::the_kernels -- --nocapture

fuzz: ## 10 million runs of everything that reads files, with damaged ones (RUNS=1000000 for fewer)
	@scripts/fuzz.sh

install: build ## libraries, headers, Fortran, pkg-config and CMake files below PREFIX (default /usr/local)
	@scripts/install.sh "$(or $(PREFIX),/usr/local)"

uninstall: ## remove what install put below PREFIX
	@scripts/install.sh --uninstall "$(or $(PREFIX),/usr/local)"

header: ## make include/emucell.h from src/capi again
	EMUCELL_UPDATE_HEADER=1 $(CARGO) test --test header

clean: ## remove what was built, not what was fetched
	$(CARGO) clean
	rm -rf build
