//! What a terminal gets that a file does not.

use std::fs::{self, File};
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use system_tests::{meshgate, until};
use tempfile::TempDir;

use crate::gateway::Resources;
use crate::wrapper::Wrapper;

const COLOR: &str = "\x1b[1m";
const CLEAR: &str = "\x1b[2K";

/// Runs `meshgate run` on a terminal until its Envoy, which is none, has ended; all that it has written there.
async fn on_a_terminal(resources: &str, set: &[(&str, &str)]) -> anyhow::Result<String> {
    let folder = TempDir::new()?;
    fs::create_dir(folder.path().join("resources"))?;
    fs::write(folder.path().join("resources/gateway.yaml"), resources)?;
    let envoy = Wrapper::of_script(
        "",
        "case \"$*\" in *validate*) sleep 1; exit 0;; *) exit 3;; esac",
    )?;
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    grantpt(&controller)?;
    unlockpt(&controller)?;
    let name = ptsname(&controller, Vec::new())?;
    let terminal = File::from(open(
        name.as_c_str(),
        OFlags::RDWR | OFlags::NOCTTY,
        Mode::empty(),
    )?);
    let mut child = Command::new(meshgate::binary())
        .args([
            "run",
            "resources",
            "--admin",
            "127.0.0.1:0",
            "--status",
            "127.0.0.1:0",
        ])
        .args(["--envoy", &envoy.path()?])
        .current_dir(folder.path())
        .env("MESHGATE_WORK_DIR", folder.path().join("work"))
        .env("TERM", "xterm")
        .env_remove("NO_COLOR")
        .envs(set.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(terminal)
        .spawn()?;
    // It ends when nobody has the terminal open any more; Linux says so with an error.
    let said = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&said);
    let reader = thread::spawn(move || {
        let mut controller = File::from(controller);
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = controller.read(&mut bytes) {
            sink.lock().unwrap().extend_from_slice(&bytes[..count]);
        }
    });
    until("meshgate to end", async || child.try_wait().ok()?).await?;
    reader.join().unwrap();
    let said = said.lock().unwrap().clone();
    Ok(String::from_utf8(said)?)
}

/// A finding in colours, on a screen that says what takes its time.
#[tokio::test]
async fn colours_and_progress_are_for_terminals_that_have_them() -> anyhow::Result<()> {
    let good = Resources::new(1).yaml([127, 0, 0, 1].into());
    let odd = good.replace("protocol: HTTP", "protocol: HTTPZ");
    for (set, color, progress) in [
        (&[][..], true, true),
        (&[("NO_COLOR", "1")], false, true),
        (&[("NO_COLOR", "")], true, true),
        (&[("TERM", "dumb")], false, false),
    ] {
        let said = on_a_terminal(&odd, set).await?;
        assert!(said.contains("MG0106"), "{set:?}: {said:?}");
        assert_eq!(said.contains(COLOR), color, "{set:?}: {said:?}");
        let said = on_a_terminal(&good, set).await?;
        assert_eq!(
            said.contains("Envoy looks at the configuration"),
            progress,
            "{set:?}: {said:?}"
        );
        assert_eq!(said.contains(CLEAR), progress, "{set:?}: {said:?}");
        // Nothing is written over by the same.
        let lines: Vec<_> = said.split(CLEAR).collect();
        let mut pairs = lines.windows(2);
        assert!(pairs.all(|pair| pair[0] != pair[1]), "{said:?}");
        assert!(said.contains("gateway edge-1"), "{set:?}: {said:?}");
    }
    Ok(())
}

/// A screen has an end: what is on it is where to ask for the rest.
#[tokio::test]
async fn the_first_screen_of_many_listeners_is_not_all_of_them() -> anyhow::Result<()> {
    let mut many = Resources::new(1);
    many.http = (0..1000).map(|n| format!("h{n}.example.com")).collect();
    let said = on_a_terminal(&many.yaml([127, 0, 0, 1].into()), &[]).await?;
    assert!(
        said.contains("reading and checking the resources"),
        "{said:?}"
    );
    assert!(
        said.contains("and 961 more, which `meshgate status` shows"),
        "{said:?}"
    );
    assert!(said.contains("try: curl -H 'Host: "), "{said:?}");
    assert!(said.lines().count() < 60, "{said:?}");
    Ok(())
}
