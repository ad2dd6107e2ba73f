//! A bootstrap taken apart into files that Envoy watches, so that each can change without what refers to it.
//!
//! Envoy drains the connections of a listener that changes, and warms a cluster that changes anew. So what changes
//! often is not in them but in files of its own: routes (RDS), endpoints (EDS), certificates (SDS), connection limits
//! (RTDS), and the configuration of the filter (ECDS). For the same reason listeners, filter chains and clusters lose
//! the file and line of their resources, which change with every line that is added above them; routes keep theirs.
//!
//! What already has a file as its source keeps it.

mod parts;
mod shares;

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use envoy_types::pb::envoy::config::bootstrap::v3::bootstrap::{DynamicResources, StaticResources};
use envoy_types::pb::envoy::config::bootstrap::v3::{
    Bootstrap, LayeredRuntime, RuntimeLayer, runtime_layer::LayerSpecifier,
    runtime_layer::RtdsLayer,
};
use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::core::v3::{
    ApiVersion, ConfigSource, PathConfigSource, config_source::ConfigSourceSpecifier,
};
use envoy_types::pb::envoy::config::listener::v3::Listener;
use envoy_types::pb::envoy::config::metrics::v3::{
    StatsConfig, TagSpecifier, tag_specifier::TagValue,
};
use envoy_types::pb::envoy::service::discovery::v3::DiscoveryResponse;
use envoy_types::pb::envoy::service::runtime::v3::Runtime;
use envoy_types::pb::google::protobuf::Any;
use prost::{Message, Name};

pub(super) use self::shares::Shares;
use crate::envoy::{self, CONNECTION_LIMITS, EncodeError, Format};
use crate::hash::sha256_hex;

/// The file with all listeners.
pub(super) const LISTENERS: &str = "listeners.pb";
/// The file with all clusters.
pub(super) const CLUSTERS: &str = "clusters.pb";

/// When a file is swapped: nothing may refer to what is not there, or no longer there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Endpoints, certificates and limits: nothing else depends on what is in them.
    First,
    /// Clusters, which routes name.
    Clusters,
    /// Routes and filters that bring a table of listeners.
    Routes,
    /// Listeners, which name routes and filters.
    Listeners,
    /// Filters that name the table of another one, which may be that of a listener that has just come.
    Last,
}

/// A file that Envoy watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    /// What Envoy reports as the version of the file: different for every file and content.
    pub(super) version: String,
    /// The content.
    pub(super) bytes: Vec<u8>,
    /// When it is swapped.
    pub(super) stage: Stage,
}

/// What Envoy starts with, and the files that it watches, by their path in the folder.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Split {
    pub(super) bootstrap: Vec<u8>,
    pub(super) files: BTreeMap<PathBuf, File>,
    pub(super) shares: Shares,
    /// Those in the file of clusters, with their names.
    clusters: Vec<(String, Any)>,
}

impl Split {
    /// Takes `bootstrap` apart; its files will be in `folder`.
    pub(super) fn new(bootstrap: Bootstrap, folder: &Path) -> Result<Self, EncodeError> {
        let shares = Shares::of(&bootstrap);
        Self::with(bootstrap, folder, shares)
    }

    fn with(bootstrap: Bootstrap, folder: &Path, shares: Shares) -> Result<Self, EncodeError> {
        let mut files = Files {
            folder,
            shares,
            made: BTreeMap::new(),
        };
        let StaticResources {
            listeners,
            clusters,
            secrets,
        } = bootstrap.static_resources.unwrap_or_default();
        for secret in secrets.iter().filter(|_| shares.secrets) {
            files.put(&parts::secret_file(&secret.name), secret, Stage::First)?;
        }
        let mut all_clusters = Vec::with_capacity(clusters.len());
        for mut cluster in clusters {
            parts::cluster(&mut cluster, &mut files)?;
            let packed = pack(&cluster)?;
            all_clusters.push((cluster.name, packed));
        }
        let secrets = secrets.iter().map(|own| (own.name.as_str(), own)).collect();
        let mut all_listeners = Vec::with_capacity(listeners.len());
        for mut listener in listeners {
            parts::listener(&mut listener, &secrets, &mut files)?;
            all_listeners.push(pack(&listener)?);
        }
        let runtime = bootstrap.layered_runtime.unwrap_or_default();
        let layered_runtime = Some(limits(runtime, &mut files)?);
        let of_listeners = file::<Listener>(LISTENERS, all_listeners, Stage::Listeners);
        files.made.insert(LISTENERS.into(), of_listeners);
        let of_clusters = file_of_clusters(&all_clusters);
        files.made.insert(CLUSTERS.into(), of_clusters);
        let bootstrap = Bootstrap {
            static_resources: None,
            dynamic_resources: Some(DynamicResources {
                lds_config: Some(files.source(LISTENERS)),
                cds_config: Some(files.source(CLUSTERS)),
                ..DynamicResources::default()
            }),
            layered_runtime,
            stats_config: Some(labels(bootstrap.stats_config.unwrap_or_default())),
            ..bootstrap
        };
        Ok(Self {
            bootstrap: envoy::encode(&bootstrap, Format::Pb)?,
            files: files.made,
            shares,
            clusters: all_clusters,
        })
    }

