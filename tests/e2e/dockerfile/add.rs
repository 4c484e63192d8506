//! `ADD`: archives by what is in them, files by HTTP, repositories.

use std::io::Write as _;

use lapstrake_tests::Place;
use lapstrake_tests::repository::Repository;
use lapstrake_tests::web::{Page, Web};

use super::{all_fail, image};

fn archive() -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_mode(0o604);
    header.set_uid(11);
    header.set_gid(12);
    header.set_size(1);
    tar.append_data(&mut header, "in/side", &b"x"[..]).unwrap();
    tar.into_inner().unwrap()
}

fn gzipped() -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&archive()).unwrap();
    gzip.finish().unwrap()
}

#[test]
fn archives_are_known_by_their_content() {
    let place = Place::new();
    place
        .file("really.txt", archive())
        .file("packed", gzipped())
        .file("fake.tar.gz", "text");
    place.dockerfile(
        "FROM scratch\nADD really.txt /1/\nADD packed fake.tar.gz /2/\nADD --unpack=false packed /3/\n\
         ADD --chown=5:6 --chmod=0640 fake.tar.gz /4\nCOPY packed /5\n",
    );
    let image = image(&place, &[]);
    assert_eq!(image.what("1/in/side"), "Regular 604 11:12");
    assert_eq!(image.names("2"), ["fake.tar.gz", "in"]);
    assert_eq!(image.names("3"), ["packed"]);
    assert_eq!(image.what("4"), "Regular 640 5:6");
    assert_eq!(image.what("5"), "Regular 644 0:0");
}

#[test]
fn addresses() {
    let place = Place::new();
    let web = Web::new();
    let time = "Wed, 01 Jan 2020 00:00:00 GMT";
    web.put("a%20b.tar", Page::of(archive()).header("Last-Modified", time));
    web.put("plain", Page::of("p"));
    web.put("folder/", Page::of("f"));
    let [tar, plain, folder] = ["a%20b.tar", "plain", "folder/"].map(|path| web.url(path));
    let digest = lapstrake_tests::layout::digest(b"p");
    place.dockerfile(&format!(
        "FROM scratch\nADD {tar} {plain} /kept/\nADD --unpack {tar} /unpacked/\nADD --checksum={digest} {plain} /checked\n\
         ADD --chmod=0755 {plain} /mode\nADD {folder} /\n"
    ));
    let image = image(&place, &[]);
    // Not unpacked unless asked for, readable to root alone, with the server's time.
    assert_eq!(image.what("kept/a b.tar"), "Regular 600 0:0");
    assert_eq!(image.files["kept/a b.tar"].modified, 1_577_836_800);
    assert_eq!(image.text("unpacked/in/side"), "x");
    assert_eq!(image.text("checked"), "p");
    assert_eq!(image.what("mode"), "Regular 755 0:0");
    assert_eq!(image.text("folder"), "f");
    let wrong = digest.replace(|digit: char| digit.is_ascii_digit(), "0");
    place.dockerfile(&format!("FROM scratch\nADD {} /x\n", web.url("none")));
    place.build(&["-o", "type=cacheonly"]).fails(3, &["none", "404"]);
    all_fail(
        &place,
        &[
            (
                &format!("FROM scratch\nADD --checksum={wrong} {plain} /x\n"),
                &["checksum"],
            ),
            (&format!("FROM scratch\nCOPY {plain} /x\n"), &["ADD"]),
        ],
    );
}

#[test]
fn an_address_that_ends_in_git_is_a_repository() {
    let place = Place::new();
    let repository = Repository::new(&place.path("git/code.git"));
    repository.file("f", "f").file("sub/g", "g").commit();
    let web = Web::new();
    web.serve_git(&place.path("git"), None);
    let url = web.url("git/code.git");
    place.dockerfile(&format!(
        "FROM scratch\nADD {url} /whole\nADD {url}#main:sub /part\nADD --keep-git-dir {url} /kept\n\
         ADD --chown=5:6 {url}?subdir=sub /query\n"
    ));
    let image = image(&place, &[]);
    assert_eq!(image.names("whole"), ["f", "sub"]);
    assert_eq!(image.names("part"), ["g"]);
    assert!(image.names("kept").contains(&".git"));
    assert_eq!(image.what("query/g"), "Regular 644 5:6");
}
