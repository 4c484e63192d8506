//! Which frontends may run: the policy, the registries they may come from, and who must have signed them.

use std::process::Command;

use lapstrake_tests::gated::Gated;
use lapstrake_tests::{Place, find_program, layout, skip};
use serde_json::json;

use super::{builds, hello, write};

const BUILD: [&str; 2] = ["-f", "context/greeting.hello"];

#[test]
fn policies() {
    let Some(place) = hello() else {
        skip!("the components are not built: run `make frontends`")
    };
    let with = |policy| {
        [
            &BUILD[..],
            &["--frontend", "./hello.wasm", "--frontend-policy", policy],
        ]
        .concat()
    };
    builds(&place, &["--frontend", "./hello.wasm"]);
    place
        .build(&with("embedded"))
        .fails(1, &["the frontend policy is embedded", "help: "]);
    place
        .build(&with("locked"))
        .fails(1, &["the frontend policy is locked", "lapstrake lock"]);
    place.build(&with("all")).fails(2, &["--frontend-policy"]);
    place.config("[frontend]\npolicy = \"embedded\"\n");
    place
        .build(&[&BUILD[..], &["--frontend", "./hello.wasm"]].concat())
        .fails(1, &["the frontend policy is embedded"]);
    // A person's word comes before the file's.
    builds(
        &place,
        &["--frontend", "./hello.wasm", "--frontend-policy", "any"],
    );
    // What is built in runs under every policy.
    place.dockerfile("# syntax=docker/dockerfile:1\nFROM scratch\nCOPY greeting.hello /\n");
    place.build(&[]).ok();
}

/// Puts the component of a place into a folder that a registry serves; its manifest's descriptor.
fn artifact(place: &Place) -> serde_json::Value {
    let folder = place.path("layout");
    let wasm = std::fs::read(place.path("hello.wasm")).unwrap();
    let layer = layout::blob(&folder, "application/wasm", &wasm);
    let config = layout::blob(&folder, "application/vnd.wasm.config.v0+json", b"{}");
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer]});
    layout::blob(&folder, kind, manifest.to_string().as_bytes())
}

#[test]
fn frontends_come_from_allowed_registries_only() {
    let Some(place) = hello() else {
        skip!("the components are not built: run `make frontends`")
    };
    let manifest = artifact(&place);
    let registry = Gated::start(&place.path("layout"));
    registry
        .tag("me/hello:1", &manifest)
        .tag("you/hello:1", &manifest);
    place.config(&format!("[frontend]\nregistries = [\"{}/me\"]\n", registry.host));
    write(&place, Some(&format!("{}/me/hello:1", registry.host)));
    builds(&place, &[]);
    registry.take_asked();
    write(&place, Some(&format!("{}/you/hello:1", registry.host)));
    let may = format!("they may from {}/me", registry.host);
    place
        .build(&BUILD)
        .fails(1, &["frontends may not come from", &may, "greeting.hello:1:10"]);
    // Nobody was even asked.
    assert_eq!(registry.take_asked(), [""; 0]);
    // With a digest a locked build may take one from there.
    let digest = manifest["digest"].as_str().unwrap();
    write(&place, Some(&format!("{}/me/hello:1@{digest}", registry.host)));
    builds(&place, &["--frontend-policy", "locked"]);
}

/// Signs the digest of a manifest as `cosign sign --key` does; the descriptor of the signatures' manifest.
fn sign(place: &Place, key: &str, digest: &str) -> Option<serde_json::Value> {
    let openssl = find_program("openssl")?;
    let run = |arguments: &[&str]| {
        let output = Command::new(&openssl)
            .args(arguments)
            .current_dir(place.path("."))
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "openssl: {error}");
        output.stdout
    };
    let (private, public) = (format!("{key}.key"), format!("{key}.pub"));
    run(&[
        "ecparam",
        "-name",
        "prime256v1",
        "-genkey",
        "-noout",
        "-out",
        &private,
    ]);
    run(&["ec", "-in", &private, "-pubout", "-out", &public]);
    let payload = json!({
        "critical": {
            "identity": { "docker-reference": "" },
            "image": { "docker-manifest-digest": digest },
            "type": "cosign container image signature",
        },
        "optional": null,
    });
    std::fs::write(place.path("payload"), payload.to_string()).unwrap();
    run(&[
        "dgst",
        "-sha256",
        "-sign",
        &private,
        "-out",
        "signature",
        "payload",
    ]);
    let signature = run(&["base64", "-A", "-in", "signature"]);
    let folder = place.path("layout");
    let mut layer = layout::blob(
        &folder,
        "application/vnd.dev.cosign.simplesigning.v1+json",
        payload.to_string().as_bytes(),
    );
    let signature = String::from_utf8(signature).unwrap();
    layer["annotations"] = json!({ "dev.cosignproject.cosign/signature": signature });
    let config = layout::blob(&folder, "application/vnd.oci.image.config.v1+json", b"{}");
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer]});
    Some(layout::blob(&folder, kind, manifest.to_string().as_bytes()))
}

#[test]
fn a_signature_that_is_asked_for_must_be_there() {
    let Some(place) = hello() else {
        skip!("the components are not built: run `make frontends`")
    };
    let manifest = artifact(&place);
    let registry = Gated::start(&place.path("layout"));
    registry.tag("hello:1", &manifest);
    let digest = manifest["digest"].as_str().unwrap();
    let Some(mine) = sign(&place, "mine", digest) else {
        skip!("openssl is not installed");
    };
    let other = sign(&place, "other", digest).unwrap();
    let of_another = sign(&place, "mine-too", &layout::digest(b"another")).unwrap();
    let key = |name: &str| place.path(format!("{name}.pub")).display().to_string();
    let beside = format!("hello:{}.sig", digest.replace(':', "-"));
    write(&place, Some(&format!("{}/hello:1", registry.host)));

    let keys = |list: &[String]| place.config(&format!("[frontend]\nkeys = {list:?}\n"));
    keys(&[key("mine")]);
    let refused = || {
        place.build(&BUILD).fails(
            1,
            &[
                "has no signature by any of",
                "mine",
                "greeting.hello:1:10",
                "cosign",
            ],
        );
    };
    refused();
    registry.tag(&beside, &other);
    refused();
    keys(&[key("mine-too")]);
    registry.tag(&beside, &of_another);
    refused();
    keys(&[key("mine"), key("mine-too")]);
    registry.tag(&beside, &mine);
    builds(&place, &[]);
    builds(&place, &["--offline"]);
    // What comes from elsewhere cannot be signed: a build file may not name it, a person may.
    std::fs::copy(place.path("hello.wasm"), place.path("context/hello.wasm")).unwrap();
    let address = format!("https://127.0.0.1:1/x.wasm@sha256:{}", "0".repeat(64));
    for syntax in ["./hello.wasm", &address] {
        write(&place, Some(syntax));
        place.build(&BUILD).fails(
            1,
            &["comes from no registry", "greeting.hello:1:10", "--frontend"],
        );
    }
    builds(&place, &["--frontend", "./hello.wasm"]);
    keys(&["no.pub".to_owned()]);
    place.build(&BUILD).fails(2, &["frontend.keys", "no.pub"]);
}
