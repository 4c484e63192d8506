//! A network namespace that stands for this machine, with one way out: to another namespace, which stands for
//! the internet. Tests call [`enter`], which starts them anew inside.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Says to a started copy of this program that it is inside.
const INSIDE: &str = "LAPSTRAKE_TEST_WORLD";
/// Says to a started copy of this program that it is the internet.
const FAR: &str = "LAPSTRAKE_TEST_FAR_END";

/// What the machine is called from outside, and the internet from the machine.
pub const MACHINE: &str = "10.77.0.1";
pub const INTERNET: &str = "10.77.0.2";
pub const INTERNET_6: &str = "fd77::2";

const SET_UP: &str = r#"
set -e
ip link set lo up
ip link add up0 type veth peer name far0
ip addr add 10.77.0.1/24 dev up0
ip link set up0 up
mkfifo "$WORLD/ready"
# Its end of the pipe closes with this namespace's first process.
LAPSTRAKE_TEST_FAR_END="$WORLD/ready" unshare --net "$PROGRAM" --exact world::far_end --nocapture --test-threads=1 > /dev/null &
far=$!
read -r word < "$WORLD/ready"
ip link set far0 netns $far
inside() { nsenter -t $far -n "$@"; }
inside ip link set lo up
inside ip addr add 10.77.0.2/24 dev far0
inside ip link set far0 up
ip route add default via 10.77.0.2
if ip -6 addr add fd77::1/64 dev up0 nodad 2> /dev/null; then
    inside ip -6 addr add fd77::2/64 dev far0 nodad
    ip -6 route add default via fd77::2 dev up0
fi
printf '%s\n' "$RESOLVER" > "$WORLD/resolv.conf"
mount --bind "$WORLD/resolv.conf" /etc/resolv.conf
"$PROGRAM" --exact "$TEST" --nocapture --test-threads=1
"#;

/// Why there can be no such world.
fn missing() -> Option<String> {
    let there = |program: &str| find(program).is_some();
    ["ip", "unshare", "nsenter"]
        .into_iter()
        .find(|program| !there(program))
        .map(|program| format!("no {program}"))
}

/// A program of PATH.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|directory| directory.join(program))
        .find(|file| file.is_file())
}

/// Whether this is inside. Outside it runs the test of this name inside, where the machine's resolver is at
/// `resolver`, and returns false when that has succeeded. What is missing is printed.
pub fn enter(test: &str, resolver: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    if let Some(reason) = missing() {
        eprintln!("skipped: {reason}");
        return false;
    }
    let directory = tempfile::tempdir().unwrap();
    // A pid namespace, so that nothing stays when something goes wrong.
    let output = Command::new(find("unshare").unwrap())
        .args([
            "--net",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
        ])
        .args(["/bin/sh", "-c", SET_UP])
        .env("PROGRAM", std::env::current_exe().unwrap())
        .env("TEST", test)
        .env("WORLD", directory.path())
        .env("RESOLVER", format!("nameserver {resolver}"))
        .env("PATH", path())
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    eprintln!("{}\n{}", text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{test}, inside: {}", output.status);
    assert!(
        text(&output.stdout).contains("1 passed"),
        "{test} is not its name"
    );
    false
}

fn path() -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut all: Vec<PathBuf> = std::env::split_paths(&path).collect();
    all.extend(["/usr/sbin".into(), "/sbin".into()]);
    std::env::join_paths(all).unwrap()
}

/// Not a test of anything: the internet. Says `far` to who asks over HTTP, and answers all questions for names
/// below `.test`.
#[test]
fn far_end() {
    let Some(ready) = std::env::var_os(FAR) else {
        return;
    };
    let web = TcpListener::bind(("::", 80))
        .or_else(|_| TcpListener::bind(("0.0.0.0", 80)))
        .unwrap();
    let names = UdpSocket::bind(("0.0.0.0", 53)).unwrap();
    std::thread::spawn(move || answer_names(&names));
    std::fs::write(Path::new(&ready), "ready\n").unwrap();
    for connection in web.incoming() {
        let mut connection = connection.unwrap();
        let _ = connection.read(&mut [0; 4096]);
        let _ = connection.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nfar\n");
    }
}

/// Answers questions until the end: RFC 1035, section 4.1.
pub fn answer_names(socket: &UdpSocket) {
    let mut buffer = [0; 512];
    while let Ok((length, from)) = socket.recv_from(&mut buffer) {
        let message = &buffer[..length];
        // The name, as labels with their lengths, then type and class.
        let end = 12 + message[12..].iter().position(|b| *b == 0).unwrap() + 1;
        let (question, kind) = (&message[12..end + 4], message[end + 1]);
        let known = question.windows(5).any(|w| w == b"\x04test");
        let mut answer = message[..2].to_vec();
        answer.extend([0x81, if known { 0x80 } else { 0x83 }, 0, 1, 0]);
        answer.extend([u8::from(known && kind == 1), 0, 0, 0, 0]);
        answer.extend(question);
        if known && kind == 1 {
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 77, 0, 2]);
        }
        socket.send_to(&answer, from).unwrap();
    }
}
