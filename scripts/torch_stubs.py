"""Makes `import torch` work without CUDA: builds small stand-ins for the CUDA libraries that libtorch_python.so names.

The PyTorch on the package index is built with CUDA, and its Python module lists libtorch_cuda.so, libcudnn.so.9 and
libcufile.so.0 as dependencies; the real ones weigh some 2.5 GB with what they need in turn. On a CPU nothing in them is
ever called, but the dynamic linker wants every name to exist. So each name that nobody else defines gets a definition:
a function that throws, or a piece of data. If a test does reach for CUDA, it gets a C++ exception that says so.
"""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

LIBRARY = "libtorch_cuda.so"
SAME_UNDER_OTHER_NAMES = ("libcudnn.so.9", "libcufile.so.0")

# The one function that runs while libtorch_python.so loads: it returns a reference to a static pointer, which the caller
# sets. Everything else can throw.
GIL_CHECKER = "_ZN4c10d15get_gil_checkerEv"
SOURCE = """
#include <stdexcept>

namespace c10d {
using GilChecker = bool (*)();
GilChecker& get_gil_checker() {
    static GilChecker checker = nullptr;
    return checker;
}
}  // namespace c10d

extern "C" [[noreturn]] void cuda_is_left_out() {
    throw std::runtime_error("this PyTorch was set up for the CPU alone, without CUDA");
}
"""


def undefined_symbols(library):
    listing = subprocess.run(
        ["nm", "-D", "--undefined-only", str(library)], check=True, capture_output=True, text=True
    ).stdout
    for line in listing.splitlines():
        kind, name = line.split()[-2:]
        if kind == "U":  # the others are weak: the linker does without them
            yield name.split("@")[0]


def missing_symbols(folder):
    """What libtorch_python.so needs and none of the libraries that we do have defines, asked of the dynamic linker."""
    for name in ("libtorch_cpu.so", "libc10_cuda.so", "libshm.so"):
        ctypes.CDLL(str(folder / name), mode=os.RTLD_LAZY | os.RTLD_GLOBAL)
    process = ctypes.CDLL(None)
    undefined = set(undefined_symbols(folder / "libtorch_python.so"))
    return sorted(name for name in undefined if not hasattr(process, name))


def definition(symbol):
    """Assembler text that defines `symbol` (a name mangled by the Itanium C++ ABI)."""
    if symbol.startswith("_ZTI"):  # type_info, compared by name: a real one of a class without bases
        return f"""
    .section .data.rel.ro, "aw"
    .balign 8
    .globl {symbol}
    .type {symbol}, @object
    .size {symbol}, 16
{symbol}:
    .quad _ZTVN10__cxxabiv117__class_type_infoE + 16
    .quad 1f
    .section .rodata
1:  .string "{symbol[len("_ZTI"):]}"
"""
    if symbol.startswith("_ZTV"):  # a virtual table of a class that no one can construct: long enough for any
        return f"""
    .section .data.rel.ro, "aw"
    .balign 8
    .globl {symbol}
    .type {symbol}, @object
    .size {symbol}, 1024
{symbol}:
    .zero 1024
"""
    return f"""
    .text
    .globl {symbol}
    .type {symbol}, @function
{symbol}:
    jmp cuda_is_left_out@PLT
"""


def build(folder):
    symbols = [name for name in missing_symbols(folder) if name != GIL_CHECKER]
    assembler = "".join(map(definition, symbols)) + "    .text\n"
    source = f'{SOURCE}\nasm(R"({assembler})");\n'
    subprocess.run(
        ["g++", "-x", "c++", "-", "-O1", "-fPIC", "-shared", f"-Wl,-soname,{LIBRARY}", "-o", str(folder / LIBRARY)],
        input=source,
        text=True,
        check=True,
    )
    for name in SAME_UNDER_OTHER_NAMES:
        (folder / name).symlink_to(LIBRARY)


if __name__ == "__main__":
    build(Path(sys.argv[1]).resolve())
