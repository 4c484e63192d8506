//! Secrets: what a build is given to use and not to keep. Looks for their values in every file that a build leaves,
//! compressed ones and databases included, and in what it prints.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lapstrake_tests::place::wait;
use lapstrake_tests::search::{files_with, hex, holds, marker};
use lapstrake_tests::{Place, can_run_containers, skip};
use sha2::{Digest as _, Sha256};

/// The processes that a process started, and those that they started, with their arguments.
fn descendants(ancestor: u32) -> Vec<(u32, String)> {
    let mut known = vec![ancestor];
    let mut found = Vec::new();
    while let Some(parent) = known.pop() {
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            let above = stat
                .rsplit(')')
                .next()
                .and_then(|rest| rest.split_whitespace().nth(1));
            if above == Some(&parent.to_string()) {
                let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                found.push((pid, String::from_utf8_lossy(&line).replace('\0', " ")));
                known.push(pid);
            }
        }
    }
    found
}

/// The three secrets of a build, and the arguments that give them to it.
struct Given {
    file: String,
    variable: String,
    both: String,
}

impl Given {
    fn new(place: &Place) -> Given {
        let given = Given {
            file: marker("file"),
            variable: marker("variable"),
            both: marker("both"),
        };
        for (name, value) in [("one", &given.file), ("three", &given.both)] {
            let path = place.path("secrets").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, value).unwrap();
        }
        given
    }

    fn command(&self, place: &Place, more: &[&str]) -> Command {
        let base = lapstrake_tests::base::context();
        let mut command = place.command();
        command
            .args([
                "build",
                "context",
                "--build-context",
                &base,
                "--progress",
                "plain",
                "--debug",
            ])
            .args([
                "--secret",
                "id=one,src=secrets/one",
                "--secret",
                "id=two,env=GIVEN",
            ])
            .args(["--secret", "id=three,src=secrets/three"])
            .env("GIVEN", &self.variable)
            .args(more);
        command
    }

    /// A condition for the shell that holds where all of them are there, and does not say what they are.
    fn are_there(&self) -> String {
        let sum = |value: &str| hex(&Sha256::digest(value));
        let test =
            |read: &str, value: &str| format!("[ \"$({read} | sha256sum | cut -c1-64)\" = {} ]", sum(value));
        [
            test("cat /run/secrets/one", &self.file),
            test("printf %s \"$TWO\"", &self.variable),
            test("printf %s \"$THREE\"", &self.both),
            test("cat /three", &self.both),
        ]
        .join(" && ")
    }

    fn mounts() -> &'static str {
        "--mount=type=secret,id=one --mount=type=secret,id=two,env=TWO --mount=type=secret,id=three,env=THREE,target=/three"
    }

    #[track_caller]
    fn are_nowhere(&self, place: &Place, printed: &[&str]) {
        for value in [&self.file, &self.variable, &self.both] {
            for folder in ["state", "out", "home", "context"] {
                assert_eq!(
                    files_with(&place.path(folder), value),
                    Vec::<PathBuf>::new(),
                    "{folder}"
                );
            }
            for text in printed {
                assert!(!holds(text.as_bytes(), value), "it is printed: {text}");
            }
        }
    }
}

#[test]
fn secrets_are_in_no_file_and_no_output() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    let given = Given::new(&place);
    place.dockerfile(&format!(
        "FROM base\nRUN {} {} && echo used > /used\n",
        Given::mounts(),
        given.are_there()
    ));
    let (oci, tar) = (place.path("out/i.tar"), place.path("out/t.tar"));
    let outputs = [
        format!("type=oci,dest={}", oci.display()),
        format!("type=local,dest={}", place.path("out/local").display()),
        format!("type=tar,dest={}", tar.display()),
    ];
    let output = given
        .command(
            &place,
            &["--metadata-file", "out/metadata.json", "--iidfile", "out/id"],
        )
        .args(outputs.iter().flat_map(|spec| ["-o", spec]))
        .output()
        .unwrap();
    let ran = lapstrake_tests::Ran::of(output).ok();
    assert!(fs::read_to_string(place.path("out/local/used")).is_ok());
    given.are_nowhere(&place, &[&ran.stdout, &ran.stderr]);
    // What the command kept is found in the same way, so that the search finds something.
    let kept = files_with(&place.state(), "used");
    assert!(
        kept.len() > 2,
        "the search finds files, blobs and records: {kept:?}"
    );
    place.assert_clean();
}

#[test]
fn secrets_of_a_build_that_fails_are_in_no_file_and_no_output() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    let given = Given::new(&place);
    let uses = given.are_there();
    for end in ["&& exit 3", "&& /no/such/program", "&& cat /no/such/file"] {
        place.dockerfile(&format!("FROM base\nRUN {} {uses} {end}\n", Given::mounts()));
        let ran = lapstrake_tests::Ran::of(given.command(&place, &[]).output().unwrap());
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        given.are_nowhere(&place, &[&ran.stdout, &ran.stderr]);
    }
    // A program that cannot be started, and a mount that cannot be made.
    for line in [
        format!("RUN {} [\"/no/such/program\"]", Given::mounts()),
        "RUN --mount=type=secret,id=one,target=/etc true".to_owned(),
        "RUN --mount=type=secret,id=missing,required=true --mount=type=secret,id=one true".to_owned(),
    ] {
        place.dockerfile(&format!("FROM base\n{line}\n"));
        let ran = lapstrake_tests::Ran::of(given.command(&place, &[]).output().unwrap());
        assert_eq!(ran.code, 1, "{line}: {}", ran.stderr);
        given.are_nowhere(&place, &[&ran.stdout, &ran.stderr]);
    }
    place.assert_clean();
}

