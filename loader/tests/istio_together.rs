//! What Istio drops or takes in silence is said, each with its place: facts of its gateways, and what its users asked
//! about (issues of istio/istio).

use meshgate::diagnostic::Diagnostic;
use meshgate::model::kuma::Input;
use meshgate::{check, resources, source};

/// A gateway with these servers.
fn gateway(name: &str, servers: &[&str]) -> String {
    format!(
        "---\napiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: {name}}}\nspec:\n  selector: {{app: edge}}\n  servers: [{}]\n",
        servers.join(", ")
    )
}

/// A VirtualService of the gateway `edge`.
fn service(name: &str, hosts: &str, rest: &str) -> String {
    format!(
        "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {name}}}\nspec: {{hosts: {hosts}, gateways: [edge], {rest}}}\n"
    )
}

/// The service `web.test` with the port 80.
const WEB: &str = "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: web}\nspec: {hosts: [web.test], ports: [{number: 80, name: http, protocol: HTTP}], resolution: STATIC, endpoints: [{address: 127.0.0.1, labels: {version: v1}}]}\n";

const HTTP: &str = "{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*.test']}";
const TO_WEB: &str = "http: [{route: [{destination: {host: web.test}}]}]";

fn findings(text: &str) -> (source::Sources, Vec<Diagnostic>) {
    let (sources, documents, mut findings) = source::read_text("input.yaml", text);
    let (resources, more) = resources::load(documents, false);
    findings.extend(more);
    let input = Input {
        resources: &resources,
        sources: &sources,
    };
    findings.extend(check::all(input));
    (sources, findings)
}

/// That exactly one finding has the code, stands in the line and says the text.
fn says(text: &str, code: &str, line: &str, message: &str) {
    let (sources, findings) = findings(text);
    let said: Vec<_> = findings
        .iter()
        .map(|finding| format!("{} {}", finding.code, finding.message))
        .collect();
    let mut own = findings
        .iter()
        .filter(|finding| finding.code.to_string() == code);
    let finding = own
        .next()
        .unwrap_or_else(|| panic!("{code} of {said:#?}\nin\n{text}"));
    assert!(own.next().is_none(), "{code} twice in {said:#?}");
    assert!(finding.message.contains(message), "{message}: {said:#?}");
    let span = finding.span.expect("a place");
    let (number, _) = sources.line_column(span);
    let found = text.lines().nth(number - 1).expect("a line");
    assert!(found.contains(line), "{line}: {found}");
    assert!(finding.help.is_some(), "{code} says nothing to do");
}

#[test]
fn good_resources_are_silent() {
    let text = gateway("edge", &[HTTP]) + &service("a", "[a.test]", TO_WEB) + WEB;
    let (_, findings) = findings(&text);
    assert!(findings.is_empty(), "{findings:#?}");
}

#[test]
fn the_second_gateway_of_a_host_is_named() {
    let tls = "{port: {number: 443, name: NAME, protocol: HTTPS}, hosts: [a.test], tls: {mode: PASSTHROUGH}}";
    let one = tls.replace("NAME", "a");
    let other = tls.replace("NAME", "b");
    let text = gateway("edge", &[&one, &other]);
    says(
        &text,
        "MG0614",
        "servers:",
        "a.test on port 443 is served by Gateway/default/edge already",
    );
}

#[test]
fn a_redirect_of_a_host_twice_on_a_port_without_tls_is_named() {
    let redirect = "{port: {number: 80, name: NAME, protocol: HTTP}, hosts: [a.test], tls: {httpsRedirect: true}}";
    let text = gateway(
        "edge",
        &[
            &redirect.replace("NAME", "a"),
            &redirect.replace("NAME", "b"),
        ],
    );
    says(
        &text,
        "MG0614",
        "servers:",
        "a.test on port 80 is served by",
    );
}

#[test]
fn hosts_of_two_namespaces_are_one_sni() {
    let tls = "{port: {number: 443, name: NAME, protocol: HTTPS}, hosts: [SPACE/a.test], tls: {mode: PASSTHROUGH}}";
    let one = tls.replace("NAME", "a").replace("SPACE", "one");
    let other = tls.replace("NAME", "b").replace("SPACE", "two");
    says(
        &gateway("edge", &[&one, &other]),
        "MG0614",
        "servers:",
        "served by",
    );
}

#[test]
fn protocols_that_cannot_share_a_port_are_named() {
    let tcp = "{port: {number: 80, name: tcp, protocol: TCP}, hosts: ['*']}";
    for servers in [[HTTP, tcp], [tcp, HTTP]] {
        says(
            &gateway("edge", &servers),
            "MG0650",
            "servers:",
            "another kind of protocol",
        );
    }
}

#[test]
fn a_case_of_letters_that_does_not_bind_is_named() {
    let server = HTTP.replace("*.test", "A.test");
    let text = gateway("edge", &[&server]) + &service("a", "[a.test]", TO_WEB) + WEB;
    says(
        &text,
        "MG0611",
        "gateways: [edge]",
        "not found in Gateway default/edge",
    );
}

