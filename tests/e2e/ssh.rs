//! SSH agents: for commands, and for repositories on a real SSH server on this machine.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use lapstrake_tests::place::wait;
use lapstrake_tests::repository::Repository;
use lapstrake_tests::servers::free_port;
use lapstrake_tests::{Place, Ran, can_run_containers, find_program, skip};

/// Makes a key of its own.
fn key(place: &Place, name: &str) -> PathBuf {
    let path = place.path(name);
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
        .arg(&path)
        .status()
        .unwrap();
    assert!(made.success());
    path
}

/// Puts the machine's own ssh-add, with all that it needs to run, into a folder.
fn ssh_add(folder: &Path) {
    let program = find_program("ssh-add").unwrap();
    std::fs::create_dir_all(folder).unwrap();
    std::fs::copy(&program, folder.join("ssh-add")).unwrap();
    let listed = Command::new("ldd").arg(&program).output().unwrap();
    for line in String::from_utf8_lossy(&listed.stdout).lines() {
        let Some(path) = line.split_whitespace().find(|word| word.starts_with('/')) else {
            continue;
        };
        let name = Path::new(path).file_name().unwrap();
        let name = if name.to_string_lossy().starts_with("ld-") {
            "ld".as_ref()
        } else {
            name
        };
        std::fs::copy(path, folder.join(name)).unwrap();
    }
}

#[test]
fn keys_are_in_an_agent_for_commands_and_nowhere_after() {
    if !can_run_containers() {
        skip!("containers do not work here: see lapstrake doctor");
    }
    if find_program("ssh-agent").is_none() {
        skip!("openssh-client is not installed");
    }
    let place = Place::new();
    let path = key(&place, "key-of-the-test");
    ssh_add(&place.path("context/bin"));
    let run = "FROM base\nRUN --mount=type=bind,target=/t --mount=type=ssh,required \
               /t/bin/ld --library-path /t/bin /t/bin/ssh-add -l > /keys\n";
    place.dockerfile(run);
    place.build(&[]).fails(1, &["no SSH agent \"default\"", "--ssh"]);
    let spec = format!("default={}", path.display());
    let (out, _) = place.build_local(&["--ssh", &spec]);
    let answer = std::fs::read_to_string(out.join("keys")).unwrap();
    assert!(answer.contains("key-of-the-test"), "{answer:?}");
    place
        .build(&["--ssh", "default=context/Dockerfile"])
        .fails(2, &["context/Dockerfile is no private key"]);
    place
        .build(&["--ssh", "default=none"])
        .fails(2, &["cannot use none"]);
    place
        .build(&["--ssh", "default"])
        .fails(2, &["SSH_AUTH_SOCK is not set", "ssh-agent"]);
    place.assert_clean();
}

/// A server for one user, who may do nothing but fetch.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(place: &Place, user_key: &Path) -> Option<Self> {
        let program = find_program("sshd")?;
        let port = free_port();
        let host_key = key(place, "host-key");
        std::fs::create_dir_all("/run/sshd").ok()?;
        let keys = place.path("authorized_keys");
        std::fs::copy(user_key.with_extension("pub"), &keys).unwrap();
        let config = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\nStrictModes no\n\
             PermitRootLogin yes\n",
            host_key.display(),
            keys.display()
        );
        let file = place.path("sshd_config");
        std::fs::write(&file, config).unwrap();
        let child = Command::new(program)
            .args(["-D", "-e", "-f"])
            .arg(&file)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let server = Self { child, port };
        wait(|| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        Some(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_repository_by_ssh_needs_an_agent_and_a_host_that_stays_the_same() {
    if !lapstrake_tests::is_root() {
        skip!("a server that root logs in to needs root");
    }
    if !can_run_containers() {
        skip!("sshd needs root");
    }
    if find_program("git").is_none() || find_program("ssh-agent").is_none() {
        skip!("git or openssh-client is not installed");
    }
    let place = Place::new();
    let path = key(&place, "user-key");
    let Some(server) = Server::start(&place, &path) else {
        skip!("openssh-server is not installed, or does not start");
    };
    let repository = Repository::new(&place.path("r.git"));
    repository
        .file("Dockerfile", "FROM scratch\nCOPY f /\n")
        .file("f", "by ssh")
        .commit();
    let url = format!(
        "ssh://root@127.0.0.1:{}{}",
        server.port,
        place.path("r.git").display()
    );
    place.run(["build", &url]).fails(1, &["no SSH agent \"default\""]);
    let spec = format!("default={}", path.display());
    place.run(["build", &url, "--ssh", &spec, "-o", "out/a"]).ok();
    assert_eq!(std::fs::read_to_string(place.path("out/a/f")).unwrap(), "by ssh");
    let other = key(&place, "other-key");
    let wrong = format!("default={}", other.display());
    place
        .run(["build", &url, "--ssh", &wrong])
        .fails(3, &["may not be read", "Permission denied", "--ssh default"]);

    // The host's key was kept; a host with another one is not trusted.
    let (port, key) = (server.port, place.path("host-key"));
    drop(server);
    std::fs::remove_file(&key).unwrap();
    let restarted = {
        let config = std::fs::read_to_string(place.path("sshd_config")).unwrap();
        let _ = self::key(&place, "host-key");
        std::fs::write(place.path("sshd_config"), config).unwrap();
        let child = Command::new(find_program("sshd").unwrap())
            .args(["-D", "-e", "-f"])
            .arg(place.path("sshd_config"))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Server { child, port }
    };
    wait(|| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    place
        .run(["build", &url, "--ssh", &spec])
        .fails(3, &["cannot be trusted", "known_hosts"]);
    drop(restarted);

    // The caller's own agent is taken for such a context without being named.
    let ran = place
        .command()
        .env("SSH_AUTH_SOCK", "/nowhere")
        .args(["build", &url])
        .output();
    Ran::of(ran.unwrap()).fails(2, &["cannot use /nowhere"]);
    place.assert_clean();
}
