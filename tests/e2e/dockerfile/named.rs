//! Named contexts: of every kind, and in place of a stage, an image and the frontend.

use lapstrake_tests::Place;
use lapstrake_tests::repository::Repository;
use lapstrake_tests::web::{Page, Web};

use super::image;

#[test]
fn of_every_kind() {
    let place = Place::new();
    std::fs::create_dir(place.path("other")).unwrap();
    std::fs::write(place.path("other/d"), "directory").unwrap();
    let repository = Repository::new(&place.path("git/code.git"));
    repository.file("f", "f").file("sub/g", "repository").commit();
    let web = Web::new();
    web.serve_git(&place.path("git"), None);
    web.put("page", Page::of("page"));
    place.dockerfile(
        "FROM scratch AS made\nCOPY <<EOF /m\nstage\nEOF\n\
         FROM scratch\n\
         COPY --from=dir d /dir\n\
         COPY --from=code g /code\n\
         COPY --from=query sub/g /query\n\
         COPY --from=page context /page\n\
         COPY --from=empty . /empty/\n\
         COPY --from=layout /bin/busybox /layout\n\
         COPY --from=stage m /stage\n",
    );
    let layout = lapstrake_tests::base::context();
    let layout = layout.split_once('=').unwrap().1;
    let contexts = [
        "dir=other".to_owned(),
        format!("code={}#main:sub", web.url("git/code.git")),
        format!("query={}?branch=main", web.url("git/code.git")),
        format!("page={}", web.url("page")),
        "empty=docker-image://scratch".to_owned(),
        format!("layout={layout}"),
        "stage=target:made".to_owned(),
    ];
    let options: Vec<&str> = contexts
        .iter()
        .flat_map(|context| ["--build-context", context])
        .collect();
    let image = image(&place, &options);
    for (path, text) in [
        ("dir", "directory"),
        ("code", "repository"),
        ("query", "repository"),
        ("stage", "stage\n"),
    ] {
        assert_eq!(image.text(path), text, "{path}");
    }
    assert!(image.what("layout").starts_with("Regular"));
    // As in BuildKit, a file by HTTP is there as `context`.
    assert_eq!(image.text("page"), "page");
    assert!(image.names("empty").is_empty());
}

#[test]
fn in_place_of_a_stage_an_image_and_the_frontend() {
    let place = Place::new();
    std::fs::create_dir(place.path("other")).unwrap();
    std::fs::write(place.path("other/f"), "context").unwrap();
    place.file("f", "own").dockerfile(
        "# syntax=no.such.host/language:7\nFROM no.such.host/image AS image\nFROM scratch AS stage\nCOPY f /f\n\
         FROM scratch\nCOPY --from=image f /image\nCOPY --from=stage f /stage\n",
    );
    let contexts = [
        "no.such.host/language:7=docker-image://docker/dockerfile:1",
        "no.such.host/image=other",
        "stage=other",
    ];
    let options: Vec<&str> = contexts
        .iter()
        .flat_map(|context| ["--build-context", context])
        .collect();
    let image = image(&place, &options);
    assert_eq!((image.text("image"), image.text("stage")), ("context", "context"));
    let ran = place.build(&["--offline", "--build-context", contexts[1]]);
    let _ = ran.fails(3, &["no.such.host/language:7", "Dockerfile:1"]);
}
