//! The guests in text format are WebAssembly, and README.md names every guest.

use std::fs;
use std::path::Path;

#[test]
fn texts_are_webassembly() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let readme = fs::read_to_string(folder.join("README.md")).unwrap();
    let mut count = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.extension().is_some_and(|extension| extension == "wat") {
            let wasm = wat::parse_file(&path).unwrap();
            assert_eq!(&wasm[..4], b"\0asm", "{name}");
            assert!(readme.contains(&format!("| `{name}` |")), "{name}");
            count += 1;
        }
    }
    assert!(count >= 6, "{count}");
}
