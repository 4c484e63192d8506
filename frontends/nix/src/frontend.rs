//! The frontend's functions: what a request is answered with. Knows nothing of Wasm; `component.rs` exports it.

use lapstrake_sdk::types::*;
use lapstrake_sdk::{Frontend, Host, calls};

use crate::run::Run;
use crate::{editor, evaluated, lint, outline};

/// The Nix frontend.
pub struct NixFrontend;

impl Frontend for NixFrontend {
    fn describe() -> FrontendInfo {
        let option = |name: &str, description: &str| OptionInfo {
            name: name.to_owned(),
            description: description.to_owned(),
            default_value: None,
        };
        let call = |name: &str, description: &str| CallInfo {
            name: name.to_owned(),
            description: description.to_owned(),
        };
        FrontendInfo {
            name: "nix".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            file_patterns: ["default.nix", "image.nix", "build.nix", "*.nix"]
                .map(str::to_owned)
                .to_vec(),
            options: vec![
                option("arg", "an argument of the file's function: an expression"),
                option("argstr", "an argument of the file's function: a string"),
                option("attr", "attribute of the file's value, such as images.web"),
                option(
                    "max-steps",
                    "calls and promises after which an evaluation is given up",
                ),
                option(
                    "no-cache",
                    "builders run though they ran before: all, or derivations and images of these names",
                ),
                option(
                    "image-resolve-mode",
                    "default, pull (always ask the registry) or local",
                ),
                option(
                    "force-network-mode",
                    "network of what has one: sandbox, host or none",
                ),
                option("add-hosts", "more lines of /etc/hosts: name=address,…"),
                option("ulimit", "limits of commands: name=soft[:hard],…"),
                option("shm-size", "size of /dev/shm, bytes"),
                option("cgroup-parent", "control group of commands"),
                option(
                    "memory",
                    "memory of commands, bytes; cpu-quota and the others likewise",
                ),
            ],
            roles: Vec::new(),
            calls: vec![
                call(
                    "eval",
                    "the value of the file, or of the attribute that is asked for",
                ),
                call("lint", "runs the checks"),
                call("outline", "arguments of the file's function"),
                call("targets", "attributes that can be built"),
            ],
        }
    }

    fn build(host: &dyn Host, request: Request) -> Result<BuildResult, BuildError> {
        Run::build(host, &request)
    }

    fn lint(host: &dyn Host, request: Request) -> Result<Report, BuildError> {
        lint::lint(host, &request)
    }

    fn outline(host: &dyn Host, request: Request) -> Result<Outline, BuildError> {
        outline::outline(&Run::new(host, &request, &request.build_platform)?)
    }

    fn list_targets(host: &dyn Host, request: Request) -> Result<Vec<TargetInfo>, BuildError> {
        outline::targets(&Run::new(host, &request, &request.build_platform)?)
    }

    fn completions(
        _: &dyn Host,
        request: Request,
        file: u32,
        at: Position,
    ) -> Result<Vec<Completion>, BuildError> {
        Ok(editor::completions(&request, file, at))
    }

    fn hover(_: &dyn Host, request: Request, file: u32, at: Position) -> Result<Option<Hover>, BuildError> {
        Ok(editor::hover(&request, file, at))
    }

    fn call(host: &dyn Host, name: &str, request: Request) -> Result<CallResult, BuildError> {
        match name {
            "eval" => evaluated::evaluated(&Run::new(host, &request, &request.target_platforms()[0])?),
            "lint" | "check" => Self::lint(host, request).map(|report| calls::report(&report)),
            "outline" => Self::outline(host, request).map(|outline| calls::outline(&outline)),
            "targets" => Self::list_targets(host, request).map(|targets| calls::targets(&targets)),
            _ => Err(BuildError::unsupported(format!(
                "the call `{name}` (the calls are eval, lint, outline and targets)"
            ))),
        }
    }
}
