//! The frontend without Wasm and without a host: `cargo test`.

use hello_frontend::Hello;
use lapstrake_sdk::Frontend;
use lapstrake_sdk::testing::{MemoryHost, request};
use lapstrake_sdk::types::*;

#[test]
fn writes_the_text() {
    let text = "# a comment\nsay Hello, harbour\ninto /etc/motd\n";
    let result = Hello::build(&MemoryHost::new(), request("x.hello", text)).unwrap();
    let vertex = &result.definition.vertices[0];
    let Op::File(actions) = &vertex.op else {
        panic!("{vertex:?}")
    };
    let FileActionKind::Mkfile(file) = &actions[0].kind else {
        panic!("{vertex:?}")
    };
    assert_eq!(
        (file.path.as_str(), file.data.as_slice()),
        ("/etc/motd", &b"Hello, harbour\n"[..])
    );
    assert_eq!(vertex.ranges[0].start.line, 2);
    assert_eq!(
        result.images[0].config.cmd,
        Some(vec!["cat".to_owned(), "/etc/motd".to_owned()])
    );
}

#[test]
fn keeps_the_base_images_configuration() {
    let mut config = ImageConfig::new(Platform::new("linux", "amd64"));
    config.set_env("PATH", "/bin");
    let host = MemoryHost::new().image("debian", config);
    let result = Hello::build(&host, request("x.hello", "from debian\nsay hi")).unwrap();
    assert_eq!(result.definition.vertices.len(), 2);
    assert_eq!(result.images[0].config.env, [KeyValue::new("PATH", "/bin")]);

    let error = Hello::build(&host, request("x.hello", "from alpine\nsay hi")).unwrap_err();
    assert_eq!(
        error,
        BuildError::HostFailed("there is no image alpine".to_owned())
    );
}

#[test]
fn reports_every_mistake() {
    let error = Hello::build(&MemoryHost::new(), request("x.hello", "form debian\nshout hi\n")).unwrap_err();
    let BuildError::Invalid(report) = error else {
        panic!("{error:?}")
    };
    let codes: Vec<&str> = report.items.iter().map(|item| item.code.as_str()).collect();
    assert_eq!(codes, ["UnknownWord", "UnknownWord", "NothingToSay"]);
    assert_eq!(report.items[0].help.as_deref(), Some("did you mean \"from\"?"));
    assert_eq!(report.items[1].ranges[0].start.line, 2);
}
