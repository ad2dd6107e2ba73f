//! Envoy in a container that shares the network and some folders of the tests, so that the same tests work.

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;

use anyhow::Context;
use rustix::process::{getgid, getuid};
use testcontainers::core::{Mount, logs::LogFrame};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, GenericImage, ImageExt};

/// A container, removed when this is dropped.
pub(super) struct Container(ContainerAsync<GenericImage>);

impl Container {
    /// Starts one of `image`, in which `{minor}` stands for the first two numbers of the version.
    pub(super) async fn start(
        image: &str,
        version: &str,
        args: &[&str],
        output: File,
        folders: &[&Path],
    ) -> anyhow::Result<Self> {
        let (minor, _) = version.rsplit_once('.').context("a version like 1.40.0")?;
        let image = image.replace("{minor}", minor);
        let (name, tag) = image.rsplit_once(':').context("an image with a tag")?;
        let mut request = GenericImage::new(name, tag)
            .with_cmd(args.iter().copied())
            .with_network("host")
            // The files of tests belong to their user alone; the image would change from root to a user of its own.
            .with_user(format!("{}:{}", getuid().as_raw(), getgid().as_raw()))
            .with_env_var("ENVOY_UID", "0")
            .with_log_consumer(move |frame: &LogFrame| {
                let _ = (&output).write_all(frame.bytes());
            });
        for folder in folders {
            let folder = folder.to_str().context("a folder in UTF-8")?;
            request = request.with_mount(Mount::bind_mount(folder, folder));
        }
        let container = request.start().await;
        Ok(Self(container.with_context(|| {
            format!("no container of {image} starts")
        })?))
    }

    /// How Envoy ended, if it has.
    pub(super) async fn ended(&self) -> anyhow::Result<Option<ExitStatus>> {
        if self.0.is_running().await? {
            return Ok(None);
        }
        let code = self.0.exit_code().await?.unwrap_or_default();
        // As `wait` has it.
        Ok(Some(ExitStatus::from_raw(i32::try_from(code)? << 8)))
    }
}

impl fmt::Debug for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Container").field(&self.0.id()).finish()
    }
}
