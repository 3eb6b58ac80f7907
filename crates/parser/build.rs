//! Compiles `proto/`, in the repository a link to the folder at the top, to Rust types and to a descriptor set, without protoc.

use std::{env, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let proto = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("proto");
    println!("cargo:rerun-if-changed={}", proto.display());
    let mut files: Vec<PathBuf> =
        fs::read_dir(&proto)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "proto"));
    files.sort();

    let mut compiler = protox::Compiler::new([&proto])?;
    compiler.include_imports(true).open_files(&files)?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    // Only this encoding keeps the options that presentation.proto adds.
    fs::write(out.join("criu.bin"), compiler.encode_file_descriptor_set())?;

    let mut types = compiler.include_source_info(true).file_descriptor_set();
    types.file.retain(|file| file.package() != "google.protobuf");
    prost_build::Config::new().enable_type_names().compile_fds(types)?;
    Ok(())
}
