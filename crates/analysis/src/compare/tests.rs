//! Pairs of checkpoints with known differences.
