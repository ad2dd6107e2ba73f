//! A line for each request, with the filter's decision.

use std::fmt;

use ::policy::telemetry::state;

use super::Options;
use crate::model::policy::{self, ListenerPolicy, LogFormat};
use crate::model::{Listener, Port};
use envoy_types::pb::envoy::config::accesslog::v3 as accesslog;
use envoy_types::pb::envoy::config::core::v3::{
    SubstitutionFormatString, substitution_format_string::Format,
};
use envoy_types::pb::envoy::extensions::access_loggers::file::v3::{
    FileAccessLog, file_access_log,
};
use envoy_types::pb::envoy::extensions::access_loggers::stream::v3::{
    StdoutAccessLog, stdout_access_log,
};
use envoy_types::pb::google::protobuf::{Any, value::Kind};
use envoy_types::util::pack_any;

/// Where the lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLog {
    /// To Envoy's standard output.
    Stdout,
    /// To the end of this file, which Envoy makes if it is not there.
    File(String),
}

/// The log that the user of the command wants, and those of policies. On TLS, `chain` is whose requests they are.
pub(super) fn access_logs(
    policy: Option<&ListenerPolicy>,
    chain: Option<&Listener>,
    options: &Options,
) -> Vec<accesslog::AccessLog> {
    let own = options
        .access_log
        .iter()
        .map(|target| access_log(target, chain));
    let logs = policy.into_iter().flat_map(|policy| &policy.access_logs);
    own.chain(logs.map(of_policy)).collect()
}

fn of_policy(log: &policy::AccessLog) -> accesslog::AccessLog {
    let format = match &log.format {
        LogFormat::Plain(text) => Format::TextFormatSource(super::proto::inline(text)),
        LogFormat::Json(fields) => Format::JsonFormat(super::proto::structure(
            fields
                .iter()
                .map(|(key, value)| (key, Kind::StringValue(value.clone()))),
        )),
    };
    let format = SubstitutionFormatString {
        format: Some(format),
        omit_empty_values: log.omit_empty,
        ..SubstitutionFormatString::default()
    };
    file(&log.file, format)
}

fn file(path: &str, format: SubstitutionFormatString) -> accesslog::AccessLog {
    let config = FileAccessLog {
        path: path.to_owned(),
        access_log_format: Some(file_access_log::AccessLogFormat::LogFormat(format)),
    };
    named("envoy.access_loggers.file", pack_any(config))
}

fn named(name: &str, config: Any) -> accesslog::AccessLog {
    accesslog::AccessLog {
        name: name.to_owned(),
        config_type: Some(accesslog::access_log::ConfigType::TypedConfig(config)),
        ..accesslog::AccessLog::default()
    }
}

/// Whether a log of the port, or of this filter chain of it, asks the filter whose requests those that pass are.
///
/// On TLS the log of the command knows it: all requests of a filter chain are its listener's.
pub(super) fn asks_whose(port: &Port, chain: Option<&Listener>, options: &Options) -> bool {
    let names_state = |text: &str| {
        let mut keys = [state::LISTENER, state::TAGS].iter();
        keys.any(|key| text.contains(key))
    };
    let asks = |log: &policy::AccessLog| match &log.format {
        LogFormat::Plain(text) => names_state(text),
        LogFormat::Json(fields) => fields.iter().any(|(_, value)| names_state(value)),
    };
    let logs = port.listeners.iter().flat_map(|l| &l.policy.access_logs);
    options.access_log.is_some() && chain.is_none() || logs.into_iter().any(asks)
}

pub(super) fn access_log(target: &AccessLog, chain: Option<&Listener>) -> accesslog::AccessLog {
    let format = SubstitutionFormatString {
        format: Some(Format::TextFormatSource(super::proto::inline(line(chain)))),
        ..SubstitutionFormatString::default()
    };
    match target {
        AccessLog::Stdout => named(
            "envoy.access_loggers.stdout",
            pack_any(StdoutAccessLog {
                access_log_format: Some(stdout_access_log::AccessLogFormat::LogFormat(format)),
            }),
        ),
        AccessLog::File(path) => file(path, format),
    }
}

/// Nothing that a client sends can pass for a field: Envoy refuses blanks in method, authority and path, and replaces
/// them in the SNI (CVE-2024-45808).
fn line(chain: Option<&Listener>) -> String {
    let fields = fmt::from_fn(|f| {
        for (name, key) in [
            ("decision", state::DECISION),
            ("reason", state::REASON),
            ("owner", state::OWNER),
            ("listener", state::LISTENER),
            ("tags", state::TAGS),
        ] {
            match chain.and_then(|listener| of_chain(listener, key)) {
                Some(text) => write!(f, " {name}={text}")?,
                None => write!(f, " {name}=%FILTER_STATE({}{key}:PLAIN)%", state::PREFIX)?,
            }
        }
        Ok(())
    });
    format!(
        "[%START_TIME%] %RESPONSE_CODE% %REQ(:METHOD)% %REQ(:AUTHORITY)%%REQ(:PATH)% \
         sni=%REQUESTED_SERVER_NAME%{fields}\n"
    )
}

/// What the filter would say of each request of a filter chain.
fn of_chain(listener: &Listener, key: &str) -> Option<String> {
    let text = match key {
        state::LISTENER => listener.name.clone(),
        state::TAGS if listener.tags.is_empty() => "-".to_owned(),
        state::TAGS => listener.tags.to_string(),
        _ => return None,
    };
    Some(text.replace('%', "%%"))
}
