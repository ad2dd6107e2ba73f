//! A line for each request or connection: with the filter's decision, and those of policies.

mod otel;
mod whose;

pub(super) use whose::{Whose, asks_whose, logs_ask_whose};

use std::fmt;

use ::policy::telemetry::state;

use super::Options;
use crate::model::policy::{self, Lines, ListenerPolicy, LogFormat, LogTarget};
use envoy_types::pb::envoy::config::accesslog::v3 as accesslog;
use envoy_types::pb::envoy::config::accesslog::v3::access_log_filter::FilterSpecifier;
use envoy_types::pb::envoy::config::accesslog::v3::{
    AccessLogFilter, ExtensionFilter, extension_filter,
};
use envoy_types::pb::envoy::config::core::v3::{
    SubstitutionFormatString, substitution_format_string::Format,
};
use envoy_types::pb::envoy::extensions::access_loggers::file::v3::{
    FileAccessLog, file_access_log,
};
use envoy_types::pb::envoy::extensions::access_loggers::filters::cel::v3::ExpressionFilter;
use envoy_types::pb::envoy::extensions::access_loggers::stream::v3::{
    StdoutAccessLog, stdout_access_log,
};
use envoy_types::pb::google::protobuf::{Any, Struct, value::Kind};
use envoy_types::util::pack_any;

/// Where the lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLog {
    /// To Envoy's standard output.
    Stdout,
    /// To the end of this file, which Envoy makes if it is not there.
    File(String),
}

/// The log that the user of the command wants, and those of policies.
pub(super) fn access_logs(
    policy: Option<&ListenerPolicy>,
    whose: Whose<'_>,
    options: &Options,
) -> Vec<accesslog::AccessLog> {
    let own = options.access_log.iter();
    let own = own.flat_map(|target| {
        let lines = whose.lines().into_iter();
        lines.map(|(requests, whose)| accesslog::AccessLog {
            filter: requests,
            ..access_log(target, whose)
        })
    });
    let logs = policy.into_iter().flat_map(|policy| &policy.access_logs);
    own.chain(logs.filter_map(|log| of_policy(log, options)))
        .collect()
}

fn of_policy(log: &policy::AccessLog, options: &Options) -> Option<accesslog::AccessLog> {
    let made = match &log.target {
        LogTarget::File(path, lines) => file(path, of_lines(lines)),
        LogTarget::Tcp(address, lines) => file(options.log_pipe.as_ref()?, packet(address, lines)),
        LogTarget::OpenTelemetry(log) => otel::access_log(log, options.range),
    };
    Some(accesslog::AccessLog {
        filter: log.sni.as_deref().map(only_for),
        ..made
    })
}

fn of_lines(lines: &Lines) -> SubstitutionFormatString {
    let format = match &lines.format {
        LogFormat::Plain(text) => Format::TextFormatSource(super::proto::inline(text)),
        LogFormat::Json(fields) => Format::JsonFormat(structure(fields)),
    };
    SubstitutionFormatString {
        format: Some(format),
        omit_empty_values: lines.omit_empty,
        ..SubstitutionFormatString::default()
    }
}

/// A line with its receiver, as Kuma's own streamer takes it from a pipe (`TCPBackendSFS` at 2.14.3).
fn packet(address: &str, lines: &Lines) -> SubstitutionFormatString {
    let message = match &lines.format {
        LogFormat::Plain(text) => Kind::StringValue(text.clone()),
        LogFormat::Json(fields) => Kind::StructValue(structure(fields)),
    };
    let fields = [
        ("address", Kind::StringValue(address.to_owned())),
        ("message", message),
    ];
    SubstitutionFormatString {
        format: Some(Format::JsonFormat(super::proto::structure(fields))),
        omit_empty_values: lines.omit_empty,
        ..SubstitutionFormatString::default()
    }
}

fn structure(fields: &[(String, String)]) -> Struct {
    let field = |(key, value): &(String, String)| (key.clone(), Kind::StringValue(value.clone()));
    super::proto::structure(fields.iter().map(field))
}

/// `MatchToCEL` in Kuma's `pkg/plugins/policies/meshaccesslog/plugin/xds/rules.go` at 2.14.3.
fn only_for(sni: &str) -> AccessLogFilter {
    let sni = serde_json::Value::from(sni);
    expression(format!("connection.requested_server_name == {sni}"))
}

fn expression(expression: String) -> AccessLogFilter {
    let filter = ExpressionFilter {
        expression,
        ..ExpressionFilter::default()
    };
    AccessLogFilter {
        filter_specifier: Some(FilterSpecifier::ExtensionFilter(ExtensionFilter {
            name: "envoy.access_loggers.extension_filters.cel".to_owned(),
            config_type: Some(extension_filter::ConfigType::TypedConfig(pack_any(filter))),
        })),
    }
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

fn access_log(target: &AccessLog, whose: Whose<'_>) -> accesslog::AccessLog {
    let format = SubstitutionFormatString {
        format: Some(Format::TextFormatSource(super::proto::inline(line(whose)))),
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
fn line(whose: Whose<'_>) -> String {
    let fields = fmt::from_fn(|f| {
        for (name, key) in [
            ("decision", state::DECISION),
            ("reason", state::REASON),
            ("owner", state::OWNER),
            ("listener", state::LISTENER),
            ("tags", state::TAGS),
        ] {
            match whose.text(name) {
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
