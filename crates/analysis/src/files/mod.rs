//! Open files and who holds them, programs that are mapped, and the files of the container that the archive has.

pub mod descriptor;
pub mod file;
pub mod file_use;
pub mod nested;
mod origin;
pub mod owner;
pub mod rootfs;
pub mod sbom;
