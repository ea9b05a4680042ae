//! End-to-end tests: the agent on real kernels.
