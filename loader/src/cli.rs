//! The command line. The comments here are the help texts.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::model::Locality;

/// Service-mesh gateway YAML, served by stock Envoy, with no control plane.
#[derive(Debug, Parser)]
#[command(name = "meshgate", version, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How messages are printed, those of an Envoy of `run` included. Its access log has a format of its own.
    #[arg(long, value_enum, default_value_t, global = true)]
    pub log_format: LogFormat,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check resources and print every mistake.
    Validate(ValidateArgs),
    /// Print the Envoy configuration of one proxy.
    Bootstrap(BootstrapArgs),
    /// Serve one proxy with Envoy, and follow its resources: what changes is served, if it can be.
    Run(RunArgs),
    /// Show what a running gateway serves, and what it does not.
    ///
    /// Ends with 0 if the resources are served as they are, with 1 if they are not, and with 2 if nobody answers.
    Status(StatusArgs),
    /// Become a program that ends with its parent: how `run` starts Envoy.
    #[command(hide = true)]
    Exec(ExecArgs),
    /// Send access log lines from a named pipe to TCP servers, beside an Envoy that `run` did not start.
    StreamLogs {
        /// The pipe, which is made; the one of `bootstrap --log-pipe`.
        pipe: PathBuf,
    },
    /// Explain the finding with this code, or all codes.
    Rule {
        /// e.g. MG0107
        code: Option<String>,
    },
    /// Make, show and renew the identities of Dataplanes, and the CAs of their meshes.
    Certs(CertsArgs),
    /// Print the hostnames that lead to the outbounds of a sidecar, as lines for /etc/hosts.
    Hosts(HostsArgs),
    /// Make certificates.
    #[command(subcommand)]
    Generate(GenerateCommand),
}

/// Where resources come from.
#[derive(Debug, Args)]
pub struct Paths {
    /// Files, folders (searched for *.yaml, *.yml and *.json), or - for standard input.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Take everything that is known and has no effect (codes from 400, and keys given twice) for an error.
    #[arg(long)]
    pub strict: bool,
}

/// Arguments of `validate`.
#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// Where the resources are.
    #[command(flatten)]
    pub paths: Paths,
    /// How findings are printed.
    #[arg(long, value_enum, default_value_t)]
    pub format: ReportFormat,
    /// Check each resource by itself, without what it refers to: what the validators of Kuma and Istio judge.
    #[arg(long)]
    pub resource_only: bool,
}

/// How findings are printed.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum ReportFormat {
    /// With the lines that they are about.
    #[default]
    Human,
    /// An array of objects.
    Json,
    /// SARIF 2.1.0, for code review tools.
    Sarif,
}

/// Which proxy, and what of it can be set from outside its resources.
#[derive(Debug, Args)]
pub struct ProxyArgs {
    /// Where the resources are.
    #[command(flatten)]
    pub paths: Paths,
    /// The Dataplane or zone egress to be; not needed where there is only one.
    #[arg(long, value_name = "NAME")]
    pub dataplane: Option<String>,
    /// The mesh of the Dataplane; not needed where the name says it.
    #[arg(long, value_name = "NAME")]
    pub mesh: Option<String>,
    /// Istio: the labels of the gateway's workload; not needed where a Deployment, a Pod or one selector says them.
    #[arg(long, value_name = "K=V", value_delimiter = ',', value_parser = label, conflicts_with_all = ["dataplane", "mesh"])]
    pub gateway_labels: Vec<(String, String)>,
    /// Istio: the namespace of the gateway's workload; it has the credentials.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["dataplane", "mesh"])]
    pub namespace: Option<String>,
    /// Istio: where the gateway is; not needed where its Pod, its Deployment or its Node says it.
    #[arg(long, value_name = "REGION/ZONE/SUBZONE", conflicts_with_all = ["dataplane", "mesh"])]
    pub locality: Option<Locality>,
    /// The IP address that listeners are opened on, instead of `networking.address` of the Dataplane, or on Istio where
    /// `bind` says none; 0.0.0.0 for all.
    #[arg(long, value_name = "IP", env = "MESHGATE_ADDRESS")]
    pub address: Option<IpAddr>,
    /// Where Envoy's admin interface listens. It can stop Envoy: keep it on loopback.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9901")]
    pub admin: SocketAddr,
    /// How much a refused client is told.
    #[arg(long, value_enum, default_value_t)]
    pub reasons: Reasons,
    /// Log and count what the filter would refuse, and let it pass to Envoy's own routes.
    #[arg(long)]
    pub audit: bool,
    /// Where Envoy finds the filter; without it the filter is put into $MESHGATE_WORK_DIR (or ~/.meshgate).
    #[arg(long, value_name = "FILE")]
    pub wasm: Option<String>,
}

/// How much a refused client is told.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum Reasons {
    /// The reason and one line about it.
    #[default]
    Full,
    /// The reason's name.
    Short,
    /// The status only.
    None,
}