/// While the command runs, and where it is killed, which is the one chance to leave something behind.
#[test]
fn secrets_are_in_no_file_while_the_command_runs() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    let given = Given::new(&place);
    place.dockerfile(&format!(
        "FROM base\nRUN --mount=type=cache,target=/cache {} {} && touch /cache/ready-for-it && sleep 6000\n",
        Given::mounts(),
        given.are_there()
    ));
    let mut child = given
        .command(&place, &[])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // The command runs, and has its secrets.
    wait(|| !files_with(&place.state().join("cache-mounts"), "ready-for-it").is_empty());
    given.are_nowhere(&place, &[]);
    let mut helpers = 0;
    for (pid, line) in descendants(child.id()) {
        for value in [&given.file, &given.variable, &given.both] {
            assert!(!holds(line.as_bytes(), value), "it is in the arguments of {pid}");
        }
        if line.contains("__container") {
            helpers += 1;
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            assert!(
                !holds(&environment, &given.variable),
                "the helper has it in its environment"
            );
        }
    }
    assert!(helpers > 0, "there is a helper");
    child.kill().unwrap();
    child.wait().unwrap();
    given.are_nowhere(&place, &[]);
    // What is started next cleans up, and finds nothing either.
    place.dockerfile("FROM base\nRUN true\n");
    place.build(&[]).ok();
    given.are_nowhere(&place, &[]);
}

#[test]
fn another_value_of_a_secret_is_not_another_build() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.dockerfile(
        "FROM base\nRUN --mount=type=secret,id=a,env=A --mount=type=secret,id=a cat /run/secrets/a | wc -c > /length\n",
    );
    let build = |value: &str| {
        fs::write(place.path("a"), value).unwrap();
        place.build(&["--secret", "id=a,src=a"]).ok()
    };
    assert_eq!(build("one").count("CACHED"), 0);
    assert_eq!(build("another").count("CACHED"), 1);
    // Nor is its absence, once the step was done.
    assert_eq!(place.build(&[]).ok().count("CACHED"), 1);
}

#[test]
fn the_store_is_closed_to_others() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    let place = Place::new();
    place.dockerfile(
        "FROM base\nRUN --mount=type=cache,target=/c echo x > /c/f && chmod 666 /c/f && echo x > /f\n",
    );
    // As strict, whatever the caller's umask.
    let base = lapstrake_tests::base::context();
    let program = lapstrake_tests::place::program();
    let script = format!(
        "umask 000; exec {} build context --build-context {base}",
        program.display()
    );
    let output = Command::new("sh")
        .args(["-c", &script])
        .current_dir(place.path(""))
        .env("LAPSTRAKE_ROOT", place.state())
        .env("HOME", place.path("home"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mode = fs::metadata(place.state()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "nobody else gets into the store");
    // A root that is there and open does not make it an open store.
    let open = place.path("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
    place.build(&["--root", open.to_str().unwrap()]).ok();
    let closed = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o077 == 0;
    for entry in fs::read_dir(&open).unwrap().flatten() {
        assert!(
            closed(&open) || closed(&entry.path()),
            "{}",
            entry.path().display()
        );
    }
}

#[test]
fn owner_mode_and_place_of_a_secret() {
    if !can_run_containers() || !lapstrake_tests::has_users() {
        skip!("other users in containers need root or subordinate ids");
    }
    let place = Place::new();
    fs::write(place.path("s"), "value").unwrap();
    place.dockerfile(
        "FROM base\n\
         RUN --mount=type=secret,id=s stat -c '%n %a %u %g' /run/secrets/s > /1\n\
         RUN --mount=type=secret,id=s,target=/x/y,mode=0440,uid=1000,gid=7 stat -c '%n %a %u %g' /x/y > /2\n\
         RUN --mount=type=secret,id=s,dst=rel stat -c '%n' rel > /3\n\
         RUN --mount=type=secret,id=none [ ! -e /run/secrets/none ] && echo without > /4\n\
         USER user\n\
         RUN --mount=type=secret,id=s cat /run/secrets/s 2>&1 | grep -q denied\n",
    );
    let (out, _) = place.build_local(&["--secret", "id=s,src=s"]);
    let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
    assert_eq!(read("1"), "/run/secrets/s 400 0 0\n");
    assert_eq!(read("2"), "/x/y 440 1000 7\n");
    assert_eq!(read("3"), "rel\n");
    assert_eq!(read("4"), "without\n");
    for path in ["run/secrets", "x/y", "rel"] {
        assert!(!out.join(path).exists(), "{path} is not in the image");
    }
}
