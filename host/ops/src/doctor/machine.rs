//! What the trial of a command says of this machine, and what to change: user namespaces, ids, mounts, the filter.
//! Knows nothing of how it was tried.

use std::fs;

use super::inside::{Outcome, Place, Tried};
use super::{Finding, Question};

const USERS: &str = "user namespaces";
const IDS: &str = "subordinate ids";

/// The findings, in the order in which a command needs them.
pub(super) fn findings(question: &Question, tried: &Tried) -> Vec<Finding> {
    let mut findings = vec![user_namespaces(&tried.place)];
    findings.extend(subordinate_ids(question, &tried.place));
    if matches!(tried.place, Place::Plain { .. } | Place::Broken(_)) {
        // The rest could only say the same.
        return findings;
    }
    findings.push(namespaces(tried));
    findings.push(mount_calls(&tried.mount_calls));
    findings.push(overlay(tried));
    findings.push(proc(&tried.proc));
    findings.push(match &tried.filter {
        Ok(()) => Finding::ok("seccomp", "Docker's filter of system calls can be loaded"),
        Err(trouble) => Finding::missing("seccomp", trouble.text.clone())
            .remedy("use a kernel with CONFIG_SECCOMP_FILTER"),
    });
    findings
}

fn user_namespaces(place: &Place) -> Finding {
    match place {
        Place::Privileged => Finding::ok(USERS, "not needed: this process may mount"),
        Place::Subordinate | Place::Single { .. } => Finding::ok(USERS, "can be made, and give rights"),
        Place::Plain { wanted: true } => {
            Finding::missing(USERS, "LAPSTRAKE_USERNS=none says that there are to be none")
                .remedy("unset LAPSTRAKE_USERNS")
        }
        Place::Plain { wanted: false } => {
            Finding::missing(USERS, "cannot be made by this user").remedy(allow_namespaces())
        }
        Place::Broken(text) => Finding::missing(USERS, text.clone()).remedy(allow_namespaces()),
    }
}

/// What forbids them, found by what the kernel shows of its settings.
fn allow_namespaces() -> String {
    let setting = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    if setting("/proc/sys/user/max_user_namespaces").as_deref() == Some("0") {
        return "sudo sysctl -w user.max_user_namespaces=65536 (to keep it: a line \
                `user.max_user_namespaces = 65536` in /etc/sysctl.d/50-userns.conf)"
            .to_owned();
    }
    if setting("/proc/sys/kernel/unprivileged_userns_clone").as_deref() == Some("0") {
        return "sudo sysctl -w kernel.unprivileged_userns_clone=1 (to keep it: a line \
                `kernel.unprivileged_userns_clone = 1` in /etc/sysctl.d/50-userns.conf)"
            .to_owned();
    }
    if setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").as_deref() == Some("1") {
        let program = std::env::current_exe().unwrap_or_else(|_| "/usr/local/bin/lapstrake".into());
        return format!(
            "allow this program in AppArmor: write `abi <abi/4.0>, include <tunables/global> profile lapstrake {} \
             flags=(unconfined) {{ userns, }}` to /etc/apparmor.d/lapstrake, then sudo apparmor_parser -r \
             /etc/apparmor.d/lapstrake",
            program.display()
        );
    }
    "in a container: start it with `--security-opt seccomp=unconfined --security-opt apparmor=unconfined`, or as root \
     with --privileged; elsewhere ask who set this machine up why unshare(2) is forbidden"
        .to_owned()
}

fn subordinate_ids(question: &Question, place: &Place) -> Option<Finding> {
    let Place::Single { missing, text } = place else {
        return (*place == Place::Subordinate).then(|| {
            Finding::ok(
                IDS,
                "this user has its own, and newuidmap and newgidmap give them",
            )
        });
    };
    let without = "commands have no user but root: USER, chown to others and package managers that change their user \
                   do not work in RUN; COPY --chown and base images keep their owners";
    let finding = Finding::limited(IDS, text.clone(), without);
    Some(match missing.as_deref() {
        Some(file) if file.starts_with('/') => finding.remedy(add_ids(question)),
        Some(_) => {
            finding.remedy("sudo apt-get install uidmap (Fedora: shadow-utils, Alpine: shadow-uidmap)")
        }
        None if text.contains("failed") => finding.remedy(
            "sudo chmod u+s /usr/bin/newuidmap /usr/bin/newgidmap, and compare /etc/subuid with the message",
        ),
        None => finding.remedy("unset LAPSTRAKE_USERNS"),
    })
}

/// A command that gives the user ids that nobody has.
fn add_ids(question: &Question) -> String {
    let used = ["/etc/subuid", "/etc/subgid"].map(|path| fs::read_to_string(path).unwrap_or_default());
    let first = free_from(&used);
    let last = first + 65_535;
    let name = question.user.name.as_deref().unwrap_or("$USER");
    format!("sudo usermod --add-subuids {first}-{last} --add-subgids {first}-{last} {name}")
}

