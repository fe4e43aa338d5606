//! Whether a surrogate does what its cell model does, where it was not trained.
