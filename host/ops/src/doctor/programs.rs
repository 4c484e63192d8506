//! Programs and services that some builds use.
//! Knows nothing of what a build does with them.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::{Finding, Question};
use crate::exec::tun_is_usable;
use crate::rootless::find_program;

/// The findings.
pub(super) fn findings(question: &Question) -> Vec<Finding> {
    let find = |name: &str| find_program(name, question.user.path.as_deref());
    let mut findings = vec![sandbox_network(&find)];
    findings.extend(runtime(question));
    for (name, package, without) in [
        (
            "git",
            "git",
            "git repositories as contexts and in ADD do not work",
        ),
        ("ssh", "openssh-client", "git repositories over ssh do not work"),
    ] {
        findings.push(match find(name) {
            Some(path) => Finding::ok(name, path.display().to_string()),
            None => Finding::limited(name, "not installed", without)
                .remedy(format!("sudo apt-get install {package}")),
        });
    }
    findings.push(foreign_platforms());
    findings.push(docker_engine(question.docker_host.as_deref()));
    findings
}

fn sandbox_network(find: &dyn Fn(&str) -> Option<std::path::PathBuf>) -> Finding {
    let name = "sandbox network";
    let tun = tun_is_usable();
    match (find("pasta"), find("slirp4netns")) {
        (Some(path), _) | (None, Some(path)) if tun => Finding::ok(name, path.display().to_string()),
        (None, None) => Finding::limited(
            name,
            "neither pasta nor slirp4netns is installed",
            "commands are in this machine's network instead of one of their own",
        )
        .remedy("sudo apt-get install passt (or slirp4netns)"),
        _ => Finding::limited(
            name,
            "this user cannot open /dev/net/tun",
            "commands are in this machine's network instead of one of their own",
        )
        .remedy(
            "sudo modprobe tun && sudo chmod 0666 /dev/net/tun; in a container, start it with --device /dev/net/tun",
        ),
    }
}

fn runtime(question: &Question) -> Option<Finding> {
    let runtime = question.oci_runtime.as_deref()?;
    let name = "OCI runtime";
    let path = question.user.path.as_deref();
    let found = match runtime.components().count() {
        1 => find_program(&runtime.to_string_lossy(), path),
        _ => runtime.exists().then(|| runtime.to_owned()),
    };
    Some(match found {
        Some(path) => Finding::ok(name, path.display().to_string()),
        None => Finding::missing(name, format!("{} is not there", runtime.display()))
            .remedy("install it, or take `oci-runtime` out of the configuration file"),
    })
}

/// Which other machines' programs the kernel can run (binfmt_misc).
fn foreign_platforms() -> Finding {
    let name = "foreign platforms";
    let without = "commands for another --platform than this machine's do not work";
    let remedy = "sudo apt-get install qemu-user-static (or docker run --privileged --rm tonistiigi/binfmt --install all)";
    let mut fixed = Vec::new();
    let mut loose = Vec::new();
    for entry in fs::read_dir("/proc/sys/fs/binfmt_misc")
        .into_iter()
        .flatten()
        .flatten()
    {
        let file = entry.file_name().to_string_lossy().into_owned();
        let Some(machine) = file.strip_prefix("qemu-") else {
            continue;
        };
        let text = fs::read_to_string(entry.path()).unwrap_or_default();
        if !text.starts_with("enabled") {
            continue;
        }
        // Without F the interpreter is looked for inside of the container.
        let is_fixed = text.lines().any(|line| {
            line.strip_prefix("flags:")
                .is_some_and(|flags| flags.contains('F'))
        });
        if is_fixed { &mut fixed } else { &mut loose }.push(machine.to_owned());
    }
    fixed.sort();
    loose.sort();
    match (fixed.is_empty(), loose.is_empty()) {
        (false, _) => Finding::ok(name, fixed.join(", ")),
        (true, false) => Finding::limited(
            name,
            format!("{} are registered without the flag F", loose.join(", ")),
            without,
        )
        .remedy(remedy),
        (true, true) => Finding::limited(name, "no emulator is registered", without).remedy(remedy),
    }
}

fn docker_engine(host: Option<&OsStr>) -> Finding {
    let name = "Docker Engine";
    let socket = match host.map(OsStrExt::as_bytes) {
        None | Some(b"") => Path::new("/var/run/docker.sock"),
        Some(host) => match host.strip_prefix(b"unix://") {
            Some(path) => Path::new(OsStr::from_bytes(path)),
            None => return Finding::ok(name, format!("at {}", String::from_utf8_lossy(host))),
        },
    };
    match UnixStream::connect(socket) {
        Ok(_) => Finding::ok(name, format!("listens at {}", socket.display())),
        Err(error) => Finding::limited(
            name,
            format!("cannot be reached at {}: {error}", socket.display()),
            "what -o type=docker writes cannot be given to it with `docker load` here",
        )
        .remedy("start one, or name its socket in DOCKER_HOST=unix://PATH; for its group: sudo usermod -aG docker $USER"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Health;

    #[test]
    fn an_engine_is_asked_for_where_the_environment_says() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sock");
        let host = format!("unix://{}", path.display());
        assert_eq!(docker_engine(Some(host.as_ref())).state, Health::Limited);
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert_eq!(docker_engine(Some(host.as_ref())).state, Health::Ok);
    }

    #[test]
    fn a_network_needs_a_program() {
        assert_eq!(sandbox_network(&|_| None).state, Health::Limited);
    }
}
