//! Files by HTTP: ADD of addresses, over a real server on this machine.

use std::os::unix::fs::MetadataExt;

use lapstrake_tests::Place;
use lapstrake_tests::web::{Page, Web};

const THEN: &str = "Sun, 13 Sep 2020 12:26:40 GMT";
const ABC: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

#[test]
fn a_file_comes_once_and_an_unchanged_one_costs_one_head_request() {
    let (place, web) = (Place::new(), Web::new());
    web.put(
        "f.txt",
        Page::of("one")
            .header("ETag", "\"1\"")
            .header("Last-Modified", THEN),
    );
    place.dockerfile(&format!("FROM scratch\nADD {} /got\n", web.url("f.txt")));
    let (out, _) = place.build_local(&[]);
    assert_eq!(std::fs::read_to_string(out.join("got")).unwrap(), "one");
    let metadata = std::fs::metadata(out.join("got")).unwrap();
    assert_eq!(
        (metadata.mode() & 0o777, metadata.mtime()),
        (0o600, 1_600_000_000)
    );
    assert_eq!(web.take_lines(), ["GET /f.txt"]);

    let (_, ran) = place.build_local(&[]);
    assert_eq!(web.take_lines(), ["HEAD /f.txt"]);
    assert!(ran.count("CACHED") > 0, "{}", ran.stderr);

    // Served anew with another tag, but the same: nothing that is made of it runs again.
    web.put(
        "f.txt",
        Page::of("one")
            .header("ETag", "\"2\"")
            .header("Last-Modified", THEN),
    );
    let (_, ran) = place.build_local(&[]);
    assert_eq!(web.take_lines(), ["HEAD /f.txt", "GET /f.txt"]);
    assert!(ran.count("CACHED") > 0, "{}", ran.stderr);

    web.put("f.txt", Page::of("two").header("ETag", "\"3\""));
    let (out, _) = place.build_local(&[]);
    assert_eq!(std::fs::read_to_string(out.join("got")).unwrap(), "two");
    place.assert_clean();
}

#[test]
fn a_server_without_tags_is_believed_its_old_times_only() {
    let (place, web) = (Place::new(), Web::new());
    web.put("f", Page::of("one").header("Last-Modified", THEN))
        .put("g", Page::of("x"));
    place.dockerfile(&format!(
        "FROM scratch\nADD {} {} /\n",
        web.url("f"),
        web.url("g")
    ));
    place.build_local(&[]);
    web.take_lines();
    place.build_local(&[]);
    let mut lines = web.take_lines();
    lines.sort();
    assert_eq!(lines, ["GET /g", "HEAD /f"]);
}

#[test]
fn a_checksum_that_is_here_needs_no_request_and_a_wrong_one_names_both() {
    let (place, web) = (Place::new(), Web::new());
    web.put("f", Page::of("abc"));
    let url = web.url("f");
    place.dockerfile(&format!("FROM scratch\nADD --checksum={ABC} {url} /f\n"));
    place.build_local(&[]);
    assert_eq!(web.take_lines(), ["GET /f"]);
    place.build_local(&[]);
    // Another name, mode and place: still the same content.
    place.dockerfile(&format!(
        "FROM scratch\nADD --chmod=640 --checksum={ABC} {url}?other /g\n"
    ));
    let (out, _) = place.build_local(&["--no-cache"]);
    assert_eq!(std::fs::metadata(out.join("g")).unwrap().mode() & 0o777, 0o640);
    assert_eq!(web.take_lines(), Vec::<String>::new());

    web.put("f", Page::of("abd"));
    let fresh = Place::new();
    fresh.dockerfile(&format!("FROM scratch\nADD --checksum={ABC} {url} /f\n"));
    fresh.build(&[]).fails(
        1,
        &[
            &url,
            ABC,
            "a52d159f262b2c6ddb724a61840befc36eb30c88877a4030b65cbe86298449c9",
            "ADD ",
        ],
    );
    fresh.assert_clean();
}

#[test]
fn a_download_that_breaks_off_goes_on_where_it_was() {
    let (place, web) = (Place::new(), Web::new());
    let body: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
    let page = Page::of(&body).header("ETag", "\"a\"");
    web.put(
        "big",
        Page {
            broken: 2,
            busy: 1,
            ..page
        },
    );
    place.dockerfile(&format!("FROM scratch\nADD {} /big\n", web.url("big")));
    let (out, _) = place.build_local(&[]);
    assert_eq!(std::fs::read(out.join("big")).unwrap(), body);
    let seen = web.take_seen();
    let ranges: Vec<_> = seen
        .iter()
        .map(|seen| seen.headers.get("range").cloned())
        .collect();
    assert_eq!(ranges.len(), 4, "{seen:?}");
    assert_eq!(ranges[2].as_deref(), Some("bytes=400000-"));
    assert_eq!(ranges[3].as_deref(), Some("bytes=600000-"));

    // Without a tag it begins again.
    web.put(
        "plain",
        Page {
            broken: 1,
            ..Page::of(&body)
        },
    );
    place.dockerfile(&format!("FROM scratch\nADD {} /big\n", web.url("plain")));
    let (out, _) = place.build_local(&[]);
    assert_eq!(std::fs::read(out.join("big")).unwrap(), body);
    assert_eq!(web.take_lines(), ["GET /plain", "GET /plain"]);
}

