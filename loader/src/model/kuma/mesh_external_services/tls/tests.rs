use super::*;
use crate::certs::{KeyType, Role, self_signed};
use crate::resources::kuma::mesh_external_service::Version;

fn source(name: &str) -> DataSource {
    DataSource {
        secret: Some(name.to_owned()),
        ..DataSource::default()
    }
}

fn conf(mode: &str) -> Verification {
    Verification {
        mode: mode.to_owned(),
        server_name: Some("custom.test".to_owned()),
        ..Verification::default()
    }
}

fn secured(conf: Verification) -> Tls {
    Tls {
        enabled: true,
        verification: Some(conf),
        ..Tls::default()
    }
}

/// The file of the system's CAs.
const SYSTEM: Option<&str> = Some("/cas.pem");

/// Secrets: a certificate `cert` with `key`, and `junk`.
fn try_with(tls: &Tls, host: &str, system: Option<&str>) -> Result<UpstreamTls, Wrong> {
    let own = self_signed(Role::Client, KeyType::Ecdsa, &["client.test".to_owned()]).unwrap();
    let read = |source: &DataSource| match source.secret.as_deref() {
        Some("cert") => Ok(own.certificate.clone()),
        Some("key") => Ok(own.key.clone()),
        Some("junk") => Ok("junk".to_owned()),
        _ => Err(Unusable {
            code: Code::MissingSecret,
            why: String::new(),
        }),
    };
    made(tls, host, read, || system.map(str::to_owned))
}

/// The table of Kuma's four modes.
#[test]
fn modes_say_what_is_looked_at() {
    let exact = |name: &str| vec![ExpectedName::Exact(name.to_owned())];
    for (mode, sni, expected, has_authority, has_certificate) in [
        ("", "custom.test", exact("custom.test"), true, true),
        ("Secured", "custom.test", exact("custom.test"), true, true),
        ("SkipSAN", "api.test", vec![], true, true),
        ("SkipCA", "custom.test", vec![], false, true),
        ("SkipAll", "api.test", vec![], false, false),
    ] {
        let tls = Tls {
            version: Some(Version {
                min: "TLS12".to_owned(),
                max: "TLSAuto".to_owned(),
            }),
            allow_renegotiation: true,
            ..secured(Verification {
                ca_cert: Some(source("cert")),
                client_cert: Some(source("cert")),
                client_key: Some(source("key")),
                ..conf(mode)
            })
        };
        let made = try_with(&tls, "api.test", SYSTEM).ok().unwrap();
        assert_eq!(made.sni.as_deref(), Some(sni), "{mode}");
        assert_eq!(made.expected, expected, "{mode}");
        let is_given = matches!(made.authority, Some(Authority::Pem(_)));
        assert_eq!(is_given, has_authority, "{mode}");
        assert_eq!(made.authority.is_some(), has_authority, "{mode}");
        assert_eq!(made.certificate.is_some(), has_certificate, "{mode}");
        let versions = (made.min, made.max);
        assert_eq!(versions, (Some(TlsVersion::V1_2), None), "{mode}");
        assert!(made.allow_renegotiation);
    }
}

#[test]
fn the_name_is_that_of_the_first_endpoint() {
    for (host, sni, expected) in [
        ("api.test", Some("api.test"), "api.test"),
        ("192.0.2.1", None, "192.0.2.1"),
        ("2001:db8::1", None, "2001:db8::1"),
    ] {
        let made = try_with(&secured(Verification::default()), host, SYSTEM);
        let made = made.ok().unwrap();
        assert_eq!(made.sni.as_deref(), sni);
        let expected = vec![ExpectedName::Exact(expected.to_owned())];
        assert_eq!(made.expected, expected);
        assert_eq!(made.authority, Some(Authority::File("/cas.pem".to_owned())));
    }
}

#[test]
fn alternative_names_are_the_only_ones() {
    let san = |kind: &str, value: &str| SanMatch {
        kind: kind.to_owned(),
        value: value.to_owned(),
    };
    let tls = secured(Verification {
        subject_alt_names: vec![san("Exact", "a.test"), san("Prefix", "spiffe://b/")],
        ..conf("Secured")
    });
    let made = try_with(&tls, "api.test", SYSTEM).ok().unwrap();
    assert_eq!(made.sni.as_deref(), Some("custom.test"));
    let expected = [
        ExpectedName::Exact("a.test".to_owned()),
        ExpectedName::Prefix("spiffe://b/".to_owned()),
    ];
    assert_eq!(made.expected, expected);
}

#[test]
fn what_cannot_be_looked_at_is_not_reached() {
    let with = |change: fn(&mut Verification)| {
        let mut conf = Verification::default();
        change(&mut conf);
        secured(conf)
    };
    for (tls, host, system, field, code) in [
        (
            with(|_| ()),
            "api.test",
            None,
            "caCert",
            Code::NoSystemAuthority,
        ),
        (
            with(|conf| conf.ca_cert = Some(source("none"))),
            "api.test",
            SYSTEM,
            "caCert",
            Code::MissingSecret,
        ),
        (
            with(|conf| conf.ca_cert = Some(source("junk"))),
            "api.test",
            SYSTEM,
            "caCert",
            Code::InvalidCertificate,
        ),
        (
            with(|conf| {
                conf.client_cert = Some(source("cert"));
                conf.client_key = Some(source("junk"));
            }),
            "api.test",
            SYSTEM,
            "clientCert",
            Code::InvalidCertificate,
        ),
        (
            with(|_| ()),
            "unix:///run/api.sock",
            SYSTEM,
            "serverName",
            Code::NamelessService,
        ),
    ] {
        let (wrong, unusable) = try_with(&tls, host, system).err().unwrap();
        assert_eq!((wrong, unusable.code), (field, code));
    }
}
