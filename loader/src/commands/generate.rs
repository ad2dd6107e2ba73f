//! `meshgate generate`: what kumactl generates and gateways need.

use std::path::Path;

use anyhow::bail;

use super::Exit;
use crate::certs::{self, KeyType, Role};
use crate::cli::{GenerateCommand, TlsCertificateArgs};
use crate::files;
use crate::output::Output;

pub(super) fn run(command: GenerateCommand, output: &Output) -> anyhow::Result<Exit> {
    match command {
        GenerateCommand::TlsCertificate(args) => tls_certificate(&args, output),
    }
}

/// Kuma `app/kumactl/cmd/generate/generate_certificate.go` at 2.14.3, with its words.
fn tls_certificate(args: &TlsCertificateArgs, output: &Output) -> anyhow::Result<Exit> {
    let role = match args.kind.as_str() {
        "server" => Role::Server,
        "client" => Role::Client,
        other => bail!("invalid certificate type {other:?}, use server or client"),
    };
    let key_type = match args.key_type.as_str() {
        "rsa" => KeyType::Rsa,
        "ecdsa" => KeyType::Ecdsa,
        other => bail!("invalid key type {other:?}, use rsa or ecdsa"),
    };
    if args.hostname.is_empty() {
        bail!("at least one hostname must be given, use --hostname=NAME");
    }
    let pair = certs::self_signed(role, key_type, &args.hostname)?;
    save(&args.key_file, &pair.key, 0o400, "Private key", output)?;
    save(
        &args.cert_file,
        &pair.certificate,
        0o600,
        "Certificate",
        output,
    )?;
    Ok(Exit::Fine)
}

fn save(path: &Path, pem: &str, mode: u32, what: &str, output: &Output) -> anyhow::Result<()> {
    if path == Path::new("-") {
        return output.data(pem.as_bytes());
    }
    files::write(path, pem.as_bytes(), mode)?;
    output.data(format!("{what} saved in {}\n", path.display()).as_bytes())
}
