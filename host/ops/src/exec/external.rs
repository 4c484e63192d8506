//! Has a specification carried out by another OCI runtime, such as runc, crun or runsc, by its command line.
//! Runs as the first process of a pid namespace around the runtime, so that nothing of it stays. Knows
//! nothing of plans.

use std::convert::Infallible;
use std::fs;
use std::path::Path;
use std::process::Command;

use oci_spec::runtime::Spec;
use rustix::fs::CWD;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, fsconfig_create, fsconfig_set_string, fsmount,
    fsopen, move_mount,
};

use super::bundle::Bundle;
use super::container::{Container, connect_stdio, report_stubs};
use super::error::{ProgramError, SetupError};
use super::message::Failure;
use super::sys;
use super::target::Make;

/// Runs the bundle to its end with `runtime`, and ends with the exit code that the runtime gives.
pub(crate) fn run(
    runtime: &Path,
    mut bundle: Bundle,
    spec: &Spec,
    container: &Container,
) -> Result<Infallible, Failure> {
    prepare(&mut bundle, spec)?;
    bundle.write_spec(spec)?;
    // The runtime looks at its own processes, which have other numbers in this namespace than in the one
    // around it.
    mount_proc().map_err(SetupError::system("mount /proc for the runtime"))?;
    let log = bundle.dir().join("log.json");
    let mut command = Command::new(runtime);
    command
        .arg("--root")
        .arg(bundle.dir().join("state"))
        .arg("--log")
        .arg(&log)
        .args(["--log-format", "json", "run", "--bundle"])
        .arg(bundle.dir())
        .arg(&container.name)
        .current_dir(bundle.dir());
    report_stubs(container, bundle.root)?;
    connect_stdio(container)?;
    let status = command.status().map_err(|e| SetupError::System {
        action: format!("run {}", runtime.display()),
        source: e.into(),
    })?;
    let code = status.code().unwrap_or(1);
    if code != 0
        && let Some(message) = error_of(&fs::read_to_string(&log).unwrap_or_default())
    {
        return Err(explain(runtime, spec, message));
    }
    sys::exit_now(code)
}

/// Makes in the root what the runtime would make there, so that it is noted: the mount points and the working
/// directory.
fn prepare(bundle: &mut Bundle, spec: &Spec) -> Result<(), SetupError> {
    let mounts = spec.mounts().as_deref().unwrap_or_default();
    for (index, mount) in mounts.iter().enumerate() {
        let target = mount.destination();
        // What is below another mount is not in the root.
        if mounts[..index]
            .iter()
            .any(|above| target.starts_with(above.destination()))
        {
            continue;
        }
        let is_file = mount.typ().as_deref() == Some("bind")
            && mount.source().as_ref().is_some_and(|source| !source.is_dir());
        let make = if is_file {
            Make::FileStub
        } else {
            Make::DirectoryStub
        };
        let target = target.to_str().ok_or(SetupError::Request)?;
        bundle
            .root
            .open_or_make(target, make)
            .map_err(|e| SetupError::Target {
                target: target.to_owned(),
                source: e.into(),
            })?;
    }
    let Some(process) = spec.process() else {
        return Err(SetupError::Request);
    };
    let cwd = process.cwd();
    if mounts.iter().any(|m| cwd.starts_with(m.destination())) {
        return Ok(());
    }
    let make = Make::Directory {
        uid: process.user().uid(),
        gid: process.user().gid(),
    };
    let cwd = cwd.to_string_lossy();
    bundle
        .root
        .open_or_make(&cwd, make)
        .map(drop)
        .map_err(|e| SetupError::Cwd {
            cwd: cwd.to_string(),
            source: e.into(),
        })
}

fn mount_proc() -> Result<(), rustix::io::Errno> {
    let context = fsopen("proc", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&context, "source", "proc")?;
    fsconfig_create(&context)?;
    let mounted = fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?;
    move_mount(
        &mounted,
        "",
        CWD,
        "/proc",
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
    )
}

/// The last error of a log in runc's JSON form.
fn error_of(log: &str) -> Option<String> {
    log.lines().rev().find_map(|line| {
        let entry: serde_json::Value = serde_json::from_str(line).ok()?;
        let level = entry.get("level")?.as_str()?;
        matches!(level, "error" | "fatal")
            .then(|| entry.get("msg")?.as_str().map(str::to_owned))
            .flatten()
    })
}

fn explain(runtime: &Path, spec: &Spec, message: String) -> Failure {
    let process = spec.process().as_ref();
    let program = || {
        process
            .and_then(|p| p.args().as_ref()?.first().cloned())
            .unwrap_or_default()
    };
    if message.contains("executable file not found in $PATH") {
        let mut variables = process.into_iter().flat_map(|p| p.env().iter().flatten());
        let path = variables
            .find_map(|v| v.strip_prefix("PATH="))
            .unwrap_or_default()
            .to_owned();
        return Failure::Program(ProgramError::NotInPath {
            program: program(),
            path,
        });
    }
    if message.contains("no such file or directory") && message.contains(&format!("exec: \"{}\"", program()))
    {
        return Failure::Program(ProgramError::NotFound { program: program() });
    }
    SetupError::Runtime {
        runtime: runtime.to_owned(),
        message,
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_error_counts() {
        let log = "{\"level\":\"warning\",\"msg\":\"w\"}\nrubbish\n{\"level\":\"error\",\"msg\":\"first\"}\n\
            {\"level\":\"error\",\"msg\":\"last\",\"time\":\"t\"}\n{\"level\":\"info\",\"msg\":\"i\"}\n";
        assert_eq!(error_of(log).as_deref(), Some("last"));
        assert_eq!(error_of("{\"level\":\"info\",\"msg\":\"i\"}"), None);
        assert_eq!(error_of(""), None);
    }
}
