//! The loop of `meshgate run`.

use std::net::SocketAddr;
use std::process;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use rustix::process::Pid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;

use super::admin::Admin;
use super::directory::Directory;
use super::envoy::{Envoy, Program, exit_code};
use super::overview::overview;
use super::reload::{Configuration, Refusal, Wanted, apply, judge, prove};
use super::status::{Refused, Shared, now};
use super::watch::Watch;
use super::{Event, Settings, endpoint};
use crate::output::Output;

/// How often the loop looks for what nobody tells it.
const TICK: Duration = Duration::from_millis(100);
/// The wait before Envoy is started again: this, twice this, and so on.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest wait.
const LAST_WAIT: Duration = Duration::from_secs(30);
/// An Envoy that has run for so long has recovered.
const RECOVERED: Duration = Duration::from_mins(1);

/// Makes what the resources ask for, anew each time.
type Load<'a> = &'a mut dyn FnMut() -> Result<Wanted, Refusal>;

/// Serves until a signal or Envoy ends it, and returns the exit code; nothing if there was nothing to serve.
///
/// To be called by the main thread, with which Envoy ends.
pub fn serve(settings: &Settings, load: Load<'_>, output: &Output) -> anyhow::Result<Option<u8>> {
    let (sender, events) = mpsc::channel();
    // Before anything is there that a signal should end.
    forward_signals(sender.clone())?;
    let mut program = Program {
        file: settings.envoy.clone(),
        args: settings.envoy_args.clone(),
        base_id: None,
    };
    let watch = Watch::new(&settings.paths);
    let Some((directory, configuration, refusal)) = first(settings, &program, load, output)? else {
        return Ok(None);
    };
    program.base_id = settings.hot_restart.then(|| directory.base_id());
    let admin = Admin::new(settings.admin);
    let status = Shared::default();
    let own = endpoint::serve(settings.status, status.clone(), admin.clone())?;
    let mut supervisor = Supervisor {
        settings,
        program,
        load,
        output,
        directory,
        configuration,
        admin,
        status,
        watch,
        events,
        sender,
        envoy: None,
        older: Vec::new(),
        started: Instant::now(),
        start_at: Some(Instant::now()),
        wait: FIRST_WAIT,
        was_ready: false,
        retry: false,
    };
    supervisor.introduce(refusal, own);
    supervisor.run().map(Some)
}

/// The configuration to begin with: that of the resources, or else the last good one of an earlier run.
fn first(
    settings: &Settings,
    program: &Program,
    load: Load<'_>,
    output: &Output,
) -> anyhow::Result<Option<(Directory, Configuration, Option<Refusal>)>> {
    let color = output.color_on_stderr();
    let (directory, refusal) = match load() {
        Ok(wanted) => {
            let name = format!("{}.{}", wanted.proxy.mesh, wanted.proxy.name);
            let directory = Directory::of_proxy(&name, &settings.arguments)?;
            match prove(wanted, &directory, program, color) {
                Ok(configuration) => return Ok(Some((directory, configuration, None))),
                Err(refusal) => (Some(directory), refusal),
            }
        }
        Err(refusal) => (Directory::of_arguments(&settings.arguments)?, refusal),
    };
    output.talk(&refusal.why);
    let Some(directory) = directory else {
        return Ok(None);
    };
    let Some(mut kept) = directory.kept()? else {
        return Ok(None);
    };
    kept.admin = Some(crate::envoy::admin(settings.admin));
    let configuration = Configuration::new(None, kept, &directory)?;
    Ok(Some((directory, configuration, Some(refusal))))
}

struct Supervisor<'a> {
    settings: &'a Settings,
    program: Program,
    load: Load<'a>,
    output: &'a Output,
    directory: Directory,
    configuration: Configuration,
    admin: Admin,
    status: Shared,
    watch: Watch,
    events: Receiver<Event>,
    sender: Sender<Event>,
    envoy: Option<Envoy>,
    /// Those that it took over from, as long as they have connections.
    older: Vec<Envoy>,
    /// When Envoy was started last.
    started: Instant,
    /// When it is to be started again.
    start_at: Option<Instant>,
    wait: Duration,
    /// Whether any Envoy has ever been ready: one that never is will not be after a restart either.
    was_ready: bool,
    /// Whether a change is tried once more, because Envoy ended while it took it.
    retry: bool,
}

