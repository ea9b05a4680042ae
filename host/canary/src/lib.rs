//! Fires canaries: governed HTTP requests and DNS look-ups.
