//! The graph policy: rules over what a frontend wants done, whichever frontend it is. What breaks one is told with the
//! line of the build file that asked for it. Pure: knows nothing of who solves the graph.

use lapstrake_llb::{
    Definition, Diagnostic, ExecOp, MountKind, NetworkMode, Op, Report, SecurityMode, Severity, SourceOp,
    Vertex,
};
use lapstrake_ops::source::reference;
use serde::Deserialize;

use crate::trust::is_below;

/// The rules, as `[policy]` of the configuration has them. Without any, everything goes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct GraphPolicy {
    /// Registries that images may come from, each a host or the beginning of a name, such as `ghcr.io/me`.
    pub registries: Option<Vec<String>>,
    /// Networks that commands may have.
    pub network: Option<Vec<Network>>,
    /// Whether a command may have a secret or an SSH agent and a way out at the same time.
    pub secrets_with_network: Option<bool>,
    /// Whether commands may run without a sandbox, where the build allows it.
    pub security_insecure: Option<bool>,
}

/// What network a command has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// One of its own, with a way out.
    Sandbox,
    /// The machine's.
    Host,
    /// Loopback only.
    None,
}

impl Network {
    const fn of(mode: NetworkMode) -> Self {
        match mode {
            NetworkMode::Sandbox => Self::Sandbox,
            NetworkMode::Host => Self::Host,
            NetworkMode::None => Self::None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::Host => "host",
            Self::None => "none",
        }
    }
}

impl GraphPolicy {
    /// What breaks a rule.
    ///
    /// # Errors
    /// Every breach, with its place.
    pub fn check(&self, definition: &Definition) -> Result<(), Report> {
        let mut items = Vec::new();
        for vertex in &definition.vertices {
            let breaches = match &vertex.op {
                Op::Source(SourceOp::Image(image)) => self.image(&image.reference).into_iter().collect(),
                Op::Exec(exec) => self.command(exec),
                _ => Vec::new(),
            };
            items.extend(breaches.into_iter().map(|breach| breach.at(vertex)));
        }
        match items.is_empty() {
            true => Ok(()),
            false => Err(Report {
                items,
                sources: definition.sources.clone(),
            }),
        }
    }

    /// Whether an image may be asked for, before there is a graph that uses it.
    ///
    /// # Errors
    /// Why not.
    pub fn check_image(&self, reference: &str) -> Result<(), String> {
        match self.image(reference) {
            Some(breach) => Err(format!("{} ({})", breach.message, breach.help)),
            None => Ok(()),
        }
    }

    fn image(&self, text: &str) -> Option<Breach> {
        let allowed = self.registries.as_ref()?;
        let name = reference::parse(text).map_or_else(
            |_| text.to_owned(),
            |image| format!("{}/{}", image.registry(), image.repository()),
        );
        let is_allowed = allowed.iter().any(|folder| is_below(&name, folder));
        (!is_allowed).then(|| Breach {
            rule: "registries",
            message: format!("the policy does not allow images of {name}"),
            help: match allowed.is_empty() {
                true => "no registry is allowed".to_owned(),
                false => format!("allowed are {}", allowed.join(", ")),
            },
        })
    }

    fn command(&self, exec: &ExecOp) -> Vec<Breach> {
        let mut breaches = Vec::new();
        let network = Network::of(exec.network);
        if let Some(allowed) = self
            .network
            .as_ref()
            .filter(|allowed| !allowed.contains(&network))
        {
            let names: Vec<&str> = allowed.iter().map(|network| network.name()).collect();
            breaches.push(Breach {
                rule: "network",
                message: format!(
                    "the policy does not allow a command the network {}",
                    network.name()
                ),
                help: format!("allowed are {}", names.join(", ")),
            });
        }
        let is_secret = |kind: &MountKind| matches!(kind, MountKind::Secret(_) | MountKind::Ssh(_));
        let has_secret =
            !exec.secret_env.is_empty() || exec.mounts.iter().any(|mount| is_secret(&mount.kind));
        if self.secrets_with_network == Some(false) && has_secret && network != Network::None {
            breaches.push(Breach {
                rule: "secrets-with-network",
                message: "the policy does not allow a command a secret and a network together".to_owned(),
                help: "run it without a network (RUN --network=none)".to_owned(),
            });
        }
        if self.security_insecure == Some(false) && exec.security == SecurityMode::Insecure {
            breaches.push(Breach {
                rule: "security-insecure",
                message: "the policy does not allow a command without a sandbox".to_owned(),
                help: "run it in the sandbox (RUN --security=sandbox)".to_owned(),
            });
        }
        breaches
    }
}

