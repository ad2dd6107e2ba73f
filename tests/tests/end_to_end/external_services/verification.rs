//! Which servers are talked to: whose certificate is good, in the version that is asked for, and with which certificate
//! of one's own.

use rcgen::SanType;
use rcgen::string::Ia5String;
use serde_json::json;
use system_tests::echo::Backend;
use system_tests::envoy::{Envoy, socket_address};
use system_tests::grpc::{self, Code};
use system_tests::on_each_envoy;
use system_tests::outside::{self, Ca, Tls};
use system_tests::tls::Identity;
use tokio_rustls::rustls::version::{TLS12, TLS13};

use super::{World, inline, server, service, verified};

on_each_envoy! {
    only_who_is_expected_is_talked_to
    names_are_of_the_right_type
    versions_are_those_that_are_asked_for
    some_servers_want_to_know_their_client
    who_is_not_talked_to_gets_no_request_either
}

/// What it is, the port of the server, the TLS of the service, and whether the two agree.
type Case = (&'static str, u16, String, bool);

/// Servers send back what they get.
async fn judge(version: &str, cases: &[Case]) -> anyhow::Result<()> {
    let names: Vec<_> = (0..cases.len()).map(|index| format!("s{index}")).collect();
    let services: String = names
        .iter()
        .zip(cases)
        .map(|(name, (_, port, tls, _))| service(name, "tcp", "127.0.0.1", *port, tls))
        .collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let world = World::start(version, &names, &services).await?;
    for (index, (what, _, _, is_right)) in (0..).zip(cases) {
        assert_eq!(world.answers(index).await?, *is_right, "{what}");
    }
    Ok(())
}

/// TLS with `api.test` and this CA, and with more of a `verification`.
fn with(ca: &Ca, more: &str) -> String {
    let pem = inline(&ca.pem());
    verified(&format!("serverName: api.test, caCert: {pem}, {more}"))
}

async fn only_who_is_expected_is_talked_to(version: &str) -> anyhow::Result<()> {
    let (ca, other) = (Ca::new()?, Ca::new()?);
    let right = outside::tcp(&server(ca.sign(&["api.test"], false)?)).await?;
    let foreign = outside::tcp(&server(other.sign(&["api.test"], false)?)).await?;
    let misnamed = outside::tcp(&server(ca.sign(&["else.test"], false)?)).await?;
    let expired = outside::tcp(&server(ca.sign(&["api.test"], true)?)).await?;
    let mode = |mode: &str| with(&ca, &format!("mode: {mode}"));
    let names = |names: &str| with(&ca, &format!("subjectAltNames: [{names}]"));
    let [right, foreign, misnamed, expired] =
        [&right, &foreign, &misnamed, &expired].map(Backend::port);
    judge(
        version,
        &[
            ("right", right, mode("Secured"), true),
            ("another CA", foreign, mode("Secured"), false),
            ("another CA, SkipSAN", foreign, mode("SkipSAN"), false),
            ("another CA, SkipCA", foreign, mode("SkipCA"), true),
            ("another name", misnamed, mode("Secured"), false),
            ("another name, SkipSAN", misnamed, mode("SkipSAN"), true),
            ("expired", expired, mode("Secured"), false),
            ("expired, SkipSAN", expired, mode("SkipSAN"), false),
            ("expired, SkipAll", expired, mode("SkipAll"), true),
            (
                "listed",
                misnamed,
                names("{type: Prefix, value: else}"),
                true,
            ),
            ("not listed", right, names("{value: else.test}"), false),
        ],
    )
    .await
}

/// RFC 9525 §6: a name is looked for among names of its own type, and never in the subject.
async fn names_are_of_the_right_type(version: &str) -> anyhow::Result<()> {
    let ca = Ca::new()?;
    let text = |text: &str| Ia5String::try_from(text);
    let dns = SanType::DnsName(text("api.test")?);
    let any = SanType::DnsName(text("*.test")?);
    let mail = SanType::Rfc822Name(text("api.test")?);
    let uri = SanType::URI(text("api.test")?);
    let spiffe = SanType::URI(text("spiffe://else.test/api")?);
    let address = SanType::IpAddress([127, 0, 0, 1].into());
    let listed = with(&ca, "subjectAltNames: [{value: 'spiffe://else.test/api'}]");
    let own = with(&ca, "");
    let none = verified(&format!("caCert: {}", inline(&ca.pem())));
    // What `outside` calls all its servers.
    let subject = verified(&format!(
        "serverName: server, caCert: {}",
        inline(&ca.pem())
    ));
    let mut cases = Vec::new();
    let mut servers = Vec::new();
    for (what, names, tls, is_right) in [
        ("a DNS name", vec![dns.clone()], &own, true),
        ("a wildcard", vec![any], &own, true),
        ("an e-mail address", vec![mail], &own, false),
        ("a URI", vec![uri], &own, false),
        ("a subject", vec![dns.clone()], &subject, false),
        ("no name", vec![], &own, false),
        ("an ID that is listed", vec![spiffe], &listed, true),
        (
            "a name where an ID is listed",
            vec![dns.clone()],
            &listed,
            false,
        ),
        ("an address", vec![address], &none, true),
        ("a name where an address is called", vec![dns], &none, false),
    ] {
        let backend = outside::tcp(&server(ca.sign_for(names)?)).await?;
        cases.push((what, backend.port(), tls.clone(), is_right));
        servers.push(backend);
    }
    judge(version, &cases).await
}

/// A server of TLS 1.0 or 1.1, which only Envoy's library speaks here: in front of a backend.
async fn outdated(
    version: &str,
    newest: &str,
    identity: &Identity,
    backend: &Backend,
) -> anyhow::Result<Envoy> {
    let endpoint =
        json!({ "endpoint": { "address": socket_address("127.0.0.1", backend.port()) } });
    let bootstrap = json!({ "static_resources": {
        "listeners": [{
            "name": "old",
            "address": socket_address("127.0.0.1", 0),
            "filter_chains": [{
                "filters": [{ "name": "envoy.filters.network.tcp_proxy", "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                    "stat_prefix": "old",
                    "cluster": "backend",
                } }],
                "transport_socket": { "name": "envoy.transport_sockets.tls", "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                    "common_tls_context": {
                        "tls_params": {
                            "tls_minimum_protocol_version": "TLSv1_0",
                            "tls_maximum_protocol_version": newest,
                            // The default has none for versions before 1.2.
                            "cipher_suites": ["ECDHE-ECDSA-AES128-SHA"],
                        },
                        "tls_certificates": [{
                            "certificate_chain": { "inline_string": identity.certificate },
                            "private_key": { "inline_string": identity.key },
                        }],
                    },
                } },
            }],
        }],
        "clusters": [{ "name": "backend", "load_assignment": {
            "cluster_name": "backend",
            "endpoints": [{ "lb_endpoints": [endpoint] }],
        } }],
    } });
    Envoy::start(version, bootstrap).await
}

