//! The process cache: gives every kernel record its process and parent.
