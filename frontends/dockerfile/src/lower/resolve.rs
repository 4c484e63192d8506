//! Looks the images up that a build needs, all at once, and adds the triggers that they bring.
//! Knows nothing of registries.

use std::collections::HashMap;

use lapstrake_sdk::types::{ImageInfo, ImageRequest};

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::instructions::Instruction;
use crate::lower::Job;
use crate::lower::plan::{Origin, Plan};

/// Resolves every image that a reachable node begins with. Triggers may need more; then there is another round.
pub fn images(plans: &mut [Plan], job: &Job<'_>, diagnostics: &mut Diagnostics) {
    loop {
        resolve_open(plans, job, diagnostics);
        if diagnostics.has_errors() {
            return;
        }
        let mut added = false;
        for plan in plans.iter_mut() {
            added |= add_triggers(plan, job.all_stages, diagnostics);
        }
        if !added || diagnostics.has_errors() {
            return;
        }
        plans.iter().for_each(|plan| plan.check_order(diagnostics));
        if diagnostics.has_errors() {
            return;
        }
    }
}

/// Asks for what is not answered yet, in one call and each image once.
fn resolve_open(plans: &mut [Plan], job: &Job<'_>, diagnostics: &mut Diagnostics) {
    let mut requests: Vec<ImageRequest> = Vec::new();
    let mut index: HashMap<ImageRequest, usize> = HashMap::new();
    let mut users: Vec<(usize, usize, usize)> = Vec::new();
    for (plan_index, plan) in plans.iter().enumerate() {
        let reachable = plan.reachable(job.all_stages);
        for (node_index, node) in plan.nodes.iter().enumerate().filter(|(i, _)| reachable[*i]) {
            let Origin::Image(image) = &node.origin else {
                continue;
            };
            if image.info.is_none() {
                let request = *index.entry(image.request.clone()).or_insert_with(|| {
                    requests.push(image.request.clone());
                    requests.len() - 1
                });
                users.push((plan_index, node_index, request));
            }
        }
    }
    if requests.is_empty() {
        return;
    }
    let answers = job.host.resolve_image_configs(&requests);
    for (plan, node, request) in users {
        let missing = || Err("the host did not answer".to_owned());
        match answers.get(request).cloned().unwrap_or_else(missing) {
            Ok(info) => set(&mut plans[plan], node, info),
            Err(problem) => diagnostics.push(unresolved(&plans[plan], node, &problem)),
        }
    }
}

fn set(plan: &mut Plan, node: usize, info: ImageInfo) {
    if let Origin::Image(image) = &mut plan.nodes[node].origin {
        image.info = Some(info);
    }
}

fn unresolved(plan: &Plan, node: usize, problem: &str) -> Diagnostic {
    let node = &plan.nodes[node];
    let message = format!("the image `{}` cannot be had: {problem}", node.base.text);
    Diagnostic::error("ImageNotResolved", node.base.span, message)
        .maybe_help(plan.near_stage(&node.base.text))
}

/// Adds the triggers of every reachable node's base; returns whether there are any.
fn add_triggers(plan: &mut Plan, all: bool, diagnostics: &mut Diagnostics) -> bool {
    let reachable = plan.reachable(all);
    let mut added = false;
    for (index, needed) in reachable.into_iter().enumerate() {
        if !needed || plan.nodes[index].triggered {
            continue;
        }
        let triggers: Vec<String> = match &plan.nodes[index].origin {
            Origin::Image(image) => image
                .info
                .as_ref()
                .map(|info| info.config.on_build.clone())
                .unwrap_or_default(),
            Origin::Node(base) => {
                let steps = plan.nodes[*base].steps.iter();
                steps
                    .filter_map(|step| match &step.command.instruction {
                        Instruction::Onbuild(onbuild) => Some(onbuild.trigger.clone()),
                        _ => None,
                    })
                    .collect()
            }
            _ => Vec::new(),
        };
        plan.nodes[index].triggered = true;
        if !triggers.is_empty() {
            plan.add_triggers(index, &triggers, diagnostics);
            added = true;
        }
    }
    added
}