async fn versions_are_those_that_are_asked_for(version: &str) -> anyhow::Result<()> {
    let ca = Ca::new()?;
    let own = || ca.sign(&["api.test"], false);
    let only = |versions| {
        anyhow::Ok(Tls {
            versions,
            ..server(own()?)
        })
    };
    let servers = [
        outside::tcp(&only(&[&TLS12])?).await?,
        outside::tcp(&only(&[&TLS13])?).await?,
    ];
    let backend = Backend::tcp().await?;
    let old = [
        outdated(version, "TLSv1_0", &own()?, &backend).await?,
        outdated(version, "TLSv1_1", &own()?, &backend).await?,
    ];
    let [v1_0, v1_1] = [
        old[0].listener().await?.port(),
        old[1].listener().await?.port(),
    ];
    let [v1_2, v1_3] = [servers[0].port(), servers[1].port()];
    let between = |min: &str, max: &str| {
        format!(
            "version: {{min: {min}, max: {max}}}, {}",
            with(&ca, "mode: Secured")
        )
    };
    let unverified = |min: &str| format!("version: {{min: {min}}}, {}", with(&ca, "mode: SkipAll"));
    judge(
        version,
        &[
            ("1.2 as it is", v1_2, with(&ca, ""), true),
            ("1.2 of 1.3", v1_2, between("TLS13", "TLSAuto"), false),
            ("1.2 of 1.3, SkipAll", v1_2, unverified("TLS13"), false),
            ("1.2 of 1.2", v1_2, between("TLS12", "TLS12"), true),
            ("1.2 of 1.1", v1_2, between("TLS10", "TLS11"), false),
            ("1.3 of 1.3", v1_3, between("TLS13", "TLSAuto"), true),
            ("1.3 of up to 1.3", v1_3, between("TLSAuto", "TLS13"), true),
            ("1.3 of up to 1.2", v1_3, between("TLSAuto", "TLS12"), false),
            ("1.1 as it is", v1_1, with(&ca, ""), false),
            ("1.1 of 1.2, SkipAll", v1_1, unverified("TLS12"), false),
            ("1.1 of 1.1", v1_1, between("TLS11", "TLSAuto"), true),
            ("1.1 of up to 1.1", v1_1, between("TLSAuto", "TLS11"), true),
            ("1.0 of 1.1", v1_0, between("TLS11", "TLSAuto"), false),
            ("1.0 of 1.0", v1_0, between("TLS10", "TLS10"), true),
            ("1.0 of 1.0, SkipAll", v1_0, unverified("TLS10"), true),
        ],
    )
    .await
}

