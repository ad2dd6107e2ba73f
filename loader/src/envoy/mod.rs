//! From the model to Envoy's configuration, in Envoy's own types.
//!
//! What Envoy does well is Envoy's: TLS, choice of certificate by SNI, routing by path, load balancing. Who may enter
//! is the filter's, and it comes first. Both are made from the same [`Proxy`], and the native part is no wider than
//! the filter's decision about well-formed hosts: one that a listener does not own has no route of that listener.
//!
//! The values are those of Kuma's gateway (`pkg/plugins/runtime/gateway` at 2.14.3) unless a comment says why not.
//!
//! - `process`: what concerns Envoy as a whole: node, admin, runtime, overload, labels of counters
//! - `listener`, `connection_manager`, `tls`: ports, filter chains and what happens in them
//! - `tokens`, `access`: whose tokens requests may carry, and who may send which
//! - `sidecar`, `rbac`: ports of the proxy next to a service, and who may call it
//! - `transparent`: what the network redirects to the proxy, and where it goes on to
//! - `egress`: the port for those who leave their mesh
//! - `tcp_proxy`: where connections go
//! - `route`, `policy`: virtual hosts and routes, and what policies say about them
//! - `cluster`, `upstream_tls`: endpoints and the TLS with them
//! - `dns`: answers about the names of outbounds
//! - `health`, `outliers`: when an endpoint is left out
//! - [`mesh_tls`]: mTLS between proxies of meshes
//! - `hosts`: which listener owns which hosts, for Envoy's own matching
//! - `port_facts`: what all filter chains of a port ask, looked up once
//! - `filter`: meshgate's own filter and its configuration
//! - `proto`: short forms of Envoy's wrappers
//! - [`encode()`]: the written forms

mod access;
mod access_log;
mod cluster;
mod connection_manager;
mod dns;
mod egress;
mod encode;
mod filter;
mod health;
mod hosts;
mod listener;
pub mod mesh_tls;
mod outliers;
mod policy;
mod port_facts;
mod process;
mod proto;
mod rbac;
mod route;
mod sidecar;
mod tcp_proxy;
mod tls;
mod tokens;
mod transparent;
mod upstream;
mod upstream_tls;

use std::net::SocketAddr;
use std::path::PathBuf;

use ::policy::config::{Mode, Reasons};
use envoy_types::pb::envoy::config::bootstrap::v3::{Bootstrap, bootstrap::StaticResources};

pub use access_log::AccessLog;
pub use encode::{EncodeError, Format, UnknownFormat, encode};
pub use filter::{CAPABILITIES, OUTBOUND_CAPABILITIES};
pub use process::{CONNECTION_LIMITS, admin, is_of_istio};
pub use proto::METADATA;

use crate::model::{Proxy, forbidden};

/// What the user chooses about an Envoy, apart from its resources.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the admin interface listens. It has no access control, so a loopback address.
    pub admin: SocketAddr,
    /// The file of the filter, `gateway.wasm`, as Envoy finds it.
    pub wasm: String,
    /// Whether refusals are enforced.
    pub mode: Mode,
    /// How much refused clients are told.
    pub reasons: Reasons,
    /// Where a line for each request goes.
    pub access_log: Option<AccessLog>,
    /// The named pipe for lines that somebody beside Envoy sends to TCP servers; without one they are not written.
    pub log_pipe: Option<String>,
    /// The folder of the files that [`mesh_tls::files`] names, as Envoy finds it. Of an egress that is in no mesh, the
    /// folder with those of all proxies: `<mesh>/<dataplane>` is its own in each mesh.
    pub secrets: PathBuf,
    /// The versions of Envoy that have to read the configuration.
    pub range: EnvoyRange,
}

/// Versions of Envoy. One configuration cannot please them all: a field that 1.40 warns about is the only one that
/// those before it know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EnvoyRange {
    /// 1.36 to 1.40, of which the last one warns about a deprecated field in each Wasm filter.
    #[default]
    From1_36,
    /// 1.40 and newer.
    From1_40,
}

/// The configuration that an Envoy starts with to be `proxy`, and never needs another one for.
pub fn bootstrap(proxy: &Proxy, options: &Options) -> Bootstrap {
    let proxy = match options.mode {
        Mode::Enforce => &*forbidden::enforced(proxy),
        Mode::Audit => proxy,
    };
    Bootstrap {
        node: Some(process::node(proxy)),
        static_resources: Some(StaticResources {
            listeners: proxy
                .ports
                .iter()
                .filter(|port| port.is_open())
                .map(|port| listener::listener(proxy, port, options))
                .chain(
                    proxy
                        .dns
                        .iter()
                        .map(|dns| dns::listener(proxy, dns, options)),
                )
                .chain(transparent::listeners(proxy, options))
                .collect(),
            clusters: proxy
                .clusters
                .iter()
                .map(|cluster| cluster::cluster(proxy, cluster, options))
                .chain(transparent::clusters(proxy))
                .collect(),
            secrets: tls::secrets(proxy),
        }),
        stats_config: Some(process::stats_config()),
        layered_runtime: Some(process::runtime(proxy)),
        admin: Some(process::admin(options.admin)),
        overload_manager: Some(process::overload_manager()),
        ..Bootstrap::default()
    }
}