impl Supervisor<'_> {
    fn introduce(&self, refusal: Option<Refusal>, own: SocketAddr) {
        {
            let mut status = self.status.lock();
            let node = self
                .configuration
                .bootstrap
                .node
                .clone()
                .unwrap_or_default();
            let (mesh, name) = node.id.split_once('.').unwrap_or_default();
            mesh.clone_into(&mut status.mesh);
            name.clone_into(&mut status.gateway);
            status.pid = process::id();
            status.envoy.admin = self.admin.address().to_string();
            status.loaded = self.configuration.status();
        }
        match (&self.configuration.proxy, refusal) {
            (Some(proxy), _) => self.output.talk(overview(proxy)),
            (None, Some(refusal)) => {
                self.refuse(refusal);
                self.output.talk(
                    "meshgate: THE RESOURCES ARE NOT SERVED: this is the last good configuration of an earlier run, until they are mended",
                );
            }
            (None, None) => {}
        }
        self.output.talk(format_args!(
            "status: http://{own}/status, or meshgate status --at {own}"
        ));
    }

    fn run(&mut self) -> anyhow::Result<u8> {
        loop {
            match self.events.recv_timeout(TICK) {
                Ok(Event::Exit(pid, status)) => {
                    self.older.retain(|envoy| envoy.pid() != pid);
                    if self.is_current(pid)
                        && let Some(code) = self.ended(exit_code(status?))
                    {
                        return Ok(code);
                    }
                }
                Ok(Event::Signal(SIGTERM | SIGINT)) => return self.stop(),
                Ok(Event::Signal(SIGHUP)) => self.reload("SIGHUP"),
                Ok(Event::Signal(SIGUSR2)) => self.take_over(),
                Ok(Event::Signal(signal)) => self.pass_on(signal),
                Err(RecvTimeoutError::Timeout) => {}
                Err(error) => return Err(error.into()),
            }
            self.tick()?;
        }
    }

    /// What has to be looked at from time to time.
    fn tick(&mut self) -> anyhow::Result<()> {
        if self.envoy.is_none() && self.start_at.is_some_and(|at| at <= Instant::now()) {
            // A change that was under way may have left some of both.
            if let Err(error) = self.directory.write_all(&self.configuration.split) {
                self.output.talk(format_args!("meshgate: {error:#}"));
            }
            self.start(0)?;
        }
        if let Some(envoy) = &self.envoy
            && !self.status.lock().envoy.ready
            && self.admin.is_ready(envoy.epoch())
        {
            self.ready();
        }
        if !self.status.lock().envoy.ready {
            return Ok(());
        }
        if self.settings.watch && self.watch.has_changed() {
            self.reload("a change");
        } else if self.retry {
            self.reload("one more try");
        }
        Ok(())
    }

    fn start(&mut self, epoch: u32) -> anyhow::Result<()> {
        self.start_at = None;
        let bootstrap = self.directory.bootstrap();
        let envoy = self.program.start(&bootstrap, epoch, self.sender.clone())?;
        self.started = Instant::now();
        let mut status = self.status.lock();
        status.envoy.pid = Some(envoy.pid().as_raw_pid());
        status.envoy.ready = false;
        self.older.extend(self.envoy.replace(envoy));
        Ok(())
    }

    /// Lets the Envoy that is there now take over from the running one, if it takes the configuration.
    fn take_over(&mut self) {
        let Some(epoch) = self.envoy.as_ref().map(|envoy| envoy.epoch() + 1) else {
            return;
        };
        let tried = match self.program.base_id {
            None => Err(anyhow!("it was started without --hot-restart")),
            Some(_) if !self.status.lock().envoy.ready => Err(anyhow!("Envoy is not ready yet")),
            Some(_) => {
                let bootstrap = &self.configuration.bootstrap;
                let judged = judge(bootstrap, &self.directory, &self.program);
                judged.and_then(|()| {
                    Directory::write(
                        &self.directory.bootstrap(),
                        &self.configuration.split.bootstrap,
                    )?;
                    self.start(epoch)
                })
            }
        };
        match tried {
            Ok(()) => self.output.talk("meshgate: another Envoy takes over"),
            Err(error) => self.output.talk(format_args!(
                "meshgate: no other Envoy takes over: {error:#}"
            )),
        }
    }

    /// Envoy takes connections, so its configuration is good.
    fn ready(&mut self) {
        self.status.lock().envoy.ready = true;
        self.was_ready = true;
        self.keep();
    }

    fn reload(&mut self, cause: &str) {
        let is_retry = std::mem::take(&mut self.retry);
        self.watch.reset();
        if !self.status.lock().envoy.ready {
            self.retry = true;
            return;
        }
        match self.try_reload() {
            Ok(Some(note)) => {
                let mut status = self.status.lock();
                status.reloads.applied += 1;
                status.refused = None;
                status.loaded = self.configuration.status();
                drop(status);
                let hash = &self.configuration.hash;
                self.output.talk(format_args!(
                    "meshgate: reloaded after {cause}: {hash}{note}"
                ));
            }
            Ok(None) => {
                let mut status = self.status.lock();
                status.reloads.unchanged += 1;
                status.loaded = self.configuration.status();
                let mended = status.refused.take().is_some();
                drop(status);
                let hash = &self.configuration.hash;
                if mended {
                    self.output.talk(format_args!(
                        "meshgate: mended by {cause}: {hash} is what the resources say"
                    ));
                }
            }
            Err(refusal) => {
                // Envoy may have been ended from outside, and then the change is not to blame.
                self.retry = !is_retry && self.admin.get("ready").is_err();
                self.output.talk(&refusal.why);
                self.output.talk(format_args!(
                    "meshgate: NOT RELOADED after {cause}: {} is still served",
                    self.configuration.hash
                ));
                self.refuse(refusal);
            }
        }
    }

    /// What there is to say about a change that was taken; nothing if there was none.
    fn try_reload(&mut self) -> Result<Option<&'static str>, Refusal> {
        let color = self.output.color_on_stderr();
        let wanted = (self.load)()?;
        let old = &self.configuration;
        let id = format!("{}.{}", wanted.proxy.mesh, wanted.proxy.name);
        if old
            .bootstrap
            .node
            .as_ref()
            .is_some_and(|node| node.id != id)
        {
            return Err(Refusal::new(&anyhow!(
                "the resources are for another proxy now, {id}: start meshgate anew for it"
            )));
        }
        let sources = wanted.sources.clone();
        if wanted.bootstrap == old.bootstrap {
            self.configuration.proxy = Some(wanted.proxy);
            return Ok(None);
        }
        let new = prove(wanted, &self.directory, &self.program, color)?;
        let changed = apply(&self.directory, &self.admin, old, &new, &sources, color)?;
        let needs_restart = new.split.bootstrap != old.split.bootstrap;
        self.configuration = new;
        self.keep();
        let note = if needs_restart {
            " (Envoy has the new name of the service after a restart)"
        } else {
            ""
        };
        Ok((changed || needs_restart).then_some(note))
    }

    /// What is served goes on to be served if it cannot be kept.
    fn keep(&self) {
        if let Err(error) = self.directory.keep(&self.configuration.bootstrap) {
            self.output.talk(format_args!(
                "meshgate: a restart would not come up with what is served now: {error:#}"
            ));
        }
    }

    fn refuse(&self, refusal: Refusal) {
        let mut status = self.status.lock();
        status.reloads.refused += 1;
        status.refused = Some(Refused {
            at: now().0,
            why: refusal.why,
            findings: refusal.findings,
        });
    }

    fn is_current(&self, pid: Pid) -> bool {
        self.envoy.as_ref().is_some_and(|envoy| envoy.pid() == pid)
    }

    /// Envoy has ended by itself. The exit code, if it is not worth another try.
    fn ended(&mut self, code: u8) -> Option<u8> {
        self.envoy = None;
        let mut status = self.status.lock();
        status.envoy.pid = None;
        status.envoy.ready = false;
        if !self.was_ready {
            return Some(code);
        }
        status.envoy.restarts += 1;
        drop(status);
        // One that was being replaced has given its admin interface away, and holds the ports.
        self.older.iter().for_each(|envoy| envoy.signal(SIGTERM));
        if self.started.elapsed() > RECOVERED {
            self.wait = FIRST_WAIT;
        }
        self.output.talk(format_args!(
            "meshgate: Envoy has ended with {code}; it is started again in {:.1} s",
            self.wait.as_secs_f32()
        ));
        self.start_at = Some(Instant::now() + self.wait);
        self.wait = (self.wait * 2).min(LAST_WAIT);
        None
    }

    /// The first SIGTERM or SIGINT lets open requests end, for a while; the second ends Envoy at once.
    fn stop(&mut self) -> anyhow::Result<u8> {
        if self.envoy.is_none() {
            return Ok(0);
        }
        self.status.lock().envoy.draining = true;
        let deadline = Instant::now() + self.settings.drain_time;
        if self
            .admin
            .post("drain_listeners?graceful&skip_exit")
            .is_ok()
        {
            self.output
                .talk("meshgate: draining; once more to stop at once");
            while self.admin.in_service() > 0 && Instant::now() < deadline {
                match self.events.recv_timeout(TICK) {
                    Ok(Event::Exit(pid, status)) if self.is_current(pid) => {
                        return Ok(exit_code(status?));
                    }
                    Ok(Event::Signal(SIGTERM | SIGINT)) => break,
                    Ok(Event::Signal(SIGHUP) | Event::Exit(..))
                    | Err(RecvTimeoutError::Timeout) => {}
                    Ok(Event::Signal(signal)) => self.pass_on(signal),
                    Err(error) => return Err(error.into()),
                }
            }
        }
        self.pass_on(SIGTERM);
        loop {
            match self.events.recv()? {
                Event::Exit(pid, status) if self.is_current(pid) => return Ok(exit_code(status?)),
                Event::Signal(SIGHUP) | Event::Exit(..) => {}
                Event::Signal(signal) => self.pass_on(signal),
            }
        }
    }

    fn pass_on(&self, signal: i32) {
        for envoy in self.older.iter().chain(&self.envoy) {
            envoy.signal(signal);
        }
    }
}

fn forward_signals(events: Sender<Event>) -> anyhow::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2])?;
    thread::spawn(move || {
        for signal in signals.forever() {
            if events.send(Event::Signal(signal)).is_err() {
                break;
            }
        }
    });
    Ok(())
}