/// A rule that is broken.
struct Breach {
    rule: &'static str,
    message: String,
    help: String,
}

impl Breach {
    fn at(self, vertex: &Vertex) -> Diagnostic {
        // What has no place is known by its name.
        let place = match vertex.metadata.ranges.is_empty() {
            true => format!(": {}", vertex.metadata.name),
            false => String::new(),
        };
        Diagnostic {
            severity: Severity::Error,
            code: format!("policy.{}", self.rule),
            message: format!("{}{place}", self.message),
            help: Some(format!(
                "{}; the rules are under [policy] in the configuration",
                self.help
            )),
            url: None,
            ranges: vertex.metadata.ranges.clone(),
            related: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use lapstrake_llb::{ImageSource, Metadata, Mount, ResolveMode, SecretMount};

    use super::*;

    fn vertex(op: Op) -> Vertex {
        Vertex {
            op,
            platform: None,
            constraints: Vec::new(),
            metadata: Metadata {
                name: "a step".to_owned(),
                ..Metadata::default()
            },
        }
    }

    fn image(reference: &str) -> Op {
        Op::Source(SourceOp::Image(ImageSource {
            reference: reference.to_owned(),
            mode: ResolveMode::Default,
            layer_limit: None,
            checksum: None,
        }))
    }

    fn codes(policy: &str, ops: Vec<Op>) -> Vec<String> {
        let policy: GraphPolicy = toml::from_str(policy).unwrap();
        let definition = Definition {
            vertices: ops.into_iter().map(vertex).collect(),
            sources: Vec::new(),
        };
        match policy.check(&definition) {
            Ok(()) => Vec::new(),
            Err(report) => report.items.into_iter().map(|item| item.code).collect(),
        }
    }

    fn command(change: impl FnOnce(&mut ExecOp)) -> Op {
        let mut exec = ExecOp::default();
        change(&mut exec);
        Op::Exec(exec)
    }

    #[test]
    fn without_rules_everything_goes() {
        let insecure = command(|exec| exec.security = SecurityMode::Insecure);
        assert_eq!(codes("", vec![image("x/y"), insecure]), [""; 0]);
    }

    #[test]
    fn images_come_from_allowed_registries() {
        let rules = "registries = [\"docker.io/library\", \"ghcr.io/me\"]";
        let good = vec![
            image("alpine"),
            image("docker.io/library/debian:12"),
            image("ghcr.io/me/x"),
        ];
        assert_eq!(codes(rules, good), [""; 0]);
        let bad = vec![image("me/x"), image("ghcr.io/meier/x"), image("quay.io/x")];
        assert_eq!(codes(rules, bad), ["policy.registries"; 3]);
    }

    #[test]
    fn every_rule_of_a_command_is_told() {
        let rules = "network = [\"none\"]\nsecrets-with-network = false\nsecurity-insecure = false";
        let secret = || Mount {
            target: "/run/secrets/x".to_owned(),
            kind: MountKind::Secret(SecretMount {
                id: "x".to_owned(),
                uid: 0,
                gid: 0,
                mode: 0o400,
                optional: false,
            }),
        };
        let all = command(|exec| {
            exec.mounts.push(secret());
            exec.security = SecurityMode::Insecure;
        });
        assert_eq!(
            codes(rules, vec![all]),
            [
                "policy.network",
                "policy.secrets-with-network",
                "policy.security-insecure"
            ]
        );
        let good = command(|exec| {
            exec.mounts.push(secret());
            exec.network = NetworkMode::None;
        });
        assert_eq!(codes(rules, vec![good]), [""; 0]);
    }
}
