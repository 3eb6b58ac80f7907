//! What the fuzz targets do is in `tests/`, where every test run does it too.

#[path = "../../tests/exercise.rs"]
pub mod exercise;
#[path = "../../tests/mutate.rs"]
pub mod mutate;
#[path = "../../tests/targets.rs"]
pub mod targets;
