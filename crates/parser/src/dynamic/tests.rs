use std::fs;

use super::*;

/// For looking at real images: `CKPTFX_IMAGES=DIR cargo test -p ckptfx-parser real -- --ignored --nocapture`.
#[test]
#[ignore = "needs a directory of images"]
fn real_images() {
    let mut directories = vec![std::path::PathBuf::from(std::env::var_os("CKPTFX_IMAGES").unwrap())];
    let mut count = 0;
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if crate::image::identify(name).is_none() || !path.is_file() {
                continue;
            }
            let bytes = fs::read(&path).unwrap();
            let file = ImageFile { name, bytes: &bytes, order: crate::image::ByteOrder::Little };
            let mut diagnostics = Vec::new();
            let image = decode(&file, Numbering::Generic, &mut diagnostics);
            count += 1;
            if std::env::var_os("CKPTFX_PRINT").is_some() {
                println!(
                    "{name} {}",
                    serde_json::to_string(&image.as_ref().map(|image| &image.entries)).unwrap()
                );
            }
            let text = format!("{image:?}");
            for word in ["unknown_fields", "missing_fields", "undecodable"] {
                assert!(!text.contains(word), "{}: {word}", path.display());
            }
            assert_eq!(diagnostics, [], "{}", path.display());
        }
    }
    println!("{count} images");
    assert!(count > 0);
}
