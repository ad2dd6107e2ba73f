//! A line for each request, with the filter's decision.

use std::fmt;

use ::policy::telemetry::state;
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
use envoy_types::util::pack_any;

/// Where the lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLog {
    /// To Envoy's standard output.
    Stdout,
    /// To the end of this file, which Envoy makes if it is not there.
    File(String),
}

pub(super) fn access_log(target: &AccessLog) -> accesslog::AccessLog {
    let format = SubstitutionFormatString {
        format: Some(Format::TextFormatSource(super::proto::inline(line()))),
        ..SubstitutionFormatString::default()
    };
    let (name, config) = match target {
        AccessLog::Stdout => (
            "envoy.access_loggers.stdout",
            pack_any(StdoutAccessLog {
                access_log_format: Some(stdout_access_log::AccessLogFormat::LogFormat(format)),
            }),
        ),
        AccessLog::File(path) => (
            "envoy.access_loggers.file",
            pack_any(FileAccessLog {
                path: path.clone(),
                access_log_format: Some(file_access_log::AccessLogFormat::LogFormat(format)),
            }),
        ),
    };
    accesslog::AccessLog {
        name: name.to_owned(),
        config_type: Some(accesslog::access_log::ConfigType::TypedConfig(config)),
        ..accesslog::AccessLog::default()
    }
}

/// Nothing that a client sends can pass for a field: Envoy refuses blanks in method, authority and path, and replaces
/// them in the SNI (CVE-2024-45808).
fn line() -> String {
    let fields = fmt::from_fn(|f| {
        for (name, key) in [
            ("decision", state::DECISION),
            ("reason", state::REASON),
            ("owner", state::OWNER),
            ("listener", state::LISTENER),
            ("tags", state::TAGS),
        ] {
            write!(f, " {name}=%FILTER_STATE({}{key}:PLAIN)%", state::PREFIX)?;
        }
        Ok(())
    });
    format!(
        "[%START_TIME%] %RESPONSE_CODE% %REQ(:METHOD)% %REQ(:AUTHORITY)%%REQ(:PATH)% \
         sni=%REQUESTED_SERVER_NAME%{fields}\n"
    )
}
