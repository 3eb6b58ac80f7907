//! Writes the bytes that each fuzz target begins with to `fuzz/corpus/`: `cargo run --example seeds`, in `fuzz/`.

use std::{fs, path::Path};

fn main() -> std::io::Result<()> {
    for target in &ckptfx_fuzz::targets::TARGETS {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
        fs::create_dir_all(&directory)?;
        let seeds = (target.seeds)().into_iter().chain(ckptfx_fuzz::targets::corpus(target.name));
        let mut count = 0;
        for (number, seed) in seeds.enumerate() {
            fs::write(directory.join(format!("seed-{number:03}")), seed)?;
            count += 1;
        }
        println!("{}: {count}", target.name);
    }
    Ok(())
}
