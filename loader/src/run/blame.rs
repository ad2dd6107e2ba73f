//! Which line of the resources Envoy means.

use envoy_types::pb::envoy::config::bootstrap::v3::Bootstrap;
use envoy_types::pb::envoy::config::core::v3::Metadata;
use envoy_types::pb::google::protobuf::value::Kind;

use crate::diagnostic::{Code, Diagnostic};
use crate::envoy::METADATA;
use crate::model::Origin;
use crate::source::Sources;

/// What Envoy says about a configuration, as a finding. It names listeners and clusters, and those know their resources.
pub(super) fn finding(words: &str, bootstrap: &Bootstrap, sources: &Sources) -> Diagnostic {
    let message = format!("Envoy refuses it: {}", gist(words));
    let finding = Diagnostic::error(Code::RefusedByEnvoy, message);
    let Some(origin) = origin(words, bootstrap) else {
        return finding;
    };
    let finding = finding.about(&origin.resource, "");
    match sources.line(&origin.file, origin.line) {
        Some(span) => finding.at(span),
        None => finding,
    }
}

/// Envoy's log begins its lines with time, thread and source file; the last of them has the reason.
pub(super) fn gist(words: &str) -> String {
    let mut lines = words.lines().map(str::trim).filter(|line| !line.is_empty());
    let chosen = lines
        .clone()
        .find(|line| line.contains("error initializing configuration"))
        .or_else(|| lines.next_back());
    let text = chosen.unwrap_or("without a word");
    text.rsplit_once("] ")
        .map_or(text, |(_, text)| text)
        .to_owned()
}

/// The origin of what has the longest name in the text: names of parts contain those of the whole.
fn origin(words: &str, bootstrap: &Bootstrap) -> Option<Origin> {
    let resources = bootstrap.static_resources.as_ref()?;
    let listeners = resources.listeners.iter().flat_map(|listener| {
        let chains = listener.filter_chains.iter();
        let chains = chains.map(|chain| (chain.name.as_str(), chain.metadata.as_ref()));
        chains.chain([(listener.name.as_str(), listener.metadata.as_ref())])
    });
    let clusters = resources.clusters.iter();
    let clusters = clusters.map(|cluster| (cluster.name.as_str(), cluster.metadata.as_ref()));
    listeners
        .chain(clusters)
        .filter(|(name, _)| !name.is_empty() && words.contains(name))
        .max_by_key(|(name, _)| name.len())
        .and_then(|(_, metadata)| of(metadata?))
}

fn of(metadata: &Metadata) -> Option<Origin> {
    let fields = &metadata.filter_metadata.get(METADATA)?.fields;
    let kind = |name: &str| fields.get(name)?.kind.as_ref();
    let text = |name| match kind(name)? {
        Kind::StringValue(text) => Some(text.clone()),
        _ => None,
    };
    let line = match kind("line")? {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it was made from a u32"
        )]
        Kind::NumberValue(line) => *line as usize,
        _ => return None,
    };
    Some(Origin {
        resource: text("resource")?,
        file: text("file")?,
        line,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gist_has_no_times_and_threads() {
        for (words, message) in [
            (
                "[2026-11-21 10:00:00.000][1][critical][main] [source/server/server.cc:431] error initializing configuration 'x': no\n[2026-11-21 10:00:00.000][1][info][main] [source/a.cc:1] exiting\n",
                "error initializing configuration 'x': no",
            ),
            (
                "edge:HTTP:8081: cannot bind\n",
                "edge:HTTP:8081: cannot bind",
            ),
            ("", "without a word"),
        ] {
            assert_eq!(gist(words), message);
        }
    }
}