/// Arguments of `bootstrap`.
#[derive(Debug, Args)]
pub struct BootstrapArgs {
    /// Which proxy.
    #[command(flatten)]
    pub proxy: ProxyArgs,
    /// The file to write; standard output without it. Only its owner can read it: it holds private keys.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// YAML and JSON for reading, the binary form for speed.
    #[arg(long, value_enum, default_value_t)]
    pub format: ConfigFormat,
    /// Where Envoy writes its access log, - for its standard output; no log without it.
    #[arg(long, value_name = "FILE")]
    pub access_log: Option<String>,
    /// The named pipe that `meshgate stream-logs` reads: where Envoy writes lines for TCP servers.
    #[arg(long, value_name = "FILE")]
    pub log_pipe: Option<String>,
}

/// The forms of Envoy's configuration.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum ConfigFormat {
    /// YAML.
    #[default]
    Yaml,
    /// JSON.
    Json,
    /// Binary protobuf.
    Pb,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Which proxy.
    #[command(flatten)]
    pub proxy: ProxyArgs,
    /// The Envoy to start; without it the one in $PATH, or the project's own.
    #[arg(long, value_name = "FILE", env = "MESHGATE_ENVOY")]
    pub envoy: Option<PathBuf>,
    /// Where Envoy writes its access log, - for standard output.
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub access_log: String,
    /// How many seconds open requests get to end after SIGTERM or Ctrl-C. A second signal ends them at once.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub drain_time: u64,
    /// Where the endpoint with /healthz, /readyz, /metrics and /status listens.
    #[arg(long, value_name = "ADDRESS", default_value = STATUS)]
    pub status: SocketAddr,
    /// Reload on SIGHUP only, and not whenever resources change.
    #[arg(long)]
    pub no_watch: bool,
    /// Let another Envoy binary take over without closing a port, as soon as it is in the place of the running one. It
    /// needs shared memory (/dev/shm).
    #[arg(long)]
    pub hot_restart: bool,
    /// Arguments for Envoy.
    #[arg(last = true, value_name = "ENVOY ARGS")]
    pub envoy_args: Vec<String>,
}

/// Arguments of `certs`. The files are in `$MESHGATE_WORK_DIR` (or `~/.meshgate`); what they hold is not printed.
#[derive(Debug, Args)]
pub struct CertsArgs {
    /// Where the resources are.
    #[command(flatten)]
    pub paths: Paths,
    /// How identities are printed.
    #[arg(long, value_enum, default_value_t)]
    pub format: CertsFormat,
    /// Renew all identities now.
    #[arg(long)]
    pub rotate: bool,
    /// Go on renewing identities until SIGTERM or Ctrl-C: for Envoys that `meshgate run` has not started.
    #[arg(long)]
    pub watch: bool,
}

/// Arguments of `hosts`.
#[derive(Debug, Args)]
pub struct HostsArgs {
    /// Where the resources are.
    #[command(flatten)]
    pub paths: Paths,
    /// The Dataplane whose proxy it is; not needed where there is only one.
    #[arg(long, value_name = "NAME")]
    pub dataplane: Option<String>,
    /// The mesh of the Dataplane; not needed where the name says it.
    #[arg(long, value_name = "NAME")]
    pub mesh: Option<String>,
}

/// How identities are printed.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum CertsFormat {
    /// A table.
    #[default]
    Human,
    /// An object.
    Json,
}

/// Where the status endpoint is unless somebody says otherwise.
const STATUS: &str = "127.0.0.1:9902";

/// How messages are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// As text.
    #[default]
    Text,
    /// Each as an object on a line of its own.
    Json,
}

/// Arguments of `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Where its status endpoint listens.
    #[arg(long, value_name = "ADDRESS", default_value = STATUS)]
    pub at: SocketAddr,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t)]
    pub format: StatusFormat,
    /// For health checks: end with 1 only if requests are not served, and not if a change was refused.
    #[arg(long)]
    pub ready: bool,
}

/// How a status is printed.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum StatusFormat {
    /// For people.
    #[default]
    Human,
    /// As the endpoint gives it.
    Json,
}

/// Arguments of `exec`.
#[derive(Debug, Args)]
pub struct ExecArgs {
    /// The process to end with.
    #[arg(long, value_name = "PID")]
    pub parent: u32,
    /// The program.
    #[arg(last = true, required = true, value_names = ["PROGRAM", "ARGS"])]
    pub program: Vec<std::ffi::OsString>,
}

/// What can be made.
#[derive(Debug, Subcommand)]
pub enum GenerateCommand {
    /// A self-signed certificate with its key, as `kumactl generate tls-certificate` makes it.
    TlsCertificate(TlsCertificateArgs),
}

/// Arguments of `generate tls-certificate`, kumactl's own.
#[derive(Debug, Args)]
pub struct TlsCertificateArgs {
    /// server or client
    #[arg(long = "type", value_name = "TYPE", required = true)]
    pub kind: String,
    /// The DNS names and IP addresses that it is for.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub hostname: Vec<String>,
    /// rsa or ecdsa
    #[arg(long, value_name = "TYPE", default_value = "rsa")]
    pub key_type: String,
    /// The file for the private key, or - for standard output.
    #[arg(long, value_name = "FILE", default_value = "key.pem")]
    pub key_file: PathBuf,
    /// The file for the certificate, or - for standard output.
    #[arg(long, value_name = "FILE", default_value = "cert.pem")]
    pub cert_file: PathBuf,
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a label is written NAME=VALUE".to_owned()),
    }
}
