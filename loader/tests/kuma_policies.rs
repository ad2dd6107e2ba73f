//! Policies as Kuma's own validators judge them (`pkg/plugins/policies/*/api/v1alpha1/validator.go` and
//! `pkg/core/resources/apis/mesh/*_validator.go` at 2.14.3): accepted, or refused at the same field in the same words.

use meshgate::diagnostic::Severity;
use meshgate::{resources, source};

/// The errors about a resource, without the warnings.
fn errors(yaml: &str, resource_only: bool) -> Vec<(String, String, u32)> {
    let (sources, documents, mut findings) = source::read_text("row.yaml", yaml);
    findings.extend(resources::load(documents, resource_only).1);
    let own = findings.iter().filter(|f| f.severity == Severity::Error);
    let place = |span: source::Span| {
        let text = &sources.file(span.file).text;
        u32::try_from(text[..span.start].lines().count()).expect("short")
    };
    own.map(|f| {
        let text = f.message.rsplit(": ").next().unwrap_or_default();
        let whole = f
            .message
            .strip_prefix(&format!("{}: ", f.path))
            .unwrap_or(text);
        (f.path.clone(), whole.to_owned(), f.span.map_or(0, place))
    })
    .collect()
}

fn policy(kind: &str, spec: &str) -> String {
    format!("type: {kind}\nmesh: default\nname: row\nspec: {{{spec}}}\n")
}

fn older(kind: &str, rest: &str) -> String {
    format!(
        "type: {kind}\nmesh: default\nname: row\nsources: [{{match: {{kuma.io/service: '*'}}}}]\n\
         destinations: [{{match: {{kuma.io/service: '*'}}}}]\n{rest}\n"
    )
}