async fn some_servers_want_to_know_their_client(version: &str) -> anyhow::Result<()> {
    let (ca, clients) = (Ca::new()?, Ca::new()?);
    let mutual = Tls {
        clients: Some(&clients),
        ..server(ca.sign(&["api.test"], false)?)
    };
    let mutual = outside::tcp(&mutual).await?;
    let indifferent = outside::tcp(&server(ca.sign(&["api.test"], false)?)).await?;
    let [mutual, indifferent] = [mutual.port(), indifferent.port()];
    let known = clients.sign(&["web.test"], false)?;
    let stranger = ca.sign(&["web.test"], false)?;
    let expired = clients.sign(&["web.test"], true)?;
    let sends = |own: &Identity, mode: &str| {
        let [certificate, key] = [&own.certificate, &own.key].map(|pem| inline(pem));
        with(
            &ca,
            &format!("clientCert: {certificate}, clientKey: {key}, mode: {mode}"),
        )
    };
    judge(
        version,
        &[
            ("known", mutual, sends(&known, "Secured"), true),
            ("known, SkipCA", mutual, sends(&known, "SkipCA"), true),
            (
                "nobody, as SkipAll sends none",
                mutual,
                sends(&known, "SkipAll"),
                false,
            ),
            ("nobody", mutual, with(&ca, "mode: Secured"), false),
            ("of another CA", mutual, sends(&stranger, "Secured"), false),
            ("expired", mutual, sends(&expired, "Secured"), false),
            (
                "not asked for",
                indifferent,
                sends(&stranger, "Secured"),
                true,
            ),
        ],
    )
    .await
}

async fn who_is_not_talked_to_gets_no_request_either(version: &str) -> anyhow::Result<()> {
    let (ca, other) = (Ca::new()?, Ca::new()?);
    let named = |name: &str, is_expired| {
        anyhow::Ok(Tls {
            alpn: &["h2", "http/1.1"],
            ..server(ca.sign(&[name], is_expired)?)
        })
    };
    let foreign = Tls {
        alpn: &["h2", "http/1.1"],
        ..server(other.sign(&["api.test"], false)?)
    };
    let mut services = String::new();
    let mut names = Vec::new();
    let mut servers = Vec::new();
    let mut calls = Vec::new();
    for (name, tls) in [
        ("foreign", foreign),
        ("misnamed", named("else.test", false)?),
        ("expired", named("api.test", true)?),
    ] {
        let http = outside::http(name, &tls).await?;
        let grpc = grpc::Server::start(Some(&tls)).await?;
        for (protocol, port) in [("http", http.port()), ("grpc", grpc.port())] {
            let name = format!("{name}-{protocol}");
            services += &service(&name, protocol, "127.0.0.1", port, &with(&ca, ""));
            names.push(name);
        }
        servers.push(http);
        calls.push(grpc);
    }
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let world = World::start(version, &names, &services).await?;
    for (index, name) in (0..).zip(&names) {
        if name.ends_with("http") {
            assert_eq!(world.get(index, "/").await?.status, 503, "{name}");
        } else {
            let client = world.call(index).await?;
            let code = client.check("").await.err().map(|status| status.code());
            assert_eq!(code, Some(Code::Unavailable), "{name}");
        }
    }
    Ok(())
}
