//! Reads kernel type information (BTF) and resolves field offsets and function signatures.
