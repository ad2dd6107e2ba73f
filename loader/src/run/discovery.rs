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

use std::collections::BTreeMap;
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
#[derive(Clone, Debug)]
pub(super) struct Split {
    pub(super) bootstrap: Vec<u8>,
    pub(super) files: BTreeMap<PathBuf, File>,
    pub(super) shares: Shares,
    clusters: Vec<Cluster>,
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
            mut listeners,
            mut clusters,
            secrets,
        } = bootstrap.static_resources.unwrap_or_default();
        for secret in secrets.iter().filter(|_| shares.secrets) {
            let path = parts::secret_file(&secret.name);
            files.put(&path, std::slice::from_ref(secret), Stage::First)?;
        }
        for cluster in &mut clusters {
            parts::cluster(cluster, &mut files)?;
        }
        for listener in &mut listeners {
            parts::listener(listener, &secrets, &mut files)?;
        }
        let runtime = bootstrap.layered_runtime.unwrap_or_default();
        let layered_runtime = Some(limits(runtime, &mut files)?);
        files.put(LISTENERS, &listeners, Stage::Listeners)?;
        files.put(CLUSTERS, &clusters, Stage::Clusters)?;
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
            clusters,
        })
    }

    /// The file of clusters with those of `old` that are gone here: for the time in which routes may name either.
    pub(super) fn clusters_with(&self, old: &Self) -> Result<File, EncodeError> {
        let gone = |cluster: &&Cluster| self.clusters.iter().all(|own| own.name != cluster.name);
        let mut all = self.clusters.clone();
        all.extend(old.clusters.iter().filter(gone).cloned());
        file(CLUSTERS, &all, Stage::Clusters)
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
        resources: &[M],
        stage: Stage,
    ) -> Result<(), EncodeError> {
        self.made.insert(path.into(), file(path, resources, stage)?);
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

fn file<M: Message + Name>(path: &str, resources: &[M], stage: Stage) -> Result<File, EncodeError> {
    let mut response = DiscoveryResponse {
        resources: resources.iter().map(pack).collect(),
        type_url: M::type_url(),
        ..DiscoveryResponse::default()
    };
    let content = envoy::encode(&response, Format::Pb)?;
    response.version_info = sha256_hex([path.as_bytes(), &content], 12);
    Ok(File {
        bytes: envoy::encode(&response, Format::Pb)?,
        version: response.version_info,
        stage,
    })
}

fn pack<M: Message + Name>(message: &M) -> Any {
    Any {
        type_url: M::type_url(),
        value: message.encode_to_vec(),
    }
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
    files.put(FILE, &[limits], Stage::First)?;
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
