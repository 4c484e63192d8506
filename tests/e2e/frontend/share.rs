//! Frontends in registries and at addresses: pushed, pulled, named by syntax lines, and there without a network.

use lapstrake_tests::gated::Gated;
use lapstrake_tests::layout;
use lapstrake_tests::servers::Registry;
use lapstrake_tests::web::{Page, Web};
use lapstrake_tests::{Place, find_program, skip};
use serde_json::{Value, json};

use super::{builds, hello, write};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.wasm.config.v0+json";

#[test]
fn a_frontend_goes_to_a_registry_and_comes_back() {
    let Some(place) = hello() else {
        skip!("the components are not built: run `make frontends`")
    };
    let Some(registry) = Registry::start(&place.path("out"), Some(("me", "right"))) else {
        skip!("docker-registry or htpasswd is not installed");
    };
    let name = format!("{}/me/hello:1", registry.host);
    place
        .run(["frontend", "push", &name, "hello.wasm"])
        .fails(3, &["cannot get the frontend", "docker login"]);
    std::fs::create_dir_all(place.path("home/.docker")).unwrap();
    // me:right in base64, as `docker login` writes it.
    let text = format!(
        "{{\"auths\":{{\"{}\":{{\"auth\":\"bWU6cmlnaHQ=\"}}}}}}",
        registry.host
    );
    std::fs::write(place.path("home/.docker/config.json"), text).unwrap();

    let first = place.run(["frontend", "push", &name, "hello.wasm"]).ok().stdout;
    let pinned = first.trim().to_owned();
    assert!(pinned.starts_with(&format!("{name}@sha256:")), "{pinned}");
    // From another place and at another time it is the same artifact, byte for byte.
    let again = place.run([
        "frontend",
        "push",
        &format!("{}/me/other", registry.host),
        "hello.wasm",
    ]);
    let digest = pinned.split_once('@').unwrap().1;
    assert!(again.ok().stdout.trim().ends_with(digest));

    let other = hello().unwrap();
    std::fs::create_dir_all(other.path("home/.docker")).unwrap();
    std::fs::copy(
        place.path("home/.docker/config.json"),
        other.path("home/.docker/config.json"),
    )
    .unwrap();
    std::fs::remove_file(other.path("hello.wasm")).unwrap();
    let pulled = other.run(["frontend", "pull", &name]).ok().stdout;
    assert_eq!(pulled, format!("{pinned}\nhello.wasm\n"));
    let bytes = |place: &Place| std::fs::read(place.path("hello.wasm")).unwrap();
    assert!(bytes(&other) == bytes(&place));
    let piped = other.run(["frontend", "pull", &pinned, "-o", "-"]).ok();
    assert!(piped.bytes == bytes(&place));

    for syntax in [&name, &pinned, &format!("oci:{name}")] {
        write(&other, Some(syntax));
        builds(&other, &[]);
    }
    // What was seen once is there without the registry.
    drop(registry);
    for syntax in [&name, &pinned] {
        write(&other, Some(syntax));
        builds(&other, &["--offline"]);
    }
    write(&other, Some(&pinned));
    builds(&other, &[]);
    write(&other, Some(&name));
    other.build(&["-f", "context/greeting.hello"]).fails(
        3,
        &[
            "cannot get the frontend",
            "greeting.hello:1:10",
            "help: check the name",
        ],
    );
    other.assert_clean();

    let listed = other.run(["frontend", "ls"]).ok().stdout;
    assert!(
        listed.contains("dockerfile") && listed.contains("me/hello:1"),
        "{listed}"
    );
    let listed = other.run(["frontend", "ls", "--format", "json"]).ok().stdout;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let fetched = listed
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["kind"] == "fetched");
    let fetched = fetched.unwrap();
    assert_eq!(fetched["size"], bytes(&place).len());
    assert_eq!(fetched["contract"], "0.1.0");
    assert_eq!(fetched["digest"], layout::digest(&bytes(&place)));
    assert!(fetched["lastUsed"].as_u64().unwrap() > 1_700_000_000);
}

