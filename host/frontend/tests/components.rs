//! Components that are no frontends, each with its error. Written here in WebAssembly's text format, as no toolchain
//! makes most of them.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::sync::Arc;

use lapstrake_frontend::{
    Cancel, ContextSource, Frontend, FrontendError, FrontendSource, Frontends, Limits, NoGateway, Request,
};
use lapstrake_llb::{Platform, SourceFile};

fn load(wasm: &[u8]) -> Result<Frontend, FrontendError> {
    let source = FrontendSource::Bytes {
        name: "./f.wasm".to_owned(),
        wasm: wasm.to_vec(),
    };
    Frontends::new(None).load(&source)
}

fn request() -> Request {
    let platform = Platform {
        os: "linux".to_owned(),
        architecture: "amd64".to_owned(),
        variant: None,
        os_version: None,
        os_features: Vec::new(),
    };
    let text = SourceFile {
        name: "f".to_owned(),
        language: "f".to_owned(),
        text: "x".to_owned(),
    };
    Request {
        sources: vec![text],
        target: None,
        platforms: Vec::new(),
        build_platform: platform,
        build_args: Vec::new(),
        labels: Vec::new(),
        context: ContextSource::Local("context".to_owned()),
        named_contexts: Vec::new(),
        options: Vec::new(),
        source_date_epoch: None,
    }
}

#[track_caller]
fn error_of(wat: &str) -> FrontendError {
    let wasm = wat::parse_str(wat).unwrap();
    let frontend = match load(&wasm) {
        Ok(frontend) => frontend,
        Err(error) => return error,
    };
    let built = frontend.build(
        &request(),
        Arc::new(NoGateway),
        &Limits::default(),
        &Cancel::new(),
    );
    built.unwrap_err()
}

