//! Which line of the resources Envoy means.

use envoy_types::pb::envoy::config::bootstrap::v3::Bootstrap;
use envoy_types::pb::envoy::config::core::v3::{Metadata, transport_socket};
use envoy_types::pb::envoy::config::listener::v3::{FilterChain, filter};
use envoy_types::pb::envoy::config::route::v3::header_matcher::HeaderMatchSpecifier;
use envoy_types::pb::envoy::config::route::v3::route_match::PathSpecifier;
use envoy_types::pb::envoy::config::route::v3::{Route, VirtualHost};
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager::RouteSpecifier;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::DownstreamTlsContext;
use envoy_types::pb::envoy::r#type::matcher::v3::StringMatcher;
use envoy_types::pb::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use envoy_types::pb::google::protobuf::Any;
use envoy_types::pb::google::protobuf::value::Kind;
use prost::{Message, Name};

use super::swap::Refused;
use crate::diagnostic::{Code, Diagnostic};
use crate::envoy::METADATA;
use crate::model::Origin;
use crate::source::Sources;

/// What Envoy says about a configuration that it looks at as a whole, in its log.
pub(super) fn of_proof(log: &str, whole: &[u8], sources: &Sources) -> Diagnostic {
    finding(&gist(log), origin(&[log], whole), sources)
}

/// What a running Envoy says about a change.
pub(super) fn of_change(refused: &Refused, whole: &[u8], sources: &Sources) -> Diagnostic {
    let words = refused.words.lines().next().unwrap_or_default();
    let words = words
        .trim_start_matches("Filesystem config update rejected: ")
        .trim_start_matches("Filesystem config update failure: ");
    // What Envoy says may name a part of what the counter is about.
    let origin = origin(&[&refused.words, &refused.counters], whole);
    finding(words, origin, sources)
}

fn finding(gist: &str, origin: Option<Origin>, sources: &Sources) -> Diagnostic {
    let finding = Diagnostic::error(Code::RefusedByEnvoy, format!("Envoy refuses it: {gist}"));
    let Some(origin) = origin else {
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

/// The origin of what has the longest name in the first text that names something: names of parts contain those of the
/// whole.
fn origin(texts: &[&str], whole: &[u8]) -> Option<Origin> {
    let resources = Bootstrap::decode(whole).ok()?.static_resources?;
    let mut named: Vec<(String, Option<Origin>)> = Vec::new();
    for listener in &resources.listeners {
        let whole = of(listener.metadata.as_ref());
        for chain in &listener.filter_chains {
            let own = of(chain.metadata.as_ref()).or_else(|| whole.clone());
            let secrets = secrets(chain).into_iter();
            named.extend(secrets.map(|name| (name, own.clone())));
            for host in virtual_hosts(chain) {
                for route in &host.routes {
                    let of_route = of(route.metadata.as_ref());
                    let texts = expressions(route).map(|text| (text, of_route.clone()));
                    named.extend(texts);
                }
                named.push((host.name, of(host.metadata.as_ref())));
            }
            named.push((chain.name.clone(), own));
        }
        named.push((listener.name.clone(), whole));
    }
    let clusters = resources.clusters.iter();
    named.extend(clusters.map(|c| (c.name.clone(), of(c.metadata.as_ref()))));
    // Of things with one name the first.
    named.reverse();
    named.retain(|(name, origin)| !name.is_empty() && origin.is_some());
    // In the names of counters colons are underscores.
    let is_in =
        |words: &str, name: &str| words.contains(name) || words.contains(&name.replace(':', "_"));
    let longest = |words: &&str| {
        let all = named.iter().filter(|(name, _)| is_in(words, name));
        all.max_by_key(|(name, _)| name.len())
    };
    let (_, origin) = texts.iter().find_map(longest)?;
    origin.clone()
}

/// The certificates that a filter chain names.
fn secrets(chain: &FilterChain) -> Vec<String> {
    let config = chain.transport_socket.as_ref();
    let Some(transport_socket::ConfigType::TypedConfig(any)) =
        config.and_then(|socket| socket.config_type.as_ref())
    else {
        return Vec::new();
    };
    let context = unpack::<DownstreamTlsContext>(any).and_then(|c| c.common_tls_context);
    let secrets = context.map(|context| context.tls_certificate_sds_secret_configs);
    let secrets = secrets.unwrap_or_default().into_iter();
    secrets.map(|secret| secret.name).collect()
}

fn virtual_hosts(chain: &FilterChain) -> Vec<VirtualHost> {
    let managers = chain.filters.iter().filter_map(|filter| {
        let Some(filter::ConfigType::TypedConfig(any)) = &filter.config_type else {
            return None;
        };
        unpack::<HttpConnectionManager>(any)
    });
    let routes = managers.filter_map(|manager| match manager.route_specifier {
        Some(RouteSpecifier::RouteConfig(routes)) => Some(routes.virtual_hosts),
        _ => None,
    });
    routes.flatten().collect()
}

/// The regular expressions of a route, which Envoy quotes.
fn expressions(route: &Route) -> impl Iterator<Item = String> {
    let matches = route.r#match.iter();
    let of_path = matches.clone().filter_map(|m| match &m.path_specifier {
        Some(PathSpecifier::SafeRegex(regex)) => Some(regex.regex.clone()),
        _ => None,
    });
    let of_headers = matches.flat_map(|m| &m.headers).filter_map(|header| {
        match &header.header_match_specifier {
            Some(HeaderMatchSpecifier::StringMatch(StringMatcher {
                match_pattern: Some(MatchPattern::SafeRegex(regex)),
                ..
            })) => Some(regex.regex.clone()),
            _ => None,
        }
    });
    of_path.chain(of_headers).filter(|text| text.len() > 2)
}

fn unpack<M: Message + Name + Default>(any: &Any) -> Option<M> {
    (any.type_url == M::type_url())
        .then(|| M::decode(any.value.as_slice()).ok())
        .flatten()
}

fn of(metadata: Option<&Metadata>) -> Option<Origin> {
    let fields = &metadata?.filter_metadata.get(METADATA)?.fields;
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
