//! Control groups of the containers of one helper: limits where there are any to set, and which devices may
//! be opened. Versions 1 and 2 and mixtures of both. What a machine cannot do is a warning, never an error.
//! Knows nothing of containers.

mod devices;
mod hierarchy;
mod limits;

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use lapstrake_llb::LinuxResources;

use super::plan::{DEVICE_RULES, DeviceRule};
use super::request::Warning;
use super::run::DeviceControl;
pub(crate) use hierarchy::{Hierarchy, of_this_process as hierarchies};

/// Start of the name of every cgroup that is made here.
pub(crate) const PREFIX: &str = "lapstrake-";

/// The cgroups of one helper process.
#[derive(Debug)]
pub(crate) struct Cgroups {
    hierarchies: Vec<Hierarchy>,
    /// The helper's own cgroup, which keeps all that it starts from opening devices.
    devices: Option<DeviceCgroup>,
}

#[derive(Debug)]
struct DeviceCgroup {
    dir: PathBuf,
    /// Where the helper's parent is.
    outside: PathBuf,
    version: Version,
}

#[derive(Debug)]
enum Version {
    /// Processes have to be moved, which takes the kernel some 10 ms.
    One,
    /// Processes can be started in it, and outside of it again: the directories, open.
    Two { inside: OwnedFd, outside: OwnedFd },
}

/// Which devices a container may open.
#[derive(Debug, Clone, Copy)]
pub(crate) enum MayOpen<'a> {
    /// Those that every container may, and these.
    UsualAnd(&'a [DeviceRule]),
    Everything,
}

/// The cgroups of one container.
#[derive(Debug, Default)]
pub(crate) struct StepCgroups {
    dirs: Vec<PathBuf>,
    /// The one of version 2.
    unified: Option<PathBuf>,
    /// The same, open, to start the container in.
    start_in: Option<OwnedFd>,
    /// Whether a runtime makes and enters them, so that they are only removed here.
    by_runtime: bool,
}

impl Cgroups {
    /// Looks at the machine, and makes a cgroup for the helper that may open only the devices of a container,
    /// where that is possible. To be called by the helper's parent, which must call [`Cgroups::clean_up`] in
    /// the end.
    pub(crate) fn prepare(id: &str, control: DeviceControl) -> Cgroups {
        let hierarchies = hierarchy::of_this_process();
        let name = format!("{PREFIX}{id}");
        let version1 = || {
            let hierarchy = hierarchies.iter().find(|h| h.has("devices"))?;
            let dir = hierarchy.own.join(&name);
            restricted(&dir, |dir| devices::restrict_v1(dir, DEVICE_RULES))?;
            Some(DeviceCgroup {
                dir,
                outside: hierarchy.own.clone(),
                version: Version::One,
            })
        };
        let version2 = || {
            let hierarchy = hierarchies.iter().find(|h| h.unified)?;
            let dir = hierarchy.own.join(&name);
            restricted(&dir, |dir| devices::restrict_v2(dir, DEVICE_RULES))?;
            let open = |dir: &Path| fs::File::open(dir).map(OwnedFd::from).ok();
            let version = Version::Two {
                inside: open(&dir)?,
                outside: open(&hierarchy.own)?,
            };
            Some(DeviceCgroup {
                dir,
                outside: hierarchy.own.clone(),
                version,
            })
        };
        let devices = match control {
            DeviceControl::Auto => version2().or_else(version1),
            DeviceControl::CgroupV1 => version1(),
            DeviceControl::CgroupV2 => version2(),
            DeviceControl::Mounts => None,
        };
        Cgroups { hierarchies, devices }
    }

    /// Takes away what dead helpers left behind.
    pub(crate) fn remove_abandoned(&self) {
        self.hierarchies.iter().for_each(|h| remove_abandoned(&h.own));
    }

    /// Does without a cgroup for the helper.
    pub(crate) fn give_up_device_control(&mut self) {
        self.clean_up();
        self.devices = None;
    }

    /// Takes the helper's cgroup away. The helper MUST have ended, or never been started.
    pub(crate) fn clean_up(&self) {
        if let Some(devices) = &self.devices {
            remove(&devices.dir);
        }
    }

