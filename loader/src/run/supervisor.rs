//! The loop of `meshgate run`.

mod changes;
mod processes;
mod upgrade;

use std::net::SocketAddr;
use std::process;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;
use time::OffsetDateTime;

use self::changes::FIRST_RETRY;
use self::processes::FIRST_WAIT;
use super::admin::Admin;
use super::directory::Directory;
use super::envoy::{Envoy, PROGRESS, Program, exit_code};
use super::overview::overview;
use super::reload::{Configuration, Refusal, Wanted};
use super::status::Shared;
use super::stop::Stop;
use super::streamer::Streamer;
use super::watch::{Named, Watch};
use super::words::Words;
use super::{Event, Settings, endpoint};
use crate::envoy::is_of_istio;
use crate::model::Proxy;
use crate::output::Output;

/// How often the loop looks for what nobody tells it.
const TICK: Duration = Duration::from_millis(100);

/// Makes what the resources ask for, anew each time; says also which files they name, as soon as that is known.
type Load<'a> = &'a mut dyn FnMut(&mut Option<Named>) -> Result<Wanted, Refusal>;

/// Serves until a signal or Envoy ends it, and returns the exit code; nothing if there was nothing to serve.
///
/// To be called by the main thread, with which Envoy ends.
pub fn serve(settings: &Settings, load: Load<'_>, output: &Output) -> anyhow::Result<Option<u8>> {
    let (sender, events) = mpsc::channel();
    let stop = Stop::default();
    // Before anything is there that a signal should end.
    forward_signals(sender.clone(), stop.clone())?;
    let mut program = Program {
        file: settings.envoy.clone(),
        args: settings.envoy_args.clone(),
        base_id: None,
        words: Words::default(),
        stop: stop.clone(),
        output: output.clone(),
    };
    let mut watch = Watch::new(&settings.paths);
    let mut streamer = None;
    let first = first(settings, &program, load, &mut watch, &mut streamer, output);
    if stop.asked_at().is_some() {
        output.done();
        return Ok(Some(0));
    }
    let Some(First {
        directory,
        configuration,
        said,
    }) = first?
    else {
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
        streamer,
        admin,
        status,
        watch,
        binary: Watch::new(std::slice::from_ref(&settings.envoy)),
        stop,
        events,
        sender,
        envoy: None,
        older: Vec::new(),
        started: Instant::now(),
        start_at: Some(Instant::now()),
        wait: FIRST_WAIT,
        was_ready: false,
        retry_at: None,
        retry_wait: FIRST_RETRY,
    };
    supervisor.introduce(said, own);
    let code = supervisor.run();
    if let Some(streamer) = supervisor.streamer {
        streamer.finish();
    }
    code.map(Some)
}

/// What to begin with.
struct First {
    directory: Directory,
    configuration: Configuration,
    /// The first screen about it; of one of an earlier run why it is not that of the resources.
    said: Result<String, Refusal>,
}

/// The configuration of the resources, or else the last good one of an earlier run; nothing if there is neither.
fn first(
    settings: &Settings,
    program: &Program,
    load: Load<'_>,
    watch: &mut Watch,
    streamer: &mut Option<Streamer>,
    output: &Output,
) -> anyhow::Result<Option<First>> {
    let color = output.color_on_stderr();
    let mut named = None;
    let loaded = output.progress_of("reading and checking the resources", || load(&mut named));
    if let Some(named) = named {
        watch.follow(named);
    }
    let (directory, refusal) = match loaded {
        Ok(mut wanted) => {
            let name = format!("{}.{}", wanted.proxy.mesh, wanted.proxy.name);
            let directory = Directory::of_proxy(&name, &settings.arguments)?;
            stream_logs(streamer, Some(&wanted.proxy), &directory, output)?;
            // Without a configuration from before there is nothing to lose.
            let checked = if directory.has_kept() {
                wanted.check_beside(&directory.errors(), color)
            } else {
                Ok(())
            };
            let proved = checked.and_then(|()| {
                wanted.begin(output)?;
                let screen = overview(&wanted.proxy);
                let (new, sources) = Configuration::of(wanted, &directory)?;
                new.prove(&directory, program, &sources, color)?;
                Ok((new, screen))
            });
            match proved {
                Ok((configuration, screen)) => {
                    return Ok(Some(First {
                        directory,
                        configuration,
                        said: Ok(screen),
                    }));
                }
                Err(refusal) => (Some(directory), refusal),
            }
        }
        Err(refusal) => (Directory::of_arguments(&settings.arguments)?, refusal),
    };
    let kept = match &directory {
        Some(directory) => directory.kept()?,
        None => None,
    };
    let (Some(directory), Some(mut kept)) = (directory, kept) else {
        if refusal.is_about_resources() {
            output.report(&refusal.why, &refusal.findings);
            return Ok(None);
        }
        bail!(refusal.why);
    };
    output.report(&refusal.why, &refusal.findings);
    stream_logs(streamer, None, &directory, output)?;
    kept.admin = Some(crate::envoy::admin(settings.admin));
    let mut configuration = Configuration::new(None, kept, &directory)?;
    configuration.errors = directory.errors();
    configuration.renewal = directory.renewal()?;
    Ok(Some(First {
        directory,
        configuration,
        said: Err(refusal),
    }))
}