/// A component that exports every function of a frontend, none with the right type.
fn wrong_types(version: &str, imports: &str) -> String {
    let functions = [
        "describe",
        "build",
        "lint",
        "get-outline",
        "list-targets",
        "call",
        "completions",
        "get-hover",
        "rewrite-sources",
        "rewrite-images",
        "rewrite-result",
    ];
    let exports: String = functions
        .iter()
        .map(|name| format!("(export \"{name}\" (func $f))"))
        .collect();
    format!(
        "(component
            {imports}
            (core module $m (func (export \"f\")))
            (core instance $i (instantiate $m))
            (func $f (canon lift (core func $i \"f\")))
            (instance $frontend {exports})
            (export \"lapstrake:frontend/frontend@{version}\" (instance $frontend)))"
    )
}

#[test]
fn what_is_no_webassembly() {
    for (bytes, word) in [
        (&b""[..], "empty"),
        (b"#!/bin/sh\nexit 1", "text"),
        (b"  (component)", "text format"),
        (b"\x7fELF\x02\x01\x01\0\0\0\0\0", "native code"),
        (b"\0asm\x09\0\0\0", "unknown version"),
        (b"\xff\xfe\0\0\0\0\0\0\0", "does not start"),
    ] {
        let error = load(bytes).err().unwrap();
        assert!(matches!(error, FrontendError::NotWasm { .. }), "{error}");
        assert!(error.to_string().contains(word), "{error}");
        assert!(error.to_string().starts_with("./f.wasm "), "{error}");
    }
}

#[test]
fn a_core_module() {
    let error = error_of("(module)");
    assert!(matches!(error, FrontendError::CoreModule { .. }), "{error}");
    assert!(error.to_string().contains("wasm-tools component new"), "{error}");
}

#[test]
fn a_damaged_component() {
    let mut wasm = wat::parse_str(wrong_types("0.1.0", "")).unwrap();
    wasm.truncate(wasm.len() - 3);
    let error = load(&wasm).unwrap().prepare().unwrap_err();
    assert!(matches!(error, FrontendError::InvalidComponent { .. }), "{error}");
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn files_that_cannot_be_read() {
    let frontends = Frontends::new(None);
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    let large = directory.path().join("large");
    std::fs::File::create(&large).unwrap().set_len(1 << 40).unwrap();
    for path in [
        directory.path().join("none"),
        directory.path().to_owned(),
        fifo,
        "/dev/zero".into(),
    ] {
        let error = frontends.load(&FrontendSource::File(path.clone())).err().unwrap();
        assert!(
            matches!(error, FrontendError::Read { .. }),
            "{}: {error}",
            path.display()
        );
    }
    let error = frontends.load(&FrontendSource::File(large)).err().unwrap();
    assert!(
        error
            .to_string()
            .ends_with("has 1024 GiB; a frontend has at most 256 MiB"),
        "{error}"
    );
    let error = frontends
        .load(&FrontendSource::BuiltIn("none".to_owned()))
        .err()
        .unwrap();
    assert!(
        matches!(&error, FrontendError::NotBuiltIn { available, .. } if available.contains(&"dockerfile"))
    );
}

#[test]
fn another_world() {
    let error = error_of("(component)");
    assert_eq!(
        error.to_string(),
        "./f.wasm is no lapstrake frontend: it does not export lapstrake:frontend/frontend@0.1.0"
    );

    let error = error_of(
        "(component
            (import \"wasi:io/poll@0.2.0\" (instance))
            (import \"other\" (func)))",
    );
    assert_eq!(
        error.to_string(),
        "./f.wasm is no lapstrake frontend: it does not export lapstrake:frontend/frontend@0.1.0, \
         and imports other, wasi:io/poll@0.2.0"
    );

    let one_missing = wrong_types("0.1.0", "").replace("(export \"lint\" (func $f))", "");
    let error = error_of(&one_missing);
    assert_eq!(
        error.to_string(),
        "./f.wasm is no lapstrake frontend: it does not export lint"
    );

    let error = error_of(&wrong_types("0.1.0", "(import \"other\" (func))"));
    assert_eq!(
        error.to_string(),
        "./f.wasm is no lapstrake frontend: it imports other"
    );
}

#[test]
fn wasi() {
    let error = error_of(&wrong_types(
        "0.1.0",
        "(import \"wasi:cli/environment@0.2.3\" (instance))",
    ));
    assert!(
        matches!(&error, FrontendError::NeedsWasi { imports, .. } if imports.len() == 1),
        "{error}"
    );
    assert!(
        error.to_string().contains("wasi:cli/environment@0.2.3"),
        "{error}"
    );
}

#[test]
fn another_version() {
    for version in ["0.2.0", "1.0.0", "0.0.9"] {
        let error = error_of(&wrong_types(version, ""));
        assert!(
            match &error {
                FrontendError::OtherVersion { found, .. } => found == version && version == "0.0.9",
                FrontendError::NeedsLater { found, needs, .. } =>
                    found == version && version.starts_with(needs.as_str()),
                _ => false,
            },
            "{error}"
        );
    }
    let error = error_of(&wrong_types("0.2.0", ""));
    assert_eq!(
        error.to_string(),
        "./f.wasm needs lapstrake >= 0.2: it was made for lapstrake:frontend@0.2.0, this lapstrake speaks 0.1.x"
    );
    let import = "(import \"lapstrake:frontend/host@0.2.0\" (instance))";
    let error = error_of(&wrong_types("0.1.0", import));
    assert!(matches!(error, FrontendError::NeedsLater { .. }), "{error}");
}

#[test]
fn several_versions() {
    let export = "(export \"lapstrake:frontend/frontend@0.1.0\" (instance $frontend))";
    let newer = export.replace("0.1.0", "0.2.0");
    let both = wrong_types("0.1.0", "").replace(export, &format!("{newer} {export}"));
    load(&wat::parse_str(both).unwrap()).unwrap().prepare().unwrap();
}

#[test]
fn a_newer_version() {
    let import = "(import \"lapstrake:frontend/host@0.1.7\" (instance
        (export \"sail\" (func)) (export \"log\" (func)) (export \"boat\" (type (sub resource)))))";
    let error = error_of(&wrong_types("0.1.7", import));
    assert_eq!(
        error.to_string(),
        "./f.wasm needs lapstrake >= 0.1.7: it was made for lapstrake:frontend@0.1.7, this one has 0.1.0 and lacks \
         host.sail, host.boat"
    );
    let import = "(import \"lapstrake:frontend/harbour@0.1.7\" (instance))";
    let error = error_of(&wrong_types("0.1.7", import));
    assert!(matches!(error, FrontendError::NeedsNewer { .. }), "{error}");
}

#[test]
fn a_newer_version_that_uses_nothing_new() {
    let import = "(import \"lapstrake:frontend/host@0.1.7\" (instance
        (type $level (enum \"debug\" \"info\" \"warn\"))
        (export \"log-level\" (type $named (eq $level)))
        (export \"log\" (func (param \"level\" $named) (param \"message\" string)))))";
    let frontend = load(&wat::parse_str(wrong_types("0.1.7", import)).unwrap()).unwrap();
    frontend.prepare().unwrap();
    assert_eq!(frontend.contract_version().unwrap(), "0.1.7");
    // Its functions are found, under the later version's name.
    let error = frontend.describe(&Limits::default(), &Cancel::new()).unwrap_err();
    assert!(
        matches!(&error, FrontendError::OtherTypes { version, .. } if version == "0.1.7"),
        "{error}"
    );
}

#[test]
fn other_types_behind_the_right_names() {
    let error = error_of(&wrong_types("0.1.0", ""));
    assert!(matches!(error, FrontendError::OtherTypes { .. }), "{error}");
    let import = "(import \"lapstrake:frontend/host@0.1.0\" (instance (export \"log\" (func))))";
    let error = error_of(&wrong_types("0.1.0", import));
    assert!(matches!(error, FrontendError::OtherTypes { .. }), "{error}");
}

/// A component with a core module that does something when it is instantiated.
fn starts(module: &str) -> String {
    wrong_types("0.1.0", "").replace(
        "(core instance $i ",
        &format!(
            "(core module $starts {module})
         (core instance $started (instantiate $starts))
         (core instance $i "
        ),
    )
}

#[test]
fn crashes_at_the_start() {
    let error = error_of(&starts(
        "(func $sink unreachable) (func $sail call $sink) (start $sail)",
    ));
    assert_eq!(
        error.to_string(),
        "./f.wasm crashed: wasm trap: wasm `unreachable` instruction executed (in sink, called by sail)"
    );
    let error = error_of(&starts("(func $deep call $deep) (start $deep)"));
    assert_eq!(
        error.to_string(),
        "./f.wasm crashed: wasm trap: call stack exhausted: its stack is full: functions call each other without end \
         (in deep)"
    );
    let error = error_of(&starts("(memory 65536)"));
    assert!(matches!(error, FrontendError::MemoryLimit { .. }), "{error}");
    let error = error_of(&starts("(table 1000000000 funcref)"));
    assert!(matches!(error, FrontendError::MemoryLimit { .. }), "{error}");
    let one = "(core instance $started (instantiate $starts))";
    let two = "(core instance (instantiate $starts)) (core instance (instantiate $starts))";
    let error = error_of(&starts(&"(memory 1)".repeat(60)).replace(one, two));
    assert!(matches!(error, FrontendError::Malformed { .. }), "{error}");
}
