//! Running git, sealed off from the machine: no configuration of any user or of the system, no hooks, no credentials but
//! those of the build, no protocols that reach files or programs of this machine.
//! Knows nothing of what is done with repositories.

use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use super::GitError;
use super::address::Address;
use crate::error::{Error, Result};
use crate::source::progress::Progress;
use crate::source::remote::RemoteOptions;

/// Settings of every run.
const SETTINGS: [(&str, &str); 17] = [
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.autocrlf", "false"),
    ("core.eol", "lf"),
    ("core.quotePath", "false"),
    ("credential.helper", ""),
    // Whoever owns the store may not be who runs this.
    ("safe.directory", "*"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("protocol.version", "2"),
    ("init.defaultBranch", "main"),
    ("fetch.recurseSubmodules", "false"),
    ("submodule.recurse", "false"),
    // A packed repository is the same on every machine.
    ("pack.threads", "1"),
    // A connection that brings nothing for a minute is over.
    ("http.lowSpeedLimit", "1"),
    ("http.lowSpeedTime", "60"),
    ("transfer.credentialsInUrl", "allow"),
];
/// Protocols that git may use; others reach files and programs of this machine.
const PROTOCOLS: &str = "http:https:ssh:git";
/// Largest output that is read, bytes: the refs of a large server.
const LARGEST_OUTPUT: u64 = 256 << 20;
/// What is kept of what git says on standard error, bytes.
const LARGEST_MESSAGE: usize = 16 << 10;
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// What a server is reached with.
#[derive(Default)]
pub(super) struct Access {
    /// The Authorization header, and the addresses it is for.
    pub(super) header: Option<(String, String)>,
    /// The socket of an SSH agent.
    pub(super) agent: Option<PathBuf>,
    /// Files with keys of SSH hosts. New ones go into the first.
    pub(super) known_hosts: Vec<PathBuf>,
    /// Whether a host whose key is not known yet is refused.
    pub(super) strict: bool,
}

/// Runs git.
pub(super) struct Git<'a> {
    pub(super) options: &'a RemoteOptions,
    pub(super) progress: &'a dyn Progress,
    /// Whose repository it is, for errors.
    pub(super) address: &'a Address,
    /// An empty directory in place of the user's.
    pub(super) home: &'a Path,
    pub(super) access: &'a Access,
}

/// What git is to do.
#[derive(Default)]
pub(super) struct Run<'a> {
    pub(super) arguments: Vec<OsString>,
    /// The repository.
    pub(super) git_dir: Option<&'a Path>,
    /// Where files are checked out.
    pub(super) work_tree: Option<&'a Path>,
    pub(super) index: Option<&'a Path>,
    pub(super) input: Vec<u8>,
    /// Whether what git says is shown.
    pub(super) talk: bool,
}

impl<'a> Run<'a> {
    /// A command line.
    pub(super) fn of<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Self {
        Self {
            arguments: arguments
                .into_iter()
                .map(|argument| argument.as_ref().to_owned())
                .collect(),
            ..Self::default()
        }
    }

    /// The same in a repository.
    pub(super) fn within(mut self, git_dir: &'a Path) -> Self {
        self.git_dir = Some(git_dir);
        self
    }
}

/// What git said.
pub(super) struct Ran {
    pub(super) status: ExitStatus,
    pub(super) stdout: Vec<u8>,
    pub(super) message: String,
}