#[test]
fn other_tools_read_what_was_pushed() {
    let Some(place) = hello() else {
        skip!("the components are not built: run `make frontends`")
    };
    let (Some(registry), Some(skopeo)) = (Registry::start(&place.path("out"), None), find_program("skopeo"))
    else {
        skip!("docker-registry or skopeo is not installed");
    };
    let name = format!("{}/hello:1", registry.host);
    place.run(["frontend", "push", &name, "hello.wasm"]).ok();
    let mut command = std::process::Command::new(skopeo);
    let copied = place.path("copied");
    command
        .args(["copy", "--quiet", "--src-tls-verify=false"])
        .arg(format!("docker://{name}"))
        .arg(format!("oci:{}:1", copied.display()));
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "skopeo: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let read = |digest: &Value| {
        let hex = digest.as_str().unwrap().trim_start_matches("sha256:");
        std::fs::read(copied.join("blobs/sha256").join(hex)).unwrap()
    };
    let json = |bytes: Vec<u8>| serde_json::from_slice::<Value>(&bytes).unwrap();
    let index = json(std::fs::read(copied.join("index.json")).unwrap());
    let manifest = json(read(&index["manifests"][0]["digest"]));
    assert_eq!(manifest["config"]["mediaType"], CONFIG);
    let layers = manifest["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 1);
    assert_eq!(layers[0]["mediaType"], "application/wasm");
    // By this `oras pull` names the file.
    assert_eq!(
        layers[0]["annotations"]["org.opencontainers.image.title"],
        "hello.wasm"
    );
    assert!(read(&layers[0]["digest"]) == std::fs::read(place.path("hello.wasm")).unwrap());
    let config = json(read(&manifest["config"]["digest"]));
    assert_eq!(
        [&config["architecture"], &config["os"], &config["created"]],
        ["wasm", "wasip2", "1970-01-01T00:00:00Z"]
    );
    assert_eq!(config["layerDigests"], json!([layers[0]["digest"]]));
    let exports = config["component"]["exports"].as_array().unwrap();
    assert!(
        exports.contains(&json!("lapstrake:frontend/frontend@0.1.0")),
        "{config}"
    );
    assert!(config["component"]["imports"].is_array());
}

/// A registry with the component of `place`, as `wkg oci push --author somebody` of version 0.16.1 puts it there.
fn as_wkg_pushes(place: &Place) -> Gated {
    let folder = place.path("layout");
    let wasm = std::fs::read(place.path("hello.wasm")).unwrap();
    let mut layer = layout::blob(&folder, "application/wasm", &wasm);
    layer["annotations"] = json!({ "org.opencontainers.image.title": "hello.wasm" });
    let contract = |name: &str| format!("lapstrake:frontend/{name}@0.1.0");
    let imports = ["llb", "diagnostics", "requests", "host"].map(contract);
    let config = json!({
        "created": "2026-11-21T20:42:05.389505465Z",
        "author": "somebody",
        "architecture": "wasm",
        "os": "wasip2",
        "layerDigests": [layer["digest"]],
        "component": {
            "exports": [contract("frontend")],
            "imports": imports,
            "target": null,
        },
    });
    let config = layout::blob(&folder, CONFIG, config.to_string().as_bytes());
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config,
        "layers": [layer],
    });
    let manifest = layout::blob(&folder, MANIFEST, manifest.to_string().as_bytes());
    let registry = Gated::start(&folder);
    registry.tag("hello:1", &manifest);
    registry
}

#[test]
fn what_wkg_pushed_works_and_a_tag_costs_one_head_request() {
    let Some(place) = hello() else {
        skip!("the components are not built: run `make frontends`")
    };
    let registry = as_wkg_pushes(&place);
    write(&place, Some(&format!("{}/hello:1", registry.host)));
    builds(&place, &[]);
    let asked = registry.take_asked();
    let [blob, manifest, head] = &asked[..] else {
        panic!("{asked:?}")
    };
    assert!(blob.starts_with("GET /v2/hello/blobs/sha256:"), "{blob}");
    assert!(
        manifest.starts_with("GET /v2/hello/manifests/sha256:"),
        "{manifest}"
    );
    assert_eq!(head, "HEAD /v2/hello/manifests/1");
    builds(&place, &[]);
    assert_eq!(registry.take_asked(), ["HEAD /v2/hello/manifests/1"]);
    builds(&place, &["--offline"]);
    assert_eq!(registry.take_asked(), [""; 0]);
}

