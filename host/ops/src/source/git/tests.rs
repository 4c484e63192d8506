//! What a server may learn, and what is told of it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::secret::KnownSecrets;
use crate::source::progress::Quiet;
use crate::source::remote::RemoteOptions;

/// A server that gives everybody the same answer, and what it was sent.
fn server(answer: &str) -> (String, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let sent = Arc::new(Mutex::new(String::new()));
    let (answer, kept) = (answer.to_owned(), Arc::clone(&sent));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let lines = BufReader::new(&stream).lines().map_while(|line| line.ok());
            for line in lines.take_while(|line| !line.is_empty()) {
                kept.lock().unwrap().push_str(&format!("{line}\n"));
            }
            let _ = write!(
                &stream,
                "HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
        }
    });
    (host, sent)
}

/// Asks for the default branch, with a token. Returns the error and the command lines of git. None: there is no git.
fn ask(remote: &str, token: Option<&str>) -> Option<(GitError, String)> {
    let path = std::env::var_os("PATH")?;
    let git = std::env::split_paths(&path)
        .map(|folder| folder.join("git"))
        .find(|path| path.is_file())?;
    let directory = tempfile::tempdir().unwrap();
    // A git that writes down how it was called.
    let (bin, log) = (directory.path().join("bin"), directory.path().join("log"));
    std::fs::create_dir(&bin).unwrap();
    let script = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$*\" >>'{}'\nexec '{}' \"$@\"\n",
        log.display(),
        git.display()
    );
    std::fs::write(bin.join("git"), script).unwrap();
    std::fs::set_permissions(bin.join("git"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let folders = std::iter::once(bin).chain(std::env::split_paths(&path));
    let mut secrets = KnownSecrets::default();
    if let Some(token) = token {
        secrets.secrets.insert("TOKEN".to_owned(), token.into());
    }
    let reach = Reach {
        options: RemoteOptions {
            search_path: Some(std::env::join_paths(folders).unwrap()),
            ..RemoteOptions::default()
        },
        offline: false,
        secrets: Arc::new(secrets),
    };
    let store = Store::open(&directory.path().join("store")).unwrap();
    let source = GitSource {
        remote: remote.to_owned(),
        auth_token_secret: Some("TOKEN".to_owned()),
        ..GitSource::default()
    };
    match Repositories::new(store, reach).find(&source, &Quiet) {
        Err(Error::Git(error)) => Some((error, std::fs::read_to_string(log).unwrap())),
        other => panic!("{other:?}"),
    }
}

fn taken(sent: &Mutex<String>) -> String {
    sent.lock().unwrap().clone()
}

#[test]
fn no_token_goes_to_where_a_server_leads() {
    let (elsewhere, leaked) = server("404 Not Found");
    let (host, sent) = server(&format!(
        "302 Found\r\nLocation: http://{elsewhere}/r.git/info/refs"
    ));
    for (login, token) in [("", Some("hidden")), ("me:hidden@", None)] {
        let Some((error, _)) = ask(&format!("http://{login}{host}/r.git"), token) else {
            return eprintln!("skipped: git is not installed");
        };
        assert!(matches!(error, GitError::Redirected { .. }), "{error}");
        assert!(taken(&sent).contains("Authorization: "), "{}", taken(&sent));
        assert_eq!(taken(&leaked), "");
        sent.lock().unwrap().clear();
    }
    // Who has nothing to hide is led there.
    let (error, _) = ask(&format!("http://{host}/r.git"), None).unwrap();
    assert!(matches!(error, GitError::NoRepository { .. }), "{error}");
    assert!(!taken(&sent).contains("Authorization"), "{}", taken(&sent));
    assert!(taken(&leaked).contains("GET /r.git/info/refs"));
}

#[test]
fn a_password_in_an_address_is_on_no_command_line() {
    let (host, sent) = server("404 Not Found");
    let remote = format!("http://me:hid%2Dden@{host}/r.git");
    let Some((error, lines)) = ask(&remote, None) else {
        return eprintln!("skipped: git is not installed");
    };
    assert!(matches!(error, GitError::NoRepository { .. }), "{error}");
    assert!(lines.contains(&format!(" http://{host}/r.git")), "{lines}");
    assert!(!lines.contains("hid") && !lines.contains("me:"), "{lines}");
    // me:hid-den
    let header = "Authorization: Basic bWU6aGlkLWRlbg==\n";
    assert!(taken(&sent).contains(header), "{}", taken(&sent));
    // A secret comes before it: x-access-token:other
    sent.lock().unwrap().clear();
    ask(&remote, Some("other")).unwrap();
    let header = "Authorization: basic eC1hY2Nlc3MtdG9rZW46b3RoZXI=\n";
    assert!(taken(&sent).contains(header), "{}", taken(&sent));
}
