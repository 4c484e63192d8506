//! Repositories that are not like most: ids of SHA-256, names that begin with dashes, servers by plain http.

use std::path::Path;

use lapstrake_tests::repository::Repository;
use lapstrake_tests::web::Web;
use lapstrake_tests::{Place, Ran, find_program, skip};

fn add(place: &Place, address: &str) {
    place.dockerfile(&format!("FROM scratch\nADD {address} /\n"));
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn a_repository_with_ids_of_sha256() {
    if find_program("git").is_none() {
        skip!("git is not installed");
    }
    let (place, web) = (Place::new(), Web::new());
    let folder = place.path("repositories");
    let repository = Repository::with_format(&folder.join("r.git"), "sha256");
    let inner = Repository::with_format(&folder.join("inner.git"), "sha256");
    let commit = inner.file("i", "inner").commit();
    repository.file("f", "one").commit();
    repository.submodule("sub", "../inner.git", &commit);
    let id = repository.git(&["rev-parse", "HEAD"]);
    assert_eq!(id.len(), 64);
    repository.git(&["tag", "--annotate", "--message", "x", "v1"]);
    web.serve_git(&folder, None);
    let url = web.url("git/r.git");
    for address in [
        url.clone(),
        format!("{url}#v1"),
        format!("{url}#{id}"),
        format!("{url}?checksum={}", &id[..7]),
    ] {
        add(&place, &address);
        let (out, _) = place.build_local(&["--no-cache"]);
        assert_eq!(read(&out.join("f")), "one", "{address}");
        assert_eq!(read(&out.join("sub/i")), "inner", "{address}");
    }
    // What is kept is a repository too.
    place.dockerfile(&format!("FROM scratch\nADD --keep-git-dir=true {url}#v1 /\n"));
    let (out, _) = place.build_local(&[]);
    let git = |arguments: &[&str]| {
        let output = std::process::Command::new("git")
            .args(["-c", "safe.directory=*"])
            .args(arguments)
            .current_dir(&out)
            .output();
        let ran = Ran::of(output.unwrap()).ok();
        ran.stdout.trim().to_owned()
    };
    assert_eq!(git(&["rev-parse", "HEAD"]), id);
    assert_eq!(git(&["describe", "--exact-match"]), "v1");
    assert_eq!(git(&["status", "--porcelain"]), "");
    git(&["fsck", "--strict"]);
    // An id of the other format is none of its commits.
    add(&place, &format!("{url}#{}", "a".repeat(40)));
    place.build(&[]).fails(1, &["has no commit aaaa"]);
    // Another repository at the same address.
    std::fs::remove_dir_all(folder.join("r.git")).unwrap();
    let repository = Repository::new(&folder.join("r.git"));
    let id = repository.file("f", "two").commit();
    assert_eq!(id.len(), 40);
    add(&place, &url);
    let (out, _) = place.build_local(&[]);
    assert_eq!(read(&out.join("f")), "two");
    place.assert_clean();
}

#[test]
fn submodules_can_be_left_out() {
    if find_program("git").is_none() {
        skip!("git is not installed");
    }
    let (place, web) = (Place::new(), Web::new());
    let folder = place.path("repositories");
    let repository = Repository::new(&folder.join("r.git"));
    repository
        .file("f", "one")
        .file("Dockerfile", "FROM scratch\nCOPY . /\n")
        .commit();
    // Nobody asks for it.
    repository.submodule("sub", "../none.git", &"a".repeat(40));
    web.serve_git(&folder, None);
    let url = web.url("git/r.git");
    let without = format!("{url}?submodules=false");
    place.dockerfile("FROM scratch\nCOPY --from=r / /\n");
    let named = format!("r={without}");
    let (out, _) = place.build_local(&["--build-context", &named]);
    assert_eq!(read(&out.join("f")), "one");
    assert_eq!(std::fs::read_dir(out.join("sub")).unwrap().count(), 0);
    place.run(["build", &without, "-o", "out/context"]).ok();
    assert_eq!(read(&place.path("out/context/f")), "one");
    assert!(web.take_lines().iter().all(|line| !line.contains("none")));
    // It is another result, with a key of its own.
    place
        .build(&["--build-context", &format!("r={url}")])
        .fails(3, &["there is no repository", "none.git"]);
    add(&place, &without);
    let (out, _) = place.build_local(&[]);
    assert_eq!(std::fs::read_dir(out.join("sub")).unwrap().count(), 0);
    place.assert_clean();
}

#[test]
fn names_may_begin_with_dashes_and_are_no_options() {
    if find_program("git").is_none() {
        skip!("git is not installed");
    }
    let (place, web) = (Place::new(), Web::new());
    let repository = Repository::new(&place.path("repositories/r.git"));
    let id = repository.file("f", "one").commit();
    let trap = place.path("trap");
    let upload = format!("refs/heads/--upload-pack=touch${{IFS}}{}", trap.display());
    for name in ["refs/heads/a/-b", "refs/heads/-x", &upload] {
        repository.git(&["update-ref", name, &id]);
    }
    let names = ["a/-b", "refs/heads/-x", &upload];
    web.serve_git(&place.path("repositories"), None);
    for name in names {
        for old in [false, true] {
            if old {
                web.speak_old_git();
            }
            let address = format!("{}#{name}", web.url("git/r.git"));
            // Such a name is no word of an ADD.
            place.dockerfile("FROM scratch\nCOPY --from=r / /\n");
            let (out, _) = place.build_local(&["--no-cache", "--build-context", &format!("r={address}")]);
            assert_eq!(read(&out.join("f")), "one", "{name}");
        }
    }
    // No branch has such a name of its own: git makes none.
    add(&place, &format!("{}#-x", web.url("git/r.git")));
    place.build(&[]).fails(1, &["\"-x\" is no name of a branch"]);
    place.dockerfile(&format!(
        "FROM scratch\nADD --keep-git-dir=true {}#a/-b /\n",
        web.url("git/r.git")
    ));
    let (out, _) = place.build_local(&[]);
    assert_eq!(read(&out.join(".git/refs/heads/a/-b")).trim(), id);
    assert!(!trap.exists());
    place.assert_clean();
}

/// Whose requests all come here, as to a proxy.
#[test]
fn secrets_do_not_go_by_plain_http() {
    let (place, proxy) = (Place::new(), Web::new());
    proxy.put_whole("http://files.invalid/f", lapstrake_tests::web::Page::of("open"));
    let build = |dockerfile: &str, url: &str| {
        place.dockerfile(dockerfile);
        let mut command = place.command();
        command
            .envs([("http_proxy", proxy.url("")), ("TOKEN", "hidden".to_owned())])
            .args([
                "build",
                "context",
                "--progress",
                "plain",
                "-o",
                "type=cacheonly",
                "--no-cache",
            ]);
        for id in [
            "HTTP_AUTH_TOKEN_files.invalid",
            "HTTP_AUTH_HEADER_files.invalid:81",
            "GIT_AUTH_TOKEN",
            "GIT_AUTH_HEADER.git.invalid",
        ] {
            command.args(["--secret", &format!("id={id},env=TOKEN")]);
        }
        let ran = Ran::of(command.output().unwrap());
        let seen = proxy.take_seen();
        assert!(!seen.is_empty(), "{url}: {}", ran.stderr);
        for seen in seen {
            assert!(!seen.headers.contains_key("authorization"), "{seen:?}");
            assert!(seen.path.starts_with(url), "{seen:?}");
        }
        ran
    };
    let (file, locked) = ("http://files.invalid/f", "http://files.invalid:81/f");
    let ran = build(&format!("FROM scratch\nADD {file} /\n"), file).ok();
    assert!(
        ran.stderr.contains("is not sent to http://files.invalid/f"),
        "{}",
        ran.stderr
    );
    proxy.put_whole(
        locked,
        lapstrake_tests::web::Page {
            authorization: Some("hidden".into()),
            ..lapstrake_tests::web::Page::of("")
        },
    );
    build(&format!("FROM scratch\nADD {locked} /\n"), locked).fails(
        3,
        &["HTTP_AUTH_HEADER_files.invalid:81\" is not sent", "write https"],
    );
    if find_program("git").is_none() {
        skip!("git is not installed");
    }
    let git = "http://git.invalid/r.git";
    let ran = build(&format!("FROM scratch\nADD {git} /\n"), git);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("GIT_AUTH_HEADER.git.invalid\" is not sent"),
        "{}",
        ran.stderr
    );
}
