//! Reads container checkpoints: processes, memory, files and findings.
