// Arrays of float as .npy files (version 1.0), which numpy.load reads.

#ifndef TISSUE_NPY_HPP
#define TISSUE_NPY_HPP

#include <cstdint>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace tissue {

// For machines whose numbers are little-endian.
inline void write_npy(const std::string& path, const std::vector<float>& values, const std::vector<int>& shape) {
    std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (";
    for (int n : shape) header += std::to_string(n) + ",";
    header += "), }";
    // Magic, version, length and header together fill a multiple of 64 bytes.
    header.append((64 - (10 + header.size() + 1) % 64) % 64, ' ');
    header += '\n';
    const auto length = static_cast<std::uint16_t>(header.size());
    std::ofstream file(path, std::ios::binary);
    file.write("\x93NUMPY\x01\x00", 8);
    file.write(reinterpret_cast<const char*>(&length), sizeof length);
    file << header;
    file.write(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
    if (!file.flush()) throw std::runtime_error("cannot write " + path);
}

}  // namespace tissue

#endif
