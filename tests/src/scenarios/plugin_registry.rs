//! Components in a registry: Debian's `docker-registry`, on loopback.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::plugin_tools::{serin_plugin, text};
use super::{Scenario, scenario};
use crate::agent::Setup;
use crate::kernel::Kernel;
use crate::trigger;

/// `tester` with the password `secret`, in bcrypt.
const USERS: &str = "tester:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a";

pub(crate) fn scenarios() -> Vec<Scenario> {
    let needs = |_: &Kernel| match registry() {
        Some(_) => Ok(()),
        None => Err("no docker-registry here: `cargo xtask test native` fetches it".to_owned()),
    };
    vec![scenario("plugin_registry::pushed_pulled_and_run_by_digest", by_digest).needs(needs)]
}

/// Where it is unpacked, or installed.
fn registry() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let unpacked = cache.or(home).map(|cache| cache.join("serin/docker-registry/usr/bin/docker-registry"));
    let installed = PathBuf::from("/usr/bin/docker-registry");
    unpacked.into_iter().chain([installed]).find(|path| path.is_file())
}

/// A registry that wants a login; ended when dropped.
struct Registry {
    child: Child,
    address: SocketAddr,
}

impl Registry {
    fn start(folder: &Path) -> Result<Self> {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let (users, config) = (folder.join("users"), folder.join("registry.yml"));
        std::fs::write(&users, format!("{USERS}\n"))?;
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '{address}'}}\n\
             auth: {{htpasswd: {{realm: test, path: {}}}}}\n",
            folder.join("storage").display(),
            users.display()
        );
        std::fs::write(&config, text)?;
        let mut command = Command::new(registry().context("no registry")?);
        command.arg("serve").arg(&config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let registry = Self { child: command.spawn().context("cannot start the registry")?, address };
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(address).is_err() {
            ensure!(Instant::now() < deadline, "the registry does not listen on {address}");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(registry)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn by_digest(_: &Kernel) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name);
    let registry = Registry::start(folder.path())?;
    let (component, key, password, store) =
        (path("x.wasm"), path("key.pem"), path("password"), path("store"));
    std::fs::copy(crate::root().join("target/plugins/process-tree.wasm"), &component)?;
    std::fs::write(&password, "secret\n")?;
    let public = serin_plugin(&["keygen", text(&key)?])?;
    serin_plugin(&["sign", text(&component)?, "--key", text(&key)?])?;

    let tag = format!("oci://{}/team/tree:1.0", registry.address);
    let login = ["--plain-http", "--user", "tester", "--password-file", text(&password)?];
    refused(&["push", text(&component)?, &tag, "--plain-http"], &[], "the registry wants a login")?;
    refused(&["push", text(&key)?, &tag], &login, "not a WebAssembly component")?;
    let pushed = serin_plugin(&[&["push", text(&component)?, &tag], &login[..]].concat())?;
    let again = serin_plugin(&[&["push", text(&component)?, &tag], &login[..]].concat())?;
    ensure!(pushed == again && pushed.starts_with(&format!("{tag}@sha256:")), "{pushed}{again}");

    let pinned = pushed.trim();
    let pipeline = format!(
        "\
apiVersion: serin.dev/v1alpha1
kind: Pipeline
spec:
  store: {}
  trust: {{ keys: ['{}'] }}
  plugins:
    - {{ name: tree, component: '{pinned}' }}
  sinks:
    - stdout: {{ format: json }}
",
        store.display(),
        public.trim()
    );
    let log = Setup::new()?.pipeline(&pipeline)?.refusal()?;
    ensure!(log.contains("serin plugin pull --store"), "it is not said what to do: {log}");
    let pulled = serin_plugin(&[&["pull", &tag, "--store", text(&store)?], &login[..]].concat())?;
    ensure!(pulled == pushed, "pushed {pushed}, pulled {pulled}");
    serin_plugin(&[&["pull", pinned, "--store", text(&store)?], &login[..]].concat())?;
    let other = format!("oci://{}/team/tree@sha256:{}", registry.address, "0".repeat(64));
    refused(&["pull", &other, "--store", text(&store)?], &login, "the registry says 404")?;
    // From now on, what is kept is enough.
    drop(registry);
    run(&pipeline)?;
    tampered(&store, &pipeline)
}

/// # Errors
/// If the command succeeds, or fails for another reason.
fn refused(arguments: &[&str], login: &[&str], reason: &str) -> Result<()> {
    match serin_plugin(&[arguments, login].concat()) {
        Ok(said) => bail!("{arguments:?} was done: {said}"),
        Err(error) => {
            ensure!(error.to_string().contains(reason), "not because `{reason}`: {error}");
            Ok(())
        }
    }
}

fn run(pipeline: &str) -> Result<()> {
    let mut agent = Setup::new()?.pipeline(pipeline)?.start()?;
    let ended = trigger::exit(0, &[])?;
    let event =
        agent.wait_for("process_exec", |event| event["process_exec"]["process"]["pid"] == ended.pid)?;
    ensure!(event["serin"]["annotations"][0]["plugin"] == "tree", "the plugin did not run: {event}");
    agent.stop()?;
    Ok(())
}

/// Whoever changes what is kept can't have it run.
fn tampered(store: &Path, pipeline: &str) -> Result<()> {
    for entry in std::fs::read_dir(store)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "blob") {
            continue;
        }
        let before = std::fs::read(&path)?;
        std::fs::write(&path, [&before[..], b"\n"].concat())?;
        let log = Setup::new()?.pipeline(pipeline)?.refusal()?;
        ensure!(log.contains("digest"), "{} was changed: {log}", path.display());
        std::fs::write(&path, before)?;
    }
    run(pipeline)
}