    /// The cgroup that the helper is to be started in, if any.
    pub(crate) fn start_helper_in(&self) -> Option<BorrowedFd<'_>> {
        match &self.devices.as_ref()?.version {
            Version::One => None,
            Version::Two { inside, .. } => Some(inside.as_fd()),
        }
    }

    /// Moves the helper into its cgroup, unless it was started there. Without that devices are not under
    /// control.
    pub(crate) fn enter(&mut self) {
        let entered = match &self.devices {
            Some(DeviceCgroup {
                version: Version::One,
                dir,
                ..
            }) => join(dir).is_ok(),
            _ => true,
        };
        if !entered {
            self.devices = None;
        }
    }

    /// The cgroup that a container is to be started in, if not in the helper's.
    pub(crate) fn start_in<'a>(&'a self, step: &'a StepCgroups, all_devices: bool) -> Option<BorrowedFd<'a>> {
        match (&step.start_in, self.devices.as_ref().map(|d| &d.version)) {
            (Some(dir), _) => Some(dir.as_fd()),
            (None, Some(Version::Two { outside, .. })) if all_devices => Some(outside.as_fd()),
            _ => None,
        }
    }

    /// Whether a cgroup keeps containers from opening the machine's devices.
    pub(crate) fn control_devices(&self) -> bool {
        self.devices.is_some()
    }

    /// Whether the machine has version 2 only.
    pub(crate) fn unified(&self) -> bool {
        matches!(self.hierarchies.as_slice(), [only] if only.unified)
    }

    /// Lets the calling process open devices again, unless it was started outside of control.
    pub(crate) fn leave_device_control(&self) -> io::Result<()> {
        match &self.devices {
            Some(DeviceCgroup {
                version: Version::One,
                outside,
                ..
            }) => join(outside),
            _ => Ok(()),
        }
    }

    /// The cgroups that a runtime makes for a container whose cgroup path is `/name`.
    pub(crate) fn of_runtime(&self, name: &str) -> StepCgroups {
        let dirs = self.hierarchies.iter().map(|h| h.mount.join(name)).collect();
        StepCgroups {
            dirs,
            by_runtime: true,
            ..StepCgroups::default()
        }
    }

    /// Makes the cgroups of a step and sets its limits.
    pub(crate) fn of_step(
        &self,
        name: &str,
        limits: Option<&LinuxResources>,
        parent: Option<&str>,
        may_open: MayOpen<'_>,
    ) -> (StepCgroups, Vec<Warning>) {
        let mut cgroups = StepCgroups::default();
        let mut warnings = Vec::new();
        let (all_devices, more) = match may_open {
            MayOpen::Everything => (true, &[][..]),
            MayOpen::UsualAnd(more) => (false, more),
        };
        if limits.is_none() && parent.is_none() && more.is_empty() {
            return (cgroups, warnings);
        }
        let default = LinuxResources::default();
        for (controller, settings) in limits::settings(limits.unwrap_or(&default)) {
            if settings.v1.is_empty() && parent.is_none() {
                continue;
            }
            if let Err(reason) = self.limit(&mut cgroups, name, controller, &settings, parent) {
                warnings.push(Warning::LimitIgnored {
                    limit: controller.to_owned(),
                    reason,
                });
            }
        }
        let rules: Vec<DeviceRule> = DEVICE_RULES.iter().chain(more).copied().collect();
        if let (false, Err(reason)) = (
            more.is_empty(),
            self.own_device_cgroup(&mut cgroups, name, &rules),
        ) {
            warnings.push(Warning::LimitIgnored {
                limit: "devices".to_owned(),
                reason: reason.to_string(),
            });
        }
        if let Some(dir) = cgroups.unified.clone() {
            // It is not below the helper's, so that it needs control of its own.
            let controlled = match &self.devices {
                Some(DeviceCgroup {
                    version: Version::Two { .. },
                    ..
                }) if !all_devices => devices::restrict_v2(&dir, &rules),
                _ => Ok(()),
            };
            match controlled.and_then(|()| fs::File::open(&dir)) {
                Ok(opened) => cgroups.start_in = Some(opened.into()),
                Err(error) => warnings.push(Warning::LimitIgnored {
                    limit: "cgroup".to_owned(),
                    reason: format!("{}: {error}", dir.display()),
                }),
            }
        }
        (cgroups, warnings)
    }

    /// Makes, where cgroups control devices, one that is not below the helper's, which cannot be widened.
    fn own_device_cgroup(
        &self,
        cgroups: &mut StepCgroups,
        name: &str,
        rules: &[DeviceRule],
    ) -> io::Result<()> {
        let Some(control) = &self.devices else {
            return Ok(());
        };
        let dir = control.outside.join(name);
        match control.version {
            Version::One => {
                hierarchy::make_v1(&dir, "devices")?;
                devices::restrict_v1(&dir, rules)?;
            }
            Version::Two { .. } if cgroups.unified.is_some() => return Ok(()),
            Version::Two { .. } => {
                fs::create_dir(&dir)?;
                cgroups.unified = Some(dir.clone());
            }
        }
        cgroups.dirs.push(dir);
        Ok(())
    }

    fn limit(
        &self,
        cgroups: &mut StepCgroups,
        name: &str,
        controller: &str,
        settings: &limits::Settings,
        parent: Option<&str>,
    ) -> Result<(), String> {
        let describe = |path: &Path| {
            let path = path.to_owned();
            move |error: io::Error| format!("{}: {error}", path.display())
        };
        let version1 = self.hierarchies.iter().find(|h| !h.unified && h.has(controller));
        let (dir, writes) = match (version1, self.hierarchies.iter().find(|h| h.unified)) {
            (Some(hierarchy), _) => {
                let above = hierarchy.parent(parent)?;
                let dir = above.join(name);
                hierarchy::make_v1(&dir, controller).map_err(describe(&dir))?;
                (dir, &settings.v1)
            }
            (None, Some(hierarchy)) => {
                let dir = hierarchy.make_v2(name, controller, parent)?;
                cgroups.unified = Some(dir.clone());
                (dir, &settings.v2)
            }
            (None, None) => return Err(format!("this machine has no cgroup controller `{controller}`")),
        };
        if !cgroups.dirs.contains(&dir) {
            cgroups.dirs.push(dir.clone());
        }
        for (file, value) in writes {
            let path = dir.join(file);
            fs::write(&path, value).map_err(describe(&path))?;
        }
        Ok(())
    }
}

