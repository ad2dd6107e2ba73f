//! `ValidateHTTPRetry`.

use crate::resources::istio::http_route::HttpRetry;
use crate::resources::istio::traffic_policy::RetryBudget;
use crate::resources::report::Report;
use crate::source::Path;

use super::{duration, unchecked_duration};

/// `supportedRetryOnPolicies`.
const POLICIES: [&str; 16] = [
    "5xx",
    "gateway-error",
    "reset",
    "reset-before-request",
    "connect-failure",
    "retriable-4xx",
    "refused-stream",
    "retriable-status-codes",
    "retriable-headers",
    "envoy-ratelimited",
    "http3-post-connect-failure",
    "cancelled",
    "deadline-exceeded",
    "internal",
    "resource-exhausted",
    "unavailable",
];

pub(super) fn check(report: &mut Report<'_>, path: &Path, retry: &HttpRetry) {
    if retry.attempts < 0 {
        report.violation(&path.field("attempts"), "attempts cannot be negative");
    }
    let says_more = retry.per_try_timeout.is_some()
        || !retry.retry_on.is_empty()
        || retry.retry_remote_localities.is_some();
    if retry.attempts == 0 && says_more {
        report.advise(
            path,
            "http retry policy configured when attempts are set to 0 (disabled)",
            "write `attempts` with how often to try again",
        );
    }
    let timeout = retry.per_try_timeout.as_ref();
    duration(report, &path.field("perTryTimeout"), timeout);
    if !retry.retry_on.is_empty() {
        for policy in retry.retry_on.split(',') {
            let is_status = policy.parse().is_ok_and(is_status);
            if !is_status && !POLICIES.contains(&policy) {
                let text = format!("{policy:?} is not a valid retryOn policy");
                let help = "write Envoy's conditions and status codes, with commas and no spaces between them";
                report.advise(&path.field("retryOn"), text, help);
            }
        }
    }
    duration(report, &path.field("backoff"), retry.backoff.as_ref());
}

/// Whether Go has a text for the status (`net/http`, `StatusText`).
fn is_status(status: u16) -> bool {
    matches!(
        status,
        100..=103
            | 200..=208
            | 226
            | 300..=305
            | 307..=308
            | 400..=418
            | 421..=426
            | 428..=429
            | 431
            | 451
            | 500..=508
            | 510..=511
    )
}

/// How many retries there may be. The limits are those of the CRD's schema.
pub(super) fn budget(report: &mut Report<'_>, path: &Path, budget: &RetryBudget) {
    let interval = budget.budget_interval.as_ref();
    unchecked_duration(report, &path.field("budgetInterval"), interval);
    if budget
        .percent
        .is_some_and(|own| !(0.0..=100.0).contains(&own))
    {
        let text = "percent must be in the range 0..100";
        report.violation(&path.field("percent"), text);
    }
}