#[test]
fn gateways_that_are_not_there_are_named() {
    let text = service("a", "[a.test]", TO_WEB) + WEB;
    says(
        &text,
        "MG0610",
        "gateways: [edge]",
        "Referenced gateway not found: \"edge\" [IST0101]",
    );
}

#[test]
fn services_ports_and_subsets_that_are_not_there_are_named() {
    for (to, message) in [
        (
            "{host: other.test}",
            "Referenced host not found: \"other.test\" [IST0101]",
        ),
        (
            "{host: web.test, port: {number: 81}}",
            "Referenced host:port not found: \"web.test:81\"",
        ),
        (
            "{host: web.test, subset: v1}",
            "Referenced host+subset in destinationrule not found",
        ),
    ] {
        let rest = format!("http: [{{route: [{{destination: {to}}}]}}]");
        let text = gateway("edge", &[HTTP]) + &service("a", "[a.test]", &rest) + WEB;
        says(&text, "MG0616", "destination", message);
    }
}

#[test]
fn routes_that_another_virtual_service_hides_are_named() {
    let api = "http: [{match: [{uri: {prefix: /api}}], route: [{destination: {host: web.test}}]}]";
    let narrow = api.replace("/api", "/api/v1");
    let text = gateway("edge", &[HTTP])
        + &service("a", "[a.test]", api)
        + &service("b", "[a.test]", &narrow)
        + WEB;
    says(
        &text,
        "MG0604",
        "/api/v1",
        "VirtualService/default/a takes them before it",
    );
}

#[test]
fn redirects_that_lead_nowhere_are_named() {
    let server = "{port: {number: 80, name: http, protocol: HTTP}, hosts: [a.test], tls: {httpsRedirect: true}}";
    says(
        &gateway("edge", &[server]),
        "MG0620",
        "servers:",
        "redirected for ever",
    );
}

#[test]
fn credentials_that_are_not_there_are_named() {
    let server = "{port: {number: 443, name: s, protocol: HTTPS}, hosts: [a.test], tls: {mode: SIMPLE, credentialName: shop}}";
    says(
        &gateway("edge", &[server]),
        "MG0612",
        "servers:",
        "Referenced credentialName not found",
    );
}

#[test]
fn files_that_are_not_there_are_named() {
    let server = "{port: {number: 443, name: s, protocol: HTTPS}, hosts: [a.test], tls: {mode: SIMPLE, serverCertificate: /not/there.crt, privateKey: /not/there.key}}";
    says(
        &gateway("edge", &[server]),
        "MG0680",
        "servers:",
        "/not/there.crt",
    );
}

#[test]
fn settings_of_tls_that_do_nothing_are_named() {
    for (tls, code, message) in [
        (
            "{mode: PASSTHROUGH, minProtocolVersion: TLSV1_3}",
            "MG0601",
            "minProtocolVersion has no effect",
        ),
        (
            "{mode: PASSTHROUGH, subjectAltNames: [a]}",
            "MG0601",
            "subjectAltNames has no effect",
        ),
        (
            "{mode: PASSTHROUGH, minProtocolVersion: TLSV1_3, maxProtocolVersion: TLSV1_2}",
            "MG0603",
            "no handshake succeeds",
        ),
    ] {
        let server = format!(
            "{{port: {{number: 443, name: s, protocol: TLS}}, hosts: [a.test], tls: {tls}}}"
        );
        let text = gateway("edge", &[&server]);
        let (_, findings) = findings(&text);
        let is_said = |finding: &&Diagnostic| {
            finding.code.to_string() == code && finding.message.contains(message)
        };
        assert!(
            findings.iter().any(|finding| is_said(&finding)),
            "{tls} {findings:#?}"
        );
    }
    for (rest, message) in [
        ("ecdhCurves: [P-224]", "Envoy knows no curve `P-224`"),
        (
            "cipherSuites: [ALL, -bogus]",
            "Envoy knows no cipher `-bogus`",
        ),
        (
            "verifyCertificateSpki: [a]",
            "a pinned key is a SHA-256 in base64",
        ),
    ] {
        let server = format!(
            "{{port: {{number: 443, name: s, protocol: HTTPS}}, hosts: [a.test], tls: {{mode: MUTUAL, credentialName: c, {rest}}}}}"
        );
        says(&gateway("edge", &[&server]), "MG0109", "servers:", message);
    }
}

#[test]
fn authorities_that_are_none_are_named() {
    let pair = meshgate::certs::self_signed(
        meshgate::certs::Role::Server,
        meshgate::certs::KeyType::Ecdsa,
        &["a.test".to_owned()],
    )
    .expect("a certificate");
    let indented = |pem: &str| pem.trim_end().replace('\n', "\n    ");
    let server = "{port: {number: 443, name: s, protocol: HTTPS}, hosts: [a.test], tls: {mode: MUTUAL, credentialName: shop}}";
    let secret = format!(
        "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: shop}}\nstringData:\n  tls.crt: |\n    {}\n  tls.key: |\n    {}\n  ca.crt: no authority\n  tls.ocsp-staple: abc\n",
        indented(&pair.certificate),
        indented(&pair.key)
    );
    let text = gateway("edge", &[server]) + &secret;
    says(
        &text,
        "MG0681",
        "servers:",
        "`ca.crt` or `cacert`: there is no certificate in PEM",
    );
    says(
        &text,
        "MG0402",
        "tls.ocsp-staple",
        "clients get no response of OCSP",
    );
}