    /// The file of clusters with those of `old` that are gone here: for the time in which routes may name either.
    pub(super) fn clusters_with(&self, old: &Self) -> File {
        let own: HashSet<_> = self.clusters.iter().map(|(name, _)| name).collect();
        let gone = old.clusters.iter().filter(|(name, _)| !own.contains(name));
        file_of_clusters(self.clusters.iter().chain(gone))
    }
}

/// The files of one split while it is made.
struct Files<'a> {
    folder: &'a Path,
    shares: Shares,
    made: BTreeMap<PathBuf, File>,
}

impl Files<'_> {
    fn put<M: Message + Name>(
        &mut self,
        path: &str,
        resource: &M,
        stage: Stage,
    ) -> Result<(), EncodeError> {
        let file = file::<M>(path, vec![pack(resource)?], stage);
        self.made.insert(path.into(), file);
        Ok(())
    }

    fn source(&self, path: &str) -> ConfigSource {
        let path = self.folder.join(path);
        ConfigSource {
            resource_api_version: ApiVersion::V3.into(),
            config_source_specifier: Some(ConfigSourceSpecifier::PathConfigSource(
                PathConfigSource {
                    path: path.to_string_lossy().into_owned(),
                    ..PathConfigSource::default()
                },
            )),
            ..ConfigSource::default()
        }
    }
}

fn file<M: Name>(path: &str, resources: Vec<Any>, stage: Stage) -> File {
    let mut response = DiscoveryResponse {
        resources,
        type_url: M::type_url(),
        ..DiscoveryResponse::default()
    };
    response.version_info = sha256_hex([path.as_bytes(), &response.encode_to_vec()], 12);
    File {
        bytes: response.encode_to_vec(),
        version: response.version_info,
        stage,
    }
}

fn file_of_clusters<'a>(named: impl IntoIterator<Item = &'a (String, Any)>) -> File {
    let packed = named.into_iter().map(|(_, packed)| packed.clone());
    file::<Cluster>(CLUSTERS, packed.collect(), Stage::Clusters)
}

/// As it stands in a file: the same message is always the same bytes.
fn pack<M: Message + Name>(message: &M) -> Result<Any, EncodeError> {
    Ok(Any {
        type_url: M::type_url(),
        value: envoy::encode(message, Format::Pb)?,
    })
}

/// Envoy counts what it reads from each file, and would give each count a metric of its own name.
fn labels(mut stats: StatsConfig) -> StatsConfig {
    for (label, regex) in [
        (
            "meshgate.filter",
            r"^extension_config_discovery\.http_filter\.((.+)\.)\w+$",
        ),
        ("meshgate.routes", r"^http\.[^.]+\.rds\.((.+)\.)\w+$"),
        ("meshgate.secret", r"^sds\.((.+)\.)\w+$"),
    ] {
        stats.stats_tags.push(TagSpecifier {
            tag_name: label.to_owned(),
            tag_value: Some(TagValue::Regex(regex.to_owned())),
        });
    }
    stats
}

/// The connection limits are the only part of the runtime that resources change.
fn limits(runtime: LayeredRuntime, files: &mut Files<'_>) -> Result<LayeredRuntime, EncodeError> {
    const FILE: &str = "limits.pb";
    let mut limits = Runtime {
        name: CONNECTION_LIMITS.to_owned(),
        ..Runtime::default()
    };
    let mut layers = runtime.layers;
    if let Some(at) = layers.iter().position(|l| l.name == CONNECTION_LIMITS)
        && let Some(LayerSpecifier::StaticLayer(values)) = layers.remove(at).layer_specifier
    {
        limits.layer = Some(values);
    }
    limits.layer.get_or_insert_default();
    files.put(FILE, &limits, Stage::First)?;
    layers.push(RuntimeLayer {
        name: CONNECTION_LIMITS.to_owned(),
        layer_specifier: Some(LayerSpecifier::RtdsLayer(RtdsLayer {
            name: CONNECTION_LIMITS.to_owned(),
            rtds_config: Some(files.source(FILE)),
        })),
    });
    Ok(LayeredRuntime { layers })
}

#[cfg(test)]
pub(super) mod tests;
