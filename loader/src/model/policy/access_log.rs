//! Lines and records about requests and connections, and who gets them.

/// A line for each request or connection.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessLog {
    /// Where it goes.
    pub target: LogTarget,
    /// Only for clients that ask for this server name in TLS; for all if absent.
    pub sni: Option<String>,
}

/// Where lines go, and what is in them.
#[derive(Clone, Debug, PartialEq)]
pub enum LogTarget {
    /// To the end of a file.
    File(String, Lines),
    /// To the TCP server at this `host:port`, which needs somebody beside Envoy who sends them.
    Tcp(String, Lines),
    /// To a collector.
    OpenTelemetry(OtelLog),
}

/// What is in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lines {
    /// The format.
    pub format: LogFormat,
    /// Whether commands without a value leave nothing, and not `-`.
    pub omit_empty: bool,
}

/// Records for a collector, in Envoy's commands.
#[derive(Clone, Debug, PartialEq)]
pub struct OtelLog {
    /// The cluster of the collector.
    pub cluster: String,
    /// The `:authority` of the calls.
    pub authority: String,
    /// The record.
    pub body: AnyValue,
    /// What comes with each record.
    pub attributes: Vec<(String, String)>,
    /// What comes with all of them.
    pub resource: Vec<(String, String)>,
}

/// A value of OTLP (`opentelemetry/proto/common/v1/common.proto`).
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "named as in the protocol")]
pub enum AnyValue {
    String(String),
    Bool(bool),
    Int(i64),
    Double(f64),
    Bytes(Vec<u8>),
    Array(Vec<AnyValue>),
    List(Vec<(String, AnyValue)>),
}

/// What is in a line, in Envoy's commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// A text, with the end of the line.
    Plain(String),
    /// The fields of a JSON object.
    Json(Vec<(String, String)>),
}
