use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair as Key};

use super::*;

struct Made {
    pem: String,
    key: String,
    issuer: Issuer<'static, Key>,
}

fn authority(name: &str, above: Option<&Made>) -> Made {
    let key = Key::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = match above {
        Some(above) => params.signed_by(&key, &above.issuer).unwrap(),
        None => params.self_signed(&key).unwrap(),
    };
    Made {
        pem: certificate.pem(),
        key: key.serialize_pem(),
        issuer: Issuer::new(params, key),
    }
}

fn secret(parts: &[(&str, &str)]) -> Secret {
    let data = parts
        .iter()
        .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()));
    Secret {
        data: data.collect(),
        ..Secret::default()
    }
}

/// The common names of certificates.
fn names(chain: &str) -> Vec<String> {
    let blocks = pem::parse_many(chain).unwrap();
    let name = |block: &pem::Pem| {
        let (_, read) = X509Certificate::from_der(block.contents()).unwrap();
        let name = read.subject().iter_common_name().next().unwrap();
        name.as_str().unwrap().to_owned()
    };
    blocks.iter().map(name).collect()
}

#[test]
fn proxies_show_what_leads_to_the_root_and_not_the_root() {
    let root = authority("root", None);
    let upper = authority("upper", Some(&root));
    let lower = authority("lower", Some(&upper));
    let all = [&*lower.pem, &upper.pem, &root.pem].concat();
    let own = |own: &Made, above: &str| {
        let secret = secret(&[
            ("ca-cert.pem", &own.pem),
            ("ca-key.pem", &own.key),
            ("root-cert.pem", &root.pem),
            ("cert-chain.pem", above),
        ]);
        given(&secret).map(|pair| names(&pair.chain))
    };
    assert_eq!(own(&lower, &all).unwrap(), ["lower", "upper"]);
    assert_eq!(own(&lower, &upper.pem).unwrap(), ["lower", "upper"]);
    assert_eq!(own(&upper, "").unwrap(), ["upper"]);
    assert!(own(&root, &root.pem).unwrap().is_empty());
    let broken = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
    assert_eq!(
        own(&lower, broken).unwrap_err(),
        "cert-chain.pem: there is no certificate"
    );
}
