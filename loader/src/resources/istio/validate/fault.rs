//! `validateHTTPFaultInjection`.

use crate::diagnostic::{Code, Diagnostic};
use crate::resources::istio::http_route::{Abort, Delay, HttpFaultInjection, Percent};
use crate::resources::report::Report;
use crate::source::Path;

use super::{duration, only_one};

/// `SupportedGRPCStatus` (`pkg/util/grpc/codes.go`), by their numbers (`google.golang.org/grpc/codes`).
const GRPC: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// The number of a status of gRPC; nothing if there is none of that name.
pub(crate) fn grpc_status(name: &str) -> Option<u32> {
    let index = GRPC.iter().position(|known| *known == name)?;
    u32::try_from(index).ok()
}

pub(super) fn check(report: &mut Report<'_>, path: &Path, fault: &HttpFaultInjection) {
    if fault.abort.is_none() && fault.delay.is_none() {
        let text = "HTTP fault injection must have an abort and/or a delay";
        report.violation(path, text);
    }
    if let Some(value) = &fault.abort {
        abort(report, &path.field("abort"), value);
    }
    if let Some(value) = &fault.delay {
        delay(report, &path.field("delay"), value);
    }
}

fn abort(report: &mut Report<'_>, path: &Path, abort: &Abort) {
    percentage(report, path, abort.percentage);
    let given = [
        abort.http_status.is_some(),
        abort.grpc_status.is_some(),
        abort.http2_error.is_some(),
    ];
    match given.into_iter().filter(|is_given| *is_given).count() {
        0 => {
            let text = "abort configured, but error type not set";
            let finding = Diagnostic::warning(Code::IneffectiveSetting, text);
            report.beyond(path, finding.help("add `httpStatus` or `grpcStatus`"));
        }
        1 => {}
        _ => only_one(report, path, &["httpStatus", "grpcStatus", "http2Error"]),
    }
    if let Some(status) = abort.http_status {
        http_status(report, &path.field("httpStatus"), status.into());
    }
    if let Some(status) = &abort.grpc_status
        && grpc_status(status).is_none()
    {
        let text = format!(
            "gRPC status {status:?} is not supported. See https://github.com/grpc/grpc/blob/master/doc/statuscodes.md \
             for a list of supported codes, for example 'NOT_FOUND'"
        );
        report.violation(&path.field("grpcStatus"), text);
    }
    if abort.http2_error.is_some() {
        let text = "HTTP/2 abort fault injection not supported yet";
        report.violation(&path.field("http2Error"), text);
    }
}

/// `validateHTTPStatus`, which says 599 and takes 600.
pub(super) fn http_status(report: &mut Report<'_>, path: &Path, status: i64) {
    if !(200..=600).contains(&status) {
        report.violation(
            path,
            format!("HTTP status {status} is not in range 200-599"),
        );
    }
}

fn delay(report: &mut Report<'_>, path: &Path, delay: &Delay) {
    percentage(report, path, delay.percentage);
    if delay.percent != 0 {
        let text = "HTTPRoute.fault.delay.percent is deprecated; use HTTPRoute.fault.delay.percentage [IST0002]";
        let finding = Diagnostic::warning(Code::DeprecatedSetting, text);
        let help = format!("write `percentage: {{value: {}}}`", delay.percent);
        report.beyond(&path.field("percent"), finding.help(help));
    }
    duration(
        report,
        &path.field("fixedDelay"),
        delay.fixed_delay.as_ref(),
    );
    let exponential = path.field("exponentialDelay");
    duration(report, &exponential, delay.exponential_delay.as_ref());
    if delay.exponential_delay.is_some() {
        let text = "exponentialDelay not supported yet";
        report.advise(&exponential, text, "write `fixedDelay`");
    }
}

/// `validatePercentage`.
fn percentage(report: &mut Report<'_>, path: &Path, percentage: Option<Percent>) {
    let Some(Percent { value }) = percentage else {
        return;
    };
    if value != 0.0 && !(0.0001..=100.0).contains(&value) {
        let text = format!("percentage {value} is neither 0.0, nor in range [0.0001, 100.0]");
        report.violation(&path.field("percentage").field("value"), text);
    }
}
