//! The JSON Schemas in `docs` are those that the types make; and they agree with the frontend about the cases.

use std::fs;
use std::path::Path;

use lapstrake_mockerfile::frontend::schema_of;
use lapstrake_mockerfile::model::Version;

#[test]
fn the_files_are_what_the_types_say() {
    let docs = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs"));
    for version in Version::ALL {
        let file = docs.join(format!("mockerfile-{}.schema.json", version.name()));
        let schema = schema_of(version);
        serde_json::from_str::<serde_json::Value>(&schema).expect("the schema is JSON");
        if std::env::var_os("BLESS").is_some() {
            fs::write(&file, &schema).unwrap();
        }
        let shipped = fs::read_to_string(&file).unwrap_or_default();
        assert!(
            shipped == schema,
            "{} is not what the types say: run with BLESS=1",
            file.display()
        );
    }
}