#[test]
fn destination_rules_of_nothing_are_named() {
    let rule = |host: &str, version: &str| {
        format!(
            "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: web}}\nspec: {{host: {host}, subsets: [{{name: v, labels: {{version: {version}}}}}]}}\n"
        )
    };
    says(
        &(rule("wbe.test", "v1") + WEB),
        "MG0683",
        "wbe.test",
        "IST0174",
    );
    says(
        &(rule("web.test", "v2") + WEB),
        "MG0684",
        "version: v2",
        "IST0173",
    );
    let (_, findings) = findings(&(rule("web.test", "v1") + WEB));
    assert!(findings.is_empty(), "{findings:#?}");
}

#[test]
fn workload_entries_are_among_what_subsets_select() {
    const CHOSEN: &str = "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: web}\nspec: {hosts: [web.test], ports: [{number: 80, name: http, protocol: HTTP}], resolution: STATIC, workloadSelector: {labels: {app: web}}}\n---\napiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: web}\nspec: {address: 127.0.0.1, labels: {app: web, version: v1}}\n";
    let rule = |version: &str| {
        format!(
            "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: web}}\nspec: {{host: web.test, subsets: [{{name: v, labels: {{version: {version}}}}}]}}\n"
        )
    };
    let (_, findings) = findings(&(rule("v1") + CHOSEN));
    assert!(findings.is_empty(), "{findings:#?}");
    says(&(rule("v2") + CHOSEN), "MG0684", "version: v2", "IST0173");
}

#[test]
fn a_mesh_of_kuma_in_the_trust_domain_of_istio_is_named() {
    let mesh = |name: &str| {
        format!(
            "---\ntype: Mesh\nname: {name}\nmtls: {{enabledBackend: ca, backends: [{{name: ca, type: builtin}}]}}\n"
        )
    };
    let mutual = "{port: {number: 443, name: https, protocol: HTTPS}, hosts: ['*.test'], tls: {mode: ISTIO_MUTUAL}}";
    let text = gateway("edge", &[mutual]) + &service("a", "[a.test]", TO_WEB) + WEB;
    let (_, findings) = findings(&(text.clone() + &mesh("default")));
    assert!(findings.is_empty(), "{findings:#?}");
    let taken = text + &mesh("cluster.local");
    says(
        &taken,
        "MG0658",
        "type: Mesh",
        "the trust domain of Istio's mesh",
    );
}

#[test]
fn files_for_tls_to_a_service_that_are_not_there_stop_the_gateway() {
    let rule = "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: web}\nspec: {host: web.test, trafficPolicy: {tls: {mode: SIMPLE, caCertificates: /not/there.crt}}}\n";
    let text = gateway("edge", &[HTTP]) + &service("a", "[a.test]", TO_WEB) + WEB + rule;
    says(&text, "MG0682", "/not/there.crt", "cannot be read");
}

#[test]
fn claims_of_tokens_are_named() {
    let rest = "http: [{match: [{headers: {'@request.auth.claims.group': {exact: a}}}], route: [{destination: {host: web.test}}]}]";
    let text = gateway("edge", &[HTTP]) + &service("a", "[a.test]", rest) + WEB;
    says(&text, "MG0690", "@request.auth.claims.group", "[IST0149]");
}

#[test]
fn rewrites_that_double_a_slash_are_named() {
    let rest = |prefixes: &str| {
        format!(
            "http: [{{match: [{prefixes}], rewrite: {{uri: /}}, route: [{{destination: {{host: web.test}}}}]}}]"
        )
    };
    let all = |rest: &str| gateway("edge", &[HTTP]) + &service("a", "[a.test]", rest) + WEB;
    let text = all(&rest("{uri: {prefix: /shop}}"));
    says(&text, "MG0603", "rewrite", "`/shop/a` becomes `//a`");
    let (_, findings) = findings(&all(&rest(
        "{uri: {prefix: /shop/}}, {uri: {prefix: /shop}}",
    )));
    assert!(findings.is_empty(), "{findings:#?}");
}

/// What is chosen is the proxy; everything else is checked all the same.
#[test]
fn resources_of_kuma_and_istio_in_one_file_are_all_checked() {
    let kuma = "---\ntype: MeshGateway\nname: edge\nmesh: default\nselectors: [{match: {kuma.io/service: edge}}]\nconf: {listeners: [{port: 80, protocol: HTTP, hostname: 'a b'}]}\n";
    let istio = service("a", "[a.test]", TO_WEB) + WEB;
    let text = format!("{istio}{kuma}");
    says(&text, "MG0610", "gateways: [edge]", "IST0101");
    let (_, findings) = findings(&text);
    let mut codes = findings.iter().map(|finding| finding.code.to_string());
    assert!(codes.any(|code| code == "MG0109"), "{findings:#?}");
}