/// The first id after all that are given away.
fn free_from(texts: &[String]) -> u64 {
    let end = |line: &str| {
        let mut fields = line.split(':').skip(1).map(|field| field.trim().parse::<u64>());
        Some(fields.next()?.ok()? + fields.next()?.ok()?)
    };
    let lines = texts.iter().flat_map(|text| text.lines());
    lines.filter_map(end).fold(100_000, u64::max)
}

fn namespaces(tried: &Tried) -> Finding {
    let name = "namespaces";
    if tried.namespaces.is_empty() {
        return Finding::ok(name, "mount, pid, ipc, uts and network");
    }
    let list: Vec<String> = tried
        .namespaces
        .iter()
        .map(|(kind, trouble)| format!("{kind}: {}", trouble.text))
        .collect();
    let remedy = match tried.place {
        Place::Privileged => {
            "start this container with --privileged, or allow unshare(2) in its seccomp profile".to_owned()
        }
        _ => allow_namespaces(),
    };
    Finding::missing(name, format!("cannot be made: {}", list.join(", "))).remedy(remedy)
}

fn mount_calls(outcome: &Outcome) -> Finding {
    let name = "mount calls";
    match outcome {
        Ok(()) => Finding::ok(name, "fsopen(2), fsmount(2) and move_mount(2) work"),
        Err(trouble) => Finding::missing(name, format!("cannot mount a tmpfs: {}", trouble.text)).remedy(
            match trouble.errno {
                Some(libc::ENOSYS) => "use Linux 5.2 or later, or a seccomp profile that knows fsopen(2)",
                _ => {
                    "start this container with --privileged, or with --cap-add SYS_ADMIN and --security-opt \
                      apparmor=unconfined"
                }
            },
        ),
    }
}

fn overlay(tried: &Tried) -> Finding {
    let name = "overlayfs";
    let kind = match tried.place {
        Place::Privileged => "",
        _ => " with userxattr",
    };
    let trouble = match &tried.overlay {
        Ok(()) => return Finding::ok(name, format!("mounted{kind} in the state directory")),
        Err(trouble) => trouble,
    };
    let remedy = match trouble.errno {
        Some(libc::ENODEV) => {
            "sudo modprobe overlay (to keep it: a line `overlay` in /etc/modules-load.d/overlay.conf)"
        }
        Some(libc::EPERM) if tried.place != Place::Privileged => {
            "use Linux 5.11 or later, where overlayfs can be mounted in a user namespace"
        }
        _ => {
            "overlayfs refuses the state directory's file system, as it does others of its own kind, NFS and some of FUSE: \
             name a directory on ext4, xfs, btrfs or tmpfs with --root or LAPSTRAKE_ROOT; in a container, a volume"
        }
    };
    Finding::missing(name, format!("cannot be mounted{kind}: {}", trouble.text)).remedy(remedy)
}

fn proc(outcome: &Outcome) -> Finding {
    match outcome {
        Ok(()) => Finding::ok("/proc", "a new one can be mounted"),
        Err(trouble) => Finding::missing("/proc", format!("cannot be mounted: {}", trouble.text)).remedy(
            "where a container hides parts of /proc, start it with --security-opt systempaths=unconfined, or with --privileged",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Health;
    use crate::doctor::inside::Trouble;

    fn tried(place: Place, errno: Option<i32>) -> Tried {
        let outcome = || match errno {
            None => Ok(()),
            Some(number) => Err(Trouble::from(std::io::Error::from_raw_os_error(number))),
        };
        Tried {
            place,
            namespaces: Vec::new(),
            mount_calls: outcome(),
            overlay: outcome(),
            proc: outcome(),
            filter: Ok(()),
        }
    }

    #[test]
    fn every_trouble_has_a_remedy() {
        for place in [Place::Privileged, Place::Subordinate] {
            for errno in [libc::EPERM, libc::EINVAL, libc::ENODEV, libc::ENOSYS] {
                let tried = tried(place.clone(), Some(errno));
                for finding in [
                    mount_calls(&tried.mount_calls),
                    overlay(&tried),
                    proc(&tried.proc),
                ] {
                    assert_eq!(finding.state, Health::Missing);
                    assert!(
                        finding.remedy.is_some() && finding.without.is_some(),
                        "{finding:?}"
                    );
                }
            }
            let fine = tried(place, None);
            assert_eq!(overlay(&fine).state, Health::Ok);
            assert_eq!(namespaces(&fine).state, Health::Ok);
        }
        let old = overlay(&tried(Place::Subordinate, Some(libc::EPERM)));
        assert!(old.remedy.is_some_and(|remedy| remedy.contains("5.11")));
    }

    #[test]
    fn ids_that_nobody_has() {
        assert_eq!(free_from(&[String::new(), String::new()]), 100_000);
        let texts = [
            "a:100000:65536\nb:165536:65536\n".to_owned(),
            "a:1:2\nodd\n".to_owned(),
        ];
        assert_eq!(free_from(&texts), 231_072);
    }
}