impl Ran {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

impl Git<'_> {
    /// Runs git to its end, whatever that is.
    pub(super) fn run(&self, run: &Run<'_>) -> Result<Ran> {
        let mut command = self.command(run);
        let child = command.spawn().map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => GitError::NotInstalled {
                remote: self.address.shown.clone(),
            },
            _ => GitError::Run { source },
        })?;
        self.attend(Running(child), run)
    }

    /// Runs git on its copy of a repository: if that fails, the copy is bad.
    pub(super) fn local(&self, run: &Run<'_>) -> Result<Ran> {
        let ran = self.run(run)?;
        if ran.status.success() {
            return Ok(ran);
        }
        Err(GitError::Copy {
            remote: self.address.shown.clone(),
            message: last_lines(&ran.message),
        }
        .into())
    }

    fn command(&self, run: &Run<'_>) -> Command {
        let mut command = Command::new("git");
        command
            .args(&run.arguments)
            .env_clear()
            .process_group(0)
            .current_dir(run.work_tree.unwrap_or(self.home))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for (name, value) in [
            ("LC_ALL", "C"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_ATTR_NOSYSTEM", "1"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_NO_REPLACE_OBJECTS", "1"),
            ("GIT_OPTIONAL_LOCKS", "0"),
            ("GIT_ALLOW_PROTOCOL", PROTOCOLS),
            ("GIT_SSH_VARIANT", "ssh"),
        ] {
            command.env(name, value);
        }
        command.env("HOME", self.home).env("XDG_CONFIG_HOME", self.home);
        let options = self.options;
        if let Some(path) = &options.search_path {
            command.env("PATH", path);
        }
        if let Some(path) = &options.authorities {
            command.env("GIT_SSL_CAINFO", path);
        }
        let proxies = &options.proxies;
        for (name, value) in [
            ("http_proxy", &proxies.http),
            ("https_proxy", &proxies.https),
            ("all_proxy", &proxies.all),
            ("no_proxy", &proxies.no),
        ] {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        for (name, path) in [
            ("GIT_DIR", run.git_dir),
            ("GIT_WORK_TREE", run.work_tree),
            ("GIT_INDEX_FILE", run.index),
        ] {
            if let Some(path) = path {
                command.env(name, path);
            }
        }
        self.give_access(&mut command);
        command
    }

    /// Settings and credentials go by the environment, which other users cannot read, unlike a command line.
    fn give_access(&self, command: &mut Command) {
        let mut settings: Vec<(String, String)> = SETTINGS
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        if let Some((scope, header)) = &self.access.header {
            settings.push((
                format!("http.{scope}.extraHeader"),
                format!("Authorization: {header}"),
            ));
            // git would send the header to wherever it is led.
            settings.push(("http.followRedirects".to_owned(), "false".to_owned()));
        }
        command.env("GIT_CONFIG_COUNT", settings.len().to_string());
        for (index, (name, value)) in settings.into_iter().enumerate() {
            command.env(format!("GIT_CONFIG_KEY_{index}"), name);
            command.env(format!("GIT_CONFIG_VALUE_{index}"), value);
        }
        if let Some(agent) = &self.access.agent {
            command.env("SSH_AUTH_SOCK", agent);
        }
        command.env("GIT_SSH_COMMAND", ssh(self.access));
    }

    /// Feeds and reads git until it ends or nobody wants it any more.
    fn attend(&self, mut running: Running, run: &Run<'_>) -> Result<Ran> {
        let failed = |source| Error::Git(GitError::Run { source });
        let (stdin, stdout, stderr) = {
            let child = &mut running.0;
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        };
        let (status, stdout, message) = std::thread::scope(|scope| {
            let feed = scope.spawn(move || {
                let mut stdin = stdin?;
                // A command that does not read to the end says why by itself.
                stdin.write_all(&run.input).ok()
            });
            let output = scope.spawn(move || {
                let mut data = Vec::new();
                let read = stdout.map(|stdout| stdout.take(LARGEST_OUTPUT).read_to_end(&mut data));
                read.unwrap_or(Ok(0)).map(|_| data)
            });
            let message = scope.spawn(move || stderr.map(|stderr| self.listen(stderr, run.talk)));
            let status = self.wait(&mut running);
            let _ = feed.join();
            let output = output.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
            let message = message.join().ok().flatten().unwrap_or_default();
            (status, output, message)
        });
        Ok(Ran {
            status: status?,
            stdout: stdout.map_err(failed)?,
            message,
        })
    }

    fn wait(&self, running: &mut Running) -> Result<ExitStatus> {
        let mut pause = Duration::from_millis(1);
        loop {
            let status = running.0.try_wait();
            if let Some(status) = status.map_err(|source| GitError::Run { source })? {
                return Ok(status);
            }
            if self.progress.cancelled() {
                running.kill();
                return Err(Error::Cancelled);
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Reads what git says, shows it if asked to, and returns the end of it.
    fn listen(&self, stderr: impl Read, talk: bool) -> String {
        let mut kept = String::new();
        for line in BufReader::new(stderr).split(b'\n').map_while(|line| line.ok()) {
            let line = String::from_utf8_lossy(&line);
            // Of a line that is written over and over, the last state.
            let line = line
                .trim_end_matches('\r')
                .rsplit('\r')
                .next()
                .unwrap_or_default();
            let line = line.replace(&self.address.given, &self.address.shown);
            if line.is_empty() {
                continue;
            }
            if talk {
                self.progress.log(&line);
            }
            if kept.len() < LARGEST_MESSAGE {
                kept.push_str(&line);
                kept.push('\n');
            }
        }
        kept
    }
}

/// A run of git, which ends with everything it has started.
struct Running(Child);

impl Running {
    fn kill(&mut self) {
        if let Some(group) = Pid::from_raw(self.0.id().cast_signed()) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.0.wait();
    }
}

/// The command line of ssh, for the shell: no configuration, no questions, no keys but the agent's.
fn ssh(access: &Access) -> String {
    let mut files = String::new();
    for path in &access.known_hosts {
        // A list of words of ssh's own, of which each may be quoted.
        let path = path.to_string_lossy();
        if !path.contains(['"', '\'']) {
            files.push_str(&format!("\"{path}\" "));
        }
    }
    let files = if files.is_empty() {
        "/dev/null"
    } else {
        files.trim_end()
    };
    let check = if access.strict { "yes" } else { "accept-new" };
    format!(
        "ssh -F /dev/null -o BatchMode=yes -o IdentityFile=none -o ConnectTimeout=15 -o ServerAliveInterval=15 \
         -o StrictHostKeyChecking={check} -o GlobalKnownHostsFile=/dev/null -o 'UserKnownHostsFile={files}'"
    )
}

/// The end of what git said, on one line.
pub(super) fn last_lines(message: &str) -> String {
    let lines: Vec<&str> = message
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    lines[lines.len().saturating_sub(4)..].join("; ")
}

/// What a failure of a command that asked a server means.
pub(super) fn explain(address: &Address, message: &str) -> GitError {
    let remote = address.shown.clone();
    let has = |texts: &[&str]| texts.iter().any(|text| message.contains(text));
    let message = last_lines(message);
    if has(&[
        "Host key verification failed",
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
    ]) {
        return GitError::HostKey { remote, message };
    }
    // What is not followed: see `give_access`.
    if has(&["returned error: 30"]) {
        return GitError::Redirected { remote, message };
    }
    if has(&[
        "Authentication failed",
        "could not read Username",
        "could not read Password",
        "Permission denied",
        "error: 401",
        "error: 403",
        "Invalid username or",
    ]) {
        return GitError::Unauthorized { remote, message };
    }
    if has(&[
        "Could not resolve host",
        "Failed to connect",
        "Could not connect",
        "Connection refused",
        "Connection timed out",
        "Network is unreachable",
        "No route to host",
        "unable to connect",
        "unable to look up",
        "SSL certificate",
        "Operation timed out",
        "Operation too slow",
        "early EOF",
        "hung up unexpectedly",
        "error: 5",
    ]) {
        return GitError::Unreachable { remote, message };
    }
    if has(&[
        "not found",
        "does not appear to be a git repository",
        "does not exist",
        "not exported",
        "no such repository",
    ]) {
        return GitError::NoRepository { remote };
    }
    GitError::Failed { remote, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssh_has_no_configuration_and_asks_nothing() {
        let access = Access {
            known_hosts: vec!["/a b/k".into(), "/k".into()],
            strict: true,
            ..Access::default()
        };
        let line = ssh(&access);
        assert!(line.contains("-F /dev/null"), "{line}");
        assert!(line.contains("StrictHostKeyChecking=yes"), "{line}");
        assert!(line.contains("'UserKnownHostsFile=\"/a b/k\" \"/k\"'"), "{line}");
    }

    #[test]
    fn messages() {
        let address = Address::parse("https://h/x.git").unwrap();
        let kind = |message: &str| explain(&address, message);
        assert!(matches!(
            kind("fatal: could not read Username for 'https://h': terminal prompts disabled"),
            GitError::Unauthorized { .. }
        ));
        assert!(matches!(
            kind("fatal: unable to access 'https://h/x.git/': Could not resolve host: h"),
            GitError::Unreachable { .. }
        ));
        assert!(matches!(
            kind("fatal: repository 'https://h/x.git/' not found"),
            GitError::NoRepository { .. }
        ));
        assert!(matches!(
            kind("Host key verification failed.\nfatal: Could not read from remote repository."),
            GitError::HostKey { .. }
        ));
        assert!(matches!(
            kind("fatal: unable to access 'https://h/x.git/': The requested URL returned error: 302"),
            GitError::Redirected { .. }
        ));
        assert!(matches!(kind("fatal: bad object"), GitError::Failed { .. }));
        assert_eq!(last_lines("a\n\nb \n"), "a; b");
    }
}