#[test]
fn an_image_is_no_frontend() {
    let place = Place::new();
    let folder = place.path("layout");
    let manifest = layout::image(&folder, ("linux", "amd64"), json!({}), &[]);
    let registry = Gated::start(&folder);
    registry.tag("image:1", &manifest);
    place.dockerfile(&format!("# syntax={}/image:1\nFROM scratch\n", registry.host));
    place.build(&[]).fails(
        3,
        &[
            "is not a WebAssembly component",
            "a container image",
            "Dockerfile:1:10",
        ],
    );
}

#[test]
fn an_address_needs_a_digest_and_is_asked_once() {
    let Some(place) = hello() else {
        skip!("the components are not built: run `make frontends`")
    };
    let web = Web::new();
    let wasm = std::fs::read(place.path("hello.wasm")).unwrap();
    let (digest, url) = (layout::digest(&wasm), web.url("hello.wasm"));
    web.put("hello.wasm", Page::of(&wasm));
    write(&place, Some(&url));
    let build = ["-f", "context/greeting.hello"];
    place
        .build(&build)
        .fails(1, &["an address without a digest", "@sha256:"]);
    write(&place, Some(&format!("{url}@{}", layout::digest(b"other"))));
    place.build(&build).fails(1, &["hello.wasm", &digest]);
    web.take_lines();
    write(&place, Some(&format!("{url}@{digest}")));
    builds(&place, &[]);
    assert_eq!(web.take_lines(), ["GET /hello.wasm"]);
    builds(&place, &[]);
    builds(&place, &["--offline"]);
    assert_eq!(web.take_lines(), [""; 0]);
    place.assert_clean();
}

#[test]
fn inspect_says_what_a_frontend_is() {
    let Some(place) = hello() else {
        skip!("the components are not built: run `make frontends`")
    };
    let inspect = |reference: &str, more: &[&str]| {
        let arguments = [&["frontend", "inspect", reference, "--format", "json"], more].concat();
        serde_json::from_str::<Value>(&place.run(arguments).ok().stdout).unwrap()
    };
    let wasm = std::fs::read(place.path("hello.wasm")).unwrap();
    let found = inspect("./hello.wasm", &[]);
    assert_eq!(found["digest"], layout::digest(&wasm));
    assert_eq!(
        (&found["size"], &found["world"]),
        (&json!(wasm.len()), &json!("lapstrake:frontend@0.1.0"))
    );
    assert_eq!(found["describe"]["name"], "hello");
    let imports: Vec<&str> = found["imports"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(
        imports.iter().all(|name| name.starts_with("lapstrake:frontend/")),
        "{imports:?}"
    );
    assert!(imports.contains(&"lapstrake:frontend/host@0.1.0"), "{imports:?}");

    // What may not run is looked at from outside only.
    let found = inspect("./hello.wasm", &["--frontend-policy", "embedded"]);
    assert_eq!(found["world"], "lapstrake:frontend@0.1.0");
    assert!(found["describe"].is_null());
    assert!(
        found["notAsked"].as_str().unwrap().contains("policy is embedded"),
        "{found}"
    );
    let found = inspect("dockerfile", &["--frontend-policy", "embedded"]);
    assert_eq!(found["describe"]["name"], "dockerfile");

    // One that wants more than a frontend has is told with its imports.
    std::fs::write(
        place.path("files.wasm"),
        lapstrake_tests::guests::read("wants-files.wat"),
    )
    .unwrap();
    let text = place.run(["frontend", "inspect", "./files.wasm"]).ok().stdout;
    assert!(text.contains("not usable") && text.contains("wasi:"), "{text}");
    let text = place.run(["frontend", "inspect", "nix:1:2"]);
    assert_ne!(text.code, 0);
    place
        .run(["frontend", "push", "localhost:1/x", "files.wasm"])
        .fails(1, &["wasi:filesystem"]);
}
