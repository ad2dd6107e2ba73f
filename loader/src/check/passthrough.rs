//! Policies for what leaves a mesh that no proxy follows.

use crate::diagnostic::{Code, Diagnostic};
use crate::model::kuma::{self, Input};
use crate::source::Path;

/// Kuma says so where a policy is for proxies without transparent proxying, or for built-in gateways (`plugin.go` in
/// `pkg/plugins/policies/meshpassthrough/plugin/v1alpha1` at 2.14.3).
pub(super) fn unused(input: Input<'_>, findings: &mut Vec<Diagnostic>) {
    let used = kuma::used_passthroughs(input.resources);
    for policy in &input.resources.mesh_passthroughs {
        if used.contains(&std::ptr::from_ref(policy)) {
            continue;
        }
        let message = "policy doesn't support proxy running without transparent-proxy, nor builtin gateway, and no other proxy is meant";
        findings.push(
            policy
                .warning(Code::PassthroughUnused, &Path::root(), message)
                .help("give a Dataplane that it is for `networking.transparentProxying` with a `redirectPortOutbound`"),
        );
    }
}