#[test]
fn secrets_log_in_and_do_not_go_to_other_hosts() {
    let (place, web, other) = (Place::new(), Web::new(), Web::new());
    let authorization = Some("Bearer hidden-token".to_owned());
    web.put(
        "f",
        Page {
            authorization: authorization.clone(),
            ..Page::of("one")
        },
    );
    let away = Page {
        status: 302,
        authorization,
        ..Page::of("")
    };
    web.put("away", away.header("Location", &other.url("there")));
    other.put("there", Page::of("two"));
    let add = |path: &str| format!("FROM scratch\nADD {} /f\n", web.url(path));
    place.dockerfile(&add("f"));
    place
        .build(&[])
        .fails(3, &["may not be read", "401", "HTTP_AUTH_TOKEN_"]);
    std::fs::write(place.path("token"), "hidden-token\n").unwrap();
    let secret = ["--secret", "id=HTTP_AUTH_TOKEN_127.0.0.1,src=token"];
    place.build_local(&secret);
    place.dockerfile(&add("away"));
    let (out, _) = place.build_local(&secret);
    assert_eq!(std::fs::read_to_string(out.join("f")).unwrap(), "two");
    let seen = other.take_seen();
    assert!(
        seen.iter()
            .all(|seen| !seen.headers.contains_key("authorization")),
        "{seen:?}"
    );
}

#[test]
fn errors_say_what_and_where() {
    let (place, web) = (Place::new(), Web::new());
    web.put(
        "loop",
        Page {
            status: 302,
            ..Page::of("")
        }
        .header("Location", "/loop"),
    );
    let port = lapstrake_tests::servers::free_port();
    for (url, code, texts) in [
        (web.url("none"), 3, ["cannot be read", "404", "ADD "]),
        (web.url("loop"), 3, ["leads to more than 10", "loop", "ADD "]),
        (
            format!("http://me:secret@127.0.0.1:{port}/x"),
            3,
            [
                "cannot reach http://xxxxx@127.0.0.1",
                "HTTP_PROXY",
                "Connection refused",
            ],
        ),
    ] {
        place.dockerfile(&format!("FROM scratch\nADD {url} /f\n"));
        let ran = place.build(&[]).fails(code, &texts);
        assert!(
            !ran.stderr.contains("me:secret") || ran.stderr.contains("ADD http"),
            "{}",
            ran.stderr
        );
    }
    place.assert_clean();
}

#[test]
fn an_archive_stays_packed_unless_asked() {
    let (place, web) = (Place::new(), Web::new());
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(2);
    header.set_mode(0o644);
    tar.append_data(&mut header, "in/side", &b"in"[..]).unwrap();
    let page = Page::of(tar.into_inner().unwrap());
    // BuildKit's frontend names the file by its address, whatever the server says.
    web.put(
        "a.tar",
        page.header("Content-Disposition", "attachment; filename=x.tar"),
    );
    let url = web.url("a.tar");
    place.dockerfile(&format!(
        "FROM scratch\nADD {url} /packed/\nADD --unpack {url} /open/\n"
    ));
    let (out, _) = place.build_local(&[]);
    assert!(out.join("packed/a.tar").is_file());
    assert_eq!(std::fs::read_to_string(out.join("open/in/side")).unwrap(), "in");
    assert_eq!(web.take_lines(), ["GET /a.tar"]);
}

#[test]
fn the_proxy_of_the_environment_is_used() {
    let (place, proxy) = (Place::new(), Web::new());
    // To a proxy the whole address is the path.
    proxy.put_whole("http://nowhere.invalid/f", Page::of("by proxy"));
    place.dockerfile("FROM scratch\nADD http://nowhere.invalid/f /f\n");
    let mut command = place.command();
    command
        .env("http_proxy", proxy.url(""))
        .args(["build", "context", "-o", "out/files"]);
    lapstrake_tests::Ran::of(command.output().unwrap()).ok();
    assert_eq!(
        std::fs::read_to_string(place.path("out/files/f")).unwrap(),
        "by proxy"
    );
}

#[test]
fn offline_takes_what_is_here() {
    let (place, web) = (Place::new(), Web::new());
    web.put("f", Page::of("one").header("ETag", "\"1\""));
    place.dockerfile(&format!("FROM scratch\nADD {} /f\n", web.url("f")));
    place.build_local(&[]);
    web.put("f", Page::of("two").header("ETag", "\"2\""));
    web.take_lines();
    let (out, _) = place.build_local(&["--offline"]);
    assert_eq!(std::fs::read_to_string(out.join("f")).unwrap(), "one");
    place.dockerfile(&format!("FROM scratch\nADD {} /f\n", web.url("g")));
    place
        .build(&["--offline"])
        .fails(3, &["/g is not in the store, and the build is offline"]);
    assert_eq!(web.take_lines(), Vec::<String>::new());
}
