//! Certificates, authorities and revocations in files that Envoy reads by itself: looked into before, as Envoy refuses
//! its whole configuration for one that is missing or that it does not like.

use std::fs;

use super::{Unusable, authorities, bundle};
use crate::diagnostic::Code;
use crate::model::Certificate;

/// No certificate is as large; a device or a pipe would never end.
const MAX_BYTES: u64 = 1 << 20;

/// Which file of a certificate cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Chain,
    Key,
}

/// The certificate in a file with its key in another one, or in the same, among other blocks that Envoy passes over.
pub(crate) fn pair(chain: &str, key: &str) -> Result<Certificate, (Which, Unusable)> {
    let certificates = blocks(chain, "CERTIFICATE").map_err(|why| (Which::Chain, why))?;
    let mut keys = blocks(key, "PRIVATE KEY").map_err(|why| (Which::Key, why))?;
    if certificates.is_empty() {
        let why = format!("`{chain}` holds no certificate in PEM");
        return Err((Which::Chain, Unusable::invalid(why)));
    }
    keys.truncate(1);
    let Some(own) = keys.pop() else {
        let why = format!("`{key}` holds no private key in PEM");
        return Err((Which::Key, Unusable::invalid(why)));
    };
    let both = certificates.concat() + &own;
    bundle::read(chain, &both).map_err(|unusable| {
        let is_key = unusable.code == Code::InvalidCertificate && unusable.why.contains("key");
        let which = if is_key { Which::Key } else { Which::Chain };
        // The number of a block in both files together says nothing about either.
        let why = match unusable.why.split_once("]: ") {
            Some((start, rest)) if start.starts_with("secret[") => rest.to_owned(),
            _ => unusable.why,
        };
        let file = if which == Which::Key { key } else { chain };
        (
            which,
            Unusable::new(unusable.code, format!("`{file}`: {why}")),
        )
    })
}

/// That a file holds authorities.
pub(crate) fn authority(name: &str) -> Result<(), Unusable> {
    authorities::certificates(&read(name)?).map_err(|why| of(name, &why))
}

/// That a file holds what is revoked.
pub(crate) fn revoked(name: &str) -> Result<(), Unusable> {
    authorities::revoked(&read(name)?).map_err(|why| of(name, &why))
}

fn of(name: &str, unusable: &Unusable) -> Unusable {
    Unusable::new(unusable.code, format!("`{name}`: {}", unusable.why))
}

/// The blocks of a file whose names end so, as text.
fn blocks(name: &str, end: &str) -> Result<Vec<String>, Unusable> {
    let blocks = pem::parse_many(read(name)?)
        .map_err(|why| Unusable::invalid(format!("`{name}`: invalid PEM: {why}")))?;
    let wanted = blocks.iter().filter(|block| block.tag().ends_with(end));
    Ok(wanted.map(ToString::to_string).collect())
}

/// The text of a file of a size that certificates have.
pub(crate) fn read(name: &str) -> Result<String, Unusable> {
    let missing = |why: String| Unusable::new(Code::MissingFile, why);
    let unread = |why: std::io::Error| missing(format!("`{name}` cannot be read: {why}"));
    let found = fs::metadata(name).map_err(unread)?;
    if !found.is_file() {
        return Err(missing(format!("`{name}` is no file")));
    }
    if found.len() > MAX_BYTES {
        return Err(missing(format!("`{name}` is larger than 1 MiB")));
    }
    let bytes = fs::read(name).map_err(unread)?;
    String::from_utf8(bytes)
        .map_err(|_| Unusable::invalid(format!("`{name}` is no PEM: it is no text")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certs::{KeyType, Role, self_signed};

    #[test]
    fn what_envoy_would_refuse_is_found_in_files() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let own = self_signed(Role::Server, KeyType::Ecdsa, &["a.test".to_owned()]).unwrap();
        let other = self_signed(Role::Server, KeyType::Ecdsa, &["a.test".to_owned()]).unwrap();
        let chain = write("tls.crt", &own.certificate);
        let key = write("tls.key", &own.key);
        let both = write("both.pem", &format!("{}{}", own.key, own.certificate));
        let other_key = write("other.key", &other.key);
        let nothing = write("empty", "");
        let garbage = write(
            "garbage",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        );
        let missing = format!("{chain}.not-there");
        let folder = folder.path().to_str().unwrap();
        for (chain, key, expected) in [
            (chain.as_str(), key.as_str(), None),
            (&both, &both, None),
            (&missing, &key, Some((Which::Chain, Code::MissingFile))),
            (&chain, &missing, Some((Which::Key, Code::MissingFile))),
            (folder, &key, Some((Which::Chain, Code::MissingFile))),
            (
                &nothing,
                &key,
                Some((Which::Chain, Code::InvalidCertificate)),
            ),
            (
                &chain,
                &nothing,
                Some((Which::Key, Code::InvalidCertificate)),
            ),
            (
                &garbage,
                &key,
                Some((Which::Chain, Code::InvalidCertificate)),
            ),
            (&chain, &other_key, Some((Which::Chain, Code::KeyMismatch))),
        ] {
            let found = pair(chain, key).err().map(|(which, why)| (which, why.code));
            assert_eq!(found, expected, "{chain} {key}");
        }
        assert_eq!(authority(&chain), Ok(()));
        for file in [&key, &nothing, &garbage] {
            let code = authority(file).map_err(|why| why.code);
            assert_eq!(code, Err(Code::UnusableAuthorities), "{file}");
        }
        let code = revoked(&chain).map_err(|why| why.code);
        assert_eq!(code, Err(Code::UnusableAuthorities));
    }
}