/// Compares all verdicts and says all that differ.
fn judge(rows: &[(String, &[(&str, &str)])]) {
    let mut differences = Vec::new();
    for (yaml, expected) in rows {
        let mut found: Vec<_> = errors(yaml, true)
            .into_iter()
            .map(|(path, text, _)| (path, text))
            .collect();
        let mut expected: Vec<_> = expected
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
            .collect();
        found.sort();
        expected.sort();
        if found != expected {
            differences.push(format!("{yaml}expected {expected:#?}\ngot {found:#?}\n"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

const NOT_FOR_GATEWAYS: &str = "must not be defined when the scope includes a Gateway, select only proxyType Sidecar or select only gateways and use spec.to";
const NOT_CONDITIONED: &str = "can't be specified when matches contain spiffeID because this field cannot be conditioned on source identity";

#[test]
fn parts_of_policies_go_together_as_on_kuma() {
    let rate = "default: {local: {http: {requestRate: {num: 1, interval: 1s}}}}";
    let to = "targetRef: {kind: Mesh}";
    let sidecars = "targetRef: {kind: Mesh, proxyTypes: [Sidecar]}";
    let gateway = "targetRef: {kind: MeshGateway, name: edge}";
    let fault = "default: {http: [{abort: {httpStatus: 500, percentage: 1}}]}";
    let time = "default: {idleTimeout: 1s}";
    let both = "fields 'to' and 'from' must be empty when 'rules' is defined";
    let none = "must not be defined";
    let row = |kind: &str, spec: String| policy(kind, &spec);
    judge(&[
        (row("MeshRateLimit", format!("{sidecars}, from: [{{{to}, {rate}}}]")), &[]),
        (row("MeshRateLimit", format!("from: [{{{to}, {rate}}}]")), &[("spec.from", NOT_FOR_GATEWAYS)]),
        (row("MeshRateLimit", format!("{gateway}, from: [{{{to}, {rate}}}]")), &[("spec.from", NOT_FOR_GATEWAYS)]),
        (row("MeshRateLimit", format!("rules: [{{{rate}}}]")), &[("spec.rules", none)]),
        (row("MeshRateLimit", format!("{sidecars}, rules: [{{{rate}}}]")), &[]),
        (row("MeshRateLimit", format!("{gateway}, to: [{{{to}, {rate}}}]")), &[]),
        (row("MeshRateLimit", format!("{sidecars}, to: [{{{to}, {rate}}}]")), &[("spec.to", none)]),
        (row("MeshRateLimit", "targetRef: {kind: Mesh}".into()), &[]),
        (
            row("MeshRateLimit", format!("{sidecars}, from: [{{targetRef: {{kind: MeshService, name: a}}, {rate}}}]")),
            &[("spec.from[0].targetRef.kind", "value 'MeshService' is not supported")],
        ),
        (row("MeshFaultInjection", format!("{sidecars}, from: [{{targetRef: {{kind: MeshService, name: a}}, {fault}}}]")), &[]),
        (row("MeshFaultInjection", format!("from: [{{{to}, {fault}}}]")), &[("spec.from", NOT_FOR_GATEWAYS)]),
        (row("MeshFaultInjection", format!("rules: [{{{fault}}}]")), &[]),
        (row("MeshFaultInjection", format!("rules: [{{{fault}}}], to: [{{{to}, {fault}}}]")), &[]),
        (
            row("MeshFaultInjection", format!("{sidecars}, rules: [{{{fault}}}], from: [{{{to}, {fault}}}]")),
            &[("spec", "field 'from' must be empty when 'rules' is defined")],
        ),
        (row("MeshTimeout", format!("from: [{{{to}, {time}}}]")), &[]),
        (row("MeshTimeout", format!("{gateway}, from: [{{{to}, {time}}}]")), &[("spec.from", none)]),
        (row("MeshTimeout", format!("rules: [{{{time}}}], to: [{{{to}, {time}}}]")), &[("spec", both)]),
        (row("MeshTimeout", to.into()), &[("spec", "at least one of 'from', 'to' or 'rules' has to be defined")]),
        (row("MeshHealthCheck", to.into()), &[]),
        (row("MeshRetry", to.into()), &[]),
        (
            row("MeshCircuitBreaker", "targetRef: {kind: MeshHTTPRoute, name: a}, to: []".into()),
            &[
                ("spec", "at least one of 'from', 'to' or 'rules' has to be defined"),
                ("spec.targetRef.kind", "value 'MeshHTTPRoute' is not supported"),
            ],
        ),
        (
            row("MeshCircuitBreaker", format!("{gateway}, to: [{{targetRef: {{kind: MeshService, name: a}}, default: {{connectionLimits: {{}}}}}}]")),
            &[],
        ),
        (
            row("MeshTimeout", format!("targetRef: {{kind: Dataplane, labels: {{a: b}}, sectionName: http}}, from: [{{{to}, {time}}}]")),
            &[],
        ),
        (
            row("MeshTimeout", format!("targetRef: {{kind: Dataplane, name: a, labels: {{a: b}}, sectionName: http}}, to: [{{{to}, {time}}}]")),
            &[
                ("spec.targetRef.labels", "either labels or name and namespace must be specified"),
                ("spec.targetRef.sectionName", "can only be used with inbound policies"),
            ],
        ),
        (row("MeshTLS", "targetRef: {kind: Dataplane, sectionName: http}, from: [{targetRef: {kind: Mesh}, default: {mode: Strict}}]".into()), &[]),
        (
            row("MeshTimeout", format!("to: [{{targetRef: {{kind: MeshHTTPRoute}}, {time}}}]")),
            &[("spec.to[0].targetRef", "name or labels must be set when kind is MeshHTTPRoute")],
        ),
    ]);
}

#[test]
fn clients_are_named_as_on_kuma() {
    let rate =
        "default: {local: {tcp: {connectionRate: {num: 1, interval: 1s}}, http: {disabled: true}}}";
    let sidecars = "targetRef: {kind: Mesh, proxyTypes: [Sidecar]}";
    let with = |kind: &str, matches: &str, conf: &str| {
        policy(
            kind,
            &format!("{sidecars}, rules: [{{matches: [{matches}], {conf}}}]"),
        )
    };
    let log = "default: {backends: []}";
    let id = "spiffeID: {type: Exact, value: 'spiffe://a/b'}";
    judge(&[
        (
            with("MeshRateLimit", &format!("{{{id}}}"), rate),
            &[("spec.rules[0].default.local.tcp", NOT_CONDITIONED)],
        ),
        (
            with("MeshRateLimit", "{sni: {type: Exact, value: a.b}}", rate),
            &[],
        ),
        (
            with("MeshRateLimit", "{}", rate),
            &[(
                "spec.rules[0].matches[0]",
                "must specify at least one of 'spiffeID' or 'sni'",
            )],
        ),
        (
            with(
                "MeshRateLimit",
                "{spiffeID: {type: Suffix, value: a}}",
                "default: {local: {http: {disabled: true}}}",
            ),
            &[
                (
                    "spec.rules[0].matches[0].spiffeID",
                    "must be a valid Spiffe ID: scheme is missing or invalid",
                ),
                (
                    "spec.rules[0].matches[0].spiffeID.type",
                    "unrecognized type \"Suffix\", supported values are: Exact, Prefix",
                ),
            ],
        ),
        (
            with(
                "MeshTimeout",
                &format!("{{{id}}}"),
                "default: {idleTimeout: 1s, http: {requestTimeout: 1s, maxStreamDuration: 1s}}",
            ),
            &[
                (
                    "spec.rules[0].default.http.maxStreamDuration",
                    NOT_CONDITIONED,
                ),
                ("spec.rules[0].default.idleTimeout", NOT_CONDITIONED),
            ],
        ),
        (with("MeshAccessLog", "{}", log), &[]),
        (
            with("MeshAccessLog", "{sni: {type: Prefix}}", log),
            &[
                (
                    "spec.rules[0].matches[0].sni.type",
                    "unrecognized type \"Prefix\", supported values are: Exact",
                ),
                ("spec.rules[0].matches[0].sni.value", "must be set"),
            ],
        ),
    ]);
}

#[test]
fn values_of_policies_are_judged_as_on_kuma() {
    let to = |kind: &str, conf: &str| {
        policy(
            kind,
            &format!("to: [{{targetRef: {{kind: Mesh}}, default: {{{conf}}}}}]"),
        )
    };
    let detectors = |conf: &str| {
        to(
            "MeshCircuitBreaker",
            &format!("outlierDetection: {{{conf}}}"),
        )
    };
    let zero = "must be greater than 0";
    judge(&[
        (
            to("MeshCircuitBreaker", ""),
            &[(
                "spec.to[0].default",
                "at least one of: 'connectionLimits' or 'outlierDetection' should be configured",
            )],
        ),
        (
            detectors("interval: 1s"),
            &[(
                "spec.to[0].default.outlierDetection.detectors",
                "must be defined",
            )],
        ),
        (
            detectors("detectors: {}"),
            &[(
                "spec.to[0].default.outlierDetection.detectors",
                "must have at least one defined: totalFailures, gatewayFailures, localOriginFailures, successRate, failurePercentage",
            )],
        ),
        (
            detectors(
                "detectors: {totalFailures: {consecutive: 0}, successRate: {minimumHosts: 0, standardDeviationFactor: '-1'}, failurePercentage: {threshold: 101}}",
            ),
            &[
                (
                    "spec.to[0].default.outlierDetection.detectors.failurePercentage.threshold",
                    "must be in inclusive range [0, 100]",
                ),
                (
                    "spec.to[0].default.outlierDetection.detectors.successRate.minimumHosts",
                    zero,
                ),
                (
                    "spec.to[0].default.outlierDetection.detectors.successRate.standardDeviationFactor",
                    zero,
                ),
                (
                    "spec.to[0].default.outlierDetection.detectors.totalFailures.consecutive",
                    zero,
                ),
            ],
        ),
        (
            detectors(
                "detectors: {totalFailures: {}, successRate: {standardDeviationFactor: x}}, healthyPanicThreshold: 100.1",
            ),
            &[
                (
                    "spec.to[0].default.outlierDetection.detectors.successRate.standardDeviationFactor",
                    "invalid number",
                ),
                (
                    "spec.to[0].default.outlierDetection.healthyPanicThreshold",
                    "must be in inclusive range [0.0, 100.0]",
                ),
            ],
        ),
        (
            to(
                "MeshHealthCheck",
                "tcp: {}, healthyThreshold: 0, intervalJitterPercent: 101, eventLogPath: log",
            ),
            &[
                (
                    "spec.to[0].default.eventLogPath",
                    "must be a valid path when defined",
                ),
                (
                    "spec.to[0].default.healthyThreshold",
                    "must be greater than zero when defined",
                ),
                (
                    "spec.to[0].default.intervalJitterPercent",
                    "must be in inclusive range [0, 100]",
                ),
            ],
        ),
        (
            to("MeshHealthCheck", ""),
            &[(
                "spec.to[0].default",
                "must have at least one defined: http, tcp, grpc",
            )],
        ),
        (
            to("MeshRetry", "http: {}"),
            &[("spec.to[0].default.conf.http", "must not be empty")],
        ),
        (
            to(
                "MeshRetry",
                "http: {backOff: {}, retryOn: ['999', '503', Get], rateLimitedBackOff: {maxInterval: 0s, resetHeaders: [{name: ''}]}}",
            ),
            &[
                ("spec.to[0].default.conf.http.backOff", "must not be empty"),
                (
                    "spec.to[0].default.conf.http.rateLimitedBackOff.maxInterval",
                    "must be defined and greater than zero",
                ),
                (
                    "spec.to[0].default.conf.http.rateLimitedBackOff.resetHeaders[0].name",
                    "must be defined",
                ),
                (
                    "spec.to[0].default.conf.http.retryOn[0]",
                    "unknown item '999'",
                ),
                (
                    "spec.to[0].default.conf.http.retryOn[2]",
                    "unknown item 'Get'",
                ),
            ],
        ),
        (
            to(
                "MeshRetry",
                "http: {hostSelection: [{predicate: OmitPreviousPriorities, updateFrequency: 1}, {predicate: OmitPreviousPriorities}, {predicate: OmitHostsWithTags}, {predicate: Other}]}",
            ),
            &[
                (
                    "spec.to[0].default.conf.http.hostSelection[1].predicate",
                    "OmitPreviousPriorities must only be specified once",
                ),
                (
                    "spec.to[0].default.conf.http.hostSelection[1].updateFrequency",
                    "must be defined and greater than zero",
                ),
                (
                    "spec.to[0].default.conf.http.hostSelection[2].tags",
                    "must be defined",
                ),
                (
                    "spec.to[0].default.conf.http.hostSelection[3].predicate",
                    "unknown predicate type 'Other'",
                ),
            ],
        ),
        (
            to("MeshRateLimit", "local: {tcp: {}}"),
            &[(
                "spec.to[0].default.local.tcp",
                "must have at least one defined: disabled, connectionRate",
            )],
        ),
        (
            to(
                "MeshRateLimit",
                "local: {http: {requestRate: {num: 1}, onRateLimit: {status: 0}}}",
            ),
            &[
                ("spec.to[0].default.local.http.onRateLimit.status", zero),
                (
                    "spec.to[0].default.local.http.requestRate.interval",
                    "must be greater than: 50ms",
                ),
            ],
        ),
        (
            to(
                "MeshFaultInjection",
                "http: [{abort: {httpStatus: 600, percentage: 101}}, {responseBandwidth: {limit: 100, percentage: x}}]",
            ),
            &[
                (
                    "spec.to[0].default.http.abort[0].httpStatus",
                    "must be in inclusive range [100, 599]",
                ),
                (
                    "spec.to[0].default.http.abort[0].percentage",
                    "must be in inclusive range [0.0, 100.0]",
                ),
                (
                    "spec.to[0].default.http.responseBandwidth[1].limit",
                    "must be in kbps/Mbps/Gbps units",
                ),
                (
                    "spec.to[0].default.http.responseBandwidth[1].percentage",
                    "string must be a valid number, got \"x\"",
                ),
            ],
        ),
        (
            to(
                "MeshFaultInjection",
                "http: [{responseBandwidth: {limit: 100Mbps, percentage: 1}}, {responseBandwidth: {limit: 5 kbps, percentage: '0.5'}}]",
            ),
            &[],
        ),
    ]);
}

#[test]
fn older_policies_are_judged_as_on_kuma() {
    let service = "must consist of exactly one tag \"kuma.io/service\"";
    let selectors = |kind: &str, conf: &str| {
        format!(
            "type: {kind}\nmesh: default\nname: row\nsources: [{{match: {{region: eu}}}}]\ndestinations: [{{match: {{kuma.io/service: a, region: eu}}}}]\n{conf}\n"
        )
    };
    let narrow: &[(&str, &str)] = &[
        ("destinations[0].match", service),
        (
            "destinations[0].match[\"region\"]",
            "tag \"region\" is not allowed",
        ),
        (
            "sources[0].match",
            "mandatory tag \"kuma.io/service\" is missing",
        ),
    ];
    let nothing = "field cannot be empty";
    judge(&[
        (selectors("Timeout", "conf: {connectTimeout: 1s}"), narrow),
        (selectors("Retry", "conf: {http: {numRetries: 1}}"), narrow),
        (selectors("TrafficLog", ""), narrow),
        (
            selectors("CircuitBreaker", "conf: {thresholds: {maxRetries: 1}}"),
            narrow,
        ),
        (
            selectors("TrafficRoute", "conf: {destination: {kuma.io/service: a}}"),
            narrow,
        ),
        (
            selectors("RateLimit", "conf: {http: {requests: 1, interval: 1s}}"),
            &[],
        ),
        (selectors("TrafficPermission", ""), &[]),
        (older("Retry", ""), &[("conf", "has to be defined")]),
        (
            older("HealthCheck", "conf:"),
            &[("conf", "has to be defined")],
        ),
        (older("Timeout", ""), &[("conf", "has to be defined")]),
        (older("RateLimit", ""), &[("conf", "must have conf")]),
        (older("RateLimit", "conf: {}"), &[]),
        (
            older("CircuitBreaker", "conf: {}"),
            &[(
                "conf",
                "must have at least one of the detector or threshold configured",
            )],
        ),
        (
            older(
                "CircuitBreaker",
                "conf: {detectors: {}, thresholds: {maxRetries: 1}}",
            ),
            &[("conf.detectors", "can't be empty")],
        ),
        (
            older(
                "CircuitBreaker",
                "conf: {detectors: {failure: {threshold: 101}}}",
            ),
            &[(
                "conf.detectors.failure.threshold",
                "has to be in [0.0 - 100.0] range",
            )],
        ),
        (
            older("Retry", "conf: {}"),
            &[("conf", "missing protocol [grpc|http|tcp] configuration")],
        ),
        (
            older("Retry", "conf: {http: {}, grpc: {}, tcp: {}}"),
            &[
                ("conf.grpc", nothing),
                ("conf.http", nothing),
                ("conf.tcp.maxConnectAttempts", "has to be greater than 0"),
            ],
        ),
        (
            older(
                "Retry",
                "conf: {http: {numRetries: 0, perTryTimeout: 0s, backOff: {}, retryOn: [retriable_status_codes]}, grpc: {retryOn: [internal, cancelled, internal]}}",
            ),
            &[
                (
                    "conf.grpc.retryOn",
                    "repeated value \"internal\" at indexes [0, 2]",
                ),
                ("conf.http.backOff.baseInterval", "has to be defined"),
                (
                    "conf.http.numRetries",
                    "has to be greater than 0 when defined",
                ),
                (
                    "conf.http.perTryTimeout",
                    "has to be greater than 0 when defined",
                ),
                (
                    "conf.http.retryOn[0]",
                    "retriableStatusCodes cannot be empty when this option is specified",
                ),
            ],
        ),
        (
            older(
                "Timeout",
                "conf: {tcp: {}, http: {idleTimeout: 0s}, grpc: {streamIdleTimeout: 1s}}",
            ),
            &[
                (
                    "conf.http.idleTimeout",
                    "has to be greater than 0 when defined",
                ),
                (
                    "conf.tcp",
                    "at least one timeout in section has to be defined",
                ),
            ],
        ),
        (
            older(
                "RateLimit",
                "conf: {http: {onRateLimit: {headers: [{key: a}]}}}",
            ),
            &[
                ("conf.http.interval", "interval must be set"),
                ("conf.http.onRateLimit.header[\"0\"]", "value must be set"),
                ("conf.http.requests", "requests must be set"),
            ],
        ),
    ]);
}

#[test]
fn what_envoy_refuses_is_refused_when_it_would_be_served() {
    let to = |kind: &str, conf: &str| {
        policy(
            kind,
            &format!("to: [{{targetRef: {{kind: Mesh}}, default: {{{conf}}}}}]"),
        )
    };
    for (yaml, path) in [
        (
            to(
                "MeshFaultInjection",
                "http: [{abort: {httpStatus: 100, percentage: 1}}]",
            ),
            "spec.to[0].default.http.abort[0].httpStatus",
        ),
        (
            to(
                "MeshFaultInjection",
                "http: [{responseBandwidth: {limit: Mbps, percentage: 1}}]",
            ),
            "spec.to[0].default.http.responseBandwidth[0].limit",
        ),
        (
            to("MeshRetry", "http: {perTryTimeout: 0s}"),
            "spec.to[0].default.conf.http.perTryTimeout",
        ),
        (
            to(
                "MeshRateLimit",
                "local: {http: {onRateLimit: {status: 600}}}",
            ),
            "spec.to[0].default.local.http.onRateLimit.status",
        ),
        (
            older("Timeout", "conf: {connectTimeout: 0s}"),
            "conf.connectTimeout",
        ),
        (
            older("RateLimit", "conf: {http: {requests: 1, interval: 1ms}}"),
            "conf.http.interval",
        ),
    ] {
        assert!(errors(&yaml, true).is_empty(), "{yaml}");
        let paths: Vec<_> = errors(&yaml, false)
            .into_iter()
            .map(|(path, ..)| path)
            .collect();
        assert_eq!(paths, [path], "{yaml}");
    }
}

#[test]
fn findings_lead_to_the_line_also_where_kuma_has_another_path() {
    let permission = "type: MeshTrafficPermission\nmesh: default\nname: row\nspec:\n  rules:\n  - default:\n      allow:\n      - spiffeID:\n          type: Exact\n          value: nobody\n";
    let retry = "type: MeshRetry\nmesh: default\nname: row\nspec:\n  to:\n  - targetRef: {kind: Mesh}\n    default:\n      tcp:\n        maxConnectAttempt: 0\n";
    let fault = "type: MeshFaultInjection\nmesh: default\nname: row\nspec:\n  to:\n  - targetRef: {kind: Mesh}\n    default:\n      http:\n      - delay: {value: -1s, percentage: 1}\n";
    for (yaml, path, line) in [
        (permission, "spec.rules[0].allow[0].spiffeID", 8),
        (retry, "spec.to[0].default.conf.tcp.maxConnectAttempt", 9),
        (fault, "spec.to[0].default.http.delay[0].value", 9),
    ] {
        let found: Vec<_> = errors(yaml, true)
            .into_iter()
            .map(|(path, _, line)| (path, line))
            .collect();
        assert_eq!(found, [(path.to_owned(), line)]);
    }
}
