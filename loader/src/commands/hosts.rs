//! `meshgate hosts`: the names that lead to a sidecar, for `/etc/hosts`.
//!
//! No control plane answers DNS: a name has to lead to an address that the sidecar serves.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::load::Loaded;
use super::{Exit, choose, load};
use crate::cli::HostsArgs;
use crate::diagnostic::Severity;
use crate::model::Place;
use crate::model::kuma;
use crate::output::Output;
use crate::resources::Resource;
use crate::resources::kuma::dataplane::Dataplane;

pub(super) fn run(args: &HostsArgs, output: &Output) -> anyhow::Result<Exit> {
    let mut loaded = load::load(&args.paths, false, output)?;
    // `validate` has the rest.
    loaded
        .findings
        .retain(|finding| finding.severity == Severity::Error);
    loaded.print(output);
    if loaded.has_fatal_errors_for_sidecars() {
        return Ok(Exit::Findings);
    }
    if !kuma::is_builtin_gateway(choose(args, &loaded)?) {
        // So that they are those that `run` and `bootstrap` will serve.
        loaded.keep_vips()?;
        if loaded.has_fatal_errors_for_sidecars() {
            loaded.print(output);
            return Ok(Exit::Findings);
        }
    }
    // What is wrong with it was found and printed above.
    let proxy = kuma::proxy(loaded.input(), choose(args, &loaded)?, &mut Vec::new());
    let names = proxy.map(|proxy| proxy.names()).unwrap_or_default();
    output.data(text(&names).as_bytes())?;
    Ok(Exit::Fine)
}

fn choose<'a>(args: &HostsArgs, loaded: &'a Loaded) -> anyhow::Result<&'a Resource<Dataplane>> {
    choose::choose_dataplane(args.dataplane.as_deref(), args.mesh.as_deref(), loaded)
}

/// A line for each name and place, in the order of names.
fn text(names: &BTreeMap<String, BTreeSet<Place>>) -> String {
    let mut text = String::new();
    for (name, places) in names {
        for Place { address, port } in places {
            // Writing to a text does not fail.
            let _ = writeln!(text, "{address}\t{name}\t# port {port}");
        }
    }
    text
}
