//! Where an Envoy runs: as a child process, or in a container of `$MESHGATE_ENVOY_IMAGE`.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::Context;

#[cfg(feature = "containers")]
use super::container::Container;

/// A started Envoy. It is killed when this is dropped.
#[derive(Debug)]
pub(super) enum Process {
    Child(Child),
    #[cfg(feature = "containers")]
    Container(Box<Container>),
}

impl Process {
    /// Starts Envoy with these arguments. What it prints goes to `output`; a container sees `folders` and no others.
    #[cfg_attr(
        not(feature = "containers"),
        expect(clippy::unused_async, reason = "containers are started so")
    )]
    pub(super) async fn start(
        version: &str,
        args: &[&str],
        output: File,
        folders: &[&Path],
    ) -> anyhow::Result<Self> {
        if let Ok(image) = std::env::var("MESHGATE_ENVOY_IMAGE") {
            #[cfg(feature = "containers")]
            return Ok(Self::Container(Box::new(
                Container::start(&image, version, args, output, folders).await?,
            )));
            #[cfg(not(feature = "containers"))]
            anyhow::bail!(
                "for Envoys of {image}, the tests need `--features containers`, not {folders:?}"
            );
        }
        let child = Command::new(super::binary(version)?)
            .args(args)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("Envoy does not start")?;
        Ok(Self::Child(child))
    }

    /// The number of a child.
    #[cfg_attr(
        not(feature = "containers"),
        expect(clippy::unnecessary_wraps, reason = "a container has none")
    )]
    pub(super) fn id(&self) -> Option<u32> {
        match self {
            Self::Child(child) => Some(child.id()),
            #[cfg(feature = "containers")]
            Self::Container(_) => None,
        }
    }

    /// How it ended, if it has.
    #[cfg_attr(
        not(feature = "containers"),
        expect(clippy::unused_async, reason = "containers are asked so")
    )]
    pub(super) async fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        match self {
            Self::Child(child) => Ok(child.try_wait()?),
            #[cfg(feature = "containers")]
            Self::Container(container) => container.ended().await,
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        match self {
            // Both fail when it has ended already.
            Self::Child(child) => {
                let _ = child.kill();
                let _ = child.wait();
            }
            #[cfg(feature = "containers")]
            Self::Container(_) => {}
        }
    }
}