impl StepCgroups {
    /// Moves the calling process into those that it was not started in.
    pub(crate) fn join(&self) -> io::Result<()> {
        let started_in = self.unified.as_ref().filter(|_| self.start_in.is_some());
        let others = self
            .dirs
            .iter()
            .filter(|dir| !self.by_runtime && Some(*dir) != started_in);
        others.into_iter().try_for_each(|dir| join(dir))
    }

    /// Whether the kernel killed a process because of a memory limit.
    pub(crate) fn ran_out_of_memory(&self) -> bool {
        self.dirs.iter().any(|dir| {
            ["memory.events", "memory.oom_control"]
                .iter()
                .filter_map(|file| fs::read_to_string(dir.join(file)).ok())
                .any(|text| limits::oom_kills(&text) > 0)
        })
    }

    /// Takes them away. The processes in them MUST have ended.
    pub(crate) fn remove(&self) {
        self.dirs.iter().for_each(|dir| remove(dir));
    }
}

/// Makes `dir` and restricts it; takes it away when that fails.
fn restricted(dir: &Path, restrict: impl Fn(&Path) -> io::Result<()>) -> Option<()> {
    // One that is there was left by a helper of the same engine that was killed.
    let _ = fs::remove_dir(dir);
    fs::create_dir(dir).ok()?;
    restrict(dir).inspect_err(|_| remove(dir)).ok()
}

fn join(dir: &Path) -> io::Result<()> {
    fs::write(dir.join("cgroup.procs"), "0")
}

/// Removes an empty cgroup. A process that has just ended can hold it for a moment.
fn remove(dir: &Path) {
    for _ in 0..20 {
        match fs::remove_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                std::thread::sleep(Duration::from_millis(1))
            }
            _ => return,
        }
    }
}

/// Removes the cgroups in `own` of helpers that are gone. Fails on those that have processes, which is as it
/// should be.
fn remove_abandoned(own: &Path) {
    for entry in fs::read_dir(own).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(id) = name.to_str().and_then(|n| n.strip_prefix(PREFIX)) else {
            continue;
        };
        let mut parts = id.splitn(3, '-');
        let alive = match (parts.next().and_then(|p| p.parse().ok()), parts.next()) {
            (Some(pid), Some(started)) => start_time(pid).as_deref() == Some(started),
            _ => false,
        };
        if !alive {
            let _ = fs::remove_dir(entry.path());
        }
    }
}

/// Name of a process that no other has until the machine starts again.
pub(crate) fn process_id(pid: u32) -> String {
    format!("{pid}-{}", start_time(pid).unwrap_or_default())
}

/// When a process started, in clock ticks since the machine did: field 22 of proc_pid_stat(5).
fn start_time(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses can have spaces and parentheses itself.
    stat.rsplit_once(')')?
        .1
        .split_whitespace()
        .nth(19)
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abandoned_cgroups_go_and_others_stay() {
        let dir = tempfile::tempdir().unwrap();
        let own = process_id(std::process::id());
        assert!(own.starts_with(&format!("{}-", std::process::id())) && !own.ends_with('-'));
        let names = [
            format!("{PREFIX}{own}"),
            format!("{PREFIX}{own}-3"),
            format!("{PREFIX}1-0-2"),
            "other".to_owned(),
        ];
        for name in &names {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        remove_abandoned(dir.path());
        let left: Vec<bool> = names.iter().map(|n| dir.path().join(n).exists()).collect();
        assert_eq!(left, [true, true, false, true]);
    }

    #[test]
    fn nothing_is_made_without_limits() {
        let cgroups = Cgroups {
            hierarchies: Vec::new(),
            devices: None,
        };
        let (step, warnings) = cgroups.of_step("n", None, None, MayOpen::UsualAnd(&[]));
        assert!(step.dirs.is_empty() && warnings.is_empty());
        let limits = LinuxResources {
            memory_bytes: Some(1),
            ..LinuxResources::default()
        };
        let (step, warnings) = cgroups.of_step("n", Some(&limits), None, MayOpen::UsualAnd(&[]));
        assert!(step.dirs.is_empty());
        assert!(matches!(&warnings[..], [Warning::LimitIgnored { limit, .. }] if limit == "memory"));
    }
}