/// Sends log lines from now on, if the proxy has any for TCP servers; of one from an earlier run that is not known.
///
/// To be called before Envoy gets to see the configuration: where there is no pipe, it makes a file.
fn stream_logs(
    streamer: &mut Option<Streamer>,
    proxy: Option<&Proxy>,
    directory: &Directory,
    output: &Output,
) -> anyhow::Result<()> {
    let has_lines = proxy.is_none_or(|proxy| proxy.log_servers().next().is_some());
    if streamer.is_none() && has_lines {
        *streamer = Some(Streamer::start(&directory.log_pipe(), output)?);
    }
    Ok(())
}

struct Supervisor<'a> {
    settings: &'a Settings,
    program: Program,
    load: Load<'a>,
    output: &'a Output,
    directory: Directory,
    configuration: Configuration,
    /// Absent as long as no lines go to TCP servers.
    streamer: Option<Streamer>,
    admin: Admin,
    status: Shared,
    watch: Watch,
    /// The file of Envoy.
    binary: Watch,
    stop: Stop,
    events: Receiver<Event>,
    sender: Sender<Event>,
    envoy: Option<Envoy>,
    /// Those that it took over from, as long as they have connections.
    older: Vec<Envoy>,
    /// When Envoy was started last.
    started: Instant,
    /// When it is to be started again.
    start_at: Option<Instant>,
    /// How long that will be after its next end.
    wait: Duration,
    /// Whether any Envoy has ever been ready: one that never is will not be after a restart either.
    was_ready: bool,
    /// When a change is tried once more that could not be tried, though nothing was wrong with it.
    retry_at: Option<Instant>,
    /// How long that will be after the next failure.
    retry_wait: Duration,
}

impl Supervisor<'_> {
    fn introduce(&mut self, said: Result<String, Refusal>, own: SocketAddr) {
        {
            let mut status = self.status.lock();
            let node = &self.configuration.node;
            let (around, name) = node.id.split_once('.').unwrap_or_default();
            if is_of_istio(node) {
                status.namespace = Some(around.to_owned());
            } else {
                around.clone_into(&mut status.mesh);
            }
            name.clone_into(&mut status.gateway);
            status.pid = process::id();
            status.envoy.admin = self.admin.address().to_string();
            status.show(&self.configuration.shown);
        }
        match said {
            Ok(screen) => self.output.talk(screen),
            Err(refusal) => {
                self.refuse(refusal);
                self.output.talk(
                    "meshgate: THE RESOURCES ARE NOT SERVED: this is the last good configuration of an earlier run, until they are mended",
                );
            }
        }
        if let Some(note) = self.configuration.split.shares.note() {
            self.output.talk(format_args!("meshgate: {note}"));
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
                Ok(Event::Signal(SIGUSR2)) => {
                    if let Some(code) = self.exchange()? {
                        return Ok(code);
                    }
                }
                Ok(Event::Signal(signal)) => self.pass_on(signal),
                Err(RecvTimeoutError::Timeout) => {}
                Err(error) => return Err(error.into()),
            }
            self.tick()?;
        }
    }

    /// What has to be looked at from time to time.
    fn tick(&mut self) -> anyhow::Result<()> {
        self.renew();
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
            self.show_start();
            return Ok(());
        }
        if self.binary.has_changed() {
            self.binary.reset();
            self.upgrade();
        }
        if self.settings.watch && self.watch.has_changed() {
            self.reload("a change");
        } else if self.retry_at.is_some_and(|at| at <= Instant::now()) {
            self.reload("one more try");
        }
        Ok(())
    }

    /// Sees to it that the proxy can prove who it is.
    fn renew(&mut self) {
        if let Some(renewal) = &mut self.configuration.renewal
            && let Err(error) =
                renewal.renew(OffsetDateTime::now_utc(), |note| self.output.warn(note))
        {
            let error = error.context("the identity could not be renewed");
            self.output.talk(format_args!("meshgate: {error:#}"));
        }
    }

    /// A configuration with thousands of routes takes Envoy some time.
    fn show_start(&self) {
        let waited = self.started.elapsed();
        if self.envoy.is_some() && waited > PROGRESS {
            self.output.progress("Envoy starts", waited);
        }
    }

    /// Envoy takes connections, so its configuration is good.
    fn ready(&mut self) {
        self.output.done();
        self.status.lock().envoy.ready = true;
        self.was_ready = true;
        self.keep();
    }
}

fn forward_signals(events: Sender<Event>, stop: Stop) -> anyhow::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2])?;
    thread::spawn(move || {
        for signal in signals.forever() {
            if matches!(signal, SIGTERM | SIGINT) {
                stop.ask();
            }
            if events.send(Event::Signal(signal)).is_err() {
                break;
            }
        }
    });
    Ok(())
}
